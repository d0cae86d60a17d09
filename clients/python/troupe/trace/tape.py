"""Tapes: where nodes get their names, and whether anything is recorded."""
from __future__ import annotations

import contextlib
import contextvars
import re
from typing import TYPE_CHECKING, Any, Iterator

if TYPE_CHECKING:
    from .nodes import Node, ParameterNode

LONGEST_BASE = 128
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_./<>-]")


def base_name(text: str) -> str:
    """`text` as the base of a node's name: what cannot be in one becomes "_"."""
    base = _NOT_IN_NAMES.sub("_", text)[:LONGEST_BASE]
    return base if base and (base[0].isalpha() or base[0] == "_") else ("_" + base)[:LONGEST_BASE]


class Tape:
    """Names the nodes of one run, from "x:0" on, and says whether operations are recorded. A script needs none: there
    is one in the background. With a tape of its own a run begins with fresh names, and runs side by side (on threads,
    in coroutines) do not mix:

        with Tape():
            y = program(x)
            y.backward("should be larger")

    A tape keeps no nodes: they live as long as the program or feedback that was not used yet refers to them."""

    def __init__(self) -> None:
        self.recording = True
        self._next: dict[str, int] = {}
        self._tokens: list[contextvars.Token[Tape]] = []

    def name(self, base: str) -> str:
        """The next name with this base."""
        base = base_name(base)
        index = self._next.get(base, 0)
        self._next[base] = index + 1
        return f"{base}:{index}"

    def parameter(self, name: str, value: Any, constraint: str | None = None,
                  description: str | None = None) -> "ParameterNode":
        """A parameter that is named on this tape."""
        from .nodes import ParameterNode
        return ParameterNode(value, name=name, constraint=constraint, description=description, tape=self)

    def node(self, name: str, value: Any) -> "Node":
        """An input of the program that is named on this tape."""
        from .nodes import Node
        return Node(value, name=name, tape=self)

    def backward(self, output: "Node", feedback: Any = "", retain_graph: bool = False) -> None:
        """The same as `output.backward(feedback)`."""
        output.backward(feedback, retain_graph=retain_graph)

    def __enter__(self) -> "Tape":
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, *_: Any) -> None:
        _current.reset(self._tokens.pop())


_default = Tape()
_current: contextvars.ContextVar[Tape] = contextvars.ContextVar("troupe_tape", default=_default)


def current_tape() -> Tape:
    """The innermost tape that was entered in this context, or the one in the background."""
    return _current.get()


@contextlib.contextmanager
def stop_tracing() -> Iterator[None]:
    """Within it operations compute as ever, but their results remember no inputs."""
    tape = current_tape()
    before, tape.recording = tape.recording, False
    try:
        yield
    finally:
        tape.recording = before


# --- what a function that is being recorded reads ---
_reads: contextvars.ContextVar["dict[int, Node] | None"] = contextvars.ContextVar("troupe_reads", default=None)


def note_read(node: "Node") -> None:
    reads = _reads.get()
    if reads is not None:
        reads[id(node)] = node


@contextlib.contextmanager
def watch_reads() -> Iterator["dict[int, Node]"]:
    """Collects the nodes of which the data is read within it, but not within another that is inside."""
    reads: dict[int, Node] = {}
    token = _reads.set(reads)
    try:
        yield reads
    finally:
        _reads.reset(token)
