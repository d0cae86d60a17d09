"""The source of functions, and which of its lines failed."""
from __future__ import annotations

import ast
import inspect
import textwrap
import traceback
from types import CodeType, TracebackType
from typing import Any, Callable


class Source:
    """The text of a function from its first line behind @bundle on. `first_line` is that line's number in its file."""

    def __init__(self, text: str, first_line: int):
        self.text, self.first_line = text, first_line


def source_of(function: Callable[..., Any]) -> Source | None:
    """None if it has none that can be read, as what was typed in or made by exec."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return None
    text = textwrap.dedent("".join(lines))
    left = text.splitlines()
    skipped = _lines_of_bundle(text)
    while skipped < len(left) and not left[skipped].strip():
        skipped += 1
    return Source("\n".join(left[skipped:]).rstrip(), first + skipped)


def _lines_of_bundle(text: str) -> int:
    """How many lines @bundle takes with the decorators above it."""
    try:
        definition = ast.parse(text).body[0]
    except SyntaxError:  # part of an expression, as a lambda is
        return 0
    if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return 0
    skipped = 0
    for each in definition.decorator_list:
        called = each.func if isinstance(each, ast.Call) else each
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name == "bundle":
            skipped = each.end_lineno or 0
    return skipped


def signature_of(text: str) -> str:
    """The head of the function that a text defines, with its docstring, as it stands there; else empty."""
    try:
        definition = ast.parse(text).body[0]
    except (SyntaxError, IndexError):
        return ""
    if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return ""
    first = definition.body[0]
    lines = text.splitlines()[definition.lineno - 1:]
    if ast.get_docstring(definition, clean=False) is not None:
        return "\n".join(lines[:(first.end_lineno or 1) - definition.lineno + 1])
    head = lines[:max(first.lineno - definition.lineno, 1)]
    if first.lineno == definition.lineno:
        head[0] = head[0][:first.col_offset]
    return "\n".join(head).rstrip()


def failed_line(code: CodeType | None, trace: TracebackType | None) -> int:
    """Which line of its file was at work in a function when it failed; 0 if it was not at work."""
    line = 0
    for frame, number in traceback.walk_tb(trace):
        if frame.f_code is code:
            line = number
    return line
