"""Calls of the server that get through a connection which breaks, and a server which is started again."""
from __future__ import annotations

import random
import threading
import time
from typing import Any, Callable

import grpc

from ..v1 import optimizer_service_pb2_grpc, task_service_pb2_grpc

WAIT_SECONDS = 55.0  # that the server is asked to wait for a step's end, of one call
CALL_SECONDS = 30.0  # beyond that
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
OPTIONS = [("grpc.max_receive_message_length", 64 * 1024 * 1024), ("grpc.max_reconnect_backoff_ms", 2_000),
           ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.keepalive_time_ms", 30_000),
           ("grpc.keepalive_timeout_ms", 10_000)]
_BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class OptimizerError(Exception):
    """The server refused or cannot be reached, or the step failed. `code` is gRPC's ("NOT_FOUND"), or "STEP_FAILED"."""

    def __init__(self, message: str, code: str):
        super().__init__(message)
        self.code = code


class Connection:
    """One channel. Only calls that may be made twice go through it: each is repeated, while the server cannot be
    reached, for `patience` seconds."""

    def __init__(self, server: str, credentials: grpc.ChannelCredentials | None, patience: float):
        self._server, self._patience = server, patience
        self._channel = (grpc.secure_channel(server, credentials, OPTIONS) if credentials
                         else grpc.insecure_channel(server, OPTIONS))
        self.stub = optimizer_service_pb2_grpc.OptimizerServiceStub(self._channel)
        self.tasks = task_service_pb2_grpc.TaskServiceStub(self._channel)
        self._closed = threading.Event()

    def call(self, method: Callable[..., Any], request: Any, wait: float = 0.0) -> Any:
        """Raises OptimizerError."""
        end, pause = time.monotonic() + self._patience, FIRST_PAUSE
        while True:
            try:
                return method(request, timeout=wait + CALL_SECONDS)
            except grpc.RpcError as error:
                if error.code() not in _BROKEN:
                    raise OptimizerError(error.details() or error.code().name, error.code().name) from None
                if time.monotonic() > end:
                    raise OptimizerError(f"no server at {self._server} within {self._patience:.0f} seconds: "
                                         f"{error.details()}", error.code().name) from None
            if self._closed.wait(pause * random.uniform(0.7, 1.3)):
                raise OptimizerError("the optimizer was closed", "CANCELLED")
            pause = min(2 * pause, LONGEST_PAUSE)

    def close(self) -> None:
        self._closed.set()
        self._channel.close()
