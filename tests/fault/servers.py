"""The outside world of a server under test: a model server and a web server for tools, both under
the harness's control, and the gate at which every request to either of them is counted."""
import collections
import hashlib
import json
import socket
import threading
import time

from patience import patience

PATIENCE = patience(30)  # seconds that anything here waits for anything at most


class Gate:
    """Numbers the requests that reach the outside world from 1, a request that comes again by its
    first number: the clock by which the moments of faults are chosen, the same in every run whatever
    the machine's speed. A trap stops at one of them.
    """

    def __init__(self):
        self.changed = threading.Condition()
        self.numbers = {}      # of what was asked to its number
        self.trap = None       # (number, phase)
        self.sprung = False
        self.released = threading.Event()

    def arrive(self, what):
        with self.changed:
            return self.numbers.setdefault(what, len(self.numbers) + 1)

    def set_trap(self, number, phase):
        """`phase`: "received", where the request waits until `release`, or "replied"."""
        with self.changed:
            self.trap, self.sprung = (number, phase), False
            self.released.clear()

    def release(self):
        with self.changed:
            self.trap = None
            self.changed.notify_all()
        self.released.set()

    def reach(self, number, phase):
        """Called by the servers; holds up a request that is trapped as it is received."""
        with self.changed:
            if self.trap is None or self.sprung or phase != self.trap[1] or number < self.trap[0]:
                return
            self.sprung = True
            self.changed.notify_all()
        if phase == "received":
            self.released.wait(PATIENCE)

    def wait_for_trap(self, seconds):
        with self.changed:
            return self.changed.wait_for(lambda: self.sprung, seconds)


class RawServer:
    """HTTP/1.1 over plain sockets, one request a connection, so that a reply can be wrong in any way."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.closed = threading.Event()
        self.lock = threading.Condition()
        self.open = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.open += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection:
                connection.settimeout(PATIENCE)
                request = read_request(connection)
                if request is not None:
                    self.handle(connection, *request)
        except OSError:
            pass  # whoever asked is gone
        finally:
            with self.lock:
                self.open -= 1
                self.lock.notify_all()

    def settle(self):
        """Waits until all that was sent to this server so far has been dealt with."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as last:
            last.sendall(b"GET /last HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
            last.recv(1024)  # connections are accepted in the order in which they came
        with self.lock:
            if not self.lock.wait_for(lambda: self.open == 0, PATIENCE):
                raise RuntimeError("a request to the harness's own server does not end")

    def close(self):
        self.closed.set()
        self.listener.close()


def read_request(connection):
    """(path, body), or None if the other side went before it was sent."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return None
        body += part
    return lines[0].split(b" ")[1].decode(), body


def http(status, body, headers=()):
    body = body if isinstance(body, bytes) else body.encode()
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Asked:
    """One request that reached the model server."""

    def __init__(self, serial, body, life):
        self.serial = serial
        self.digest = hashlib.sha256(body).hexdigest()
        self.life = life          # of the server that asked
        self.came = time.monotonic()
        self.answered = None      # when a good reply was sent in full


class ModelServer(RawServer):
    """An OpenAI-compatible server that answers by a function of the request, except where it is told
    to misbehave. The tokens it reports of a request are the request's own number: by it a reply is
    known again in the server's record."""

    def __init__(self, answer, gate):
        self.answer, self.gate = answer, gate
        self.life = 0
        self.asked = []
        self.mischief = collections.deque()  # (from which number on, a function of models' faults)
        super().__init__()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def handle(self, connection, path, body):
        if path == "/last":
            connection.sendall(http(200, "{}"))
            return
        request = json.loads(body)
        number = self.gate.arrive(body)
        with self.lock:
            asked = Asked(len(self.asked) + 1, body, self.life)
            self.asked.append(asked)
        self.gate.reach(number, "received")
        with self.lock:
            misbehave = None
            if self.mischief and number >= self.mischief[0][0]:
                misbehave = self.mischief.popleft()[1]
        reply = self.reply_to(request, asked.serial)
        if misbehave is not None:
            misbehave(self, connection, reply)
        else:
            connection.sendall(reply)
            asked.answered = time.monotonic()
        self.gate.reach(number, "replied")

    def reply_to(self, request, serial):
        message = self.answer(request)
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        return http(200, json.dumps({
            "id": "x", "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}],
            "usage": {"prompt_tokens": serial, "completion_tokens": 5}}), ["Content-Type: application/json"])


class ToolServer(RawServer):
    """What tools do to the world: every POST counts its body, and nothing can take that back."""

    def __init__(self, gate):
        self.gate = gate
        self.counts = collections.Counter()
        super().__init__()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def handle(self, connection, path, body):
        if path == "/last":
            connection.sendall(http(200, ""))
            return
        number = self.gate.arrive(body)
        with self.lock:
            self.counts[body.decode()] += 1
        self.gate.reach(number, "received")
        connection.sendall(http(200, "posted", ["Content-Type: text/plain"]))
        self.gate.reach(number, "replied")
