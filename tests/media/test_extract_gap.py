"""What extraction loses: facts looked up by hand, and a small set that is rendered, extracted and answered."""

from __future__ import annotations

import json
import shutil

import pytest

from agentcvr_graph.eval.extract_gap import measure_extract_gap
from agentcvr_graph.eval.extract_gap.facts import compare_videos
from agentcvr_graph.eval.extract_gap.report import accuracy_table, facts_table
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.scripts.generators.procedural.tours.sets import make_set
from agentcvr_graph.scripts.library import ScriptLibrary
from agentcvr_graph.scripts.schema import Facts, Scene, ScriptedVideo, Sounded


def video(*scenes: Scene) -> ScriptedVideo:
    return ScriptedVideo(duration_s=scenes[-1].end_s, scenes=scenes)


async def test_facts_are_counted_both_ways():
    true = video(
        Scene(start_s=0, end_s=4, facts=Facts(text=("SALT",), colours=("red",), motion="up"), caption="add the salt"),
        Scene(start_s=4, end_s=8, facts=Facts(text=("STIR", "11:15"), colours=("red",))),
    )
    knock = Sounded(kind="impact", start_s=6, end_s=6.2)
    extracted = video(
        Scene(start_s=0, end_s=4, facts=Facts(text=("SALT",), colours=("red",), motion="down"), caption="add a salt"),
        Scene(start_s=4, end_s=8, facts=Facts(text=("STIB",), colours=("blue",), sounds=(knock,))),
    )
    rows = {row.kind: row for row in await compare_videos([(true, extracted)])}
    text, motion, speech, sound = (rows[kind] for kind in ("text", "motion", "speech", "sound"))
    assert (text.count, text.found, text.exact, text.extracted, text.true) == (3, 2 / 3, 1 / 3, 2, 1.0)
    assert (rows["colours"].found, rows["colours"].true) == (0.5, 0.5)
    assert (motion.found, motion.exact) == (1.0, 0.0)
    assert (speech.found, speech.exact, speech.shift_s) == (1.0, 0.0, 0.0)
    assert (sound.count, sound.extracted, sound.true) == (0, 1, 0.0)


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite speaks what is said in the videos")
async def test_a_set_is_extracted_answered_and_resumed(tmp_path, monkeypatch):
    asked = next(script for script in make_set(0) if script.task == "STOP")
    short = tuple(
        one.model_copy(update={"scenes": one.scenes[:2], "duration_s": one.scenes[1].end_s}) for one in asked.videos
    )
    script = asked.model_copy(update={"videos": short, "evidence": ()})
    gap = await measure_extract_gap([script], tmp_path, ModelStrings())
    [text] = [row for row in gap.facts if row.kind == "text"]
    assert (text.count, text.found, text.true) == (sum(len(s.facts.text) for v in short for s in v.scenes), 1.0, 1.0)
    assert gap.cost.frames > 0
    assert [row.name for row in gap.tasks] == ["STOP", "all"]
    assert gap.baselines[0] == gap.baselines[1]
    assert accuracy_table(gap).row_count == 2
    assert facts_table(gap).row_count == len(gap.facts)
    record = json.loads((tmp_path / "extract_gap.json").read_text())
    assert record["questions"][0]["id"] == script.id
    assert [row["chance"] for row in record["tasks"]] == [gap.baselines[0].chance] * 2
    [extracted] = ScriptLibrary(tmp_path / "extracted_scripts.jsonl")
    assert [one.title for one in extracted.videos] == [one.title for one in short]

    def forbidden(*_):
        raise AssertionError("a video was rendered or extracted again")

    monkeypatch.setattr("agentcvr_graph.scripts.extraction.batch.extract_video", forbidden)
    monkeypatch.setattr("agentcvr_graph.eval.sim_gap.pairs.ask", forbidden)
    again = await measure_extract_gap([script], tmp_path, ModelStrings())
    assert again.as_record() == gap.as_record()
