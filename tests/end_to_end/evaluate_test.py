#!/usr/bin/env python3
"""Data sets and evaluations through the real server and the real command line."""
import json
import pathlib
import re
import signal
import tempfile
import time
import unittest

from harness import ModelServer, Server, main, patience


def numbers(count, more=""):
    """Items whose question is a number and whose answer is that number."""
    return "".join(json.dumps({"question": f"What is {i}?{more}", "answer": str(i)}) + "\n"
                   for i in range(1, count + 1))


def answer(request):
    """Right with a prompt that says "carefully", else for odd numbers alone."""
    text = str(request["messages"][-1]["content"])
    number = int(re.search(r"What is (\d+)", text).group(1))
    return str(number) if "carefully" in text or number % 2 else "I do not know."


class EvaluateTest(unittest.TestCase):
    def setUp(self):
        self.model = ModelServer(lambda request: self.answer(request))
        self.answer = answer
        self.addCleanup(self.model.close)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-evaluate-"))
        self.server = Server({"m": {"kind": "openai", "url": self.model.url, "model": "m", "attempts": 2,
                                    "first_wait_seconds": 0.05}}, extra="[sandbox]\npreload = []", folder=self.folder)
        self.addCleanup(self.server.close)

    def upload(self, name, text, *args):
        file = self.folder / name
        file.write_text(text)
        return self.server.troupe("dataset", "upload", file, *args)

    def evaluate(self, *args, check=True):
        return self.server.troupe("evaluate", *args, "--no-watch", check=check)

    def peak_memory(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024

    def test_data_sets_on_the_command_line(self):
        done = self.upload("Small set.csv", 'question,answer,part\n"What is 1, then?",1,train\nWhat is 2?,2,test\n',
                           "--split-field", "part", "--description", "Two numbers")
        self.assertEqual(done["dataset"]["name"], "datasets/small-set")
        self.assertEqual(done["dataset"]["splits"], {"train": 1, "test": 1})
        self.assertTrue(self.upload("again.csv", (self.folder / "Small set.csv").read_text(), "--name", "small-set",
                                    "--split-field", "part")["existed"])
        self.upload("small-set.jsonl", numbers(3))
        listed = self.server.print("dataset", "list")
        self.assertRegex(listed, r"datasets/small-set@[0-9a-f]{12}  3 items")
        shown = self.server.troupe("dataset", "show", "small-set@" + done["dataset"]["digest"][:12], "--split", "test")
        self.assertEqual(shown["dataset"]["items"], 2)
        self.assertEqual(len(shown["dataset"]["versions"]), 2)
        self.assertEqual([item["fields"]["question"] for item in shown["items"]["items"]], ["What is 2?"])
        self.assertIn("What is 2?", self.server.print("dataset", "show", "small-set"))
        wrong = self.folder / "wrong.csv"
        wrong.write_text("a,b\n1,2\n3\n")
        error = self.server.troupe("dataset", "upload", wrong, check=False)["error"]
        self.assertIn("line 3 has 1 fields", error["message"])
        self.assertEqual(error["metadata"]["line"], "3")
        self.server.troupe("dataset", "delete", "small-set")
        self.assertEqual(self.server.troupe("dataset", "list").get("datasets", []), [])

    def test_two_prompts_are_compared_and_the_table_is_shown(self):
        self.upload("numbers.jsonl", numbers(30))
        text = self.server.print("evaluate", "numbers", "--text", "Answer.", "--template", "Answer carefully: {{question}}",
                                 "--grader", "exact", "--grader", "numeric", "--task-id", "both")
        self.assertIn("50.0 % (33.2-66.8)", text)  # Wilson's interval of 15 in 30
        self.assertIn("100.0 %", text)
        self.assertIn("is better", text)
        self.assertIn("Did not pass", text)
        task = self.server.troupe("show", "both")
        result = task["result"]["evaluate"]
        self.assertEqual([variant["passed"] for variant in result["variants"]], [15, 30])
        self.assertEqual(result["comparisons"][0]["only_right_passed"], 15)
        self.assertAlmostEqual(result["comparisons"][0]["mcnemar_p"], 2 / 2**15, places=9)
        self.assertEqual(int(task["usage"]["model_calls"]), 60)
        lines = (self.folder / "data/tasks/both/artifacts/results.jsonl").read_text().splitlines()
        self.assertEqual(len(lines), 60)
        self.assertEqual(json.loads(lines[2])["grades"][1]["reason"], "has no number")
        # A replay comes to the same, with nothing asked.
        asked = len(self.model.requests)
        replay = self.server.troupe("replay", "both")["name"].removeprefix("tasks/")
        self.assertEqual(self.server.wait(replay)["result"]["evaluate"], result)
        self.assertEqual(len(self.model.requests), asked)
        # A later evaluation is compared with it.
        self.evaluate("numbers", "--text", "Think carefully.", "--baseline", "both", "--task-id", "later")
        later = self.server.wait("later")["result"]["evaluate"]["comparisons"]
        names = [variant["name"] for variant in result["variants"]]
        self.assertEqual([(each["right"], each.get("wins", 0)) for each in later],
                         [(f"tasks/both:{names[0]}", 15), (f"tasks/both:{names[1]}", 0)])

    def test_a_kill_in_the_middle_repeats_no_recorded_call(self):
        self.upload("numbers.jsonl", numbers(60))
        self.answer = lambda request: (time.sleep(0.02), answer(request))[1]
        self.evaluate("numbers", "-c", "4", "--task-id", "t")
        end = time.monotonic() + patience(30)
        while len(self.model.requests) < 25 and time.monotonic() < end:
            time.sleep(0.01)
        self.server.stop(signal.SIGKILL)
        self.server.start()
        refused = self.server.troupe("dataset", "delete", "numbers", check=False)
        self.assertEqual(refused["error"]["reason"], "TASK_NOT_TERMINAL")  # what it has not read is needed
        task = self.server.wait()
        self.assertEqual(task["result"]["evaluate"]["variants"][0]["passed"], 30)
        self.assertLessEqual(len(self.model.requests), 60 + 4)  # those that were under way
        self.server.troupe("dataset", "delete", "numbers")
        replay = self.server.troupe("replay", "t")["name"].removeprefix("tasks/")
        self.assertEqual(self.server.wait(replay)["result"]["evaluate"], task["result"]["evaluate"])

    def test_code_grades_in_the_sandbox(self):
        items = [{"prompt": "Write a function twice", "tests": "assert twice(3) == 6"},
                 {"prompt": "Write a function that never ends", "tests": "assert spin() is None"},
                 {"prompt": "Write a function half", "tests": "assert half(4) == 2"},
                 {"prompt": "Leave", "tests": "assert True"}]
        self.upload("code.jsonl", "\n".join(map(json.dumps, items)))
        replies = {"twice": "Here:\n```python\ndef twice(x):\n    return 2 * x\n```", "Leave": "import sys\nsys.exit(0)",
                   "half": "def half(x): return x / 3", "never": "def spin():\n    while True: pass"}
        self.answer = lambda request: next(text for word, text in replies.items()
                                           if word in str(request["messages"][-1]["content"]))
        file = self.folder / "spec.json"
        file.write_text(json.dumps({"evaluate": {
            "items": {"dataset": "datasets/code"}, "prompt": {},
            "graders": [{"code": {"tests_field": "tests", "timeout_seconds": 4}}]}}))
        self.server.troupe("submit", "--spec", file, "--task-id", "t")
        task = self.server.wait()
        runs = {run["item_number"]: run for run in task["result"]["evaluate"]["runs"]}
        self.assertEqual([runs[i].get("passed", False) for i in (1, 2, 3, 4)], [True, False, False, False], runs)
        self.assertIn("longer than 4 s", runs[2]["grades"][0]["reason"])
        self.assertIn("AssertionError", runs[3]["grades"][0]["reason"])
        self.assertIn("SystemExit", runs[4]["grades"][0]["reason"])

    def test_code_that_cannot_grade_gives_no_grade(self):
        self.upload("numbers.jsonl", numbers(4))
        for code, what in (("score = (", "is no Python"), ("scor = 1", "set no score"),
                           ("score = 'all'", "set the score 'all'"), ("score = float('nan')", "set the score nan")):
            name = self.evaluate("numbers", "--grader", "code=" + code)["name"].removeprefix("tasks/")
            task = self.server.wait(name)
            self.assertEqual(task["state"], "STATE_FAILED", code)
            self.assertIn(f"the grader cannot be used: its code {what}", task["error"]["message"])
        name = self.evaluate("numbers", "--grader", "code=assert answer == '1'\nscore = True")["name"]
        task = self.server.wait(name.removeprefix("tasks/"))
        self.assertEqual(task["result"]["evaluate"]["variants"][0]["passed"], 1)

    def test_a_split_stands_behind_the_name_and_texts_are_told(self):
        self.upload("numbers.jsonl", numbers(20), "--share", "train=0.5", "--share", "test=0.5")
        shown = self.server.print("evaluate", "numbers:test", "--text", "Answer.", "--task-id", "t")
        self.assertRegex(shown, r'sha256:[0-9a-f]{12} is "Answer."')
        self.assertEqual(self.server.troupe("show", "t")["spec"]["evaluate"]["items"],
                         {"dataset": "datasets/numbers", "split": "test"})
        for wrong, what in ((["numbers:test", "--split", "train"], "names another split"),
                            (["numbers", "--grader", "exact=3"], "exact takes nothing behind it")):
            self.assertIn(what, self.evaluate(*wrong, check=False)["error"]["message"])

    def test_an_agent_is_evaluated(self):
        self.upload("numbers.jsonl", numbers(6))
        self.evaluate("numbers", "--agent", json.dumps({"solve": {"request": "{{question}} Think carefully.",
                                                                  "max_rounds": 3}}), "--task-id", "t")
        task = self.server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.assertEqual(task["result"]["evaluate"]["variants"][0]["passed"], 6)

    def test_what_agents_hand_out_is_had(self):
        self.upload("numbers.jsonl", numbers(4))

        def note(request):
            """Hands out the item's number in a file, all under the same name."""
            number = re.search(r"What is (\d+)", json.dumps(request["messages"])).group(1)
            if request["messages"][-1]["role"] == "tool":
                return number
            return {"content": "", "tool_calls": [{"id": "call", "type": "function", "function": {
                "name": "write_artifact", "arguments": json.dumps({
                    "name": "note.txt", "text": f"note {number}", "description": "A note"})}}]}

        self.answer = note
        self.evaluate("numbers", "--agent", json.dumps({"solve": {"request": "{{question}}",
                                                                  "tools": ["write_artifact"]}}), "--task-id", "t")
        task = self.server.wait()
        self.assertEqual(task["result"]["evaluate"]["variants"][0].get("passed"), 4, task)
        runs = [json.loads(line) for line in self.server.print("artifacts", "t", "results.jsonl").splitlines()]
        self.assertEqual([len(run["artifacts"]) for run in runs], [1, 1, 1, 1])
        for run in runs:
            self.assertEqual(self.server.print("artifacts", "t", run["artifacts"][0]), f"note {run['item_number']}")
        listed = task["result"]["artifacts"]
        self.assertEqual([artifact["description"] for artifact in listed[1:]],
                         [f"item {number}: A note" for number in (1, 2, 3, 4)])
        self.assertEqual([artifact["name"] for artifact in listed[1:]],
                         [f"tasks/t/artifacts/{run['artifacts'][0]}" for run in runs])
        self.assertEqual(pathlib.Path(listed[1]["path"]).read_text(), "note 1")
        self.assertIn(runs[3]["artifacts"][0], self.server.print("artifacts", "t"))
        # A fork has them too.
        fork = self.server.troupe("fork", "t")["name"].removeprefix("tasks/")
        self.server.wait(fork)
        self.assertEqual(self.server.print("artifacts", fork, runs[1]["artifacts"][0]), "note 2")

    def test_a_budget_stops_it_with_what_it_has(self):
        self.upload("numbers.jsonl", numbers(40))
        self.evaluate("numbers", "--max-calls", "10", "-c", "4", "--task-id", "t")
        task = self.server.wait()
        self.assertEqual(task["state"], "STATE_STOPPED")
        self.assertEqual(task["result"]["evaluate"]["variants"][0]["items"], 10)

    def test_a_thousand_items_in_bounded_memory(self):
        # Four megabytes of questions, of which a page is in memory at a time.
        self.upload("large.jsonl", numbers(1000, " " + "word " * 800))
        self.evaluate("large", "-n", "64", "-c", "64", "--text", "Warm up.", "--task-id", "warm")
        self.server.wait("warm")
        before = self.peak_memory()
        self.evaluate("large", "-c", "64", "--task-id", "t")
        task = self.server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.assertEqual(task["result"]["evaluate"]["variants"][0]["items"], 1000)
        self.assertEqual(task["result"]["evaluate"]["variants"][0]["passed"], 500)
        self.assertLess(self.peak_memory() - before, 150)


if __name__ == "__main__":
    main()
