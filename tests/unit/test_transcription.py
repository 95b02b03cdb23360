"""Transcription over HTTP from a real local server with valid and faulty replies, and subtitles used before it."""

from __future__ import annotations

import email.parser
import email.policy
import io
import json
import threading
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import numpy as np
import pytest

from agentcvr_graph.errors import CVRError, InfrastructureError, SetupError
from agentcvr_graph.media.types import SAMPLE_RATE_HZ, Cue
from agentcvr_graph.models.adapters.transcription_endpoint import TranscriptionEndpoint, split_window
from agentcvr_graph.models.base import ModelOutput, Sound
from agentcvr_graph.models.focus import focus_first
from agentcvr_graph.models.subtitles_first import SubtitlesFirst
from agentcvr_graph.types import Cost, Evidence, Window, WordTimes

SEGMENTS = [
    {"start": 0.5, "end": 2.0, "text": " Add the salt."},
    {"start": 2.5, "end": 40.0, "text": " Then stir.", "no_speech_prob": 0.1, "avg_logprob": -0.2},
    {"start": 3.0, "end": 3.5, "text": " Thank you.", "no_speech_prob": 0.9, "avg_logprob": -1.5},
    {"start": 29.0, "end": 30.0, "text": " In the padding."},
]
VERBOSE = json.dumps({"text": "Add the salt. Then stir.", "segments": SEGMENTS})
PLAIN = json.dumps({"text": "Add the salt.", "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 5}})


@dataclass
class Stub:
    """A transcription endpoint with scripted replies. It records the forms and keys it receives."""

    replies: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    forms: list[dict[str, bytes]] = field(default_factory=list[dict[str, bytes]])
    words: list[list[bytes]] = field(default_factory=list[list[bytes]])
    """The granularities of each form."""
    keys: list[str] = field(default_factory=list[str])
    release: threading.Event = field(default_factory=threading.Event)
    url: str = ""


@pytest.fixture
def stub(socket_enabled: None) -> Iterator[Stub]:
    stub = Stub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fields = read_fields(self.headers["Content-Type"], body)
            stub.forms.append(dict(fields))
            stub.words.append([value for name, value in fields if name == "timestamp_granularities[]"])
            stub.keys.append(self.headers["Authorization"])
            status, text = stub.replies.pop(0)
            if status == 0:
                stub.release.wait(30)  # hangs until the test ends
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield stub
    stub.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def read_fields(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    return [
        (str(part.get_param("name", header="content-disposition")), cast(bytes, part.get_payload(decode=True)))
        for part in message.iter_parts()  # pyright: ignore[reportAttributeAccessIssue]
    ]


def sound(start_s: float = 10.0, end_s: float = 15.0, cues: tuple[Cue, ...] = ()) -> Sound:
    samples = np.full(round((end_s - start_s) * SAMPLE_RATE_HZ), 0.5, dtype=np.float32)
    return Sound(Window(video=2, start_s=start_s, end_s=end_s), samples, cues, "id")


def spans(output: ModelOutput) -> list[tuple[float, float, str]]:
    return [(said.window.start_s, said.window.end_s, said.text) for said in output.evidence if said.window]


async def test_segments_become_statements_with_video_times(stub: Stub) -> None:
    stub.replies = [(200, VERBOSE)]
    audio = TranscriptionEndpoint(stub.url, "whisper-1", api_key="secret")
    output = await audio.hear(sound(), "")
    assert spans(output) == [(10.5, 12.0, '"Add the salt."'), (12.5, 15.0, '"Then stir."')]
    assert output.cost == Cost(model_calls=1)
    (form,) = stub.forms
    assert form["model"] == b"whisper-1"
    assert form["response_format"] == b"verbose_json"
    assert stub.words == [[b"segment", b"word"]]
    assert stub.keys == ["Bearer secret"]
    with wave.open(io.BytesIO(form["file"])) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getnframes()) == (16_000, 1, 80_000)
        assert int.from_bytes(wav.readframes(1), "little", signed=True) == 16383


@pytest.mark.parametrize("refusal", [400, 422])
async def test_a_server_without_segments_gives_one_statement(stub: Stub, refusal: int) -> None:
    refused = (refusal, '{"error": {"message": "response_format is not supported"}}')
    stub.replies = [refused, refused, (200, PLAIN), (200, PLAIN)]
    audio = TranscriptionEndpoint(stub.url, "gpt-4o-transcribe")
    for _ in range(2):
        output = await audio.hear(sound(), "")
        assert spans(output) == [(10.0, 15.0, '"Add the salt."')]
        assert output.cost == Cost(model_calls=1, input_tokens=14, output_tokens=5)
    assert [form["response_format"] for form in stub.forms] == [b"verbose_json", b"verbose_json", b"json", b"json"]
    assert stub.words == [[b"segment", b"word"], [], [], []]


async def test_a_server_that_refuses_times_of_words_gives_segments(stub: Stub) -> None:
    refused = (400, '{"error": {"message": "`timestamp_granularities[]` not supported by this model"}}')
    stub.replies = [refused, (200, VERBOSE), (200, VERBOSE)]
    audio = TranscriptionEndpoint(stub.url, "whisper-large-v3")
    for _ in range(2):
        assert spans(await audio.hear(sound(), ""))[0] == (10.5, 12.0, '"Add the salt."')
    assert [form["response_format"] for form in stub.forms] == [b"verbose_json"] * 3
    assert stub.words == [[b"segment", b"word"], [], []]


async def test_a_busy_server_is_not_asked_for_less_from_then_on(stub: Stub) -> None:
    stub.replies = [(400, "{}"), (503, "{}"), (200, VERBOSE)]
    audio = TranscriptionEndpoint(stub.url, "whisper-1")
    with pytest.raises(InfrastructureError) as caught:
        await audio.hear(sound(), "")
    assert caught.value.transient
    await audio.hear(sound(), "")
    assert stub.words == [[b"segment", b"word"], [], [b"segment", b"word"]]


async def test_statements_about_the_focus_come_first(stub: Stub) -> None:
    stub.replies = [(200, VERBOSE)]
    output = await TranscriptionEndpoint(stub.url, "w").hear(sound(), "who is stirring?")
    assert spans(output)[0][2] == '"Then stir."'


async def test_nothing_blocks_the_event_loop(stub: Stub) -> None:
    blockbuster = pytest.importorskip("blockbuster")
    stub.replies = [(400, "{}"), (400, "{}"), (200, PLAIN)]
    audio = TranscriptionEndpoint(stub.url, "w")
    with blockbuster.blockbuster_ctx():
        assert spans(await audio.hear(sound(), "salt")) == [(10.0, 15.0, '"Add the salt."')]


async def test_silence_gives_no_evidence(stub: Stub) -> None:
    stub.replies = [(200, '{"text": " ", "segments": []}')]
    assert (await TranscriptionEndpoint(stub.url, "w").hear(sound(), "")).evidence == ()


@pytest.mark.parametrize(
    ("replies", "kind", "transient", "part"),
    [
        ([(429, '{"error": {"message": "slow down"}}')], InfrastructureError, True, "slow down"),
        ([(500, "<html>broken</html>")], InfrastructureError, True, "HTTP 500"),
        ([(400, "{}"), (400, "{}"), (400, '{"detail": "no such model"}')], InfrastructureError, False, "no such model"),
        ([(413, '{"error": {"message": "too large"}}')], InfrastructureError, False, "too large"),
        ([(401, "{}")], SetupError, None, "Set AGENTCVR_API_KEY"),
        ([(200, "<html>hello</html>")], InfrastructureError, True, "not JSON"),
        ([(200, '{"text": "cut o')], InfrastructureError, True, "not JSON"),
        ([(200, "")], InfrastructureError, True, "not JSON"),
        ([(200, "null")], InfrastructureError, True, "not JSON"),
        ([(200, '{"status": "loading"}')], InfrastructureError, True, "without a transcript"),
        ([(200, '{"error": {"message": "out of memory"}}')], InfrastructureError, True, "out of memory"),
        ([(200, '{"error": {"message": "too long", "code": 400}}')], InfrastructureError, False, "too long"),
        ([(200, '{"error": "no key", "code": 401}')], SetupError, None, "Set AGENTCVR_API_KEY"),
        ([(0, "")], InfrastructureError, True, "did not answer in time"),
    ],
)
async def test_failures_are_mapped_to_one_line_errors(
    stub: Stub, replies: list[tuple[int, str]], kind: type[CVRError], transient: bool | None, part: str
) -> None:
    stub.replies = list(replies)
    never = any(status == 0 for status, _ in replies)
    audio = TranscriptionEndpoint(stub.url, "w", name="the audio model", timeout_s=0.5 if never else 60.0)
    with pytest.raises(kind) as caught:
        await audio.hear(sound(), "")
    assert type(caught.value) is kind
    assert getattr(caught.value, "transient", None) is transient
    assert str(caught.value).startswith("the audio model ")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def segment(start: object, end: object, text: object = "Salt.", **more: object) -> dict[str, object]:
    return {"start": start, "end": end, "text": text, **more}


def verbose(*segments: object, **more: object) -> str:
    return json.dumps({"text": "Salt.", "segments": segments, **more})


def at(start_s: float, end_s: float, text: str = "Salt.") -> tuple[float, float, str]:
    """Return a statement as `spans` does; the sound starts at 10 s."""
    return (10.0 + start_s, 10.0 + end_s, f'"{text}"')


def chunks(*stamps: object) -> str:
    said = [{"text": text, "timestamp": stamp} for text, stamp in zip(("Salt.", "Stir."), stamps, strict=False)]
    return json.dumps({"text": "x", "chunks": said})


WHOLE = [at(0, 5)]
TWO = [at(1, 2), at(3, 4, "Stir.")]
WORDS = [
    {"word": "Add", "start": 0.5, "end": 0.8},
    {"word": "salt.", "start": 0.8, "end": 1.0},
    {"word": "Stir", "start": 1.0, "end": 1.5},
    {"word": "it", "start": 3.0, "end": 3.5},
]
TIMED_WORDS = [at(0.5, 1, "Add salt."), at(1, 1.5, "Stir"), at(3, 3.5, "it")]
TRANSCRIPTS: dict[str, tuple[str, list[tuple[float, float, str]]]] = {
    "no_speech_prob of null": (verbose(segment(0, 5, no_speech_prob=None, avg_logprob=None)), WHOLE),
    "no_speech_prob as text": (verbose(segment(0, 5, no_speech_prob="0.9", avg_logprob="-0.1")), WHOLE),
    "a segment of no length": (verbose(segment(1, 1)), [at(1, 5)]),
    "segments of no length": (
        verbose(segment(1, 1), segment(3, 3, "Stir.")),
        [at(1, 3), at(3, 5, "Stir.")],
    ),
    "all segments at 0": (
        json.dumps({"text": "", "segments": [segment(0, 0), segment(0, 0, "Stir.")]}),
        [at(0, 5, "Salt. Stir.")],
    ),
    "an end before the start": (verbose(segment(2, 1)), [at(2, 5)]),
    "no times": (verbose({"text": "Salt."}), WHOLE),
    "times of null": (verbose(segment(None, None)), WHOLE),
    "an end of null": (
        verbose(segment(1, None), segment(3, 4, "Stir.")),
        [at(1, 3), at(3, 4, "Stir.")],
    ),
    "NaN": (verbose(segment(float("nan"), float("nan"))), WHOLE),
    "times as text": (verbose(segment("1.0", "2.0"), segment("3.0 s", "4", "Stir.")), TWO),
    "times of subtitles as text": (
        verbose(segment("00:00:01,000", "00:00:02.000"), segment("0:03", "0:04", "Stir.")),
        TWO,
    ),
    "times of Hugging Face": (
        json.dumps(
            {
                "text": "x",
                "chunks": [{"text": "Salt.", "timestamp": [1.0, 2.0]}, {"text": "Stir.", "timestamp": [3.0, 4.0]}],
            }
        ),
        TWO,
    ),
    "an open end of Hugging Face": (
        json.dumps({"text": "x", "chunks": [{"text": "Salt.", "timestamp": [1.0, None]}]}),
        [at(1, 5)],
    ),
    "whisper.cpp": (
        json.dumps(
            {"transcription": [{"timestamps": {"from": "00:00:01,000", "to": "00:00:02,000"}, "text": " Salt."}]}
        ),
        TWO[:1],
    ),
    "out of order": (verbose(segment(3, 4, "Stir."), segment(1, 2)), TWO),
    "overlapping": (verbose(segment(1, 4), segment(3, 4, "Stir.")), [at(1, 4), TWO[1]]),
    "beyond the sound": (verbose(segment(1, 60), segment(7, 8, "Thanks.")), [at(1, 5)]),
    "before the sound": (verbose(segment(-1, 2)), [at(0, 2)]),
    "silence alone": (verbose(segment(0, 5, no_speech_prob=0.9, avg_logprob=-1.5)), []),
    "no segments": ('{"text": "Salt.", "segments": []}', WHOLE),
    "segments of null": ('{"text": "Salt.", "segments": null}', WHOLE),
    "segments of another type": ('{"text": "Salt.", "segments": {"0": 1}}', WHOLE),
    "segments as text": ('{"text": "", "segments": ["Salt."]}', WHOLE),
    "segments without text": (
        '{"text": "Salt.", "segments": [{"start": 1, "end": 2, "text": ""}, null, {"start": 1}]}',
        WHOLE,
    ),
    "no text beside segments": (json.dumps({"segments": [segment(1, 2), segment(3, 4, "Stir.")]}), TWO),
    "text of null": ('{"text": null, "segments": [{"start": 1, "end": 2, "text": "Salt."}]}', TWO[:1]),
    "nothing said": ('{"text": null}', []),
    "words alone": (json.dumps({"words": WORDS}), TIMED_WORDS),
    "words and text": (json.dumps({"text": "Add salt. Stir it", "words": WORDS}), TIMED_WORDS),
    "words without times": ('{"text": "", "words": [{"word": "Add"}, {"word": "salt"}]}', [at(0, 5, "Add salt")]),
    "words in a segment": (json.dumps({"segments": [{"start": 1, "end": 2, "words": [{"word": "Salt."}]}]}), TWO[:1]),
    "text as JSON": ('"Salt."', WHOLE),
    "a list of segments": (json.dumps([segment(1, 2), segment(3, 4, "Stir.")]), TWO),
    "plain text": ("Salt.\n", WHOLE),
    "SRT": ("1\n00:00:01,000 --> 00:00:02,000\nSalt.\n\n2\n00:00:03,000 --> 00:00:04,000\nStir.\n", TWO),
    "WebVTT": ("WEBVTT\n\n00:01.000 --> 00:02.000\nSalt.\n\n00:03.000 --> 00:04.000\nStir.\n", TWO),
    "lines of Whisper": ("[00:00:01.000 --> 00:00:02.000]  Salt.\n[00:00:03.000 --> 00:00:04.000]  Stir.\n", TWO),
}


@pytest.mark.parametrize("form", TRANSCRIPTS)
async def test_every_form_of_transcript_is_heard(stub: Stub, form: str) -> None:
    text, right = TRANSCRIPTS[form]
    stub.replies = [(200, text)]
    assert spans(await TranscriptionEndpoint(stub.url, "w").hear(sound(), "")) == right


def word(text: str, start: object, end: object) -> dict[str, object]:
    return {"word": text, "start": start, "end": end}


SPOKEN = [segment(0, 2, " A well-known soup."), segment(2, 4, " Yes \u2013 salt!")]
UNPUNCTUATED = [word("A", 0.5, 0.6), word("well", 0.6, 1.0), word("known", 1.0, 1.2), word("soup", 1.2, 1.5)]
LATER = [word("yes", 2.5, 3), word("salt", 3.2, 3.5)]
SOUP, SALT = ((10.5, 10.6), (10.6, 11.2), (11.2, 11.5)), ((12.5, 13.0), (13.0, 13.0), (13.2, 13.5))
SILENT = segment(0, 2, " Thank you.", no_speech_prob=0.9, avg_logprob=-1.5)
TIMED: dict[str, tuple[str, list[WordTimes]]] = {
    "beside the segments, without punctuation": (verbose(*SPOKEN, words=[*UNPUNCTUATED, *LATER]), [SOUP, SALT]),
    "in the segments": (
        verbose({**SPOKEN[0], "words": UNPUNCTUATED}, {**SPOKEN[1], "words": LATER}),
        [SOUP, SALT],
    ),
    "in pieces": (
        verbose(segment(1, 2, " Salted"), words=[word("Sal", 1, 1.5), word("ted", 1.5, 2)]),
        [((11.0, 12.0),)],
    ),
    "after a segment without a voice": (
        verbose(SILENT, SPOKEN[1], words=[word("Thank", 0, 1), word("you", 1, 2), *LATER]),
        [SALT],
    ),
    "of one segment alone": (verbose(*SPOKEN, words=[word("other", 0, 1), *LATER]), [(), SALT]),
    "of another time": (verbose(SPOKEN[0], words=[word(str(one["word"]), 4, 5) for one in UNPUNCTUATED]), [()]),
    "all at 0": (verbose(SPOKEN[0], words=[word(str(one["word"]), 0, 0) for one in UNPUNCTUATED]), [()]),
    "null": (verbose(*SPOKEN, words=None), [(), ()]),
    "without segments": (
        json.dumps({"text": "A well-known soup.", "words": UNPUNCTUATED}),
        [((10.5, 10.6), (10.6, 11.0), (11.0, 11.2), (11.2, 11.5))],
    ),
    "outside the sound": (verbose(segment(4, 6, "Salt."), words=[word("Salt.", 4.5, 6)]), [((14.5, 15.0),)]),
}


@pytest.mark.parametrize("form", TIMED)
async def test_times_of_words_are_read(stub: Stub, form: str) -> None:
    """The sound starts at 10 s. A word without letters (a dash) ends with the one before it."""
    text, right = TIMED[form]
    stub.replies = [(200, text)]
    heard = await TranscriptionEndpoint(stub.url, "w").hear(sound(), "")
    assert [said.word_times_s for said in heard.evidence] == right


async def test_subtitles_keep_the_times_of_their_words() -> None:
    cue = Cue(10, 12, "Add salt.", ((10, 11), (11, 12)))
    [said] = (await SubtitlesFirst(Counting()).hear(sound(10, 15, (cue,)), "")).evidence
    assert said.word_times_s == ((10, 11), (11, 12))


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"input_tokens": None, "output_tokens": 5}, (0, 5)),
        ({"input_tokens": 13.6, "output_tokens": "5"}, (14, 5)),
        ({"prompt_tokens": 14, "completion_tokens": 5}, (14, 5)),
        ({"type": "duration", "seconds": 5}, (0, 0)),
        ("n/a", (0, 0)),
        (None, (0, 0)),
    ],
)
async def test_usage_of_any_kind_is_counted(stub: Stub, usage: object, tokens: tuple[int, int]) -> None:
    stub.replies = [(200, json.dumps({"text": "Salt.", "usage": usage}))]
    cost = (await TranscriptionEndpoint(stub.url, "w").hear(sound(), "")).cost
    assert (cost.input_tokens, cost.output_tokens, cost.model_calls) == (*tokens, 1)


async def test_an_unreachable_server_is_a_transient_infrastructure_error(socket_enabled: None) -> None:
    with pytest.raises(InfrastructureError, match="cannot be reached") as caught:
        await TranscriptionEndpoint("http://127.0.0.1:9/v1", "w").hear(sound(), "")
    assert caught.value.transient


def test_long_audio_is_split_into_segments() -> None:
    parts = [(part.start_s, part.end_s) for part in split_window(Window(video=1, start_s=100.0, end_s=1400.0))]
    assert parts == [(100.0, 700.0), (700.0, 1300.0), (1300.0, 1400.0)]


class Counting:
    """An audio model that reports "noise" for every sound and records the sounds it receives."""

    name = "counting"

    def __init__(self) -> None:
        self.heard: list[Sound] = []

    async def hear(self, sound: Sound, focus: str) -> ModelOutput:
        self.heard.append(sound)
        return ModelOutput((Evidence(text="noise", window=sound.window),), cost=Cost(model_calls=1))


async def test_no_model_is_called_if_subtitles_cover_the_window() -> None:
    audio = Counting()
    cues = (Cue(10.0, 12.0, "Add\nthe salt."), Cue(13.0, 15.0, "Stir."))
    output = await SubtitlesFirst(audio).hear(sound(cues=cues), "stirring")
    assert spans(output) == [(13.0, 15.0, '"Stir."'), (10.0, 12.0, '"Add the salt."')]
    assert output.cost == Cost()
    assert audio.heard == []


async def test_only_gaps_between_subtitles_are_transcribed() -> None:
    audio = Counting()
    cues = (Cue(40.0, 45.0, "One."), Cue(50.0, 55.0, "Two."))
    output = await SubtitlesFirst(audio).hear(sound(0.0, 90.0, cues), "")
    assert spans(output) == [
        (0.0, 40.0, "noise"),
        (40.0, 45.0, '"One."'),
        (50.0, 55.0, '"Two."'),
        (55.0, 90.0, "noise"),
    ]
    assert [len(part.samples) for part in audio.heard] == [40 * SAMPLE_RATE_HZ, 35 * SAMPLE_RATE_HZ]
    assert output.cost.model_calls == 2


async def test_without_subtitles_the_whole_window_is_transcribed() -> None:
    audio = Counting()
    assert spans(await SubtitlesFirst(audio).hear(sound(), "")) == [(10.0, 15.0, "noise")]


def test_statements_that_match_the_focus_equally_keep_their_order() -> None:
    said = [Evidence(text=text) for text in ("A cup.", "He stirs salt.", "Salted fish.", "Salt is stirred.")]
    assert [one.text for one in focus_first(said, "stirring the salt")] == [
        "He stirs salt.",
        "Salt is stirred.",
        "Salted fish.",
        "A cup.",
    ]
