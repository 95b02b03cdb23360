"""Run the recipe for one seed, over as many sittings as it takes: `python -m training.recipes.pretrained`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from agentcvr_training.measures.curve import SHARES
from agentcvr_training.trainer.run import quiet
from rich.console import Console

from agentcvr_graph.cli.console import err, one_of, out, run_app
from agentcvr_graph.cli.options import share_of
from training.recipes.pretrained.measures import MASTERS
from training.recipes.pretrained.outlook import outlook, plan, standing, states
from training.recipes.pretrained.recipe import STEPS, TOKENS, Run, take
from training.recipes.pretrained.report import CONFIG, RESULTS
from training.recipes.pretrained.weights import SMOLLM2
from training.recipes.processes import default_processes
from training.recipes.tiny.recipe import settings_of

PREPARED = ("model", "demonstrations")
"""Steps that take minutes, and whose results a dry run needs."""
EXAMPLES = """
[bold]Examples[/bold]

python -m training.recipes.pretrained --dry-run                              lengths, steps and times, measured here

python -m training.recipes.pretrained                                        everything; the same command resumes

python -m training.recipes.pretrained --steps sft                            one step, in a sitting of its own

python -m training.recipes.pretrained --steps measures --only before --only sft     after SFT, long before the end

python -m training.recipes.pretrained --steps measures --only sft --budget 1.0    at one budget of three

python -m training.recipes.pretrained --model HuggingFaceTB/SmolLM2-360M-Instruct --folder runs/360m/seed-0

python -m training.recipes.pretrained.report                                 the tables and the picture, from the files
"""
app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(epilog=EXAMPLES)
def main(
    config: Annotated[Path, typer.Argument(help="The configuration.")] = CONFIG,
    folder: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/pretrained/seed-0"),
    seed: Annotated[int, typer.Option(min=0, help="The seed.")] = 0,
    model: Annotated[
        str, typer.Option(help=f"A model on the Hub, a folder, or {SMOLLM2}: the weights in that package.")
    ] = SMOLLM2,
    steps: Annotated[
        list[str] | None, typer.Option(help=f"A step: {', '.join(STEPS)}; repeat the option for more. Default all.")
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of all demonstrations.")] = TOKENS,
    choosing: Annotated[
        int, typer.Option(min=1, help="Training questions of each task on which the best constant is chosen.")
    ] = 4,
    only: Annotated[
        list[str] | None, typer.Option(help=f"A master to measure: {', '.join(MASTERS)}; default all.")
    ] = None,
    budgets: Annotated[
        list[float] | None,
        typer.Option(
            "--budget",
            metavar="SHARE",
            parser=share_of,
            help="A budget to measure at, as a share of the full cost; repeat it for more. Default 0.25, 0.5, 1.",
        ),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that share a training; one on an accelerator.")
    ] = default_processes(),
    results: Annotated[Path, typer.Option(help="Folder for the measures of every seed.")] = RESULTS,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Prepare model and demonstrations, then print the plan and its time."),
    ] = False,
) -> None:
    """Train a pretrained model to look, read and answer, and measure it beside what it has to beat."""
    quiet()
    wanted = [one_of("--steps", step, STEPS) for step in steps or STEPS]
    settings = settings_of(config, folder, seed)
    masters = tuple(one_of("--only", name, tuple(MASTERS)) for name in only or ())
    run = Run(settings, results / f"seed-{seed}", model, tokens, choosing, processes, masters, tuple(budgets or SHARES))
    if dry_run:
        take(run, PREPARED, err)
        out.print(plan(run))
    else:
        show(run, err)
        take(run, wanted, err)
    show(run, out)


def show(run: Run, console: Console) -> None:
    """Print where a run stands, with times as soon as there are demonstrations."""
    known = all(run.done()[step].exists() for step in PREPARED)
    console.print(standing(outlook(run) if known else states(run)))


if __name__ == "__main__":
    run_app(app, "training")
