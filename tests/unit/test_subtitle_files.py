"""Subtitle files as people have them: encodings, formats, rolling captions, and which file belongs to which video."""

# ruff: noqa: RUF001
from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcvr_graph.media.cue_files import read_cue_file
from agentcvr_graph.media.languages import language_code, language_in_name
from agentcvr_graph.media.rolling import Shown, said_once
from agentcvr_graph.media.sidecars import sidecars
from agentcvr_graph.media.subtitle_text import decoded
from agentcvr_graph.types import WordTimes

SENTENCES = {
    "cp1252": [
        "Le café ouvre à neuf heures.",
        "Où êtes-vous allé cet été ?",
        "Schöne Grüße aus München!",
        "¿Dónde está el niño?",
        "Não há ninguém no salão.",
        "Perché non è più così?",
        "Vi ses på måndag i Göteborg.",
        "Jeg bor på en ø nær København.",
        "“I don’t know,” she said — and left…",
    ],
    "cp1251": ["Добрый день, как у вас дела?", "Кафе открывается в девять.", "Її ще немає вдома."],
    "koi8-r": ["Добрый день, как у вас дела?"],
    "cp1250": ["Żółć i gęślą jaźń.", "Příliš žluťoučký kůň úpěl ďábelské ódy.", "Köszönöm szépen, nagyon jó volt."],
    "cp1253": ["Καλημέρα, τι κάνετε;"],
    "cp1254": ["Günaydın, nasılsınız? İyi misin?"],
    "cp1255": ["בוקר טוב, מה שלומך?"],
    "cp1256": ["صباح الخير، كيف حالك؟"],
    "cp874": ["สวัสดีครับ สบายดีไหม"],
    "gb18030": ["咖啡馆九点开门。", "你好，今天怎么样？"],
    "big5": ["咖啡館九點開門。", "我不知道該說什麼。"],
    "shift_jis": ["カフェは九時に開きます。", "何を言えばいいのかわからない。"],
    "euc_jp": ["おはようございます、元気ですか。"],
    "cp949": ["카페는 아홉 시에 엽니다.", "안녕하세요, 어떻게 지내세요?"],
    "utf-8": ["The café opens at nine.", "♪ Добрый день 咖啡 ♪"],
    "utf-8-sig": ["The café opens at nine."],
    "utf-16": ["The café opens at nine.", "咖啡馆九点开门。"],
    "utf-16-le": ["The cafe opens at nine.", "咖啡馆九点开门。"],
    "utf-16-be": ["The cafe opens at nine."],
    "utf-32": ["The café opens at nine."],
}


def srt(*texts: str) -> str:
    return "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{text}\n\n" for n, text in enumerate(texts, start=1))


def words(text: str, fps: float | None = None) -> list[tuple[float, float, str]]:
    return [(round(cue.start_s, 3), round(cue.end_s, 3), cue.text) for cue in said_once(read_cue_file(text, fps))]


def texts(text: str) -> list[str]:
    return [said for _, _, said in words(text)]


@pytest.mark.parametrize("encoding", SENTENCES)
def test_one_sentence_is_enough_to_recognise_its_encoding(encoding):
    for sentence in SENTENCES[encoding]:
        assert decoded(srt(sentence).encode(encoding)) == srt(sentence)


def test_a_language_in_the_file_name_decides_between_similar_encodings():
    text = srt("Cafeneaua se deschide la nouă.")
    assert decoded(text.encode("cp1250"), "ro") == text


def test_utf_8_with_a_broken_character_stays_utf_8():
    text = srt("Où êtes-vous allé cet été, à l'école ?")
    assert decoded(text.encode() + b"\xe2\x80") == text
    assert decoded(b"a stray \x01 byte " + b"x" * 200) == "a stray  byte " + "x" * 200


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 4, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64), b"\0" * 50]
)
def test_bytes_that_are_no_text_are_refused(data):
    assert decoded(data) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data):
    text = decoded(data)
    if text is not None:
        assert "\0" not in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1\n00:00:01,000 --> 00:00:02,000\nA\n\n2\n00:00:03,000 --> 00:00:04,000\nB\n", ["A", "B"]),
        ("00:00:01,000 --> 00:00:02,000\nIt was\n1984\n\n00:00:03,000 --> 00:00:04,000\nB\n", ["It was 1984", "B"]),
        ("00:00:01,000 --> 00:00:02,000\n1984\n\n00:00:03,000 --> 00:00:04,000\nB\n", ["1984", "B"]),
        ("1\n00:00:01.000 --> 00:00:02.000\nA\n2\n00:00:03.000 --> 00:00:04.000\nB", ["A", "B"]),
        ("1\r\n00:00:01,0 --> 00:00:02,5\r\nA\r\nB\r\n\r\n", ["A B"]),
        ("1\n00:00:01,000-->00:00:02,000\nA\n", ["A"]),
        ("1\n00:00:01:000 --> 00:00:02:000\nA\n", ["A"]),
        ("1\n00:01,000 --> 00:02,000\nA\n", ["A"]),
        ("1\n00:00:01,000 --> 00:00:02,000 X1:40 X2:600 Y1:20 Y2:50\nA\n", ["A"]),
        ('1\n00:00:01,000 --> 00:00:02,000\n<font color="red"><i>A</i></font> &amp; <b>B</b>\n', ["A & B"]),
        ("1\n00:00:01,000 --> 00:00:02,000\n{\\an8}{\\pos(1,2)}A {laughs}\n", ["A {laughs}"]),
        ("1\n00:00:01,000 --> 00:00:02,000\nI <3 you, a < b\n", ["I <3 you, a < b"]),
        ("1\n00:00:01,000 --> 00:00:02,000\n♪ la la ♪\n[door slams]\n- Who?\n", ["♪ la la ♪ [door slams] - Who?"]),
        ("1\n00:00:01,000 --> 00:00:02,000\nA\n\nstill A\n\n2\n00:00:03,000 --> 00:00:04,000\nB\n", ["A still A", "B"]),
        ("1\n00:00:01,000 --> 00:00:02,000\n\n2\n00:00:03,000 --> 00:00:04,000\nB\n", ["B"]),
    ],
)
def test_subrip_is_read_as_it_is_found(text, said):
    assert texts(text) == said


def test_times_that_are_negative_or_reversed_or_out_of_order():
    text = (
        "1\n00:00:08,000 --> 00:00:09,000\nlast\n\n2\n00:00:05,000 --> 00:00:04,000\nreversed\n\n"
        "3\n-00:00:01,000 --> 00:00:02,500\nearly\n\n4\n00:00:03,000 --> 00:00:03,000\nnever\n\n"
        "5\n00:00:02,000 --> 00:00:04,000\nover\n"
    )
    assert words(text) == [(0.0, 2.5, "early"), (2.0, 4.0, "over"), (8.0, 9.0, "last")]


ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:01.000 --> 00:00:03.000 align:start position:0%
\x20
add<00:00:01.400><c> the</c><00:00:01.800><c> salt</c>

00:00:03.000 --> 00:00:03.010 align:start position:0%
add the salt
\x20

00:00:03.010 --> 00:00:05.000 align:start position:0%
add the salt
before<00:00:03.400><c> the</c><00:00:03.800><c> meat</c>

00:00:05.000 --> 00:00:05.010 align:start position:0%
before the meat
\x20

00:00:05.010 --> 00:00:07.000 align:start position:0%
before the meat
and<00:00:05.400><c.colorE5E5E5> stir</c>
"""


def test_rolling_captions_are_said_once():
    said = [(1.0, 3.01, "add the salt"), (3.01, 5.01, "before the meat"), (5.01, 7.0, "and stir")]
    assert words(ROLLING) == said
    as_subrip = "\n".join(line for line in ROLLING.splitlines()[3:]).replace(" align:start position:0%", "")
    assert words(as_subrip) == said


def test_times_inside_a_cue_are_those_of_its_words():
    """A word lasts to the next time, at most a second; the last one to the end of the cue that states its times."""
    assert [cue.word_times_s for cue in said_once(read_cue_file(ROLLING))] == [
        ((1.0, 1.4), (1.4, 1.8), (1.8, 2.8)),
        ((3.01, 3.4), (3.4, 3.8), (3.8, 4.8)),
        ((5.01, 5.4), (5.4, 6.4)),
    ]


@pytest.mark.parametrize(
    ("lines", "text", "times_s"),
    [
        ("<00:01.250>add <00:01.500>salt", "add salt", ((1.25, 1.5), (1.5, 2.0))),
        ("add the<00:01.500> salt", "add the salt", ((1.0, 1.25), (1.25, 1.5), (1.5, 2.0))),
        ("add<00:01.250>\nthe <00:01.500> salt", "add the salt", ((1.0, 1.25), (1.25, 1.5), (1.5, 2.0))),
        ("加<00:01.250>盐<00:01.500>吧 好", "加盐吧 好", ((1.0, 2.0), (1.5, 2.0))),
        ("add\nsalt<00:01.500> now", "add salt now", ()),
        ("add<00:01.500> the<00:01.250> salt", "add the salt", ()),
        ("add<00:02.500> salt", "add salt", ()),
        ("add salt", "add salt", ()),
    ],
)
def test_times_inside_a_cue_may_stand_anywhere(lines: str, text: str, times_s: WordTimes):
    [cue] = said_once(read_cue_file(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{lines}\n"))
    assert (cue.text, cue.word_times_s) == (text, times_s)


def test_a_sentence_that_grows_word_by_word_is_one():
    assert said_once([Shown(1, 2, ("add",)), Shown(2, 3, ("add the",)), Shown(3, 4, ("add the salt",))]) == said_once(
        [Shown(1, 4, ("add the salt",))]
    )

    assert [cue.text for cue in said_once([Shown(1, 2, ("加盐",)), Shown(2, 3, ("加盐之前",))])] == ["加盐之前"]
    assert [cue.text for cue in said_once([Shown(1, 2, ("a",)), Shown(2, 3, ("ant",))])] == ["a", "ant"]


def test_lines_said_again_later_are_said_twice():
    assert [cue.text for cue in said_once([Shown(1, 2, ("No.",)), Shown(4, 5, ("No.",))])] == ["No.", "No."]


def test_layers_of_one_line_are_said_once():
    cues = said_once(
        [Shown(1, 3, ("Title",)), Shown(1, 3, ("Title",)), Shown(1.04, 3, ("Title",)), Shown(2, 4, ("B",))]
    )
    assert [(cue.start_s, cue.end_s, cue.text) for cue in cues] == [(1, 3, "Title"), (2, 4, "B")]


def test_webvtt_is_read_by_its_specification():
    text = """\ufeffWEBVTT - a title
X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0

STYLE
::cue(b) { color: red; }

REGION
id:fred
width:40%

NOTE a comment
of two lines

intro
00:01.000 --> 00:02.000 line:0 align:start size:50%
<v Roger Bingham>Fish &amp; chips &lt;cheap&gt; &#39;n&#x27; good&nbsp;&eacute;</v>

NOTE another

1:00:03.000 --> 1:00:04.000 region:fred
<lang en><ruby>漢<rt>kan</rt></ruby> <b.loud>word</b></lang>
<00:00:03.500><u>second</u> line

00:00:05.000 --> 00:00:06.000

00:00:07.000 --> 00:00:08.000
[music] &lrm;♪

not a cue
"""
    assert words(text) == [
        (1.0, 2.0, "Fish & chips <cheap> 'n' good é"),
        (7.0, 8.0, "[music] ♪"),
        (3603.0, 3604.0, "漢 word second line"),
    ]


ASS = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,a comment
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\an8\i1}Hello,{\i0} world{a remark}\Nsecond\hline
Dialogue: 0,0:00:02.50,0:00:03.00,Default,,0,0,0,,{\p1}m 0 0 l 100 0 100 100 0 100{\p0}
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\pos(10,20)\p2}m 0 0 l 5 5{\p0}Sign{\blur2\bord1}board
Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\k20}ka{\k30}ra{\kf40}oke
"""


def test_ass_gives_words_without_tags_drawings_and_comments():
    assert words(ASS) == [(1, 2, "Hello, world second line"), (3, 4, "Signboard"), (5, 6, "karaoke")]


_EVENT = "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ann,0,0,0,,Add salt, Bob, and stir.\n"


@pytest.mark.parametrize(
    "text",
    [
        f"[Script Info]\nScriptType: v4.00+\n\n[Events]\n{_EVENT}",
        f"[Events]\n{_EVENT}",
        _EVENT,
        f"[V4+ Styles]\nFormat: Name, Fontname\nStyle: Default,Arial\n\n[Events]\n{_EVENT}",
        f"[Events]\nFormat: Nothing, Of, Use\n{_EVENT}",
        "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:02.00,Add salt, Bob, and stir.\n",
        "[EVENTS]\nformat: End,Start , Style,TEXT\nDialogue: 0:00:02.00, 0:00:01.00,Default,Add salt, Bob, and stir.\n",
        f"[Events]\nDialogue: 0,soon,later,Default,,0,0,0,,lost\n{_EVENT}Dialogue: 0,0:00:03.00\n",
        f"[Events]\n{_EVENT.replace(',0,0,0,', ',,,,')}",
        f"[Script Info]\n\n[V4 Styles]\n\n[Events]\n{_EVENT.replace(' 0,', ' Marked=0,', 1)}",
        f"[Events]\nComment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,not said\n{_EVENT}".replace("\n", "\r"),
        f"[Events]\n{_EVENT}\n[Fonts]\nfontname: a.ttf\nFormat: Text, Start\n",
    ],
)
def test_ass_events_are_read_by_their_own_columns(text):
    assert words(text) == [(1, 2, "Add salt, Bob, and stir.")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{25}{50}{y:i}Hello|there\n{75}{100}Bye\n", [(1, 2, "Hello there"), (3, 4, "Bye")]),
        (
            "0:00:01.000,0:00:02.000\nHello\nthere\n\n0:00:03.000,0:00:04.000\nBye\n",
            [(1, 2, "Hello there"), (3, 4, "Bye")],
        ),
        ("[ar:Singer]\n[00:01.00]Hello\n[00:02.50]\n[00:03.00]Bye\n", [(1, 2.5, "Hello"), (3, 13, "Bye")]),
        (
            '<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml"><body><div>'
            '<p begin="00:00:01.000" end="00:00:02.000">Hello<br/>there</p></div></body></tt>',
            [(1, 2, "Hello there")],
        ),
    ],
    ids=["MicroDVD", "SubViewer", "LRC", "TTML"],
)
def test_other_formats_are_read(text, said):
    assert words(text, 25.0) == said


@pytest.mark.parametrize(
    "text", ["", "<html><body>404</body></html>", "just words\n" * 20, "WEBVTT\n", "-->\n", "1\n2\n3"]
)
def test_a_text_without_cues_has_none(text):
    assert words(text) == []


@pytest.mark.parametrize(
    ("names", "language", "first"),
    [
        (["ep1.part2.srt"], "", None),
        (["ep10.srt", "ep1a.srt", "xep1.srt"], "", None),
        (["ep1.srt", "ep1.en.srt"], "en", "ep1.srt"),
        (["ep1.mp4.srt"], "", "ep1.mp4.srt"),
        (["ep1.de.srt", "ep1.en.srt"], "eng", "ep1.en.srt"),
        (["ep1.de.srt", "ep1.en-US.srt"], "eng", "ep1.en-US.srt"),
        (["ep1.pt_BR.vtt", "ep1.en.vtt"], "por", "ep1.pt_BR.vtt"),
        (["ep1.en.forced.srt", "ep1.en.sdh.srt"], "en", "ep1.en.sdh.srt"),
        (["ep1.en.sdh.srt", "ep1.en.srt"], "en", "ep1.en.srt"),
        (["ep1.forced.srt"], "", None),
        (["ep1.hi.srt"], "hin", "ep1.hi.srt"),
        (["ep1.en.hi.srt"], "", "ep1.en.hi.srt"),
        (["ep1.English.srt"], "", "ep1.English.srt"),
        (["ep1.cut.srt"], "", None),
        (["ep1.en.srt", "ep1.en.mp4"], "", None),
        (["ep1.en.srt", "ep1.en.jpg"], "", "ep1.en.srt"),
        (["EP1.SRT"], "", "EP1.SRT"),
        (["._ep1.srt", ".ep1.srt"], "", None),
        (["ep1.txt", "ep1.idx"], "", None),
        (["ep1.ass", "ep1.srt"], "", "ep1.srt"),
    ],
)
def test_a_subtitle_file_belongs_to_the_video_of_its_name(tmp_path, names, language, first):
    for name in ["ep1.mp4", *names]:
        (tmp_path / name).touch()
    found = [one.path.name for one in sidecars(tmp_path / "ep1.mp4", language)]
    assert next(iter(found), None) == first


def test_names_match_however_accents_are_written(tmp_path):
    (tmp_path / "cafe\u0301 [1]*.mp4").touch()
    (tmp_path / "caf\u00e9 [1]*.srt").touch()
    assert len(sidecars(tmp_path / "cafe\u0301 [1]*.mp4")) == 1


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        *(("en", "en"), ("eng", "en"), ("en-GB", "en"), ("zh-Hans", "zh"), ("es-419", "es"), ("fil", "fil")),
        *(("fre", "fr"), ("fra", "fr"), ("ZH_cn", "zh"), ("haw", "haw"), ("English", "en"), ("German", "de")),
        *(("und", ""), ("mul", ""), ("zxx", ""), ("", ""), ("  ", ""), ("720p", "")),
    ],
)
def test_all_tags_of_a_language_have_one_code(tag, code):
    assert language_code(tag) == code


def test_languages_in_names_are_real():
    real = ("en", "eng", "zh-Hans", "es-419", "fil")
    assert [language_in_name(part) for part in real] == ["en", "en", "zh", "es", "fil"]
    assert not any(language_in_name(part) for part in ("part2", "2", "720p", "x264", "new", "the", "", "en-forced"))
    assert sidecars(Path("/nowhere-at-all/a.mp4").parent.parent / "a.mp4") == []


def test_a_file_that_is_added_to_a_listed_folder_is_found(tmp_path):
    (tmp_path / "a.mp4").touch()
    os.utime(tmp_path, (1, 1))  # listed, and kept, because its last change is long ago
    assert sidecars(tmp_path / "a.mp4") == []
    (tmp_path / "a.srt").touch()
    assert [one.path.name for one in sidecars(tmp_path / "a.mp4")] == ["a.srt"]
