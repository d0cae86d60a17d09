"""What goes wrong while a program is recorded."""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes import ExceptionNode


class TraceError(Exception):
    """The graph cannot be recorded or used as asked; the message says what to do."""


class MissingInputsError(TraceError):
    """A function read nodes that it was not given. Pass them as arguments, or say `allow_external_dependencies`."""


class ExecutionError(Exception):
    """An operation failed. `exception_node` is the node of it: give it feedback, as any other output. The error itself
    is `__cause__`."""

    def __init__(self, exception_node: "ExceptionNode"):
        super().__init__(exception_node.value)
        self.exception_node = exception_node
