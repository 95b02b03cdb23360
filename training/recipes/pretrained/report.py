"""The tables and the picture of the recipe, from the files that its measures wrote.

python -m training.recipes.pretrained.report
python -m training.recipes.pretrained.report --results runs/pretrained/results --picture comparison.png
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from agentcvr_training.config.settings import load_settings
from agentcvr_training.measures.curve import SHARES, area_of
from agentcvr_training.measures.evaluation import MeasuredQuestion

from agentcvr_graph.cli.console import out, run_app
from agentcvr_graph.errors import InputError
from agentcvr_graph.eval.metrics import mean_score
from agentcvr_graph.scripts.chance import chance_level
from training.recipes.pretrained.measures import MASTERS
from training.recipes.tiny.comparison_tables import Measured, differences, draw, read_questions

CONFIG = Path("training/recipes/pretrained/configs/smollm2.yaml")
RESULTS = Path(__file__).parent / "results"
Found = Mapping[str, Measured]
app = typer.Typer(add_completion=False)


@app.command()
def main(
    config: Annotated[Path, typer.Argument(help="The configuration of the run.")] = CONFIG,
    results: Annotated[Path, typer.Option(help="Folder with a folder of files for each seed.")] = RESULTS,
    picture: Annotated[Path | None, typer.Option(help="The picture; default: beside the files.")] = None,
) -> None:
    """Print the tables of every seed in a folder of results, and draw the picture."""
    chance = chance_level(load_settings(config).held_out_scripts())
    found = read(results)
    out.print(f"{report(found)}\n\nchance: {100 * chance:.1f} %", markup=False)
    draw(found, chance, picture or results / "comparison.png", titles=MASTERS)


def read(results: Path) -> dict[str, Measured]:
    """Return the masters that are measured at every seed of a folder.

    Raises:
        InputError: the folder holds no results.
    """
    seeds = sorted(results.glob("seed-*"))
    found = {
        name: Measured(name, [read_questions(seed / f"{name}.json.gz") for seed in seeds])
        for name in MASTERS
        if seeds and all((seed / f"{name}.json.gz").exists() for seed in seeds)
    }
    if not found:
        raise InputError(f"There are no results in {results}.", fix="Run the recipe first, or name another --results.")
    return found


def report(found: Found) -> str:
    """Return all tables as Markdown."""
    against = [differences(found, titles=MASTERS)] if "grpo" in found else []
    return "\n\n".join([by_budget(found), by_kind(found), *against])


def by_budget(found: Found) -> str:
    """Return accuracy at each budget, the area under the curve and how the masters looked; 95 % intervals."""
    heads = [f"{100 * share:.0f} %" for share in SHARES]
    lines = [_row("accuracy in %", *heads, "area (95 %)", "hit rate", "turns"), _rule(len(heads) + 4)]
    for name, measured in found.items():
        scores = measured.scores
        cells = [str(mean_score(scores[share])) if share in scores else "" for share in SHARES]
        area = str(area_of(scores)) if measured.is_whole else ""
        hits, turns = (_mean(measured.questions, field) for field in ("hit_rate", "turns"))
        lines.append(_row(MASTERS[name], *cells, area, f"{100 * hits:.0f}", f"{turns:.1f}"))
    return "\n".join(lines)


def by_kind(found: Found) -> str:
    """Return accuracy by kind of question and the validity of actions, both at the whole budget; 95 % intervals."""
    kinds = list(dict.fromkeys(one.task for measured in found.values() for one in measured.questions))
    lines = [_row("at the whole budget", *kinds, "valid actions %", "calls accepted %"), _rule(len(kinds) + 3)]
    for name, measured in found.items():
        own = [one for one in measured.questions if one.share == SHARES[-1]]
        cells = [str(mean_score(measured.of_task(kind).scores[SHARES[-1]])) for kind in kinds]
        lines.append(_row(MASTERS[name], *cells, f"{100 * _mean(own, 'valid'):.0f}", f"{100 * accepted(own):.0f}"))
    return "\n".join(lines)


def accepted(questions: Sequence[MeasuredQuestion]) -> float:
    """Return the share of calls that the graph carried out; a turn without a call counts as a refused one."""
    return sum(one.accepted for one in questions) / max(1, sum(one.calls for one in questions))


def _mean(questions: Sequence[MeasuredQuestion], name: str) -> float:
    return statistics.fmean(getattr(question, name) for question in questions)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return "|" + "---|" * columns


if __name__ == "__main__":
    run_app(app, "training")
