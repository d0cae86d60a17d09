"""Sandbox: where a server runs the code of trainable functions, so that what a model wrote does nothing here."""
from __future__ import annotations

import contextlib
import json
import threading
import uuid
from typing import Any, Mapping, Sequence

import grpc

from ..v1 import task_pb2, task_service_pb2 as pb, workflow_pb2
from .connection import Connection, OptimizerError
from .errors import TraceError
from .values import is_plain

LONGEST_CALL = 1024 * 1024  # bytes of source and arguments

# What the server's sandbox runs: it is the same for every function, which it is given as data, so that a function may have
# any name and any arguments, and the line that failed is told as one of the function's own.
_RUNNER = '''
def run(call):
    import asyncio, inspect, json, traceback
    given = json.loads(call)
    try:
        scope = {"__name__": "function"}
        exec(compile(given["source"], "<function>", "exec"), scope)
        value = scope[given["name"]](*given["args"], **given["kwargs"])
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
        return json.dumps({"value": value}, allow_nan=False)
    except Exception as error:
        line = error.lineno if isinstance(error, SyntaxError) and error.filename == "<function>" else 0
        for frame, number in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename == "<function>":
                line = number
        return json.dumps({"error": {"type": type(error).__name__, "message": str(error), "line": line}})
'''


class SandboxError(Exception):
    """What a function raised there. `error_type` is its type's name, `line` the line of the source, 0 if not known."""

    def __init__(self, error_type: str, message: str, line: int = 0):
        super().__init__(message)
        self.error_type, self.line = error_type, line


class Sandbox:
    """Runs functions in the sandbox of a server: without network, without the files of this machine, with limits on time and
    memory. `@bundle(trainable=True, sandbox=...)` has its code run there. Each call is a task of its own, with nothing
    left from the one before.

    A function there has neither the modules that this process imported (it imports what it needs) nor its objects:
    arguments and results are what JSON can say.

    timeout: seconds that a call may take. patience: seconds for which a server that cannot be reached is tried again.
    keep_tasks: whether the tasks stay on the server, to be looked at.

    For several threads at the same time."""

    def __init__(self, server: str = "127.0.0.1:7433", *, timeout: int = 30, patience: float = 300.0,
                 keep_tasks: bool = False, credentials: grpc.ChannelCredentials | None = None):
        if not 1 <= timeout <= 600:
            raise ValueError("timeout: 1 to 600 seconds")
        self._where, self._timeout, self._keep = (server, credentials, patience), timeout, keep_tasks
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def call(self, source: str, name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """What the function `name` that `source` defines returns. Raises SandboxError for what it raises, or if it takes
        too long; TraceError for arguments that JSON has not; OptimizerError if the server cannot run it."""
        args, kwargs = list(args), dict(kwargs or {})
        if not is_plain(args) or not is_plain(kwargs):
            raise TraceError(f"{name} runs in a sandbox: its arguments must be None, truth values, finite numbers, texts, "
                             "and lists and dictionaries (with texts as keys) of them")
        call = json.dumps({"source": source, "name": name, "args": args, "kwargs": kwargs})
        if len(call) > LONGEST_CALL:
            raise TraceError(f"{name} runs in a sandbox: its source and arguments take {len(call)} bytes, more than 1 MiB")
        return _value_of(self._text_of(self._run(call)))

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _server(self) -> Connection:
        with self._lock:
            if self._connection is None:
                self._connection = Connection(*self._where)
            return self._connection

    def _run(self, call: str) -> task_pb2.Task:
        """The ended task."""
        server = self._server()
        request = pb.SubmitTaskRequest(request_id=str(uuid.uuid4()), spec=self._spec(call))
        name = server.call(server.tasks.SubmitTask, request).task.name

        def wait(watch: pb.WatchTaskRequest, timeout: float) -> None:
            for _ in server.tasks.WatchTask(watch, timeout=timeout):
                pass
        server.call(wait, pb.WatchTaskRequest(name=name), self._timeout + 60.0)
        task = server.call(server.tasks.GetTask, pb.GetTaskRequest(name=name)).task
        if not self._keep:
            with contextlib.suppress(OptimizerError):  # it is of no use any more, and may be gone already
                server.call(server.tasks.DeleteTask, pb.DeleteTaskRequest(name=name))
        return task

    def _spec(self, call: str) -> task_pb2.TaskSpec:
        spec = task_pb2.TaskSpec(labels={"sandbox": "trace"})
        document: workflow_pb2.Workflow = spec.workflow.workflow
        document.inputs["call"].type = workflow_pb2.WorkflowInput.TYPE_TEXT
        document.parameters["run"].code.source = _RUNNER
        step = document.steps.add(name="result", keep_error=True)
        step.code.function = "run"
        step.code.arguments["call"].string_value = "$call"
        step.code.timeout_seconds = self._timeout
        spec.workflow.inputs["call"].string_value = call
        return spec

    @staticmethod
    def _text_of(task: task_pb2.Task) -> str:
        if task.state != task_pb2.Task.STATE_SUCCEEDED:
            raise OptimizerError(f"the sandbox could not run it: {task.error.message or task_pb2.Task.State.Name(task.state)}",
                                 "TASK_FAILED")
        return task.result.text


def _value_of(text: str) -> Any:
    """What came back, which the function may have made up: it is looked at as any data from outside."""
    try:
        came = json.loads(text)
    except ValueError:
        came = None
    if isinstance(came, dict) and set(came) == {"value"}:
        return came["value"]
    error = came.get("error") if isinstance(came, dict) else None
    if not isinstance(error, dict):
        raise SandboxError("ValueError", "it came back with nothing that can be read")
    line = error.get("line")
    raise SandboxError(str(error.get("type") or "Error")[:200], str(error.get("message", ""))[:10_000],
                       line if isinstance(line, int) and 0 <= line < 1_000_000 else 0)
