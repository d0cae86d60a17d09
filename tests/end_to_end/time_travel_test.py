#!/usr/bin/env python3
"""Forks, replays and comparisons of whole tasks, as a user makes them: over the command line, with
model servers that count and code that really runs."""
import json
import pathlib
import shutil
import signal
import unittest

from harness import SOURCE, ModelServer, Server, main, schema_of

STEPS = 3
PYTHON = '[sandbox]\npython = "/usr/bin/python3"'


def analyst(request):
    """Plays CellAgent's agents: each step adds its number to a total."""
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


def call(tool, **arguments):
    return {"content": "", "tool_calls": [{"id": f"call-{tool}", "type": "function", "function": {
        "name": tool, "arguments": json.dumps(arguments)}}]}


def assistant(request):
    """Plays a chat's model: carries out what the user says, and then tells what came of it."""
    last = request["messages"][-1]
    if last["role"] == "tool":
        return f"It says: {last['content']}".strip()
    verb, _, rest = last["content"].partition(" ")
    if verb == "run":
        return call("python", code=rest)
    if verb == "write":
        return call("write_file", path="files/notes.txt", text=rest)
    if verb == "publish":
        return call("write_artifact", name="report.txt", text=rest)
    if verb == "read":
        return call("read_file", path=rest)
    return "I say nothing to that."


class TimeTravelTest(unittest.TestCase):
    def start(self, answer, extra=PYTHON, others=()):
        self.model = ModelServer(answer)
        self.addCleanup(self.model.close)
        models = {"main": {"kind": "openai", "url": self.model.url, "model": "m"}}
        for name, server in others:
            models[name] = {"kind": "openai", "url": server.url, "model": name}
        self.server = Server(models, roles={"default": "main"}, extra=extra)
        self.addCleanup(self.server.close)
        return self.server

    def analyse(self):
        self.server.submit("Sum up", "--toolbox", "plain")
        task = self.server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        return task

    def chat(self, turns, task_id="t"):
        spec = {"chat": {"turns": turns, "tools": ["python", "write_file", "read_file", "write_artifact"]}}
        self.server.submit_spec(spec, task_id=task_id)
        task = self.server.wait(task_id)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        return task

    def spans(self, task_id="t"):
        return {span.get("path", ""): span for span in self.server.troupe("trace", task_id)["spans"]}

    def fork(self, path, *args, source="t"):
        name = self.server.troupe("fork", self.spans(source)[path]["name"], *args)["name"]
        task = self.server.wait(name)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        return task

    def folder(self, task):
        return self.server.folder / "data" / task["name"]

    def inherited(self, task):
        return {path for path, span in self.spans(task["name"]).items()
                if "inherited_from" in span.get("attributes", {})}

    # --- CellAgent ---

    def test_fork_at_a_step_and_at_its_code(self):
        self.start(analyst)
        self.analyse()
        calls = len(self.model.requests)
        again = self.fork("step:2")
        self.assertEqual((self.folder(again) / "artifacts/total.txt").read_text(), "6")
        # Two steps of code and verdict, and the report.
        self.assertEqual(len(self.model.requests) - calls, 5)
        spans = self.spans(again["name"])
        self.assertIn("inherited_from", spans["step:1/trial:1/run:1"]["attributes"])
        self.assertNotIn("inherited_from", spans["step:2/trial:1/run:1"].get("attributes", {}))
        self.assertEqual(again["usage"]["model_calls"], self.server.troupe("show", "t")["usage"]["model_calls"])

        code = json.dumps({"analysis": "add more", "code": "total += 100\nprint('total', total)"})
        changed = self.fork("step:2/trial:1/code:1", "--text", code)
        self.assertEqual((self.folder(changed) / "artifacts/total.txt").read_text(), "104")
        self.assertEqual((self.server.folder / "data/tasks/t/artifacts/total.txt").read_text(), "6")
        # In the trace of a fork, what was kept stands where it happened.
        line = next(line for line in self.server.print("trace", changed["name"]).splitlines()
                    if "survey" in line)
        self.assertIn("(inherited)", line)

        diff = self.server.troupe("diff", "t", changed["name"])
        first = diff["explained"]
        self.assertEqual(first["diff"]["path"], "step:2/trial:1/code:1")
        self.assertIn("ASPECT_RESULT", first["diff"]["aspects"])
        self.assertNotIn("request_diff", first)
        self.assertIn("total += 100", first["response_diff"])
        text = self.server.print("diff", "t", changed["name"])
        self.assertIn("First difference: step:2/trial:1/code:1 (result", text)
        self.assertRegex(text, r"(?m)^~ step:2/trial:1/run:1 +request, result")
        self.assertRegex(text, r"(?m)^-.*total \+= 2")
        self.assertRegex(text, r"(?m)^\+.*total \+= 100")
        of_run = self.server.print("diff", "t", changed["name"], "--path", "step:2/trial:1/run:1")
        self.assertRegex(of_run, r"(?m)^-.*total 3")
        self.assertRegex(of_run, r"(?m)^\+.*total 101")

    def test_fork_with_another_prompt_and_another_model(self):
        other = ModelServer(analyst)
        self.addCleanup(other.close)
        self.start(analyst, others=[("other", other)])
        self.analyse()
        old = self.server.troupe("prompts", "show", "cellagent.programmer")
        template = self.server.folder / "programmer.md"
        text = old["template"]
        template.write_text("Work with great care.\n" + text)
        self.server.troupe("prompts", "add", "cellagent.programmer", template)
        calls = len(self.model.requests)
        fork = self.fork("step:3", "--prompt", "cellagent.programmer=2", "--model", "evaluator=other")
        asked = [json.loads(body) for body in self.model.requests[calls:]]
        self.assertEqual([schema_of(request) for request in asked], ["solution", "report"])
        self.assertIn("with great care", asked[0]["messages"][0]["content"])
        self.assertEqual([schema_of(json.loads(body)) for body in other.requests], ["verdict"])
        self.assertEqual((self.folder(fork) / "artifacts/total.txt").read_text(), "6")
        # What was kept is there though the new prompt would have asked something else, and says so.
        kept = self.spans(fork["name"])["step:1/trial:1/code:1"]["attributes"]
        self.assertTrue(kept["request_differs"])
        self.assertEqual(kept["inherited_from"], self.spans()["step:1/trial:1/code:1"]["name"])
        diff = self.server.troupe("diff", "t", fork["name"])
        self.assertEqual(diff["explained"]["diff"]["path"], "step:3/trial:1/code:1")
        self.assertIn("+", diff["explained"]["request_diff"])
        self.assertIn("with great care", diff["explained"]["request_diff"])
        # It is repeated after a kill like any other task, and replayed.
        self.server.stop(signal.SIGKILL)
        self.server.start()
        self.replay_touches_nothing(fork)

    def replay_touches_nothing(self, source):
        calls = len(self.model.requests)
        name = self.server.troupe("replay", source["name"])["name"]
        replay = self.server.wait(name)
        self.assertEqual(replay["state"], source["state"], replay.get("error"))
        self.assertEqual(replay.get("result", {}).get("text"), source.get("result", {}).get("text"))
        self.assertEqual(len(self.model.requests), calls)
        # No code ran: it would have left the folder of its state.
        self.assertFalse((self.folder(replay) / "states").exists())
        diff = self.server.troupe("diff", source["name"], name)
        self.assertNotIn("explained", diff, diff)
        return replay

    def test_replay_of_each_kind(self):
        self.start(analyst)
        replay = self.replay_touches_nothing(self.analyse())
        self.assertEqual((self.folder(replay) / "artifacts/total.txt").read_text(), "6")
        self.replay_touches_nothing(replay)
        self.replay_touches_nothing(self.fork("step:2"))

    def test_replay_of_a_chat_and_of_one_that_was_stopped(self):
        self.start(assistant)
        turns = ["run print(1)", "write one", "publish one", "read files/notes.txt"]
        self.replay_touches_nothing(self.chat(turns))
        self.server.submit_spec({"chat": {"turns": turns, "tools": ["python", "write_file"]},
                                 "budget": {"max_model_calls": 3}}, task_id="stopped")
        stopped = self.server.wait("stopped")
        self.assertEqual(stopped["state"], "STATE_STOPPED")
        self.replay_touches_nothing(stopped)

    def test_a_killed_replay_goes_on(self):
        self.start(assistant)
        self.chat(["Hello"] * 300)
        calls = len(self.model.requests)
        replay = self.server.troupe("replay", "t")["name"]
        self.server.stop(signal.SIGKILL)
        self.server.start()
        self.assertEqual(self.server.wait(replay)["state"], "STATE_SUCCEEDED")
        self.assertEqual(len(self.model.requests), calls)

    # --- what a fork finds ---

    def test_a_fork_finds_states_and_files_as_they_were(self):
        self.start(assistant)
        task = self.chat(["run import random; x = random.random(); print(x)", "write one", "publish one",
                          "publish two", "write two", "run print(x)", "read files/notes.txt"])
        turns = task["result"]["chat"]["turns"]
        drawn = turns[0]["reply"]
        self.assertEqual(turns[5]["reply"], drawn)
        # From the fourth turn on, another answer instead of the second publication and note.
        fork = self.fork("turn:4/reply:1", "--text", "No.")
        self.assertEqual(fork["result"]["chat"]["turns"][3]["reply"], "No.")
        self.assertEqual((self.folder(fork) / "artifacts/report.txt").read_text(), "one")
        self.assertEqual((self.folder(task) / "artifacts/report.txt").read_text(), "two")
        self.assertEqual(fork["result"]["chat"]["turns"][5]["reply"], drawn)  # rebuilt, not drawn anew
        # The note was rewritten in the fifth turn; a fork without that one has the first.
        again = self.fork("turn:5/reply:1", "--text", "No.")
        self.assertIn("one", again["result"]["chat"]["turns"][6]["reply"])
        self.assertEqual((self.folder(again) / "files/notes.txt").read_text(), "one")
        self.assertEqual((self.folder(again) / "artifacts/report.txt").read_text(), "two")
        # A fork of the fork, from before what its source published last.
        earlier = self.fork("turn:4/reply:1", "--text", "Never.", source=again["name"])
        self.assertEqual((self.folder(earlier) / "artifacts/report.txt").read_text(), "one")
        self.assertEqual(self.spans(earlier["name"])["turn:1/reply:1"]["attributes"]["inherited_from"],
                         self.spans()["turn:1/reply:1"]["name"])
        # And nothing of later: before anything was published there is nothing.
        bare = self.fork("turn:2/reply:1", "--text", "No.")
        self.assertEqual((self.folder(bare) / "artifacts/report.txt").read_text(), "two")

    def test_fork_shows_nothing_published_after_it(self):
        self.start(assistant)
        self.chat(["publish one"])
        fork = self.fork("turn:1/reply:1", "--text", "No.")
        self.assertFalse((self.folder(fork) / "artifacts/report.txt").exists())
        self.assertNotIn("artifacts", fork["result"])

    def test_fork_of_a_running_task_with_its_answer(self):
        replies = SOURCE / "tests/scenarios/answers_a_question.json"
        self.assertTrue(replies.exists())

        def asking(request):
            if schema_of(request) == "plan" and "The user answered" not in json.dumps(request):
                return json.dumps({"question": "How many?", "steps": []})
            return analyst(request)

        self.start(asking)
        self.server.submit("Sum up", "--toolbox", "plain", "--ask")
        self.server.wait(states=("STATE_INPUT_REQUIRED",))
        fork = self.fork("plan/clarify", "--text", "three")
        self.assertEqual((self.folder(fork) / "artifacts/total.txt").read_text(), "6")
        self.assertEqual(self.server.troupe("show", "t")["state"], "STATE_INPUT_REQUIRED")

    # --- divergence ---

    def test_a_divergence_shows_both_requests(self):
        def asking(request):
            if schema_of(request) == "plan":
                return json.dumps({"question": "How many?", "steps": []})
            return analyst(request)

        self.start(asking)
        toolbox = self.server.folder / "toolbox"
        shutil.copytree(SOURCE / "tests/end_to_end/toolbox", toolbox)
        config = self.server.folder / "troupe.toml"
        config.write_text(config.read_text().replace(f"{SOURCE}/tests/end_to_end/toolbox", str(toolbox)))
        self.server.stop()
        self.server.start()
        self.server.submit("Sum up", "--toolbox", "plain", "--ask")
        self.server.wait(states=("STATE_INPUT_REQUIRED",))
        self.server.stop(signal.SIGKILL)
        settings = toolbox / "toolbox.toml"
        settings.write_text(settings.read_text().replace('title = "Anything"', 'title = "Something else"'))
        self.server.start()
        task = self.server.wait()
        self.assertEqual(task["state"], "STATE_FAILED")
        detail = next(d for d in task["error"]["details"] if d.get("reason") == "DIVERGENCE")
        self.assertEqual(detail["metadata"]["path"], "plan/propose")
        shown = self.server.print("show", "t")
        self.assertRegex(shown, r"(?m)^  -.*Anything")
        self.assertRegex(shown, r"(?m)^  \+.*Something else")
        self.assertIn(f"troupe fork {detail['metadata']['span']}", shown)
        # The way on that the error names.
        fork = self.server.troupe("fork", detail["metadata"]["span"])["name"]
        self.server.wait(fork, states=("STATE_INPUT_REQUIRED",))


if __name__ == "__main__":
    main()
