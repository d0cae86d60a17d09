"""A server with one task, everything outside it that the task touches, a client that watches it and
a person who answers its questions."""
import json
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

import checks
import record
from patience import patience
from proxy import Proxy
from servers import Gate, ModelServer, ToolServer
from watcher import Watcher

from harness import BINARIES, TERMINAL, Server  # noqa: E402

TASK = "t"
POLITE_SECONDS = 10       # in which a polite stop must end
PROCESS_SECONDS = 5       # in which the processes of a dead server must end
MODEL = {"kind": "openai", "model": "m", "attempts": 8, "first_wait_seconds": 0.02, "longest_wait_seconds": 0.3,
         "connect_seconds": 5, "first_byte_seconds": 6, "idle_seconds": 6, "total_seconds": 12}


class World:
    def __init__(self, kind, fault, draw, hold=None):
        """`hold`: (number of a request, phase) at which the gate stops the task."""
        self.kind, self.fault, self.draw = kind, fault, draw
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-fault-"))
        self.data = self.folder / "data"
        self.data.mkdir()
        self.gate = Gate()
        if hold is not None:
            self.gate.set_trap(*hold)
        self.tools = ToolServer(self.gate)
        self.model = ModelServer(lambda request: self.kind.answer(self.tools.url, request), self.gate)
        self.proxy = self.page = self.watcher = self.server = None
        self.mounted = False
        self.life = 0
        self.records = []           # what each life of the server left
        self.records_by_life = []
        self.wrong = []
        self.closing = False
        self.people = []
        try:
            self.open()
        except BaseException:
            self.close()
            raise

    def open(self):
        self.fault.prepare(self)
        environment = self.page.environment(self.data, BINARIES) if self.page else {}
        extra = (f"[sandbox]\npreload = []\n[http_tool]\nallowed_hosts = [\"127.0.0.1:{self.tools.port}\"]\n"
                 f"allow_private_addresses = true\n[store]\ngive_up_seconds = {self.fault.give_up}\n")
        self.server = Server({"m": {**MODEL, **self.fault.model_settings, "url": self.model.url}}, extra=extra,
                             folder=self.folder, environment=environment)
        self.on_started()
        if self.kind.dataset:
            items = self.folder / "faults.jsonl"
            items.write_text(self.kind.dataset)
            self.server.troupe("dataset", "upload", items)
        spec = self.folder / "spec.json"
        spec.write_text(json.dumps({**self.kind.spec(self.tools.url), "seed": 7}))
        self.server.troupe("submit", "--spec", spec, "--task-id", TASK)
        self.watcher = Watcher(BINARIES, self.client_address, TASK, self.on_question, reconnect=self.proxy is not None)

    # --- the server's lives ---

    def client_address(self):
        if self.proxy is not None:
            return self.proxy.address
        return self.server.address if self.server.listening else None

    def on_started(self):
        if self.proxy is not None:
            self.proxy.target = self.server.address

    def launch(self):
        self.life += 1
        self.model.life = self.life
        self.server.launch()

    def restart(self):
        self.launch()
        self.server.wait_until_listening()
        self.on_started()

    def end_life(self, how):
        """Ends the server by a signal; what it left must be in order. Returns its exit code."""
        process = self.server.process
        if process.poll() is not None:
            self.wrong.append(f"the server ended by itself with {process.returncode}")
        below = checks.descendants(process.pid)
        self.server.listening = False
        if self.proxy is not None:
            self.proxy.target = None
        if process.poll() is None:
            process.send_signal(how)
        seconds = patience(POLITE_SECONDS if how == signal.SIGTERM else 30)
        began = time.monotonic()
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"the server did not end within {seconds} s of signal {how}")
            process.kill()
            process.wait(timeout=30)
        self.wrong += checks.processes_left(below, patience(PROCESS_SECONDS))
        self.last_stop_seconds = time.monotonic() - began
        return process.returncode

    def read_record(self):
        """After a death (and after what a fault does to the disk): judges what is there."""
        recorded = record.read(self.data, copied=True)
        self.wrong += checks.after_death(self, recorded)
        self.records.append(recorded)
        while len(self.records_by_life) < self.life:
            self.records_by_life.append(None)
        self.records_by_life.append(recorded)
        return recorded

    # --- the task ---

    def ended(self):
        return self.watcher.ended()

    def wait_for_moment(self, seconds):
        """Until the gate's trap has sprung, or the task has ended."""
        end = time.monotonic() + patience(seconds)
        while time.monotonic() < end:
            if self.gate.wait_for_trap(0.05) or self.ended():
                return
            if self.server.process.poll() is not None:
                raise AssertionError(f"the server ended by itself with {self.server.process.returncode}")
        raise AssertionError(f"the task stands still, waiting for {self.gate.trap}: {self.show()}")

    def show(self):
        return self.server.troupe("show", TASK, check=False)

    def wait_for_end(self, seconds):
        if not self.watcher.wait_for(lambda: self.ended() or not self.watcher.thread.is_alive(), patience(seconds)):
            raise AssertionError(f"the task does not end: {self.show()}")
        return self.server.wait(TASK, seconds=20, states=TERMINAL)

    # --- the person ---

    def on_question(self, name):
        person = threading.Thread(target=self.answer, args=(name,), daemon=True)
        self.people.append(person)
        person.start()

    def answer(self, name):
        """Answers as a careful person would: looks whether the interrupted call took effect."""
        while not self.closing and not self.ended():
            try:
                if self.server.listening and self.try_to_answer(name):
                    return
            except (OSError, ValueError, KeyError, subprocess.SubprocessError):
                pass  # the server went away meanwhile
            time.sleep(0.05)

    def try_to_answer(self, name):
        question = next((each for each in self.show().get("pending_questions", []) if each["name"] == name), None)
        if question is None:
            return False  # not asked yet by this life of the server, or answered
        if question["kind"] == "KIND_APPROVAL":
            return "error" not in self.server.troupe("respond", name, "--approve", check=False)
        body = json.loads(question["detail_json"])["arguments"]["body"]
        self.tools.settle()
        answer = {"result": {"status": 200, "body": "posted"}} if self.tools.counts[body] else "retry"
        done = self.server.troupe("respond", name, json.dumps(answer), "--answer-json", check=False)
        return "error" not in done

    # --- the end ---

    def describe(self):
        """What helps to find out what went wrong."""
        log = self.folder / "trouped.log"
        try:
            failed = [f"failed call {path}: {text[:600]}" for path, text in record.failed_calls(self.data)]
        except sqlite3.Error as error:
            failed = [f"failed calls cannot be read: {error}"]
        return "\n".join([log.read_text()[-3000:] if log.exists() else "", *failed])

    def close(self):
        self.closing = True
        self.gate.release()
        if self.server is not None and self.server.process is not None:
            if self.server.process.poll() is None:  # its number is still its own
                below = checks.descendants(self.server.process.pid)
                self.server.process.kill()
                self.server.process.wait(timeout=patience(30))
                checks.processes_left(below, patience(PROCESS_SECONDS))
        for part in (self.watcher, self.proxy, self.page, self.model, self.tools):
            if part is not None:
                part.close()
        for person in self.people:
            person.join(timeout=30)
        if self.mounted:
            subprocess.run(["umount", "--lazy", self.data], check=False, timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)
