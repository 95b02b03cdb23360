"""`--strict` scores as the scripts of the benchmarks do, beside our score, and the two are never mixed in one run."""

from __future__ import annotations

from typing import Any

import pytest

from agentcvr_graph import InputError
from agentcvr_graph.eval import EvalConfig, evaluate_benchmark, scripted_questions
from agentcvr_graph.eval.report import write_run_report
from agentcvr_graph.eval.strict import STRICT_RULES, rule_name, stated, text_of, with_strict_score
from agentcvr_graph.eval.summary import accuracy_table, summarize
from agentcvr_graph.scripts.generators.procedural import make_scripts
from agentcvr_graph.scripts.library import write_scripts
from agentcvr_graph.trajectory import Action, Trajectory, Turn
from agentcvr_graph.types import Answer, Question, Usage, Video
from tests.support.command_line import agentcvr
from tests.support.rows import row

OPTIONS = ("red", "blue", "green")
YES_NO = ("Yes.", "No.")


def question(kind: str, key: Any, options: tuple[str, ...] = ()) -> Question:
    return Question(question="Q?", videos=(Video(source="a.mp4"),), kind=kind, key=key, options=options)


def run(written: Any, kind: str) -> Trajectory:
    """Return a run that wrote an answer which our reader could read."""
    action = Action(call_id="1", tool="answer", arguments={"value": written}, ends=True)
    return Trajectory(
        **{"question": "Q?", "kind": kind, "options": (), "videos": (), "failure": None, "usage": Usage()},
        turns=(Turn(number=1, actions=(action,)),),
        answer=Answer(kind=kind, value="B", text=""),
    )


SCORES = [
    ("crossvid", question("choice", "B", OPTIONS), "B", 1.0),
    ("crossvid", question("choice", "B", OPTIONS), "B.", 0.0),
    ("crossvid", question("choice", "B", OPTIONS), "b", 0.0),
    ("crossvid", question("choice", "B", OPTIONS), "blue", 0.0),
    ("crossvid", question("choice", "B", OPTIONS), " B", 0.0),
    ("crossvid", question("choices", ["A", "C"], OPTIONS), "AC", 1.0),
    ("crossvid", question("choices", ["A", "C"], OPTIONS), ["A", "C"], 1.0),
    ("crossvid", question("choices", ["A", "C"], OPTIONS), "A, C", 0.0),
    ("crossvid", question("order", "2->1->3"), "2->1->3", 1.0),
    ("crossvid", question("order", "2->1->3"), "2 -> 1 -> 3", 0.0),
    ("crossvid", question("interval", (10.0, 20.0)), "10,20", 1.0),
    ("crossvid", question("interval", (10.0, 20.0)), "15, 25", 5 / 15),
    ("crossvid", question("interval", (10.0, 20.0)), [10, 20.0], 1.0),
    ("crossvid", question("interval", (10.0, 20.0)), "10-20", 0.0),
    ("crossvid", question("interval", (10.0, 20.0)), "30,40", 0.0),
    ("cvbench", question("choice", "B", OPTIONS), "b.", 1.0),
    ("cvbench", question("choice", "B", OPTIONS), "blue", 0.0),
    ("cvbench", question("choice", "A", YES_NO), "Yes", 1.0),
    ("cvbench", question("choice", "A", YES_NO), "yes.", 1.0),
    ("cvbench", question("choice", "A", YES_NO), "No", 0.0),
    ("mvu-eval", question("choice", "B", OPTIONS), "B because it is", 1.0),
    ("mvu-eval", question("choice", "B", OPTIONS), "The answer is B", 0.0),
    ("exact", question("number", 3.0), 3, 1.0),
    ("exact", question("number", 3.0), "3", 1.0),
    ("exact", question("number", 3.0), "3 cars", 0.0),
]


@pytest.mark.parametrize(("rule", "asked", "written", "score"), SCORES)
def test_each_rule_scores_what_was_written(rule, asked, written, score):
    found = with_strict_score(row(id="q", task="t", kind=asked.kind), asked, run(written, asked.kind), rule)
    assert found.strict == pytest.approx(score)


def test_every_benchmark_has_a_rule_and_a_question_without_an_answer_scores_0():
    assert [rule_name(name) for name in ("crossvid", "cvbench", "mvu-eval", "own", "mine")] == [
        *list(STRICT_RULES)[1:],
        "exact",
        "exact",
    ]
    asked = question("choice", "B", OPTIONS)
    assert with_strict_score(row(id="q", task="t"), asked, None, "exact").strict == 0.0
    assert with_strict_score(row(id="q", task="t"), asked, None, "").strict is None


def test_an_unreadable_judgement_leaves_the_strict_denominator_alone():
    """CrossVid's script leaves it out; ours counts it as 0: (0.5 + 0) / 2 against 0.5 / 1."""
    asked = question("text", "a cook")
    rows = [row(id="1", task="CCQA", kind="text", score=0.5), row(id="2", task="CCQA", kind="text")]
    rows[1] = rows[1].model_copy(update={"outcome": "infrastructure error"})
    scored = [with_strict_score(one, asked, run("a cook", "text"), "crossvid") for one in rows]
    (line,) = summarize(scored, {})
    assert line.accuracy.mean == 0.25 and line.strict is not None and line.strict.mean == 0.5


def test_values_are_written_as_the_scripts_compare_them():
    written = [text_of(value) for value in (["A", "C"], (10.0, 20.5), 3.0, "B", None)]
    assert written == ["AC", "10,20.5", "3", "B", ""]


REPLIES = [
    ("I think so.\nAnswer: B", "B"),
    ("Answer: B.", "B."),
    ("B", "B"),
    ("Answer: A\nor so", "Answer: A\nor so"),
    ("", ""),
]


@pytest.mark.parametrize(("reply", "answer"), REPLIES)
def test_a_single_pass_states_its_answer_in_the_line_that_the_prompt_asks_for(reply, answer):
    assert stated(reply) == answer


def test_both_figures_are_in_the_table_and_in_the_averages():
    rows = [row(id=f"{task}{n}", task=task, score=1.0, strict=float(n)) for task in ("BU", "NC") for n in range(2)]
    head, table = accuracy_table(summarize(rows, {"C": ("BU", "NC")}))
    assert head == ["task", "questions", "agent", "strict"]
    assert [line[2][:3] + "/" + line[3][:2] for line in table[:3]] == ["100/50"] * 3
    assert table[3] == ["no valid answer", "", "0", ""]
    assert accuracy_table(summarize([row(id="1", task="BU")], {}))[0] == ["task", "questions", "agent"]


def test_groups_have_lines_of_their_own():
    rows = [row(id=str(n), task="t", group=("hard", "easy")[n % 2], score=float(n % 2)) for n in range(4)]
    lines = {line.name: line for line in summarize(rows, {})}
    assert list(lines) == ["t", "group hard", "group easy", "all"], "the last line is that of the whole"
    assert (lines["group hard"].accuracy.mean, lines["group easy"].accuracy.mean) == (0.0, 1.0)
    assert accuracy_table(list(lines.values()))[1][-2][2] == "0", "groups are not counted as questions again"


async def test_a_run_records_the_rule_and_is_not_resumed_with_another(tmp_path):
    scripts = tmp_path / "scripts.jsonl"
    write_scripts(make_scripts({"CC": 2, "FSA": 1}), scripts)
    config = EvalConfig(methods=("agent",), scripts=str(scripts), strict="exact")
    made = await evaluate_benchmark(scripted_questions(scripts), config, tmp_path / "run")
    assert made.manifest.config["strict"] == "exact"
    assert all(one.strict is not None for one in made.rows())
    page = write_run_report(made).read_text()
    assert made.manifest.second_tries == 1 and "is sent back once, for every method" in page
    assert "<th>strict %</th>" in page and "the benchmark's own script (rule exact)" in page
    other = EvalConfig(methods=("agent",), scripts=str(scripts))
    with pytest.raises(InputError, match="strict was 'exact', now it is ''"):
        await evaluate_benchmark(scripted_questions(scripts), other, tmp_path / "run")


def test_the_command_shows_both_figures_and_the_groups(tmp_path):
    scripts = tmp_path / "scripts.jsonl"
    write_scripts(make_scripts({"CC": 2}), scripts)
    done = agentcvr("eval", "--scripts", str(scripts), "--strict", "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert "strict" in done.stdout
    done = agentcvr("eval", "--scripts", str(scripts), "--group-by", "x", "--out", str(tmp_path / "other"))
    assert done.returncode == 2 and "no column 'x' to group by" in done.stderr
