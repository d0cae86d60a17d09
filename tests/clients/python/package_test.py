#!/usr/bin/env python3
"""The Python package against a server that is only a script of what to ask: environments, coroutines, generators, and
answers that are sent again."""
import concurrent.futures
import json
import os
import pathlib
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "end_to_end"))
from provider_test import install_package  # noqa: E402

PACKAGE = pathlib.Path(tempfile.mkdtemp(prefix="troupe-python-"))
unittest.addModuleCleanup(shutil.rmtree, PACKAGE, ignore_errors=True)
install_package(PACKAGE)
sys.path.insert(0, str(PACKAGE))
import grpc  # noqa: E402
import troupe  # noqa: E402
from troupe.v1 import attach_pb2 as pb  # noqa: E402
from troupe.v1 import tool_service_pb2_grpc  # noqa: E402

RUNS = []


@troupe.tool(read_only=True)
async def later(word: str) -> str:
    """Answers from a coroutine."""
    return word.upper()


@troupe.tool(read_only=True)
def count(to: int):
    """Counts in pieces."""
    for i in range(to):
        yield f"{i} "


@troupe.tool
def once(word: str):
    """Does a thing that is not to be done twice."""
    RUNS.append(word)
    return troupe.File("made.txt", word)


class Walk(troupe.Environment):
    """A walk along a line."""

    def __init__(self):
        self.place = 0

    def reset(self, settings):
        self.place = settings["start"]
        return self.observe()

    def observe(self):
        return troupe.State({"place": self.place}, done=self.place > 9)

    def step(self, action):
        self.place += action
        return troupe.State({"place": self.place}, reward=0.5)

    def snapshot(self):
        return self.place

    def restore(self, snapshot):
        self.place = snapshot
        return self.observe()


class ScriptedServer(tool_service_pb2_grpc.ToolServiceServicer):
    """Sends what is put into `asks`, and keeps what is said."""

    def __init__(self):
        self.asks, self.said, self.resumed = queue.SimpleQueue(), queue.SimpleQueue(), False
        self.grpc = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        tool_service_pb2_grpc.add_ToolServiceServicer_to_server(self, self.grpc)
        self.port = self.grpc.add_insecure_port("127.0.0.1:0")
        self.grpc.start()

    def Attach(self, request_iterator, context):
        hello = next(request_iterator).hello
        self.said.put(hello)
        threads = concurrent.futures.ThreadPoolExecutor(1)
        threads.submit(lambda: [self.said.put(message) for message in request_iterator])
        yield pb.AttachResponse(welcome=pb.ProviderWelcome(provider_id="p", session_token="secret",
                                                           resumed=bool(hello.session_token) and self.resumed))
        while (ask := self.asks.get(timeout=20)) is not None:
            yield ask

    def said_next(self, kind):
        while True:
            message = self.said.get(timeout=20)
            if kind == "hello" and isinstance(message, pb.ProviderHello):
                return message
            if isinstance(message, pb.AttachRequest) and message.WhichOneof("message") == kind:
                return getattr(message, kind)


class PackageTest(unittest.TestCase):
    def setUp(self):
        self.server = ScriptedServer()
        self.addCleanup(self.server.grpc.stop, None)
        self.addCleanup(self.server.asks.put, None)
        self.provider = troupe.Provider(later, count, once, Walk, server=f"127.0.0.1:{self.server.port}").start()
        self.addCleanup(self.provider.stop, 0)
        self.hello = self.server.said_next("hello")

    def ask(self, call_id, tool, **arguments):
        work = pb.ToolWork(name=tool, version="1", arguments_json=json.dumps(arguments))
        self.server.asks.put(pb.AttachResponse(call=pb.ProviderCall(call_id=call_id, tool=work)))

    def operate(self, operation, value=None):
        work = pb.EnvironmentWork(name="walk", version="1", instance="i", input_json=json.dumps(value),
                                  operation=pb.EnvironmentWork.Operation.Value("OPERATION_" + operation))
        self.server.asks.put(pb.AttachResponse(call=pb.ProviderCall(
            call_id=f"{operation} {value}", environment=work)))
        result = self.server.said_next("result")
        return json.loads(result.output.value_json) if result.HasField("output") else result.failure.message

    def test_coroutines_and_generators(self):
        self.ask("1", "later", word="abc")
        self.assertEqual(self.server.said_next("result").output.content[0].text, "ABC")
        self.ask("2", "count", to=2)
        self.assertEqual([self.server.said_next("progress").output for _ in range(2)], ["0 ", "1 "])
        self.assertEqual(self.server.said_next("result").output.value_json, "")

    def test_an_environment(self):
        self.assertEqual((self.hello.environments[0].name, self.hello.environments[0].snapshots), ("walk", True))
        self.assertIn("reset it", self.operate("STEP", 1))
        self.assertEqual(self.operate("RESET", {"start": 5}),
                         {"observation": {"place": 5}, "reward": 0.0, "done": False})
        snapshot = self.operate("SNAPSHOT")["snapshot"]
        self.assertEqual(self.operate("STEP", 7), {"observation": {"place": 12}, "reward": 0.5, "done": False})
        self.assertTrue(self.operate("OBSERVE")["done"])
        self.assertEqual(self.operate("RESTORE", snapshot)["observation"], {"place": 5})
        self.assertIn("no snapshot", self.operate("RESTORE", "s9"))
        self.assertEqual(self.operate("CLOSE"), {})
        self.assertIn("reset it", self.operate("OBSERVE", 2))

    def test_what_the_server_did_not_take_is_sent_again(self):
        self.server.resumed = True
        self.ask("7", "once", word="made")
        for _ in range(2):
            self.assertEqual(self.server.said_next("artifact").data, b"made")
            self.assertEqual(self.server.said_next("result").call_id, "7")
            self.ask("7", "once", word="made")  # is not done again
        self.server.said_next("result")
        self.server.asks.put(None)  # the stream ends
        again = self.server.said_next("hello")
        self.assertEqual((again.session_token, again.provider_id, list(again.held_calls)), ("secret", "p", ["7"]))
        self.assertEqual(self.server.said_next("artifact").data, b"made")
        self.assertEqual(self.server.said_next("result").call_id, "7")
        self.assertEqual(RUNS, ["made"])
        self.server.asks.put(pb.AttachResponse(taken=pb.CallsTaken(call_ids=["7"])))
        self.server.asks.put(None)
        self.assertEqual(list(self.server.said_next("hello").held_calls), [])


class SayingTest(unittest.TestCase):
    def test_a_server_that_cannot_be_reached_is_told_of_once(self):
        with socket.socket() as taken, self.assertLogs("troupe", "WARNING") as said:
            taken.bind(("127.0.0.1", 0))  # and nobody listens
            provider = troupe.Provider(later, server=f"127.0.0.1:{taken.getsockname()[1]}")
            with self.assertRaisesRegex(troupe.AttachError, "no server at"):
                provider.start(timeout=1.5)
        self.assertEqual(len(said.output), 1, said.output)
        self.assertIn("cannot attach to 127.0.0.1:", said.output[0])

    def test_a_program_that_serves_says_so(self):
        server = ScriptedServer()
        self.addCleanup(server.grpc.stop, None)
        self.addCleanup(server.asks.put, None)
        program = f"import troupe\ndef f(x: int) -> int: return x\ntroupe.serve(f, server='127.0.0.1:{server.port}')"
        with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "PYTHONPATH": str(PACKAGE)}) as process:
            self.addCleanup(process.kill)
            self.assertEqual(process.stderr.readline(), f"troupe: attached to 127.0.0.1:{server.port} as p, with f\n")
            process.terminate()
            process.wait(20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
