"""A client that watches the task all the while, as people do: it must see every event once, in
order, whatever happens to the server and the connection."""
import json
import subprocess
import threading
import time

from patience import patience

PATIENCE = patience(30)


class Watcher:
    """`troupe watch`, started again from the last event whenever it breaks. Each break is kept with
    the status that the client was given. Questions are passed on to `on_question` with their name."""

    def __init__(self, binaries, address, task, on_question, reconnect):
        self.binaries, self.address, self.task = binaries, address, task
        self.on_question, self.reconnect = on_question, reconnect
        self.changed = threading.Condition()
        self.sequences = []
        self.states = []
        self.breaks = []          # the error of each break: {"code", "reason", "message"}, and how many events it had "heard"
        self.wrong = []
        self.stopping = False
        self.process = self.connected_to = None
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        while not self.stopping and not self.ended():
            try:
                self.watch_once()
            except OSError as error:
                self.wrong.append(f"the watching client could not run: {error}")
                return
        with self.changed:
            self.changed.notify_all()

    def watch_once(self):
        address = self.address()
        if address is None:
            time.sleep(0.02)  # the server is down; the harness is about to start it
            return
        after = self.sequences[-1] if self.sequences else 0
        options = [] if self.reconnect else ["--no-reconnect"]
        process = subprocess.Popen([self.binaries / "troupe", "--json", "--server", address, "watch", self.task,
                                    "--after", str(after), *options],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.process, self.connected_to, heard = process, address, 0
        for line in process.stdout:
            self.take(json.loads(line))
            heard += 1
        error = process.stderr.read()
        code = process.wait()
        self.connected_to = None
        for stream in (process.stdout, process.stderr):
            stream.close()
        if not error and not self.ended() and not self.stopping:
            self.wrong.append(f"the watching client ended with exit {code} and no word why")
        if error and not self.stopping:
            with self.changed:
                self.breaks.append({**json.loads(error)["error"], "heard": heard})
                self.changed.notify_all()
            time.sleep(0.02)

    def take(self, event):
        with self.changed:
            self.sequences.append(int(event["sequence"]))
            if "state_changed" in event:
                self.states.append(event["state_changed"]["state"])
            if event.get("last"):
                self.states.append("last")
            self.changed.notify_all()
        if "question_asked" in event:
            self.on_question(event["question_asked"]["name"])

    def ended(self):
        return bool(self.states) and self.states[-1] == "last"

    def wait_for(self, condition, seconds):
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    def close(self):
        self.stopping = True
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        self.thread.join(PATIENCE)
