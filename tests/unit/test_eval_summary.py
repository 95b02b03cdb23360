"""Summary figures checked by hand: every question counts, averages follow the benchmark, differences are tested."""

from __future__ import annotations

import random

import pytest

from agentcvr_graph import InputError
from agentcvr_graph.errors import InfrastructureError
from agentcvr_graph.eval import compare
from agentcvr_graph.eval.compare import p_value
from agentcvr_graph.eval.metrics import macro_average, mean_score
from agentcvr_graph.eval.rows import Row
from agentcvr_graph.eval.run_folder import RunFolder
from agentcvr_graph.eval.scoring import EvalTask, failed_row, row_of
from agentcvr_graph.eval.summary import summarize
from agentcvr_graph.models.text_judge import WordJudge
from agentcvr_graph.trajectory import Trajectory
from agentcvr_graph.types import Answer, Failure, Question, Usage, Video


def row(number: int, task: str, score: float, *, method: str = "agent", outcome="wrong", weight: float = 1.0) -> Row:
    return Row(
        **{"id": f"{task}-{number}", "method": method, "task": task, "kind": "choice", "weight": weight},
        outcome="right" if score == 1 else outcome,
        score=score,
        turns=number,
    )


def test_failures_stay_in_the_denominator_and_are_also_counted_separately():
    rows = [row(1, "BU", 1.0), row(2, "BU", 0.0), row(3, "BU", 0.0, outcome="infrastructure error"), row(4, "BU", 0.0)]
    rows.append(row(5, "BU", 0.0, outcome="out of budget"))
    (line,) = summarize(rows, {})
    assert line.accuracy.mean == pytest.approx(0.2) and line.count == 5
    assert line.outcomes["infrastructure error"] == 1 and line.unanswered == 1 and line.turns == 3


def test_averages_are_means_over_tasks_as_in_crossvid():
    rows = [row(n, "PI", 1.0) for n in range(8)] + [row(n, "FSA", 0.5, outcome="partly") for n in range(2)]
    rows += [row(n, "PSS", 0.0) for n in range(2)]
    averages = {"T": ("PI", "FSA", "PSS"), "O": ("PI", "FSA", "PSS", "MOC"), "M": ("MOC",)}
    found = {line.name: line for line in summarize(rows, averages)}
    assert found["T"].accuracy.mean == pytest.approx(0.5) and found["T"].count == 12
    assert found["O"].average_of == ("PI", "FSA", "PSS"), "of the tasks that were asked"
    assert "M" not in found and "all" not in found
    assert found["T"].accuracy.low <= 0.5 <= found["T"].accuracy.high


def test_without_averages_all_questions_have_equal_weight():
    rows = [row(n, "a", 1.0) for n in range(3)] + [row(0, "b", 0.0)]
    assert {line.name: line.accuracy.mean for line in summarize(rows, {})} == {"a": 1.0, "b": 0.0, "all": 0.75}


def test_judged_answers_are_weighted_by_their_points():
    """CrossVid divides coverage plus correctness by twice the points, summed over questions: (4 + 1) / (8 + 2)."""
    rows = [row(1, "CCQA", 0.5, weight=4.0, outcome="partly"), row(2, "CCQA", 0.5, weight=1.0, outcome="partly")]
    assert summarize(rows, {})[0].accuracy.mean == pytest.approx(0.5)
    rows[1] = rows[1].model_copy(update={"score": 0.0})
    assert summarize(rows, {})[0].accuracy.mean == pytest.approx(0.4)


def test_confidence_intervals():
    assert str(mean_score([1.0, 0.0] * 50)) == "50 (40-60)"
    assert mean_score([0.3]).low == 0.0 and mean_score([0.3]).high == 1.0
    same = macro_average([([0.4] * 10, ()), ([0.6] * 10, ())])
    assert (same.mean, same.low, same.high) == pytest.approx((0.5, 0.5, 0.5))
    rng = random.Random(0)
    wide = macro_average([([rng.random() for _ in range(10)], ())])
    narrow = macro_average([([rng.random() for _ in range(1000)], ())])
    assert narrow.high - narrow.low < 0.3 * (wide.high - wide.low)


QUESTION = Question(
    **{"id": "q", "task": "CCQA", "question": "What?", "kind": "text", "key": "salt"},
    videos=(Video(source="a"),),
    scoring_points=("salt is added", "onions are fried"),
)


def ended(answer=None, failure=None) -> Trajectory:
    return Trajectory(
        **{"question": "What?", "kind": "text", "options": (), "videos": (), "turns": (), "usage": Usage(frames=3)},
        answer=answer,
        failure=failure,
    )


async def test_rows_record_each_kind_of_outcome():
    said = Answer(kind="text", value="salt", text="salt")
    found = await row_of(EvalTask(QUESTION, "agent", 2), ended(said), WordJudge(), "now")
    assert found.weight == 2 and found.coverage == (True, False) and found.attempt == 2 and found.usage.frames == 3
    assert found.outcome == "partly" and 0 < found.score < 1
    unjudged = await row_of(EvalTask(QUESTION, "agent"), ended(said), None, "now")
    assert unjudged.score == 1.0 and unjudged.outcome == "right"
    endings = {
        "unparsable": Failure(boundary="master", message="x"),
        "out of budget": Failure(boundary="master", message="x", out_of_budget=True),
        "infrastructure error": Failure(boundary="infrastructure", message="x"),
    }
    for outcome, failure in endings.items():
        found = await row_of(EvalTask(QUESTION, "agent"), ended(failure=failure), None, "now")
        assert (found.outcome, found.score, found.retryable) == (outcome, 0.0, outcome == "infrastructure error")


class BrokenJudge:
    async def grade(self, question, answer):
        raise InfrastructureError("The judge is gone.", transient=True)


async def test_a_failing_judge_is_an_infrastructure_error_and_the_answer_is_kept():
    said = Answer(kind="text", value="salt", text="salt")
    found = await row_of(EvalTask(QUESTION, "agent"), ended(said), BrokenJudge(), "now")
    assert found.outcome == "infrastructure error" and found.retryable and found.value == "salt"


def test_transient_and_unexpected_errors_are_retryable():
    assert failed_row(EvalTask(QUESTION, "a"), InfrastructureError("busy", transient=True), "now").retryable
    assert not failed_row(EvalTask(QUESTION, "a"), InfrastructureError("refused"), "now").retryable
    assert not failed_row(EvalTask(QUESTION, "a"), InputError("no video"), "now").retryable
    odd = failed_row(EvalTask(QUESTION, "a"), RuntimeError("odd"), "now")
    assert odd.retryable and odd.detail == "RuntimeError: odd"


def test_questions_with_long_ids_have_files_of_their_own(tmp_path):
    """A letter outside of ASCII takes up to 9 characters in the name of a file."""
    folder = RunFolder(tmp_path)
    ids = [f"{text}{n}" for text in ("question" * 100, "\u95ee\u9898" * 12) for n in range(3)]
    files = {folder.trajectory_path("agent", name).name for name in ids}
    assert len(files) == 6
    assert {len(name) for name in files} == {205}
    assert folder.trajectory_path("agent", "a/b").name == "a%2Fb.json"


@pytest.fixture
def two_runs(tmp_path):
    """Write two runs. B answers questions 0 to 29 correctly, A 0 to 49. Both have 60 questions, and A has one more."""
    for name, right in (("a", 50), ("b", 30)):
        folder = RunFolder(tmp_path / name)
        folder.path.mkdir()
        for n in range(60 + (name == "a")):
            folder.add(row(n, "NC" if n % 2 else "CC", float(n < right)), None)
    return tmp_path


def test_two_runs_are_compared_question_by_question(two_runs):
    found = compare(str(two_runs / "a"), str(two_runs / "b"))
    whole = found.lines[-1]
    assert [line.name for line in found.lines] == ["CC", "NC", "all"] and found.unmatched == 1
    assert whole.count == 60 and whole.wins == 20 and whole.losses == 0
    assert whole.difference.mean == pytest.approx(20 / 60)
    assert whole.p < 1e-5 and whole.difference.low > 0.2


def test_methods_of_one_run_are_compared_by_name(tmp_path):
    folder = RunFolder(tmp_path)
    for n in range(10):
        folder.add(row(n, "CC", 1.0), None)
        folder.add(row(n, "CC", float(n % 2), method="blind"), None)
    (line,) = compare(f"{tmp_path}:agent", f"{tmp_path}:blind").lines
    assert (line.one, line.other, line.wins) == (1.0, 0.5, 5)
    with pytest.raises(InputError, match=":METHOD, one of: agent, blind"):
        compare(str(tmp_path), str(tmp_path))
    with pytest.raises(InputError, match="no method 'x'"):
        compare(f"{tmp_path}:x", f"{tmp_path}:agent")
    with pytest.raises(InputError, match="no results"):
        compare(str(tmp_path / "none"), f"{tmp_path}:agent")
    (tmp_path / "stopped").mkdir()
    with pytest.raises(InputError, match="stopped holds no results"):
        compare(f"{tmp_path}/stopped:agent", f"{tmp_path}:agent")


def test_p_values():
    assert p_value([0.0] * 10) == 1.0
    assert p_value([1.0] * 5 + [-1.0] * 5) == 1.0
    assert p_value([1.0] * 6) == pytest.approx(2 / 2**6)  # McNemar's exact test
    rng = random.Random(1)
    assert p_value([rng.gauss(0.0, 0.3) for _ in range(60)]) > 0.05
    assert p_value([rng.gauss(0.3, 0.3) for _ in range(60)]) < 0.001
