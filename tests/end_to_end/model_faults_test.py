#!/usr/bin/env python3
"""What model servers do wrong on the wire, and that tasks come through or fail with a clear reason."""
import json
import pathlib
import socket
import tempfile
import threading
import time
import unittest

from harness import Server, main, patience

PLAN = {"question": None, "steps": [{"title": "Work", "kind": "work", "description": "Do it"}]}
REPLIES = {"plan": PLAN, "solution": {"analysis": "", "code": "total = 6"},
           "verdict": {"critique": "fine", "score": 9, "ok": True, "next": ""},
           "report": {"report": "Done."}}
SECRET = "sk-very-secret-key"


def http(status, body, headers=()):
    body = body if isinstance(body, bytes) else body.encode()
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def good(request, stream=False):
    text = json.dumps(REPLIES[request["response_format"]["json_schema"]["name"]])
    if not stream:
        # No usage, no index, no finish_reason: some servers leave them out.
        return http(200, json.dumps({"choices": [{"message": {"content": text}}]}))
    half = len(text) // 2
    events = [{"choices": [{"delta": {"role": "assistant"}}]}, {"choices": [{"delta": {"content": text[:half]}}]},
              {"choices": [{"delta": {"content": text[half:]}, "finish_reason": "stop"}]},
              {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}]
    data = "".join(f": keep-alive\r\n\r\ndata: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return http(200, data, ["Content-Type: text/event-stream"])


class FaultyServer:
    """Answers the first requests by `faults` (functions of the connection and the request), then well."""

    def __init__(self, faults, stream=False):
        self.faults, self.stream, self.seen = list(faults), stream, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.closed = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, body = data.split(b"\r\n\r\n", 1)
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                          if line.lower().startswith(b"content-length:"))
            while len(body) < length:
                body += connection.recv(65536)
            request = json.loads(body)
            self.head = head
            self.seen += 1
            try:
                if self.seen <= len(self.faults):
                    self.faults[self.seen - 1](self, connection, request)
                else:
                    connection.sendall(good(request, self.stream))
            except OSError:
                pass

    def close(self):
        self.closed.set()
        self.listener.close()


def reply(*args):
    return lambda server, connection, request: connection.sendall(http(*args))


def cut(server, connection, request):
    connection.sendall(good(request, True)[:-120])


def hang(server, connection, request):
    server.closed.wait(60)


def drip(server, connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    server.closed.wait(60)


class ModelFaultsTest(unittest.TestCase):
    def start(self, faults, stream=False, **settings):
        model = FaultyServer(faults, stream)
        self.addCleanup(model.close)
        server = Server({"m": {"kind": "openai", "url": model.url, "stream": stream,
                               "first_wait_seconds": 0.01, "api_key_env": "TROUPE_TEST_KEY", **settings}})
        self.addCleanup(server.close)
        server.submit("Do the work", "--toolbox", "plain")
        return model, server

    def succeeds(self, faults, stream=False, **settings):
        model, server = self.start(faults, stream, **settings)
        task = server.wait(seconds=40)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.assertEqual(model.seen, 4 + len(faults))
        return server, task

    def fails(self, faults, reason, **settings):
        _, server = self.start(faults, **settings)
        task = server.wait(seconds=40)
        self.assertEqual(task["state"], "STATE_FAILED")
        self.assertIn(reason, [detail.get("reason") for detail in task["error"]["details"]])
        return task

    def test_overload_is_waited_out(self):
        started = time.monotonic()
        self.succeeds([reply(429, '{"error": {"message": "slow down"}}', ["Retry-After: 1"]),
                       reply(503, "busy"), reply(500, '{"error": {"message": "x"}}', ["retry-after-ms: 300"])])
        self.assertGreater(time.monotonic() - started, 1.2)

    def test_garbage_is_tried_again(self):
        self.succeeds([reply(200, "<html>not json</html>"), reply(200, '{"choices": []}'),
                       reply(200, b"\xff\xfe\x00")])

    def test_stream(self):
        server, task = self.succeeds([], stream=True)
        self.assertEqual(task["usage"]["input_tokens"], "28")

    def test_cut_stream_and_error_inside_a_stream(self):
        error = 'data: {"error": {"message": "overloaded"}}\n\n'
        self.succeeds([cut, reply(200, error, ["Content-Type: text/event-stream"])], stream=True)

    def test_silence_and_stalling_time_out(self):
        self.succeeds([hang, drip], first_byte_seconds=0.5, idle_seconds=0.5)

    def test_quota_and_bad_requests_are_not_tried_again(self):
        task = self.fails([reply(429, '{"error": {"message": "pay", "code": "insufficient_quota"}}')],
                          "MODEL_REJECTED")
        self.assertIn("pay", task["error"]["message"])
        self.fails([reply(401, json.dumps({"error": {"message": f"bad key {SECRET}"}}))], "MODEL_REJECTED")

    def test_gives_up_after_the_attempts(self):
        self.fails([reply(503, "busy")] * 3, "MODEL_UNAVAILABLE", attempts=3)

    def test_cancel_reaches_a_call_within_a_second(self):
        model, server = self.start([hang])
        end = time.monotonic() + patience(20)
        while model.seen == 0 and time.monotonic() < end:
            time.sleep(0.01)
        started = time.monotonic()
        server.troupe("cancel", "t")
        task = server.wait(seconds=10)
        self.assertEqual(task["state"], "STATE_CANCELLED")
        self.assertLess(time.monotonic() - started, patience(5))

    def test_polite_stop_is_quick_and_the_task_goes_on(self):
        model, server = self.start([hang])
        end = time.monotonic() + patience(20)
        while model.seen == 0 and time.monotonic() < end:
            time.sleep(0.01)
        started = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - started, patience(10))
        server.start()
        self.assertEqual(server.wait(seconds=40)["state"], "STATE_SUCCEEDED")

    def test_server_without_schemas_is_told_in_the_prompt(self):
        """It may refuse them, or be known to have none; each kind of reply is refused once at most."""
        def answer(server, connection, request):
            if "response_format" in request:
                server.refused += 1
                error = {"error": {"message": "unknown parameter: response_format", "type": "invalid_request_error"}}
                return connection.sendall(http(400, json.dumps(error)))
            said = request["messages"][-1]["content"]
            self.assertIn("valid by this JSON Schema", said)
            name = next(name for name, value in REPLIES.items() if all(f'"{key}"' in said for key in value))
            return connection.sendall(http(200, json.dumps(
                {"choices": [{"message": {"content": f"```json\n{json.dumps(REPLIES[name])}\n```"}}]})))

        for reply_schema, refused in (("openai", 4), ("none", 0)):
            model = FaultyServer([answer] * 20)
            model.refused = 0
            self.addCleanup(model.close)
            server = Server({"m": {"kind": "openai", "url": model.url, "reply_schema": reply_schema}})
            self.addCleanup(server.close)
            for task in ("one", "two"):
                server.submit("Do the work", "--toolbox", "plain", task_id=task)
                done = server.wait(task, seconds=40)
                self.assertEqual(done["state"], "STATE_SUCCEEDED", done.get("error"))
            self.assertEqual(model.refused, refused)
            self.assertEqual(model.seen, 8 + refused)

    def test_key_is_nowhere(self):
        import os
        os.environ["TROUPE_TEST_KEY"] = SECRET
        self.addCleanup(lambda: os.environ.pop("TROUPE_TEST_KEY"))
        _, server = self.start([reply(401, json.dumps({"error": {"message": f"bad key {SECRET}"}}))])
        server.wait(seconds=40)
        server.stop()
        for path in server.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(SECRET.encode(), path.read_bytes(), path)

    def test_key_from_a_file_reaches_the_server(self):
        seen = []

        def look(server, connection, request):
            seen.append(server.head)
            connection.sendall(good(request))

        key = pathlib.Path(tempfile.mkdtemp(prefix="troupe-key-")) / "model.key"
        self.addCleanup(lambda: (key.unlink(), key.parent.rmdir()))
        key.write_text(f"{SECRET}\n")
        model = FaultyServer([look])
        self.addCleanup(model.close)
        server = Server({"m": {"kind": "openai", "url": model.url, "api_key_file": str(key)}})
        self.addCleanup(server.close)
        server.submit("Do the work", "--toolbox", "plain")
        self.assertEqual(server.wait(seconds=40)["state"], "STATE_SUCCEEDED")
        self.assertIn(f"Authorization: Bearer {SECRET}".encode(), seen[0].split(b"\r\n"))
        server.stop()
        for path in server.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(SECRET.encode(), path.read_bytes(), path)


if __name__ == "__main__":
    main()
