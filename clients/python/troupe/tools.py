"""Functions as tools."""
from __future__ import annotations

import dataclasses
import datetime
import inspect
import threading
import time
import typing
from typing import Any, Callable, overload

from .results import File
from .schema import SchemaError, convert, parameters_schema, read_docstring, schema_of

MAX_BRIEF_BYTES = 300


class ToolError(Exception):
    """An error that the agent should see and may mend: a wrong name, a missing file. Other exceptions count as
    failures of the tool."""


class Cancelled(BaseException):
    """Raised by Context.check when nobody waits for the call any more."""


class Context:
    """A call that is under way. A parameter of this type is not an argument of the tool."""

    def __init__(self, call_id: str, task: str, path: str, seed: int, seconds_left: float, send: Any):
        self.call_id, self.task, self.path, self.seed = call_id, task, path, seed
        self.deadline = time.monotonic() + seconds_left
        self.cancelled = threading.Event()
        self._send = send

    def progress(self, text: str) -> None:
        """A line for those who watch the task."""
        self._send.progress(self.call_id, text=text)

    def output(self, text: str) -> None:
        """Output so far; it is the result's text if the function returns None."""
        self._send.progress(self.call_id, output=text)

    def file(self, file: File) -> None:
        """Hands a file out before the call ends."""
        self._send.file(self.call_id, file)

    def check(self) -> None:
        """Raises Cancelled when the call was cancelled or is too late: call it in long loops."""
        if self.cancelled.is_set() or time.monotonic() > self.deadline:
            raise Cancelled(self.call_id)


@dataclasses.dataclass
class Tool:
    """A function that agents may call, and what they are told of it."""
    function: Callable[..., Any]
    name: str
    version: str
    brief: str
    description: str
    arguments_schema: dict[str, Any]
    result_schema: dict[str, Any]
    read_only: bool = False
    idempotent: bool = False
    destructive: bool = False
    needs_approval: bool = False
    max_concurrent: int = 0
    timeout: float = 120
    output_limit_bytes: int = 0
    hints: dict[str, Any] = dataclasses.field(default_factory=dict)
    context_parameter: str = ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def arguments(self, values: dict[str, Any], context: Context) -> dict[str, Any]:
        """The function's keyword arguments for a call."""
        kwargs = {name: convert(value, self.hints.get(name, Any)) for name, value in values.items()}
        if self.context_parameter:
            kwargs[self.context_parameter] = context
        return kwargs


@overload
def tool(function: Callable[..., Any]) -> Tool: ...


@overload
def tool(*, name: str = "", version: str = "1", description: str = "", brief: str = "", read_only: bool = False,
         idempotent: bool = False, destructive: bool = False, needs_approval: bool = False, max_concurrent: int = 0,
         timeout: float | datetime.timedelta = 120, output_limit_bytes: int = 0,
         arguments_schema: dict[str, Any] | None = None,
         result_schema: dict[str, Any] | None = None) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(function: Any = None, **options: Any) -> Any:
    """Makes a tool of a function: its name, the schemas and the description come from the function, its type hints
    and its docstring, unless they are given. Say read_only or idempotent if it is true: only then is a call that
    broke off repeated. Change the version when the meaning changes."""
    if function is not None:
        return make_tool(function)
    return lambda each: make_tool(each, **options)


def make_tool(function: Callable[..., Any], name: str = "", version: str = "1", description: str = "", brief: str = "",
              timeout: float | datetime.timedelta = 120, arguments_schema: dict[str, Any] | None = None,
              result_schema: dict[str, Any] | None = None, **annotations: Any) -> Tool:
    hints = typing.get_type_hints(function, include_extras=True)
    context = next((each for each, hint in hints.items() if hint is Context and each != "return"), "")
    told, parameters = read_docstring(function.__doc__)
    description = description or told or function.__name__.replace("_", " ")
    seconds = timeout.total_seconds() if isinstance(timeout, datetime.timedelta) else timeout
    return Tool(function, name or function.__name__.strip("_").lower(), version,
                brief or first_paragraph(description), description,
                arguments_schema or parameters_schema(function, {context}, parameters),
                returned_schema(function, hints) if result_schema is None else result_schema,
                timeout=seconds, hints=hints, context_parameter=context, **annotations)


def first_paragraph(text: str) -> str:
    """In one line, and no longer than the server takes a brief."""
    line = " ".join(text.strip().partition("\n\n")[0].split())
    return line.encode()[:MAX_BRIEF_BYTES].decode(errors="ignore")


def returned_schema(function: Callable[..., Any], hints: dict[str, Any]) -> dict[str, Any]:
    """Of the value, where the return type tells: pictures, files, generators and lists of who knows what do not."""
    hint = hints.get("return", Any)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return {}
    if hint in (list, tuple, type(None)):
        return {}
    try:
        return schema_of(hint)
    except SchemaError:
        return {}
