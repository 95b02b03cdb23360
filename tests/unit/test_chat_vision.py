"""A chat model as the vision model: which messages it receives, and how its reply is parsed."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from PIL import Image

from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.media.types import Frame
from agentcvr_graph.models.adapters.chat_vision import ChatVision, clipped
from agentcvr_graph.models.base import SampledFrames
from agentcvr_graph.models.chat_base import ChatModelBase, ChatRequest
from agentcvr_graph.render import read_unread
from agentcvr_graph.types import Cost, Evidence, Window, Zoom

SHOWN = (Window(video=1, start_s=0.0, end_s=10.0), Window(video=2, start_s=20.0, end_s=30.0))


class Recorder(ChatModelBase):
    """A chat model that replies with `reply` and records the messages it receives."""

    reply: str
    usage: UsageMetadata | None = None
    failure: Exception | None = None
    seen: list[list[BaseMessage]] = []  # noqa: RUF012 - a Pydantic field

    def _reply(self, request: ChatRequest) -> AIMessage:
        if self.failure:
            raise self.failure
        self.seen.append(request.messages)
        return AIMessage(self.reply, usage_metadata=self.usage)


def frame(time_s: float, grey: int) -> Frame:
    return Frame(time_s, np.full((9, 16, 3), grey, dtype=np.uint8))


def sampled() -> list[SampledFrames]:
    return [
        SampledFrames(SHOWN[0], (frame(0.0, 10), frame(5.04, 20)), "a"),
        SampledFrames(SHOWN[1], (frame(25.0, 30),), "b"),
    ]


async def test_each_image_directly_follows_its_label() -> None:
    model = Recorder(reply="[video 1, 0.0-5.0 s] A pan.")
    await ChatVision(model, name="the vision model").look(sampled(), "the salt")
    ((message,),) = model.seen
    blocks = message.content_blocks
    pictures = [number for number, block in enumerate(blocks) if block["type"] == "image"]
    labels = [blocks[number - 1].get("text") for number in pictures]
    assert labels == ["video 1, 0.0 s:", "video 1, 5.0 s:", "video 2, 25.0 s:"]
    assert [grey_of(blocks[number]) for number in pictures] == [10, 20, 30]
    assert "[video 2, 12.0-15.5 s]" in str(blocks[0].get("text")), "the form of a line is shown"
    assert "the salt" in str(blocks[-1].get("text"))
    assert "video 1, 0.0-10.0 s; video 2, 20.0-30.0 s" in str(blocks[-1].get("text"))


def grey_of(block: Any) -> int:
    assert block["mime_type"] == "image/jpeg"
    with Image.open(io.BytesIO(base64.b64decode(block["base64"]))) as picture:
        assert picture.size == (16, 9)
        return int(np.asarray(picture).mean().round())


@pytest.mark.parametrize(
    ("line", "window", "text"),
    [
        ("[video 1, 2.0-4.5 s] A pan.", (1, 2.0, 4.5), "A pan."),
        ("- [video 2, 21-22 s]: A pan.", (2, 21.0, 22.0), "A pan."),
        ("**Video 2, 21.5s - 22s** A pan.", (2, 21.5, 22.0), "A pan."),
        ("video 1, 3.0 s: A pan.", (1, 3.0, 3.0), "A pan."),
        ("[video 1, 2.0 to 4.0 s] A pan.", (1, 2.0, 4.0), "A pan."),
        ("[video 1, 8.0-14.0 s] cut at the end", (1, 8.0, 10.0), "cut at the end"),
        ("[video 2, 5.0-25.0 s] cut at the start", (2, 20.0, 25.0), "cut at the start"),
        ("[video 1, 10.0-10.0 s] at the very end", (1, 10.0, 10.0), "at the very end"),
        ("[video 2, 0:21-00:22.5] A pan.", (2, 21.0, 22.5), "A pan."),
        ("3. [Video 1, 3-4 seconds] A pan.", (1, 3.0, 4.0), "A pan."),
        ("- Both show a pan.", None, "Both show a pan."),
        ("Video 2, 3 people and a pan.", None, "Video 2, 3 people and a pan."),
    ],
)
async def test_lines_are_parsed_into_statements(line: str, window: tuple[int, float, float] | None, text: str) -> None:
    output = await ChatVision(Recorder(reply=line), name="the vision model").look(sampled(), "")
    (said,) = output.evidence
    assert said.text == text
    assert (said.window and (said.window.video, said.window.start_s, said.window.end_s)) == window
    assert output.notes == ()


async def test_statements_outside_the_windows_are_dropped_with_a_note() -> None:
    reply = (
        "<think>[video 1, 1.0-2.0 s] maybe</think>\n```\n[video 1, 1.0-2.0 s] A pan.\n"
        "[video 1, 12.0-15.0 s] Made up.\n[video 3, 1.0-2.0 s] Made up.\n```"
    )
    output = await ChatVision(Recorder(reply=reply), name="the vision model").look(sampled(), "")
    assert [said.text for said in output.evidence] == ["A pan."]
    assert output.notes == ("2 of its statements lay outside the windows and were dropped",)


@pytest.mark.parametrize(
    "thought",
    [
        "<think>[video 1, 1.0-2.0 s] A dog?</think>",
        "[video 1, 1.0-2.0 s] A dog? No.</think>",
        "<THINKING>[video 1, 1.0-2.0 s] A dog?</Thinking>",
        "<reasoning>[video 1, 1.0-2.0 s] A dog?</reasoning>",
        "[THINK][video 1, 1.0-2.0 s] A dog?[/THINK]",
        "\u25c1think\u25b7[video 1, 1.0-2.0 s] A dog?\u25c1/think\u25b7",
        "<think>[video 1, 1.0-2.0 s] A dog?<think>Or</think>a cat</think>",
        "<|channel|>analysis<|message|>[video 1, 1.0-2.0 s] A dog?<|end|><|start|>assistant<|channel|>final<|message|>",
    ],
)
async def test_the_reasoning_of_the_model_is_no_evidence(thought: str) -> None:
    reply = f"{thought}\n[video 1, 1.0-2.0 s] A pan."
    output = await ChatVision(Recorder(reply=reply), name="the vision model").look(sampled(), "")
    assert [said.text for said in output.evidence] == ["A pan."]


async def test_a_line_without_a_window_is_assigned_to_the_only_window() -> None:
    output = await ChatVision(Recorder(reply="A pan."), name="the vision model").look(sampled()[:1], "")
    assert output.evidence == (Evidence(text="A pan.", window=SHOWN[0]),)


def test_a_statement_over_two_windows_is_clipped_to_the_longer_overlap() -> None:
    shown = [Window(video=1, start_s=0, end_s=10), Window(video=1, start_s=20, end_s=30)]
    said = Evidence(text="A pan.", window=Window(video=1, start_s=8, end_s=26))
    cut = clipped(said, shown)
    assert cut is not None
    assert cut.window == Window(video=1, start_s=20, end_s=26)


async def test_tokens_are_counted() -> None:
    usage = UsageMetadata(input_tokens=700, output_tokens=30, total_tokens=730)
    model = Recorder(reply="[video 1, 0.0-5.0 s] A pan.", usage=usage)
    output = await ChatVision(model, name="the vision model").look(sampled(), "")
    assert output.cost == Cost(input_tokens=700, output_tokens=30, model_calls=1)


async def test_an_empty_reply_or_a_failing_model_raises_infrastructure_error() -> None:
    for endless in ("<think>A pan.", "[THINK]A pan.", "<|channel|>analysis<|message|>A pan."):
        with pytest.raises(InfrastructureError, match=r"the vision model gave no text"):
            await ChatVision(Recorder(reply=endless), name="the vision model").look(sampled(), "")
    late = Recorder(reply="", failure=TimeoutError("late"))
    with pytest.raises(InfrastructureError, match=r"the vision model did not answer in time") as caught:
        await ChatVision(late, name="the vision model").look(sampled(), "")
    assert caught.value.transient


async def test_nothing_blocks_the_event_loop() -> None:
    blockbuster = pytest.importorskip("blockbuster")
    vision = ChatVision(Recorder(reply="[video 1, 0.0-5.0 s] A pan."), name="the vision model")
    with blockbuster.blockbuster_ctx():
        assert len((await vision.look(sampled(), "the salt")).evidence) == 1


class Refusal(Exception):
    """What a client raises for an HTTP error status."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(f"Error code: {status_code}")
        self.status_code, self.body = status_code, {"message": message}


class Limited(ChatModelBase):
    """A chat model that refuses more images than it takes, or larger ones, in a server's words."""

    most: int = 99
    most_px: int = 999
    status: int = 400
    words: str
    sent: list[tuple[int, int]] = []  # noqa: RUF012 - a Pydantic field

    def _reply(self, request: ChatRequest) -> AIMessage:
        blocks = request.messages[-1].content_blocks
        pictures = [picture_of(block) for block in blocks if block["type"] == "image"]
        self.sent.append((len(pictures), max(max(picture.size) for picture in pictures)))
        if len(pictures) > self.most or max(max(picture.size) for picture in pictures) > self.most_px:
            raise Refusal(self.status, self.words)
        windows = [part for part in str(blocks[-1].get("text")).splitlines() if part.startswith("[")]
        return AIMessage(windows[0].replace("...", f"{len(pictures)} frames"))


def picture_of(block: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(block["base64"])))


LONG = [SampledFrames(SHOWN[0], tuple(Frame(n + 0.5, np.zeros((36, 64, 3), dtype=np.uint8)) for n in range(10)), "a")]
TOO_MANY = {
    "vLLM": (4, 400, "At most 4 image(s) may be provided in one request."),
    "vLLM, newer": (4, 400, "At most 4 image(s) may be provided in one prompt."),
    "Groq": (5, 400, "Too many images provided. This model supports up to 5 images"),
    "Mistral": (8, 400, "Too many images in request. Max is 8."),
    "vLLM, context": (
        5,
        400,
        "This model's maximum context length is 4096 tokens. However, your request has 6011 input tokens.",
    ),
    "llama.cpp, context": (3, 400, "the request exceeds the available context size, try increasing it"),
    "Anthropic, size": (5, 413, "Request exceeds the maximum size"),
    "Anthropic, prompt": (5, 400, "prompt is too long: 210000 tokens > 200000 maximum"),
    "no number": (2, 400, "too many images"),
}


@pytest.mark.parametrize("server", TOO_MANY)
async def test_a_refusal_of_too_many_images_sends_the_frames_in_several_calls(server: str) -> None:
    most, status, words = TOO_MANY[server]
    model = Limited(most=most, status=status, words=words, sent=[])
    vision = ChatVision(model, name="limited")
    output = await vision.look(LONG, "")
    windows = [said.window for said in output.evidence]
    assert windows[0] and windows[-1] and (windows[0].start_s, windows[-1].end_s) == (0.0, 10.0)
    assert sum(int(said.text.split()[0]) for said in output.evidence) == 10, "each frame is seen once"
    refused = len([count for count, _ in model.sent if count > most])
    model.sent.clear()
    await vision.look(LONG, "")
    assert 0 < refused <= 3 and all(count <= most for count, _ in model.sent), "the limit is known from then on"


async def test_a_refusal_of_a_large_image_makes_the_images_smaller() -> None:
    big = [SampledFrames(SHOWN[0], (Frame(1.0, np.zeros((300, 500, 3), dtype=np.uint8)),), "a")]
    words = "messages.0.content.1.image.source.base64.data: image exceeds 5 MB maximum: 6213400 bytes > 5242880 bytes"
    model = Limited(most_px=200, words=words, sent=[])
    assert (await ChatVision(model, name="limited").look(big, "")).evidence
    assert [px for _, px in model.sent] == [500, 256, 128]


@pytest.mark.parametrize(("status", "words"), [(400, "At most 0 image(s) may be provided"), (404, "no such model")])
async def test_what_fewer_or_smaller_images_cannot_help_is_an_error(status: int, words: str) -> None:
    model = Limited(most=0, status=status, words=words, sent=[])
    with pytest.raises(InfrastructureError, match=words.split("(")[0]):
        await ChatVision(model, name="limited").look(LONG, "")
    assert len(model.sent) <= 5


def zoomed(zoom: Zoom, long_side: int = 1080) -> SampledFrames:
    pixels = np.zeros((long_side * 9 // 16, long_side, 3), dtype=np.uint8)
    return SampledFrames(SHOWN[0], (Frame(1.0, pixels),), "a", zoom)


async def test_a_large_image_is_halved_after_a_refusal_and_lost_detail_is_noted() -> None:
    words = "messages.0.content.1.image.source.base64.data: image exceeds 5 MB maximum: 6213400 bytes > 5242880 bytes"
    model = Limited(most_px=600, words=words, sent=[])
    vision = ChatVision(model, name="limited")
    output = await vision.look([zoomed(Zoom(detail="high"))], "")
    assert [px for _, px in model.sent] == [1080, 540]
    assert output.notes == ("the vision model takes pictures of at most 540 pixels a side, so detail was lost",)
    assert (await vision.look([zoomed(Zoom(), 360)], "")).notes == ()
    assert model.sent[-1] == (1, 360), "frames of the usual size are sent as they are"


async def test_frames_of_a_region_are_labelled_and_small_text_is_asked_for_with_zoom_alone() -> None:
    model = Recorder(reply="A pan; small text that cannot be read (top left).", seen=[])
    vision = ChatVision(model, name="the vision model")
    output = await vision.look([zoomed(Zoom(region="top left"), 32)], "")
    await vision.look(sampled(), "")
    closely, usual = ["\n".join(str(block.get("text")) for block in m.content_blocks) for (m,) in model.seen]
    assert "video 1, 1.0 s, top left part of the picture:" in closely
    assert "Where text is too small to read, do not guess it" in closely and "too small" not in usual
    assert read_unread(output.evidence[0].text) == ["top left"]
