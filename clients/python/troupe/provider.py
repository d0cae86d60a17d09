"""The stream to the server: it attaches, answers calls and attaches again when the stream breaks."""
from __future__ import annotations

import json
import logging
import queue
import random
import signal
import threading
import time
from typing import Any, Iterator

import grpc

from .calls import Calls, Message
from .environment import Environment
from .tools import Tool, make_tool
from .v1 import attach_pb2 as pb
from .v1 import tool_service_pb2_grpc

log = logging.getLogger("troupe")
LIBRARY = "troupe-python 0.1.0"
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
PATIENCE_WITH_OTHERS = 60.0  # while the provider's id is taken: an earlier life of it may just be ending
REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED,
            grpc.StatusCode.UNAUTHENTICATED)
OPTIONS = [("grpc.keepalive_time_ms", 30_000), ("grpc.keepalive_timeout_ms", 10_000),
           ("grpc.max_receive_message_length", 8 * 1024 * 1024),
           ("grpc.max_reconnect_backoff_ms", 2_000), ("grpc.initial_reconnect_backoff_ms", 100)]


class AttachError(Exception):
    """The server refuses what is offered; trying again would not help."""


def tool_offer(tool: Tool) -> pb.ToolOffer:
    offer = pb.ToolOffer(
        name=tool.name, version=tool.version, brief=tool.brief, description=tool.description,
        arguments_schema=json.dumps(tool.arguments_schema),
        result_schema=json.dumps(tool.result_schema) if tool.result_schema else "",
        read_only=tool.read_only, idempotent=tool.idempotent, destructive=tool.destructive,
        needs_approval=tool.needs_approval, max_concurrent=tool.max_concurrent,
        output_limit_bytes=tool.output_limit_bytes)
    offer.timeout.FromNanoseconds(int(tool.timeout * 1e9))
    return offer


def environment_offer(kind: type[Environment]) -> pb.EnvironmentOffer:
    offer = pb.EnvironmentOffer(
        name=kind.name or kind.__name__.lower(), version=kind.version,
        description=kind.description or (kind.__doc__ or "").strip(),
        action_schema=json.dumps(kind.action_schema) if kind.action_schema else "",
        observation_schema=json.dumps(kind.observation_schema) if kind.observation_schema else "",
        snapshots=kind.can_snapshot(), max_instances=kind.max_instances)
    offer.timeout.FromNanoseconds(int(kind.timeout * 1e9))
    return offer


class Provider:
    """Serves tools and environments until stopped. Calls run side by side on `max_concurrent` threads.

    `provider_id` names this provider to the server; one that is the same after a restart gets back to its calls
    sooner. Two providers that offer the same tool share its calls."""

    def __init__(self, *offers: Any, server: str = "127.0.0.1:7433", provider_id: str = "", max_concurrent: int = 16,
                 credentials: grpc.ChannelCredentials | None = None):
        kinds = [each for each in offers if isinstance(each, type) and issubclass(each, Environment)]
        tools = [each if isinstance(each, Tool) else make_tool(each) for each in offers if each not in kinds]
        self._offers = [tool_offer(each) for each in tools]
        self._environments = [environment_offer(each) for each in kinds]
        self._server, self._credentials = server, credentials
        self._id, self._token, self._max_concurrent = provider_id, "", max_concurrent
        self._outbox: queue.SimpleQueue[Message | None] | None = None
        self._calls = Calls({(each.name, each.version): each for each in tools},
                            {offer.name: kind for offer, kind in zip(self._environments, kinds)},
                            max_concurrent, self._send)
        self._stopping = threading.Event()
        self._attached = threading.Event()
        self._said_trouble = False  # of not reaching the server, since it was reached
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._stream: Any = None

    @property
    def provider_id(self) -> str:
        return self._id

    def run(self) -> None:
        """Serves until `stop`. Raises AttachError if the server refuses the offers."""
        pause, trouble_since = FIRST_PAUSE, None
        options = list(OPTIONS)
        channel = (grpc.secure_channel(self._server, self._credentials, options) if self._credentials
                   else grpc.insecure_channel(self._server, options))
        try:
            while not self._stopping.is_set():
                try:
                    self._attach(channel)
                    pause, trouble_since = FIRST_PAUSE, None
                except grpc.RpcError as error:
                    trouble_since = None if self._attached.is_set() else trouble_since or time.monotonic()
                    self._check_refusal(error, trouble_since)
                    if self._attached.is_set():
                        pause = FIRST_PAUSE
                    self._say_trouble(error)
                finally:
                    self._attached.clear()
                self._stopping.wait(pause * random.uniform(0.7, 1.3))
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._calls.close()
            channel.close()
            self._ended.set()

    def start(self, timeout: float = 30.0) -> "Provider":
        """Serves on a thread of its own; returns when attached."""
        failure: list[BaseException] = []

        def serve_on_thread() -> None:
            try:
                self.run()
            except BaseException as error:  # pylint: disable=broad-except
                failure.append(error)
                self._attached.set()
        self._thread = threading.Thread(target=serve_on_thread, name="troupe-provider", daemon=True)
        self._thread.start()
        if not self._attached.wait(timeout):
            self.stop(0)
            raise AttachError(f"no server at {self._server} within {timeout} seconds")
        if failure:
            raise failure[0]
        return self

    def stop(self, grace: float = 5.0) -> None:
        """Takes no new calls, waits for those that run, and ends."""
        if self._stopping.is_set():
            return
        self._send(Message(goodbye=pb.ProviderGoodbye()))
        end = time.monotonic() + grace
        ended = threading.Event()
        while self._calls.running() and time.monotonic() < end:
            ended.wait(0.02)
        self._stopping.set()
        outbox, stream = self._outbox, self._stream
        if outbox is not None:
            outbox.put(None)
        if not self._ended.wait(2.0) and stream is not None:
            stream.cancel()

    def __enter__(self) -> "Provider":
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.stop()

    # --- one stream ---
    def _send(self, message: Message) -> None:
        outbox = self._outbox
        if outbox is not None:
            outbox.put(message)

    def _attach(self, channel: grpc.Channel) -> None:
        outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        outbox.put(Message(hello=pb.ProviderHello(
            provider_id=self._id, session_token=self._token, tools=self._offers, environments=self._environments,
            max_concurrent=self._max_concurrent, held_calls=self._calls.held_ids()[:4096], library=LIBRARY)))
        stub = tool_service_pb2_grpc.ToolServiceStub(channel)
        self._stream = stub.Attach(iter(outbox.get, None))
        try:
            for message in self._stream:
                self._handle(message, outbox)
        finally:
            self._outbox = None
            outbox.put(None)
            self._stream.cancel()

    def _handle(self, message: pb.AttachResponse, outbox: "queue.SimpleQueue[Message | None]") -> None:
        kind = message.WhichOneof("message")
        if kind == "call":
            self._calls.start(message.call)
        elif kind == "taken":
            self._calls.taken(message.taken.call_ids)
        elif kind == "cancel":
            self._calls.cancel(message.cancel.call_id)
        elif kind == "ping":
            outbox.put(Message(pong=pb.ProviderPong()))
        elif kind == "welcome":
            self._id, self._token = message.welcome.provider_id, message.welcome.session_token
            self._outbox = outbox
            if message.welcome.resumed:
                self._calls.send_all_again()
            self._said_trouble = False
            self._attached.set()
            log.info("attached to %s as %s, with %s", self._server, self._id, ", ".join(
                offer.name for offer in [*self._offers, *self._environments]))

    def _say_trouble(self, error: grpc.RpcError) -> None:
        """One line for all attempts that fail in a row."""
        if self._attached.is_set():
            log.info("the stream to %s ended (%s); attaching again", self._server, error.code().name)
        elif not self._said_trouble:
            log.warning("cannot attach to %s, trying again: %s", self._server, error.details())
            self._said_trouble = True

    def _check_refusal(self, error: grpc.RpcError, trouble_since: float | None) -> None:
        taken = error.code() == grpc.StatusCode.ALREADY_EXISTS
        waits = "hello.provider_id" in (error.details() or "")
        tried = time.monotonic() - trouble_since if trouble_since is not None else 0.0
        if error.code() in REFUSALS or (taken and not (waits and tried < PATIENCE_WITH_OTHERS)):
            raise AttachError(error.details()) from None  # what gRPC has to say of it adds nothing


def serve(*offers: Any, server: str = "127.0.0.1:7433", provider_id: str = "", max_concurrent: int = 16,
          credentials: grpc.ChannelCredentials | None = None) -> None:
    """Serves tools (functions, with or without @tool) and Environment classes until the process is told to end. Says
    on standard error when it is attached and when it cannot be, unless the program has set up logging of its own."""
    if not log.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("troupe: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    provider = Provider(*offers, server=server, provider_id=provider_id, max_concurrent=max_concurrent,
                        credentials=credentials)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=provider.stop, daemon=True).start())
    provider.run()
