"""Read calls in the syntax of Python, as Gemma, Llama and others write them: `observe(targets=[...], focus="salt")`.

The standard library parses the expression; nothing is run. Only literals are arguments, and `Target(video=1)` is an
object with these fields.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

MAX_CALL = 4000
"""Longest call in characters."""
_SIGN = re.compile(r"\\.|[\"'()\[\]{}]", re.S)
"""A bracket, a quotation mark, or an escape."""
_NAMES = {"true": True, "false": False, "null": None, "none": None}


def closing_bracket(text: str, start: int) -> int:
    """Return the position behind the bracket that closes the one at `start`; -1 if none does."""
    depth, mark = 0, ""
    for found in _SIGN.finditer(text, start, start + MAX_CALL):
        sign = found[0]
        if mark:
            mark = "" if sign == mark else mark
        elif sign in "\"'":
            mark = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
            if depth == 0:
                return found.end()
    return -1


def read_python_call(source: str, parameters: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, Any]] | None:
    """Return the name and the arguments of a call; None if it is none, or not of literals alone.

    Args:
        source: the call.
        parameters: the names of each known tool's parameters by its name in small letters, for arguments without one.
    """
    try:
        call = ast.parse(source.strip(), mode="eval").body
        if not isinstance(call, ast.Call):
            return None
        name = ast.unparse(call.func)
        return name, _arguments(call, parameters.get(name.rpartition(".")[2].casefold(), ()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _arguments(call: ast.Call, parameters: Sequence[str]) -> dict[str, Any]:
    if len(call.args) > len(parameters):
        raise ValueError("an argument without a name")
    arguments = {name: _literal(value) for name, value in zip(parameters, call.args, strict=False)}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ValueError("an unpacked argument")
        arguments[keyword.arg] = _literal(keyword.value)
    return arguments


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.List() | ast.Tuple():
            return [_literal(item) for item in node.elts]
        case ast.Dict():
            keys = [_literal(cast(ast.expr, key)) for key in node.keys]
            return dict(zip(map(str, keys), map(_literal, node.values), strict=True))
        case ast.Name() if node.id in _NAMES:
            return _NAMES[node.id]
        case ast.Call() if not node.args:
            return _arguments(node, ())
        case _:
            return ast.literal_eval(node)
