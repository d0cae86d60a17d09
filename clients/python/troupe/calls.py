"""The calls that a provider has: it runs each once, however often it is sent, and keeps what came of it until the
server has taken it."""
from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import json
import logging
import math
import threading
import traceback
from typing import Any, Callable

from .environment import Environment, State
from .results import File, Image, Result, result_of
from .schema import to_json
from .tools import Cancelled, Context, Tool, ToolError
from .v1 import attach_pb2 as pb

log = logging.getLogger("troupe")
MAX_KEPT = 2000  # results that the server did not take yet
MAX_SNAPSHOTS = 10_000  # of one instance
CHUNK = 512 * 1024
Message = pb.AttachRequest


class Held:
    """A call that runs, or whose result was not taken yet."""

    def __init__(self, context: Context):
        self.context = context
        self.files: list[File] = []
        self.result: Message | None = None
        self.task: asyncio.Task[Any] | None = None


class Calls:
    """Runs calls, on threads or, for coroutine functions, in one event loop. Thread-safe."""

    def __init__(self, tools: dict[tuple[str, str], Tool], environments: dict[str, type[Environment]],
                 max_concurrent: int, send: Callable[[Message], None]):
        self._tools, self._environments = tools, environments
        self._send = send
        self._held: dict[str, Held] = {}
        self._instances: dict[str, tuple[Environment, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._threads = concurrent.futures.ThreadPoolExecutor(max_concurrent, "troupe-call")
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- what the provider's stream asks for ---
    def held_ids(self) -> list[str]:
        with self._lock:
            return list(self._held)

    def running(self) -> int:
        with self._lock:
            return sum(held.result is None for held in self._held.values())

    def start(self, call: pb.ProviderCall) -> None:
        with self._lock:
            held = self._held.get(call.call_id)
            if held is None:
                left = (call.time_left.seconds + call.time_left.nanos / 1e9 if call.HasField("time_left")
                        else math.inf)
                context = Context(call.call_id, call.task, call.path, call.seed, left, self)
                self._held[call.call_id] = fresh = Held(context)
        if held is not None:
            return self._send_again(held)
        self._threads.submit(self._run, call, fresh)

    def cancel(self, call_id: str) -> None:
        with self._lock:
            held = self._held.get(call_id)
        if held is None:
            return
        held.context.cancelled.set()
        if held.task is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(held.task.cancel)

    def taken(self, call_ids: Any) -> None:
        with self._lock:
            for call_id in call_ids:
                held = self._held.get(call_id)
                if held is not None and held.result is not None:
                    del self._held[call_id]
                elif held is not None:
                    held.context.cancelled.set()  # nobody waits

    def send_all_again(self) -> None:
        """The server goes on with the session after the stream broke."""
        with self._lock:
            all_held = list(self._held.values())
        for held in all_held:
            self._send_again(held)

    def close(self) -> None:
        with self._lock:
            for held in self._held.values():
                held.context.cancelled.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    # --- what a call's context sends ---
    def progress(self, call_id: str, text: str = "", output: str = "") -> None:
        self._send(Message(progress=pb.CallProgress(call_id=call_id, text=text, output=output)))

    def file(self, call_id: str, file: File) -> None:
        kept = File(file.name, file.read(), file.description)
        with self._lock:
            held = self._held.get(call_id)
            if held is None:
                return
            held.files.append(kept)
        self._send_file(call_id, kept)

    # --- running ---
    def _run(self, call: pb.ProviderCall, held: Held) -> None:
        outcome = pb.CallResult(call_id=call.call_id)
        try:
            if call.WhichOneof("work") == "environment":
                outcome.output.value_json = json.dumps(to_json(self._operate(call.environment)))
            else:
                self._fill(outcome.output, self._perform(call.tool, held), held)
        except ToolError as error:
            outcome.output.is_error = True
            outcome.output.content.add(text=str(error) or type(error).__name__)
        except (Cancelled, asyncio.CancelledError):
            outcome.failure.message = "the call was cancelled"
        except Exception as error:  # pylint: disable=broad-except
            log.warning("%s failed:\n%s", call.tool.name or call.environment.name, traceback.format_exc())
            outcome.failure.message = f"{type(error).__name__}: {error}"[:4000]
        except BaseException as error:
            outcome.failure.message = f"the provider ends: {type(error).__name__}"
            raise
        finally:
            self._finish(held, outcome)

    def _finish(self, held: Held, outcome: pb.CallResult) -> None:
        message = Message(result=outcome)
        with self._lock:
            held.result = message
            while len(self._held) > MAX_KEPT:
                oldest = next((key for key, each in self._held.items() if each.result is not None), None)
                if oldest is None:
                    break
                del self._held[oldest]
        self._send(message)

    def _perform(self, work: pb.ToolWork, held: Held) -> Result:
        called = self._tools.get((work.name, work.version))
        if called is None:
            raise LookupError(f"there is no tool {work.name}@{work.version} here")
        arguments = called.arguments(json.loads(work.arguments_json), held.context)
        returned = called.function(**arguments)
        if inspect.isawaitable(returned):
            returned = self._await(returned, held)
        elif inspect.isasyncgen(returned):
            returned = self._await(self._drain(returned, held), held)
        elif inspect.isgenerator(returned):
            returned = self._take_all(returned, held)
        return result_of(returned)

    @staticmethod
    def _take_all(generator: Any, held: Held) -> Any:
        """What a generator yields is output so far, what it returns the result."""
        while True:
            held.context.check()
            try:
                held.context.output(str(next(generator)))
            except StopIteration as end:
                return end.value

    @staticmethod
    async def _drain(generator: Any, held: Held) -> None:
        async for part in generator:
            held.context.output(str(part))

    def _await(self, awaitable: Any, held: Held) -> Any:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="troupe-loop", daemon=True).start()
            loop = self._loop

        async def wait() -> Any:
            held.task = asyncio.current_task()
            if held.context.cancelled.is_set():
                raise asyncio.CancelledError
            return await awaitable
        return asyncio.run_coroutine_threadsafe(wait(), loop).result()

    def _fill(self, output: pb.CallOutput, result: Result, held: Held) -> None:
        for file in result.files:
            self.file(held.context.call_id, file)
        if result.value is not None:
            output.value_json = json.dumps(to_json(result.value), ensure_ascii=False)
        for part in result.content:
            if isinstance(part, Image):
                output.content.add(image=pb.OutputImage(media_type=part.media_type, data=part.data))
            else:
                output.content.add(text=part)

    # --- environments ---
    def _operate(self, work: pb.EnvironmentWork) -> Any:
        value = json.loads(work.input_json) if work.input_json else None
        operation = pb.EnvironmentWork.Operation.Name(work.operation).removeprefix("OPERATION_").lower()
        with self._lock:
            found = self._instances.get(work.instance)
            if operation == "close":
                self._instances.pop(work.instance, None)
        if operation == "close":
            if found is not None:
                found[0].close()
            return {}
        if found is None:
            if operation != "reset":
                raise LookupError(f"there is no instance {work.instance} here; reset it")
            found = (self._environments[work.name](), {})
            with self._lock:
                self._instances[work.instance] = found
        world, snapshots = found
        if operation == "snapshot":
            if len(snapshots) >= MAX_SNAPSHOTS:
                raise OverflowError(f"an instance keeps {MAX_SNAPSHOTS} snapshots at most")
            name = f"s{len(snapshots) + 1}"
            snapshots[name] = world.snapshot()
            return {"snapshot": name}
        if operation == "restore":
            if value not in snapshots:
                raise LookupError(f"there is no snapshot {value!r} here")
            state = world.restore(snapshots[value])
        else:
            state = {"reset": lambda: world.reset(value), "observe": world.observe,
                     "step": lambda: world.step(value)}[operation]()
        return state if isinstance(state, State) else State(state)

    # --- sending ---
    def _send_file(self, call_id: str, file: File) -> None:
        data = file.read()
        for start in range(0, max(len(data), 1), CHUNK):
            self._send(Message(artifact=pb.ArtifactChunk(
                call_id=call_id, name=file.name, description=file.description, data=data[start:start + CHUNK],
                last=start + CHUNK >= len(data))))

    def _send_again(self, held: Held) -> None:
        with self._lock:
            files, result = list(held.files), held.result
        for file in files:
            self._send_file(held.context.call_id, file)
        if result is not None:
            self._send(result)
