"""Questions of a file become scripts with the scenes of their videos; each row that cannot be used is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.script_questions import read_questions
from agentcvr_graph.scripts.extraction.extracted import ExtractedVideo
from agentcvr_graph.scripts.extraction.questions.clips import clip, named_video
from agentcvr_graph.scripts.extraction.questions.given import read_windows
from agentcvr_graph.scripts.library import ScriptLibrary, write_scripts
from agentcvr_graph.scripts.schema import Facts, Scene, ScriptedVideo, Sounded
from agentcvr_graph.types import Citation
from tests.support.command_line import agentcvr
from tests.support.question_author import kitchen_videos

VIDEOS = kitchen_videos(3)
HEADER = "id,task,kind,question,options,answer,videos,evidence\n"


def read(folder: Path, *rows: str, header: str = HEADER):
    path = folder / "questions.csv"
    path.write_text(header + "".join(f"{row}\n" for row in rows))
    return read_questions(path, VIDEOS)


def test_a_row_becomes_a_script_with_the_scenes_of_its_videos(tmp_path):
    found = read(
        tmp_path,
        "shared,CC,,Which spice do both add?,anise; basil,A,cook0.mp4; clips/cook1.mp4,1: 0-5 audio; 2: 0-0:05 audio",
        "where,FSA,,Which interval of video 2 adds anise?,,0:00-0:05,cook0;cook1,",
        'all,BU,,Which are added in step 1?,anise;basil;sage,"A, B",cook0;cook1,1: 0-5',
        "order,PSS,,Which order?,,2->1,cook0.mp4#t=10;cook0.mp4#t=0,",
        ",,text,What do both add?,,anise,cook0; cook1,",
    )
    assert found.problems == ()
    by_id = {script.id: script for script in found.scripts}
    shared = by_id["shared"]
    assert [video.scenes for video in shared.videos] == [VIDEOS[0].video.scenes, VIDEOS[1].video.scenes]
    assert [video.title for video in shared.videos] == ["cook0", "cook1"]  # as they are titled live
    assert (shared.task, shared.kind, shared.key) == ("CC", "choice", "A")
    assert shared.evidence == (
        Citation(video=1, start_s=0, end_s=5, modality="audio"),
        Citation(video=2, start_s=0, end_s=5, modality="audio"),
    )
    assert shared.extra == {"sources": ["clips/cook0.mp4", "clips/cook1.mp4"]}
    assert (by_id["where"].kind, by_id["where"].key) == ("interval", (0.0, 5.0))
    assert (by_id["all"].kind, by_id["all"].key) == ("choices", ["A", "B"])
    assert [window.modality for window in by_id["all"].evidence] == ["visual", "audio"]
    assert (by_id["q6"].task, by_id["q6"].kind) == ("CCQA", "text")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            "a,QQ,,Q?,x;y,A,cook0;cook1,",
            "the task is 'QQ'. Choose from BU, NC, CC, PEA,",
        ),
        (
            "a,CC,text,Q?,,x,cook0;cook1,",
            "CC asks for an answer of kind 'choice', and the kind is 'text'. Leave",
        ),
        (
            "a,CC,,Q?,x;y,C,cook0;cook1,",
            "the answer 'C' is not one of the options A to B. Write its letter or",
        ),
        ("a,CC,,Q?,x;y,,cook0;cook1,", "it has no answer. Fill the column 'answer'."),
        ("a,CC,,Q?,x;y,A,cook0;soup,", "No extracted video is called 'soup'. Choose one of: clips/cook0.mp4, clips/c"),
        ("a,CC,,Q?,x;y,A,cook0;cook1,3: 0-5", "the evidence '3: 0-5' names video 3. Choose from 1 to 2."),
        (
            "a,CC,,Q?,x;y,A,cook0;cook1,1: 20-40",
            "the evidence '1: 20-40' is no window of video 1. Choose seconds",
        ),
        (
            "a,CC,,Q?,x;y,A,cook0;cook1,1: 0-5 loud",
            "the evidence '1: 0-5 loud' is not understood. Write windows",
        ),
        ("a,CC,,Q?,x;y,A,cook0;clips/cook0.mp4,", "it names clips/cook0.mp4 2 times. Name each video once; a part"),
        ("a,CC,,Q?,x;y,A,cook0;cook0#t=0,", "it names clips/cook0.mp4 2 times."),
        ('a,CC,,Q?,x;y,A,"cook0#t=5,9;cook0#t=5,9",', "it names clips/cook0.mp4#t=5,9 2 times."),
        ("a,CC,,Q?,x;y,A,cook0#t=ten;cook1,", "the clip 't=ten' of 'cook0' is not understood. Write it as 'cook0#t=12"),
        ("a,CC,,Q?,x;y,A,cook9#t=0:10;cook1,", "No extracted video is called 'cook9'."),
        ("a,CC,,Q?,x;y,A,cook0.mp4#t=90;cook1,", "clips/cook0.mp4 has no clip from 90 to 25 s. Choose times from 0"),
    ],
)
def test_a_row_that_cannot_be_used_is_reported_and_the_others_are_kept(tmp_path, row, problem):
    found = read(tmp_path, "good,CC,,Q?,x;y,A,cook0;cook1,", row)
    assert [script.id for script in found.scripts] == ["good"]
    (said,) = found.problems
    assert said.startswith(f"{tmp_path}/questions.csv:3")
    assert problem in said


def test_columns_of_clips_cut_the_scenes(tmp_path):
    header = "question,options,answer,videos,begin,end\n"
    found = read(tmp_path, "Q?,x;y,A,cook0;cook1,5;0,15;10", header=header)
    (script,) = found.scripts
    assert [video.duration_s for video in script.videos] == [10, 10]
    assert [scene.caption for scene in script.videos[0].scenes] == ["Step 2: I add basil.", "Step 3: I add chili."]
    assert script.extra["sources"] == ["clips/cook0.mp4#t=5,15", "clips/cook1.mp4#t=0,10"]


def test_a_clip_cuts_pictures_words_and_sounds_at_its_edges():
    scene = Scene(
        start_s=2,
        end_s=10,
        visual="a pan",
        caption="one two three four",
        speech_s=(2, 10),
        facts=Facts(sounds=(Sounded(kind="music", start_s=3, end_s=9),)),
    )
    video = ExtractedVideo(name="a.mp4", video=ScriptedVideo(duration_s=12, scenes=(scene,)))
    (cut,) = clip(video, 6, 12).video.scenes
    assert (cut.start_s, cut.end_s, cut.visual, cut.caption, cut.speech_s) == (0, 4, "a pan", "three four", (0, 4))
    assert [(sound.start_s, sound.end_s) for sound in cut.facts.sounds] == [(0, 3)]
    again = clip(clip(video, 2, 12), 1, 4)
    assert again.name == "a.mp4#t=3,6"
    assert again.video.scenes[0].caption == "one two"


def test_a_clip_cuts_words_at_their_times():
    times_s = ((2, 3), (3, 4), (4, 5), (9, 10))
    scene = Scene(start_s=2, end_s=10, caption="one two three four", word_times_s=times_s)
    video = ExtractedVideo(name="a.mp4", video=ScriptedVideo(duration_s=12, scenes=(scene,)))
    (cut,) = clip(video, 4.25, 12).video.scenes
    assert (cut.caption, cut.speech_s, cut.word_times_s) == ("three four", (0, 5.75), ((0, 0.75), (4.75, 5.75)))
    (whole,) = clip(video, 1, 11).video.scenes
    assert (whole.caption, whole.word_times_s) == (scene.caption, ((1, 2), (2, 3), (3, 4), (8, 9)))
    assert clip(video, 5.5, 8).video.scenes[0].model_dump(include={"caption", "word_times_s"}) == {"caption": ""}


@pytest.mark.parametrize(
    ("mark", "name", "seconds"),
    [
        ("#t=0:10", "clips/cook0.mp4#t=10,25", 15),
        ("#t=0:05,0:00:15", "clips/cook0.mp4#t=5,15", 10),
        ("#t=npt:5,15s", "clips/cook0.mp4#t=5,15", 10),
        ("#t=,5", "clips/cook0.mp4#t=0,5", 5),
        ("#t=0", "clips/cook0.mp4", 25),
    ],
)
def test_a_clip_is_written_as_everywhere(mark, name, seconds):
    part = named_video(VIDEOS, f"cook0{mark}")
    assert (part.name, part.video.duration_s) == (name, seconds)


def test_a_clip_of_a_video_that_is_a_clip_counts_from_the_start_of_the_file():
    part = VIDEOS[0].model_copy(update={"name": "a.mp4#t=0:10,0:35"})
    assert clip(part, 5, 15).name == "a.mp4#t=15,25"
    assert clip(part.model_copy(update={"name": "take#t=2.mp4"}), 5, 15).name == "take#t=2.mp4#t=5,15"


def test_videos_are_found_by_path_name_and_stem():
    for name in ("clips/cook0.mp4", "/elsewhere/clips/cook0.mp4", "cook0.mp4", "cook0", r"c:\clips\cook0.mp4"):
        assert named_video(VIDEOS, name) == VIDEOS[0]
    marked = VIDEOS[1].model_copy(update={"name": "take#t=2.mp4"})
    assert named_video([*VIDEOS, marked], "take#t=2.mp4") is marked
    twice = [*VIDEOS, VIDEOS[0].model_copy(update={"name": "b/cook0.mp4"})]
    with pytest.raises(InputError, match=r"'cook0' is the name of 2 videos\. Write one of: clips/cook0\.mp4, b/cook0"):
        named_video(twice, "cook0")


def test_a_window_without_a_modality_counts_as_what_it_holds():
    silent = ScriptedVideo(duration_s=9, scenes=(Scene(start_s=0, end_s=9, visual="a pan"),))
    assert list(read_windows("1: 1-2", [silent])) == [Citation(video=1, start_s=1, end_s=2, modality="visual")]
    assert [window.modality for window in read_windows("video 1, 1 s - 2 s both", [silent])] == ["visual", "audio"]
    assert list(read_windows(" ; ", [silent])) == []


def test_evidence_lies_in_a_track_that_the_video_has(tmp_path):
    heard = ScriptedVideo(duration_s=9, scenes=(Scene(start_s=0, end_s=9, caption="salt", speech_s=(4, 6)),))
    silent = ScriptedVideo(duration_s=9, scenes=(Scene(start_s=0, end_s=9, visual="a pan"),))
    quiet = ExtractedVideo(name="quiet.mp4", video=silent, vision="eye", audio="ear")
    videos = [ExtractedVideo(name="a.mp3", video=heard, audio="ear"), ExtractedVideo(name="b.mp4", video=silent), quiet]
    rows = ("1: 1-2 visual", "1: 5-6 both", "2: 1-2 audio", "1: 1-2; 2: 1-2; 3: 1-2 both")
    path = tmp_path / "questions.csv"
    path.write_text(HEADER + "".join(f"q{n},CC,,Q?,x;y,A,a;b;quiet,{row}\n" for n, row in enumerate(rows)))
    found = read_questions(path, videos)
    assert found.problems == (
        f"{path}:2: the evidence 1: 1-2 is visual, and video 1 (a.mp3) has no picture. Write audio, or another video.",
        f"{path}:3: the evidence 1: 5-6 is visual, and video 1 (a.mp3) has no picture. Write audio, or another video.",
        f"{path}:4: the evidence 2: 1-2 is audio, and video 2 (b.mp4) has no sound. Write visual, or another video.",
    )
    (script,) = found.scripts
    assert [window.modality for window in script.evidence] == ["audio", "visual", "visual", "audio"]


@pytest.fixture
def extracted(tmp_path: Path) -> Path:
    path = tmp_path / "extracted.jsonl"
    path.write_text("".join(video.model_dump_json(exclude_defaults=True) + "\n" for video in VIDEOS))
    return path


def test_the_command_writes_good_rows_and_reports_the_others(tmp_path, extracted):
    rows = tmp_path / "questions.csv"
    rows.write_text(HEADER + "good,CC,,Q?,x;y,A,cook0;cook1,1:0-5\nbad,CC,,Q?,x;y,A,cook9,\n")
    out = tmp_path / "scripts.jsonl"
    done = agentcvr("scripts", "questions", extracted, "--csv", rows, "--out", out)
    assert done.returncode == 2
    assert f"error: {rows}:3: No extracted video is called 'cook9'." in done.stderr
    assert f"1 script, 1 row not used: {out}" in done.stdout
    assert ScriptLibrary(out).ids == ["good"]
    checked = agentcvr("scripts", "check", out)
    assert (checked.returncode, "1 script, 0 errors" in checked.stdout) == (0, True)
    again = agentcvr("scripts", "questions", extracted, "--csv", rows, "--out", out)
    assert (again.returncode, "exists" in again.stderr) == (2, True)


def test_videos_with_parts_that_failed_are_named_and_the_others_used(tmp_path):
    extracted, rows, out = (tmp_path / name for name in ("extracted.jsonl", "questions.csv", "scripts.jsonl"))
    lost = VIDEOS[1].model_copy(update={"failed": ("0-5 s could not be seen: refused", "5-10 s could not be seen: no")})
    extracted.write_text("".join(v.model_dump_json(exclude_defaults=True) + "\n" for v in (VIDEOS[0], lost)))
    rows.write_text(HEADER + "good,CC,,Q?,x;y,A,cook0;cook1,\n")
    done = agentcvr("scripts", "questions", extracted, "--csv", rows, "--out", out)
    lines = [line for line in done.stderr.splitlines() if line.startswith("incomplete:")]
    fix = "repeat 'agentcvr scripts extract' to try again"
    assert lines == [f"incomplete: {lost.name}: 2 parts could not be extracted; {fix}"]
    assert (done.returncode, ScriptLibrary(out).ids) == (0, ["good"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Name either --csv or --writer."),
        (("--csv", "x.csv", "--writer", "offline"), "Name either --csv or --writer."),
        (("--csv", "x.csv"), "x.csv cannot be read"),
        (("--writer", "offline", "-t", "NUM"), "Unknown task 'NUM'. Choose one of: BU, NC"),
        (("--writer", "offline", "--force"), "--writer continues a file, and --force replaces it."),
    ],
)
def test_bad_options_are_one_line(tmp_path, extracted, arguments, problem):
    done = agentcvr("scripts", "questions", extracted, *arguments, "--out", tmp_path / "s.jsonl")
    assert done.returncode == 2
    assert problem in done.stderr


def test_a_file_of_other_content_is_refused(tmp_path, extracted):
    write_scripts([], tmp_path / "empty.jsonl")
    done = agentcvr("scripts", "questions", tmp_path / "empty.jsonl", "--csv", "x.csv", "--out", tmp_path / "s.jsonl")
    assert "There is no extracted video in" in done.stderr
    done = agentcvr("scripts", "questions", extracted, "--csv", "x.csv", "--out", extracted)
    assert "is the file of the extracted videos" in done.stderr


def test_of_rows_with_one_id_the_one_that_is_used_keeps_its_evidence(tmp_path):
    found = read(
        tmp_path,
        "d,CC,,Q?,x;y,Z,cook0;cook1,1: 15-20 audio",
        "d,CC,,Q?,x;y,A,cook0;cook1,1: 0-5 audio; 2: 0-5 audio",
        "d,CC,,Q?,x;y,B,cook0;cook1,1: 10-15 audio",
    )
    assert [(script.id, script.key) for script in found.scripts] == [("d", "A")]
    assert [(window.video, window.start_s) for window in found.scripts[0].evidence] == [(1, 0.0), (2, 0.0)]
    assert len(found.problems) == 2


def test_all_faults_of_a_row_and_all_bad_rows_are_shown(tmp_path, extracted):
    rows = tmp_path / "questions.csv"
    rows.write_text(HEADER + "one,CC,,Q?,x;x,A,cook0;cook1,1: 0-99\n" + "bad,CC,,Q?,x;y,A,cook9,\n" * 23)
    done = agentcvr("scripts", "questions", extracted, "--csv", rows, "--out", tmp_path / "s.jsonl")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split(": ")[1] for line in lines[:-1]] == [f"{rows}:{number}" for number in range(2, 26)]
    assert lines[-1].startswith(f"error: No question of {rows} can be used")
    assert done.stderr.count("s.jsonl was not written") == 1
