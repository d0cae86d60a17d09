#!/usr/bin/env python3
"""Runs the scenario files of tests/scenarios: a task, the replies of a scripted model, and what must
come of it.

  {"why": "...", "submit": ["--max-attempts", "2"], "config": "[sandbox] ...",   ("SOURCE" in it is the source folder)
  
   "spec": {"chat": {...}},   (a task of any kind, in place of CellAgent with the plain toolbox)
   "dataset": "{...}\n",        (lines of JSON that are uploaded as datasets/scenario)
   "replies": {"planner": [...], "programmer": [...], ...},
   "model": {"tools": false},    (settings of the model, beside the defaults)
   "replays": true,              (a replay must come to the same end)
   "forks": {"answer": "deny", "told": ["..."]},   (a fork at the first question, answered otherwise)
   "steps": [{"asked": ["in the question"]},        (each waits until the task asks)
             {"kill": true},                         (the server, and starts it again)
             {"respond": ["--approve"], "refused": "in the error"},
             {"restart_with": "another config"}],
   "expect": {"state": "SUCCEEDED", "error": "REASON", "text": "in the result",
              "trials": [{"ran": true, "attempts": 2, "critique": "in it"}], "calls": {"planner": 2},
              "files": {"total.txt": "6"}, "questions": 2, "solve": {"rounds": 3}, "told": ["in the last model call's messages"],
              "seconds": 20}}
"""
import json
import pathlib
import signal
import tempfile
import time
import unittest

from harness import SOURCE, Server, main, write_recording, patience

DEFAULTS = {
    "planner": [{"question": None, "steps": [{"title": "Work", "kind": "work", "description": "Do it"}]}],
    "evaluator": [{"critique": "fine", "score": 9, "ok": True, "next": ""}] * 4,
    "reporter": [{"report": "Done."}],
}


def solution(reply):
    """A programmer's reply may be given as {"code": ...} alone."""
    if isinstance(reply, dict) and set(reply) == {"code"}:
        return {"analysis": "", "code": reply["code"]}
    return reply


class ScenarioTest(unittest.TestCase):
    def run_scenario(self, path):
        scenario = json.loads(path.read_text())
        folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-scenario-"))
        replies = {**DEFAULTS, **scenario.get("replies", {})}
        replies["programmer"] = [solution(reply) for reply in replies.get("programmer", [])]
        write_recording(folder / "replies.jsonl", replies)
        model = {"kind": "recorded", "recording": str(folder / "replies.jsonl"), **scenario.get("model", {})}
        server = Server({"scripted": model},
                        extra=scenario.get("config", "").replace("SOURCE", str(SOURCE)), folder=folder)
        try:
            if "dataset" in scenario:
                (folder / "scenario.jsonl").write_text(scenario["dataset"])
                server.troupe("dataset", "upload", folder / "scenario.jsonl")
            started = time.monotonic()
            if "spec" in scenario:
                server.submit_spec(scenario["spec"], *scenario.get("submit", []))
            else:
                server.submit("Do the work", "--toolbox", "plain", *scenario.get("submit", []))
            if "cancel_when" in scenario:
                server.wait(states=(scenario["cancel_when"],))
                server.troupe("cancel", "t")
            if "answer" in scenario:
                server.wait(states=("STATE_INPUT_REQUIRED",))
                server.troupe("respond", "t", scenario["answer"])
            for step in scenario.get("steps", []):
                self.take_step(server, step)
            task = server.wait()
            if scenario.get("replays"):
                self.check_replay(server, task)
            if "forks" in scenario:
                self.check_fork(server, scenario["forks"])
            self.check(scenario["expect"], task, server, time.monotonic() - started)
            self.assertIsNone(server.process.poll(), "the server ended")
        finally:
            server.close()

    def take_step(self, server, step):
        """One step of a person, or of fate, while the task waits with a question."""
        task = server.wait(states=("STATE_INPUT_REQUIRED",))
        questions = task["pending_questions"]
        for text in step.get("asked", []):
            self.assertIn(text, json.dumps(questions))
        if step.get("kill"):
            server.stop(signal.SIGKILL)
            if "restart_with" in step:
                config = server.folder / "troupe.toml"
                config.write_text(step["restart_with"] + "\n" + config.read_text())
            server.start()
        if "respond" in step:
            done = server.troupe("respond", questions[0]["name"], *step["respond"], check="refused" not in step)
            if "refused" in step:
                self.assertIn(step["refused"], done["error"]["message"])

    def check_replay(self, server, task):
        """A replay comes to the same end, without a question."""
        replay = server.troupe("replay", "t")["name"].removeprefix("tasks/")
        replayed = server.wait(replay)
        self.assertEqual(replayed["state"], task["state"], replayed.get("error"))
        self.assertEqual(replayed["result"]["text"], task["result"]["text"])

    def check_fork(self, server, fork):
        """A fork at the first question, which is answered otherwise there, goes on from that answer."""
        question = next(span for span in server.troupe("trace", "t")["spans"] if span["kind"] == "KIND_QUESTION")
        server.troupe("fork", question["name"], "--text", fork["answer"], "--task-id", "fork")
        forked = server.wait("fork")
        self.assertEqual(forked["state"], "STATE_SUCCEEDED", forked.get("error"))
        self.check_told(server, "fork", fork["told"])

    def check_told(self, server, task_id, told):
        """What the last model call was told."""
        calls = [span for span in server.troupe("trace", task_id)["spans"] if span.get("role")]
        request = server.troupe("span", calls[-1]["name"])["request_json"]
        for part in told:
            self.assertIn(part, json.dumps(json.loads(request)["messages"]))

    def check(self, expect, task, server, seconds):
        self.assertEqual(task["state"], "STATE_" + expect["state"], task.get("error"))
        if "error" in expect:
            reasons = [d.get("reason") for d in task["error"]["details"]]
            self.assertIn(expect["error"], reasons, task["error"])
        if "text" in expect:
            self.assertIn(expect["text"], task["result"]["text"])
        steps = task.get("result", {}).get("cellagent", {}).get("steps", [])
        trials = [trial for step in steps for trial in step["trials"]]
        if "trials" in expect:
            self.assertEqual(len(trials), len(expect["trials"]), trials)
        for trial, wanted in zip(trials, expect.get("trials", [])):
            self.assertEqual(trial.get("ran", False), wanted["ran"], trial)
            self.assertEqual(trial.get("attempts", 0), wanted.get("attempts", trial.get("attempts", 0)))
            self.assertIn(wanted.get("critique", ""), trial.get("critique", ""))
        for name, text in expect.get("files", {}).items():
            self.assertEqual((server.folder / "data/tasks/t/artifacts" / name).read_text(), text)
        if "calls" in expect:
            spans = server.troupe("trace", "t")["spans"]
            for role, count in expect["calls"].items():
                self.assertEqual(sum(span.get("role") == role for span in spans), count, role)
        for field, value in expect.get("solve", {}).items():
            self.assertEqual(task["result"]["solve"].get(field), value, field)
        if "questions" in expect:
            spans = server.troupe("trace", "t")["spans"]
            self.assertEqual(sum(span["kind"] == "KIND_QUESTION" for span in spans), expect["questions"])
        if "told" in expect:
            self.check_told(server, "t", expect["told"])
        self.assertLess(seconds, patience(expect.get("seconds", 60)))


def add(path):
    def test(self):
        self.run_scenario(path)
    setattr(ScenarioTest, "test_" + path.stem, test)


for file in sorted((SOURCE / "tests/scenarios").glob("*.json")):
    add(file)

if __name__ == "__main__":
    main()
