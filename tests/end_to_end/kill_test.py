#!/usr/bin/env python3
"""Kills the server again and again in the middle of a task: the task must come to the same end, and
no model call whose reply was recorded may be made again."""
import json
import os
import random
import signal
import sqlite3
import time
import unittest

from harness import ModelServer, Server, main, schema_of

POINTS = int(os.environ.get("TROUPE_KILL_POINTS", "12"))
STEPS = 6


def answer(request):
    name = schema_of(request)
    if name == "plan":
        return json.dumps({"question": None, "steps": [
            {"title": f"Step {i}", "kind": "work", "description": f"Add {i}"} for i in range(1, STEPS + 1)]})
    if name == "solution":
        text = request["messages"][0]["content"]
        step = max(i for i in range(1, STEPS + 1) if f"The step to do now: Step {i} " in text)
        code = ("total = 0\n" if step == 1 else "") + f"total += {step}\nprint('total', total)"
        return json.dumps({"analysis": "add", "code": code})
    if name == "verdict":
        return json.dumps({"critique": "good", "score": 9, "ok": True, "next": ""})
    return json.dumps({"report": "All is summed up."})


class KillTest(unittest.TestCase):
    def finished_calls(self, server):
        database = sqlite3.connect(f"file:{server.folder}/data/troupe.db?mode=ro", uri=True)
        try:
            return database.execute("SELECT count(*) FROM spans WHERE kind = 2 AND end_sequence > 0"
                                    ).fetchone()[0]
        finally:
            database.close()

    def integrity(self, server):
        database = sqlite3.connect(server.folder / "data/troupe.db")
        try:
            return database.execute("PRAGMA integrity_check").fetchone()[0]
        finally:
            database.close()

    def run_once(self, seed):
        """One task, killed at moments drawn from the seed until it ends; returns how often."""
        draw = random.Random(seed)
        model = ModelServer(answer, delay=0.02)
        server = Server({"counting": {"kind": "openai", "url": model.url, "model": "m"}},
                        extra='[sandbox]\npython = "/usr/bin/python3"')
        kills = repeats_allowed = 0
        try:
            server.submit("Sum up", "--toolbox", "plain")
            for _ in range(8):
                time.sleep(draw.uniform(0.02, 0.5))
                if server.troupe("show", "t").get("state") == "STATE_SUCCEEDED":
                    break
                server.stop(signal.SIGKILL)
                kills += 1
                with model.lock:
                    begun = len(model.requests)
                seen = len(set(model.requests[:begun]))
                repeats_allowed += seen - self.finished_calls(server)
                server.start()
            task = server.wait()
            self.assertEqual(task["state"], "STATE_SUCCEEDED")
            total = (server.folder / "data/tasks/t/artifacts/total.txt").read_text()
            self.assertEqual(total, str(sum(range(1, STEPS + 1))))
            repeated = len(model.requests) - len(set(model.requests))
            self.assertLessEqual(repeated, repeats_allowed,
                                 "a model call with a recorded reply was made again")
            sequences = [json.loads(line)["sequence"] for line in self.events(server)]
            self.assertEqual([int(s) for s in sequences], list(range(1, len(sequences) + 1)))
            server.stop()
            self.assertEqual(self.integrity(server), "ok")
        finally:
            server.close()
            model.close()
        return kills

    def events(self, server):
        import subprocess
        from harness import BINARIES
        done = subprocess.run([BINARIES / "troupe", "--json", "--server", server.address, "watch", "t"],
                              capture_output=True, text=True, timeout=60)
        return [line for line in done.stdout.splitlines() if line]

    def test_same_end_whenever_killed(self):
        kills = seed = 0
        while kills < POINTS:
            kills += self.run_once(seed)
            seed += 1
        print(f"{kills} kills in {seed} tasks")


if __name__ == "__main__":
    main()
