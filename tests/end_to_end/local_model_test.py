#!/usr/bin/env python3
"""A real inference engine behind the wire: scripts/local-model with a toy model. Its answers mean
nothing; streaming, constrained replies, overflow and cancellation are what is tested."""
import http.client
import json
import os
import pathlib
import re
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from harness import SHARED, SOURCE, Server, main, patience

MODEL = SHARED / "models/stories260K.gguf"
CACHE = pathlib.Path(os.environ.get("TROUPE_TEST_CACHE", SOURCE / "build/local-model"))


class LocalModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not MODEL.exists():
            raise unittest.SkipTest(f"{MODEL} is not there")
        cls.process = subprocess.Popen(
            [SOURCE / "scripts/local-model", MODEL, "--port", "0", "--context", "512", "--cache", CACHE],
            stdout=subprocess.PIPE, text=True)
        line = cls.process.stdout.readline()
        cls.url = re.search(r"http://\S+", line).group(0)

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait(timeout=20)
        cls.process.stdout.close()

    def chat(self, text, **more):
        body = json.dumps({"messages": [{"role": "user", "content": text}], **more}).encode()
        with urllib.request.urlopen(self.url + "/chat/completions", body, timeout=120) as reply:
            return reply.read().decode()

    def test_constrained_reply(self):
        schema = {"type": "object", "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}},
                  "required": ["n", "ok"], "additionalProperties": False}
        reply = json.loads(self.chat("x", max_tokens=100, response_format={
            "type": "json_schema", "json_schema": {"name": "a", "schema": schema}}))
        value = json.loads(reply["choices"][0]["message"]["content"])
        self.assertIsInstance(value["n"], int)
        self.assertIsInstance(value["ok"], bool)

    def test_stream_ends_with_usage_and_done(self):
        events = [line[6:] for line in self.chat("Once", stream=True, max_tokens=5,
                                                 stream_options={"include_usage": True}).splitlines()
                  if line.startswith("data: ")]
        self.assertEqual(events[-1], "[DONE]")
        self.assertGreater(json.loads(events[-2])["usage"]["completion_tokens"], 0)

    def test_overflow_is_refused(self):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            self.chat("word " * 2000)
        self.assertEqual(refused.exception.code, 400)
        self.assertEqual(json.loads(refused.exception.read())["error"]["code"], "context_length_exceeded")

    def test_client_that_leaves_frees_the_engine(self):
        connection = http.client.HTTPConnection(self.url.split("/")[2])
        connection.request("POST", "/v1/chat/completions", json.dumps(
            {"messages": [{"role": "user", "content": "Once"}], "stream": True}))
        connection.getresponse().readline()
        connection.close()
        started = time.monotonic()
        self.chat("x", max_tokens=1)
        self.assertLess(time.monotonic() - started, patience(30))

    def test_overflow_fails_a_task_clearly(self):
        server = Server({"local": {"kind": "openai", "url": self.url}})
        self.addCleanup(server.close)
        server.submit("Do the work " * 200, "--toolbox", "plain")
        task = server.wait()
        self.assertEqual(task["state"], "STATE_FAILED")
        info = next(detail for detail in task["error"]["details"] if "reason" in detail)
        self.assertEqual(info["reason"], "MODEL_REJECTED")
        self.assertEqual(info["metadata"]["server_code"], "context_length_exceeded")


if __name__ == "__main__":
    main()
