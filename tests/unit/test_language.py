"""Docs, help texts and error messages use plain technical English: a short list of phrases they must not contain.

The list holds phrasings that this project once used in place of a standard term. It is not a style checker. Text that
a policy reads is pinned byte for byte elsewhere and is left out, and so are generated scripts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from agentcvr_graph.cli import app
from agentcvr_graph.cli.lazy import loaded

ROOT = Path(__file__).parents[2]
AVOID = {
    "is told": "shows, reports, logs, returns an error",
    "are told": "show, report, log, return an error",
    "tells": "shows, reports, says",
    "somebody": "user, caller, client",
    "nobody": "name what does not happen",
    "mend": "fix",
    "mends": "fixes",
    "mended": "fixed",
    "comes of": "results from",
    "ask-on": "follow-up",
    "as a rule": "usually",
    "knob": "setting",
    "knobs": "settings",
    "eyes and ears": "vision model and audio model",
}
"""What to avoid, and what to write instead."""
PATTERN = re.compile(rf"\b({'|'.join(AVOID)})\b", re.IGNORECASE)
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "training/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
POLICY_READS = ("ActionError",)
"""Errors whose messages a policy reads."""
SOURCES = [
    *sorted((ROOT / "agentcvr_graph").rglob("*.py")),
    *sorted((ROOT / "training" / "agentcvr_training").rglob("*.py")),
]


def found_in(text: str) -> list[str]:
    """Return the phrases to avoid that occur in a text, each with what to write instead."""
    plain = " ".join(text.split())
    return [
        f"{match[0]!r} -> {AVOID[match[0].lower()]}: ...{_around(plain, match)}..." for match in PATTERN.finditer(plain)
    ]


def _around(text: str, match: re.Match[str]) -> str:
    return text[max(0, match.start() - 40) : match.end() + 40]


def messages_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the string literals inside `raise` statements, with their line numbers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and node.exc is not None:
            name = ast.unparse(node.exc.func) if isinstance(node.exc, ast.Call) else ""
            if name not in POLICY_READS:
                yield from (
                    (part.lineno, part.value)
                    for part in ast.walk(node.exc)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )


def help_texts() -> Iterator[tuple[str, str]]:
    """Yield the help of each command and option of `agentcvr`, with the name of the command."""

    def visit(command: typer.main.TyperGroup, path: str) -> Iterator[tuple[str, str]]:
        yield path, f"{command.help or ''} {command.epilog or ''}"
        yield from ((path, str(getattr(parameter, "help", "") or "")) for parameter in command.params)
        for name, one in getattr(command, "commands", {}).items():
            yield from visit(loaded(one), f"{path} {name}")

    yield from visit(typer.main.get_command(app), "agentcvr")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_contain_no_unwanted_phrase(path: Path):
    assert found_in(path.read_text(encoding="utf-8")) == []


def test_command_line_help_contains_no_unwanted_phrase():
    texts = list(help_texts())
    assert {"agentcvr", "agentcvr ask", "agentcvr scripts sim-gap"} <= {command for command, _ in texts}
    assert [(command, *found) for command, text in texts if (found := found_in(text))] == []


def test_error_messages_contain_no_unwanted_phrase():
    messages = [(path, line, text) for path in SOURCES for line, text in messages_of(path)]
    assert len(messages) > 200
    found = [f"{path.relative_to(ROOT)}:{line}: {one}" for path, line, text in messages for one in found_in(text)]
    assert found == []


def test_the_check_finds_phrases_but_not_parts_of_words():
    assert len(found_in("The master is\ntold what to mend. Recommended amendments.")) == 2
