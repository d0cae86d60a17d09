"""A server, a model and the command line for end-to-end tests. Standard library only."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("TROUPE_BINARIES", SOURCE / "build/release/bin"))
SHARED = SOURCE.parent / "shared"
# How much longer than usual everything may take: sanitizers make binaries slow.
SLOWNESS = float(os.environ.get("TROUPE_TEST_SLOWNESS", "1"))
TERMINAL = ("STATE_SUCCEEDED", "STATE_STOPPED", "STATE_FAILED", "STATE_CANCELLED")


def patience(seconds):
    """How long to wait for what takes less than `seconds` as a rule."""
    return seconds * SLOWNESS


class Server:
    """trouped on a free port with its data in a temporary folder; can be killed and started again.
    `environment` comes on top of the harness's own."""

    def __init__(self, models, roles=None, extra="", folder=None, environment=None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="troupe-e2e-"))
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.address = None
        self.listening = False
        # Tasks that wait for a person rest soon, so that every test with a question meets it.
        config = ['[server]', 'listen = "127.0.0.1:0"', f'data_folder = "{self.folder}/data"',
                  'rest_after_seconds = 0.2',
                  '[toolboxes]', f'folders = ["{SOURCE}/tests/end_to_end/toolbox"]',
                  '[inputs]', f'allowed_folders = ["{SHARED}", "{self.folder}"]', extra]
        for name, settings in models.items():
            config.append(f"[models.{name}]")
            config += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        config.append("[roles]")
        config += [f'{role} = "{name}"' for role, name in (roles or {"default": next(iter(models))}).items()]
        (self.folder / "troupe.toml").write_text("\n".join(config) + "\n")
        self.start()

    def start(self):
        self.launch()
        self.wait_until_listening()

    def launch(self):
        """Starts the process; it does not listen yet."""
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        with open(self.folder / "trouped.log", "a") as log:
            self.process = subprocess.Popen(
                [BINARIES / "trouped", "--config", self.folder / "troupe.toml", "--port-file", port_file],
                stdout=log, stderr=log, env=self.environment)

    def wait_until_listening(self):
        port_file = self.folder / "port"
        end = time.monotonic() + patience(30)
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("trouped did not start:\n" + self.log())
            time.sleep(0.01)
        self.address = "127.0.0.1:" + port_file.read_text().strip()
        self.listening = True

    def stop(self, how=signal.SIGTERM):
        """Ends the server. It must have run until now, and end as it is told to: a crash, or what a sanitizer
        finds, fails the test."""
        self.listening = False
        process, self.process = self.process, None
        if process is None:
            return
        ended = process.poll()
        if ended is None:
            process.send_signal(how)
            code = process.wait(timeout=patience(30))
        expected = 0 if how == signal.SIGTERM else -how
        if ended is not None or code != expected:
            what = f"ended by itself with {ended}" if ended is not None else f"ended with {code} on signal {how}"
            raise AssertionError(f"trouped {what}:\n{self.log()[-6000:]}")

    def log(self):
        return (self.folder / "trouped.log").read_text(errors="replace")

    def close(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def troupe(self, *args, check=True):
        """Runs the command line; returns what it printed as JSON, or the error with check=False."""
        done = subprocess.run([BINARIES / "troupe", "--json", "--server", self.address, *map(str, args)],
                              capture_output=True, text=True, timeout=patience(120))
        if check and done.returncode not in (0, 4):
            raise AssertionError(f"troupe {args}: exit {done.returncode}\n{done.stderr}")
        if done.returncode != 0 and done.stderr:
            return json.loads(done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def print(self, *args):
        """Runs the command line; returns what it printed for people."""
        done = subprocess.run([BINARIES / "troupe", "--server", self.address, *map(str, args)],
                              capture_output=True, text=True, timeout=patience(120))
        if done.returncode not in (0, 4):
            raise AssertionError(f"troupe {args}: exit {done.returncode}\n{done.stderr}")
        return done.stdout

    def submit_spec(self, spec, *args, task_id="t"):
        """Submits a TaskSpec of any kind."""
        file = self.folder / f"{task_id}.spec.json"
        file.write_text(json.dumps(spec))
        return self.troupe("submit", "--spec", file, "--task-id", task_id, *args)

    def submit(self, request, *args, task_id="t"):
        return self.troupe("submit", request, "--task-id", task_id, *args)

    def wait(self, task_id="t", seconds=120, states=TERMINAL):
        end = time.monotonic() + patience(seconds)
        while True:
            task = self.troupe("show", task_id)
            if task.get("state") in states:
                return task
            if time.monotonic() > end:
                raise AssertionError(f"the task is still {task.get('state')}: {task}\n" +
                                     self.log()[-2000:])
            time.sleep(patience(0.05))  # a sanitized command line is dear


class ModelServer:
    """A server of chat completions, and of Anthropic's messages, that answers by a function of the request,
    with a text or a whole message, and keeps count."""

    def __init__(self, answer, delay=0.0):
        self.requests = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = json.loads(body)
                with outer.lock:
                    outer.requests.append(body)
                time.sleep(delay)
                reply = json.dumps(messages_reply(request, answer(request)) if self.path.endswith("/messages")
                                   else completion_reply(answer(request))).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(reply)))
                    self.end_headers()
                    self.wfile.write(reply)
                except OSError:
                    pass  # the server that asked was killed

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class WorkflowCase(unittest.TestCase):
    """A test of workflows: a server whose model answers by `answer`, a function of the request."""

    def setUp(self):
        self.answer = lambda request: "x"
        self.model = ModelServer(lambda request: self.answer(request))
        self.addCleanup(self.model.close)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-workflow-"))
        self.server = Server({"m": {"kind": "openai", "url": self.model.url, "model": "m", "attempts": 2,
                                    "first_wait_seconds": 0.05}}, extra="[sandbox]\npreload = []", folder=self.folder)
        self.addCleanup(self.server.close)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def upload(self, name, items, *args):
        lines = "".join(json.dumps(item) + "\n" for item in items)
        self.server.troupe("dataset", "upload", self.file(name + ".jsonl", lines), *args)

    def begin_training(self, document, *args, task_id="t", check=True):
        return self.server.troupe("optimize-workflow", document, "--task-id", task_id, "--no-watch", *args, check=check)


def completion_reply(answer):
    message = {"content": answer} if isinstance(answer, str) else answer
    return {"id": "x", "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", **message}}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}


def messages_reply(request, text):
    """Anthropic's messages have no replies by schema: the schema is that of a tool which must be called."""
    use = {"type": "tool_use", "id": "x", "name": request["tool_choice"]["name"], "input": json.loads(text)}
    return {"id": "x", "role": "assistant", "content": [use], "stop_reason": "tool_use",
            "usage": {"input_tokens": 10, "output_tokens": 5}}


def schema_of(request):
    """Which of CellAgent's replies is asked for: plan, selection, solution, verdict ..."""
    if "tool_choice" in request:
        return request["tool_choice"]["name"]
    return request["response_format"]["json_schema"]["name"]


def write_recording(path, replies):
    """Replies by role, each a text, a JSON value or {"text", "tool_uses"}, as a recording of the
    recorded backend."""
    with open(path, "w") as file:
        for role, texts in replies.items():
            for reply in texts:
                if not (isinstance(reply, dict) and "tool_uses" in reply):
                    reply = {"text": reply if isinstance(reply, str) else json.dumps(reply)}
                file.write(json.dumps({"role": role, "reply": reply}) + "\n")


def main():
    unittest.main(verbosity=2)
