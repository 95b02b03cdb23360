"""`agentcvr scripts`: make, check, show, convert and render scripts, and measure the sim-to-real gap."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from agentcvr_graph.cli import extract
from agentcvr_graph.cli import options as shared
from agentcvr_graph.cli.console import (
    ANSWERED,
    BAD_INPUT,
    err,
    escape,
    new_file,
    one_of,
    out,
    print_failed_jobs,
    print_notes,
)
from agentcvr_graph.cli.recogniser import chosen_audio
from agentcvr_graph.cli.scripts_questions import EXAMPLES as QUESTIONS_EXAMPLES
from agentcvr_graph.cli.scripts_questions import questions
from agentcvr_graph.errors import InputError, missing_extra
from agentcvr_graph.models.strings import ModelStrings
from agentcvr_graph.render import counted
from agentcvr_graph.scripts.bundled import bundled_library, find_script
from agentcvr_graph.scripts.checks import check_script
from agentcvr_graph.scripts.generators.procedural import LEVELS, PHRASINGS, Difficulty, Phrasing, make_scripts
from agentcvr_graph.scripts.generators.procedural.tours.sets import QUESTIONS, make_sets
from agentcvr_graph.scripts.library import ScriptLibrary, write_scripts
from agentcvr_graph.scripts.schema import OWN_TASKS, TASKS, TOUR_TASKS, Script, Task
from agentcvr_graph.utils.progress import ProgressBar, track

app = typer.Typer(
    help="Make, check, show and render scripts, the text stand-ins for video in swap mode.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

KNOWN_TASKS = (*TASKS, *OWN_TASKS)
Library = Annotated[
    list[Path] | None, typer.Argument(help="Script files (.json, .jsonl) or folders; default: the bundled scripts.")
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", "-t", help=f"One of {', '.join(KNOWN_TASKS)}; repeatable. Default: CrossVid's ten tasks."),
]
Wording = Annotated[
    str,
    typer.Option(help="training or held-out: how questions of the tour tasks are worded; no wording is in both."),
]

MAKE_EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts make --out train.jsonl --each 1000

agentcvr scripts make --out hard.jsonl -t FSA -t PSS --difficulty hard --set scenes=40 --seed 7

agentcvr scripts make --out written.jsonl --each 20 --model openai:gpt-4.1 --concurrency 16

agentcvr scripts make --out written.jsonl --each 5000 --model http://localhost:8000/v1 --engine ray
"""
SETS_EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts sets --out sets.jsonl --count 60 --phrasing held-out

agentcvr scripts sim-gap sets.jsonl --audio whisper:base --master transformers:runs/mine/policy --out gap
"""
CHECK_EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts check

agentcvr scripts check train.jsonl heldout/
"""
SHOW_EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts show cc-000000

agentcvr scripts show train.jsonl#cc-000007 --out timeline.html
"""
STATS_EXAMPLES = """
[bold]Example[/bold]

agentcvr scripts stats train.jsonl
"""
IMPORT_EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts import cc_scripts.json --out cc.jsonl

agentcvr scripts import released/ --out all.jsonl
"""
EXPORT_EXAMPLES = """
[bold]Example[/bold]

agentcvr scripts export cc.jsonl --out cc_scripts.json
"""
RENDER_EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts render cc-000000 --out videos

agentcvr scripts render train.jsonl#cc-000007 --out videos --subtitles --limit 0
"""
CROSSVID_EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts crossvid --out CrossVid --each 2

agentcvr scripts crossvid --out CrossVid -t FSA -t PSS --difficulty hard --seed 7
"""
SIM_GAP_EXAMPLES = """
[bold]Examples[/bold]

agentcvr scripts sim-gap scripts.jsonl --out gap

agentcvr scripts sim-gap scripts.jsonl --out gap --fit noise.json

agentcvr scripts sim-gap tours.jsonl --out gap --audio whisper:base --master tiny --budget 0.5
"""


app.command(epilog=QUESTIONS_EXAMPLES)(questions)


@app.command(epilog=MAKE_EXAMPLES)
def make(
    to: Annotated[Path, typer.Option("--out", help="The .jsonl file to write.")],
    each: Annotated[int, typer.Option(min=1, help="Number of scripts of each task.")] = 10,
    tasks: Tasks = None,
    seed: Annotated[int, typer.Option(help="Seed of the first script of each task.")] = 0,
    difficulty: Annotated[str, typer.Option(help=f"{', '.join(LEVELS)}; for procedural scripts.")] = "normal",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A difficulty setting such as scenes=12; repeat it for more.")
    ] = None,
    phrasing: Wording = "training",
    model: Annotated[str, typer.Option(help="Model string of a chat model that writes the scripts.")] = "",
    engine: shared.Engine = "local",
    concurrency: Annotated[int, typer.Option(min=1, help="With --model: calls in flight.")] = 8,
    price_in: shared.PriceIn = 0.0,
    price_out: shared.PriceOut = 0.0,
    retry_failed: Annotated[bool, typer.Option(help="With --model: retry jobs that failed before.")] = False,
    force: shared.Force = False,
) -> None:
    """Make scripts with the procedural generators or, with --model, with a chat model, which continues the file."""
    counts: dict[Task, int] = {task: each for task in KNOWN_TASKS if task in _tasks(tasks)}
    shared.checked_engine(engine)
    if model:
        if force:
            raise InputError("--model continues a file, and --force replaces it.", fix="Leave one of them out.")
        if settings or (difficulty, phrasing) != ("normal", "training"):
            raise InputError(
                "--difficulty, --set and --phrasing are for procedural scripts.", fix="Leave them out, or --model."
            )
        _write_with_model(
            counts,
            seed,
            model,
            _jsonl(to),
            engine=engine,
            concurrency=concurrency,
            price_in=price_in,
            price_out=price_out,
            retry_failed=retry_failed,
        )
        return
    target = new_file(_jsonl(to), force=force)
    level = LEVELS[one_of("--difficulty", difficulty, tuple(LEVELS))].with_settings(_settings(settings or []))
    scripts = make_scripts(counts, seed, level, _phrasing(phrasing, counts))
    count = write_scripts(_with_progress(scripts, "making", sum(counts.values())), target)
    out.print(f"{counted(count, 'script')}: {escape(str(to))}")


@app.command(epilog=SETS_EXAMPLES)
def sets(
    to: Annotated[Path, typer.Option("--out", help="The .jsonl file to write.")],
    count: Annotated[int, typer.Option(min=1, help="Number of sets.")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of the first set.")] = 0,
    phrasing: Wording = "training",
    force: shared.Force = False,
) -> None:
    """Make sets of tours: nine questions over the same three videos of about 90 s, which are rendered once."""
    target = new_file(_jsonl(to), force=force)
    scripts = make_sets(count, seed, one_of("--phrasing", phrasing, PHRASINGS))
    questions = write_scripts(_with_progress(scripts, "making", QUESTIONS * count), target)
    out.print(f"{counted(count, 'set')}, {counted(questions, 'question')}: {escape(str(to))}")


@app.command(epilog=CHECK_EXAMPLES)
def check(library: Library = None) -> None:
    """Report every problem of the scripts; exit status 2 if one of them cannot be used."""
    opened = _library(library)
    bad = warnings = 0
    for script_id in opened.ids:
        try:
            problems = check_script(opened.get(script_id))
        except InputError:  # the library's own problems are printed below
            continue
        for problem in problems:
            warnings += 1
            out.print(escape(f"{opened.place(script_id)}: {script_id}: {problem}"))
    for _ in opened:
        pass
    for problem in opened.problems:
        bad += 1
        err.print(f"[red]error:[/] {escape(problem)}")
    out.print(f"{counted(len(opened), 'script')}, {counted(bad, 'error')}, {counted(warnings, 'warning')}")
    raise typer.Exit(BAD_INPUT if bad else ANSWERED)


@app.command(epilog=SHOW_EXAMPLES)
def show(
    script: Annotated[str, typer.Argument(help="A script file, 'FILE.jsonl#ID', or the id of a bundled script.")],
    to: Annotated[Path | None, typer.Option("--out", help="Write the timeline to this file: .html or .png.")] = None,
    force: shared.Force = False,
) -> None:
    """Show the timeline of a script in the terminal, or write it as a page or a picture."""
    from agentcvr_graph.scripts.timeline import draw_script, script_lines

    _, found = find_script(script)
    if to is None:
        out.print(script_lines(found))
        return
    draw_script(found, new_file(to, force=force))
    err.print(f"timeline: {escape(str(to))}")


@app.command(epilog=STATS_EXAMPLES)
def stats(library: Library = None) -> None:
    """Count tasks, videos, scenes and events of a library of scripts."""
    from agentcvr_graph.scripts.stats import stats as count
    from agentcvr_graph.scripts.stats import stats_table

    opened = _library(library)
    out.print(stats_table(count(_with_progress(opened, "reading", len(opened)))))
    _print_problems(opened.problems)


@app.command("import", epilog=IMPORT_EXAMPLES)
def import_(
    path: Annotated[Path, typer.Argument(help="A file of AgentCVR's released generators, or a folder of them.")],
    to: Annotated[Path, typer.Option("--out", help="The .jsonl file to write.")],
    generator: Annotated[str, typer.Option(help="Generator that wrote it; default: recognised.")] = "",
    force: shared.Force = False,
) -> None:
    """Convert scripts from a format that AgentCVR released: one file, or a folder with one file a task."""
    from agentcvr_graph.scripts.formats import files_of, import_files

    target = new_file(_jsonl(to), force=force)
    files = files_of(path, but=target)
    imported = import_files(track(files, "reading", len(files), console=err), generator or None)
    _print_problems(imported.problems)
    print_notes(imported.notes)
    if not imported.scripts:
        raise InputError(f"No script was imported from {path}; {to} was not written.", fix="See the lines above.")
    count = write_scripts(imported.scripts, target)
    out.print(f"{counted(count, 'script')} from {counted(len(files), 'file')}: {escape(str(to))}")
    raise typer.Exit(BAD_INPUT if imported.problems else ANSWERED)


@app.command(epilog=EXPORT_EXAMPLES)
def export(
    library: Annotated[list[Path], typer.Argument(help="Script files or folders.")],
    to: Annotated[Path, typer.Option("--out", help="The .json file to write.")],
    generator: Annotated[str, typer.Option(help="Generator of the format; default: that of the task.")] = "",
    force: shared.Force = False,
) -> None:
    """Convert scripts of one task to the format that AgentCVR released for it."""
    from agentcvr_graph.scripts.formats import export_file

    opened = _library(library)
    scripts = list(opened)
    export_file(scripts, new_file(to, force=force), generator or None)
    _print_problems(opened.problems)
    out.print(f"{counted(len(scripts), 'script')}: {escape(str(to))}")


@app.command(epilog=RENDER_EXAMPLES)
def render(
    script: Annotated[str, typer.Argument(help="A script file, 'FILE.jsonl#ID', or the id of a bundled script.")],
    to: Annotated[Path, typer.Option("--out", help="The folder to write into.")],
    subtitles: Annotated[bool, typer.Option(help="Also write the captions as subtitles.")] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="Largest number of videos: those with evidence come first; 0 for all.")
    ] = 20,
) -> None:
    """Render a script as real videos: drawn scenes, spoken captions, sounds (needs flite)."""
    from agentcvr_graph.scripts.video import render_script

    _, found = find_script(script)
    count = len(found.excerpt(limit or len(found.videos)))
    if count < len(found.videos):
        err.print(f"[yellow]note:[/] {count} of {len(found.videos)} videos: those with evidence and the first others.")
    with err.status(f"rendering {counted(count, 'video')}"):
        rendered = render_script(found, to, subtitles=subtitles, limit=limit)
    for warning in rendered.warnings:
        err.print(f"[yellow]note:[/] {escape(warning)}")
    for path in rendered.paths:
        out.print(escape(str(path)))


@app.command(epilog=CROSSVID_EXAMPLES)
def crossvid(
    to: Annotated[Path, typer.Option("--out", help="The folder to write into.")],
    each: Annotated[int, typer.Option(min=1, help="Number of questions of each task.")] = 6,
    tasks: Tasks = None,
    seed: Annotated[int, typer.Option(help="Seed of the first question of each task.")] = 0,
    difficulty: Annotated[str, typer.Option(help=f"{', '.join(LEVELS)}.")] = "normal",
    force: Annotated[bool, typer.Option("--force", help="Replace the questions that the folder holds.")] = False,
) -> None:
    """Render a small benchmark in the layout of CrossVid: videos, folders of frames with boxes (needs flite)."""
    from agentcvr_graph.eval.rendered_set import files_of_set, render_set

    wanted: list[Task] = [task for task in TASKS if task in _tasks(tasks)]
    for path in files_of_set(to, wanted):
        new_file(path, force=force)
    level = LEVELS[one_of("--difficulty", difficulty, tuple(LEVELS))]
    scripts = make_scripts(dict.fromkeys(wanted, each), seed, level)
    count = render_set(_with_progress(scripts, "rendering", each * len(wanted)), to)
    out.print(f"{counted(count, 'question')}: {escape(str(to))}")


app.command(epilog=extract.EXAMPLES)(extract.extract)
app.command(epilog=extract.GAP_EXAMPLES)(extract.extract_gap)


@app.command("sim-gap", epilog=SIM_GAP_EXAMPLES)
def sim_gap(
    library: Library = None,
    to: Annotated[Path, typer.Option("--out", help="Folder of the report, videos and trajectories.")] = Path("gap"),
    noise: shared.Noise = "fitted",
    fit: Annotated[Path | None, typer.Option(help="Write the fitted noise rates to this new file.")] = None,
    master: shared.Master = "offline",
    vision: shared.Vision = "offline",
    audio: shared.Audio = "offline",
    max_turns: shared.MaxTurns = None,
    budget: shared.Budget = None,
    limit: Annotated[int, typer.Option(min=0, help="Largest number of questions of each task; 0 for all.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --fit if it exists.")] = False,
) -> None:
    """Measure the sim-to-real gap: run every question in swap mode and live on rendered video, and compare.

    Questions about the same videos are rendered once, and intervals are clustered by them. The same command resumes.
    """
    from agentcvr_graph.eval.sim_gap import Budget, measure_sim_gap
    from agentcvr_graph.eval.sim_gap.pairs import SETTINGS
    from agentcvr_graph.eval.sim_gap.report import sim_gap_table

    if fit is not None:
        new_file(fit, force=force, option="--fit")
    opened = _library(library)
    models = ModelStrings(master, vision, chosen_audio(audio))
    limits = Budget(SETTINGS.model_copy(update={"max_turns": shared.turns_of(master, max_turns)}), budget)
    scripts = _first_of_each(opened, limit)
    found = asyncio.run(measure_sim_gap(scripts, to, noise=noise, models=models, budget=limits))
    _print_problems(opened.problems)
    out.print(sim_gap_table(found))
    if found.disturbed:
        print_notes([f"{found.disturbed} live runs had infrastructure errors; run the command again to repeat them."])
    if fit is not None:
        fit.write_text(found.fitted.model_dump_json(indent=1) + "\n")
        err.print(f"fitted rates: {escape(str(fit))}")
    err.print(f"report: {escape(str(to / 'gap.html'))}")


def _write_with_model(counts: Mapping[Task, int], seed: int, model: str, out_path: Path, **options: Any) -> None:
    """Generate scripts with a chat model, with a progress bar and a summary on stderr."""
    if own := [task for task in counts if task not in TASKS]:
        raise InputError(
            f"A chat model writes scripts of CrossVid's tasks, not of {', '.join(own)}.",
            fix=f"Leave out --model, or choose from {', '.join(TASKS)}.",
        )
    try:
        from agentcvr_graph.scripts.generators.llm import Totals, generate, jobs_of
    except ImportError as error:
        raise missing_extra(error.name or "datasketch", "synthesis") from error
    jobs = list(jobs_of(counts, seed))
    with ProgressBar("writing", len(jobs), console=err) as bar:

        def show(totals: Totals) -> None:
            spent = f"{totals.usage.output_tokens} tokens, {totals.cost:.2f}"
            bar.update(completed=totals.done, description=f"writing ({spent})")

        totals = asyncio.run(generate(jobs, model, out_path, on_progress=show, **options))
    print_failed_jobs(totals.causes, out_path)
    err.print(escape(f"{totals}: {out_path}"))


def _library(paths: list[Path] | None) -> ScriptLibrary:
    return ScriptLibrary(*paths) if paths else bundled_library()


def _tasks(given: list[str] | None) -> tuple[str, ...]:
    return tuple(one_of("task", task.upper(), KNOWN_TASKS) for task in given or TASKS)


def _phrasing(given: str, tasks: Iterable[Task]) -> Phrasing:
    """Return how questions are worded.

    Raises:
        InputError: there is no such phrasing, or a task has none that is held out.
    """
    phrasing = one_of("--phrasing", given, PHRASINGS)
    others = [task for task in tasks if task not in TOUR_TASKS]
    if phrasing == "held-out" and others:
        raise InputError(
            f"No wording of {', '.join(others)} is held out.", fix=f"Choose with -t from {', '.join(TOUR_TASKS)}."
        )
    return phrasing


def _settings(given: list[str]) -> dict[str, float]:
    settings: dict[str, float] = {}
    for item in given:
        name, equals, value = item.partition("=")
        try:
            settings[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"Cannot read the setting {item!r}.", fix="Write NAME=NUMBER, for example scenes=12.")
    Difficulty().with_settings(settings)
    return settings


def _jsonl(path: Path) -> Path:
    if path.suffix != ".jsonl":
        raise InputError(f"{path}: scripts are written to a .jsonl file.", fix=f"Name it {path.with_suffix('.jsonl')}.")
    return path


def _first_of_each(scripts: Iterable[Script], limit: int) -> list[Script]:
    """Return the first scripts of each task, in the order in which they are stored."""
    counts: Counter[str] = Counter()
    kept: list[Script] = []
    for script in scripts:
        counts[script.task] += 1
        if not limit or counts[script.task] <= limit:
            kept.append(script)
    return kept


def _with_progress(scripts: Iterable[Script], what: str, total: int) -> Iterator[Script]:
    """Yield the scripts with a progress bar on stderr."""
    return track(scripts, what, total, console=err)


def _print_problems(problems: Iterable[str]) -> None:
    for problem in problems:
        err.print(f"[yellow]skipped:[/] {escape(problem)}")
