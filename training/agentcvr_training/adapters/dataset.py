"""Write the scripts of a training configuration as Parquet, for engines that read a data set of prompts.

    python -m agentcvr_training.adapters.dataset CONFIG --out data/tours

writes `train.parquet` and `held_out.parquet`, a row a script: `prompt` (the question as a chat, for the engine's own
accounts; the graph writes what the policy reads), `script` (JSON), and the columns by which verl chooses the agent loop
and groups its metrics (`agent_name`, `data_source`, `reward_model`, `extra_info`).
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from datasets import Dataset

from agentcvr_graph.cli.console import new_file, out, run_app
from agentcvr_graph.scripts.schema import Script
from agentcvr_training.config.settings import load_settings, read_overrides

AGENT = "agentcvr_graph"
"""Name of the agent loop in `configs/verl/agent_loop.yaml`."""


def row_of(script: Script, index: int) -> dict[str, Any]:
    """Return the row of a script."""
    return {
        "prompt": [{"role": "user", "content": script.question}],
        "script": script.model_dump_json(),
        "agent_name": AGENT,
        "data_source": script.task,
        "reward_model": {"style": "rule", "ground_truth": ""},  # the reward comes with the episode
        "extra_info": {"index": index, "script": script.id},
    }


def write_rows(scripts: Sequence[Script], path: Path) -> None:
    """Write a Parquet file with a row for every script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_list([row_of(script, n) for n, script in enumerate(scripts)]).to_parquet(str(path))


def main(
    config: Annotated[Path, typer.Argument(help="A training configuration.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder of the Parquet files.")] = Path("data"),
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a value of the configuration.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Write the training and held-out scripts of a configuration as Parquet."""
    scripts, held_out = load_settings(config, read_overrides(changes or [])).load_scripts()
    for name, part in (("train", scripts), ("held_out", held_out)):
        if part:
            path = new_file(folder / f"{name}.parquet", force=force)
            write_rows(part, path)
            out.print(f"{len(part)} rows: {path}")


app = typer.Typer(add_completion=False)
app.command()(main)

if __name__ == "__main__":
    run_app(app, "training")
