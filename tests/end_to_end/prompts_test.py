#!/usr/bin/env python3
"""The prompts as resources: versions, their history and differences, promotion and the way back, and that
tasks say what is promoted."""
import json
import subprocess
import unittest
import xml.etree.ElementTree

from harness import BINARIES, ModelServer, Server, main, patience

BETTER = "Answer with the number alone.\n\nThe task:\n{{request}}\n"


class PromptsTest(unittest.TestCase):
    def setUp(self):
        self.model = ModelServer(lambda request: "42")
        self.server = Server({"m": {"url": self.model.url}})

    def tearDown(self):
        self.server.close()
        self.model.close()

    def write(self, text, name="better.md"):
        file = self.server.folder / name
        file.write_text(text)
        return file

    def refused(self, *args):
        return self.server.troupe(*args, check=False)["error"]

    def solve(self, task_id):
        self.server.submit_spec({"solve": {"request": "What is 6 times 7?"}}, task_id=task_id)
        task = self.server.wait(task_id, seconds=30)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task)
        return task

    def said(self):
        """What the model was told at the last call, in one text."""
        return "\n".join(str(message["content"]) for message in json.loads(self.model.requests[-1])["messages"])

    def test_a_version_is_made_promoted_used_and_taken_back(self):
        made = self.server.troupe("prompts", "add", "solve.task", self.write(BETTER), "--note", "one number")
        self.assertEqual((made["version"], made["parent_version"], made["origin"]), (2, 1, "command line"))
        # It is not used before it is promoted, and it is not promoted just like that.
        self.solve("before")
        self.assertNotIn("Answer with the number alone", self.said())
        promote = ["prompts", "promote", "solve.task@2", "--reason", "it is better"]
        self.assertEqual(self.refused(*promote)["reason"], "NO_RECORDED_WIN")
        self.assertEqual(self.refused(*promote, "--evidence", "before")["reason"], "NO_RECORDED_WIN")
        self.assertEqual(self.refused(*promote, "--evidence", "none")["code"], "NOT_FOUND")
        self.assertEqual(self.server.troupe(*promote, "--without-evidence")["active_version"], 2)
        after = self.solve("after")
        self.assertIn("Answer with the number alone", self.said())
        self.assertEqual(after["spec"]["prompts"]["solve.task"], "2")
        back = self.server.troupe("prompts", "rollback", "solve.task", "--reason", "it is not")
        self.assertEqual(back["active_version"], 1)
        self.assertEqual([each["kind"] for each in back["promotions"]], ["KIND_PROMOTION", "KIND_ROLLBACK"])
        self.assertTrue(back["promotions"][0]["without_evidence"])
        self.solve("again")
        self.assertNotIn("Answer with the number alone", self.said())
        # All of it outlives the server.
        self.server.stop()
        self.server.start()
        history = self.server.print("prompts", "history", "solve.task")
        self.assertRegex(history, r"\* 1 .* file")
        self.assertRegex(history, r"  2 .* command line, from 1\n +one number")
        self.assertRegex(history, r"promoted 1 -> 2: it is better\n +without evidence")
        self.assertRegex(history, r"back +2 -> 1: it is not")
        self.assertEqual(self.refused("prompts", "rollback", "solve.task", "--reason", "x")["reason"],
                         "NOTHING_TO_ROLL_BACK")

    def test_differences_and_prompts_of_ones_own(self):
        first = self.write("Answer this:\n{{question}}\n{{#each hints}}- {{this}}\n{{/each}}", "quiz.md")
        create = ["prompts", "create", "quiz.answer", first, "--description", "Answers",
                  "--var", "question:text!", "--var", "hints:list"]
        made = self.server.troupe(*create)
        self.assertTrue(made["custom"])
        self.assertEqual(made["variables"][0], {"name": "question", "required": True, "type": "TYPE_TEXT"})
        self.assertEqual(self.refused(*create)["code"], "ALREADY_EXISTS")
        self.assertIn("quiz.answer", self.server.print("prompts"))
        second = self.write("Answer this briefly:\n{{question}}\n", "second.md")
        self.server.troupe("prompts", "add", "quiz.answer", second)
        self.assertEqual(self.server.print("prompts", "diff", "quiz.answer@1", "2"),
                         "--- prompts/quiz.answer/versions/1\n+++ prompts/quiz.answer/versions/2\n"
                         "@@ -1,4 +1,2 @@\n-Answer this:\n+Answer this briefly:\n {{question}}\n"
                         "-{{#each hints}}- {{this}}\n-{{/each}}\n")
        hunks = self.server.troupe("prompts", "diff", "quiz.answer@1", "2")["hunks"]
        self.assertEqual(hunks[0]["lines"][1], {"kind": "KIND_ADDED", "text": "Answer this briefly:"})
        wrong = self.refused("prompts", "add", "quiz.answer", self.write("{{#each question}}{{/each}}"))
        self.assertIn("'question' is declared as text: each goes through a list", wrong["message"])
        self.assertIn("line 1, column 1", wrong["message"])
        # A path is a way to write a name, and a prompt alone is no version to promote.
        self.assertEqual(self.server.troupe("prompts", "show", "quiz/answer@2")["version"], 2)
        wrong = self.refused("prompts", "promote", "quiz.answer", "--reason", "x")
        self.assertIn("say which version, as quiz.answer@2", wrong["message"])
        bad = subprocess.run([BINARIES / "troupe", "--server", self.server.address, "prompts", "create", "x.y", first,
                              "--var", "a:map"], capture_output=True, text=True, timeout=patience(30))
        self.assertEqual(bad.returncode, 2, bad.stderr)


class OptimizeTest(unittest.TestCase):
    """troupe optimize-prompt with a model that is longwinded unless it is told not to be, and a judge that
    likes short answers."""

    def setUp(self):
        self.model = ModelServer(self.answer)
        self.server = Server({"m": {"url": self.model.url, "input_price": 100_000, "output_price": 400_000}})
        self.tasks = self.server.folder / "tasks.jsonl"
        with open(self.tasks, "w") as file:
            for i in range(60):
                file.write(json.dumps({"question": f"How much is {i} and {i}?", "answer": str(2 * i)}) + "\n")

    def tearDown(self):
        self.server.close()
        self.model.close()

    def answer(self, request):
        text = "\n".join(str(message["content"]) for message in request["messages"])
        schema = request.get("response_format", {}).get("json_schema", {}).get("name")
        if schema == "proposals":
            wanted = request["response_format"]["json_schema"]["schema"]["properties"]
            reply = {"proposals": [{"analysis": "too long", "modification": "asks for the number alone",
                                    "prompt": BETTER}], "joined": []}
            return json.dumps({name: prompts for name, prompts in reply.items() if name in wanted})
        if schema == "comparison":
            first, second = (len(text.split(f"<text_{name}>")[1].split(f"</text_{name}>")[0]) for name in "ab")
            better = "same" if first == second else "A" if first < second else "B"
            return json.dumps({"a": f"{first} bytes", "b": f"{second} bytes", "better": better})
        return "42" if "the number alone" in text else "That is a good question, and I think that it is 42."

    def write(self, text):
        file = self.server.folder / "better.md"
        file.write_text(text)
        return file

    def optimize(self, *args):
        return self.server.print("optimize-prompt", "solve.task", "--tasks", self.tasks, "--requirements",
                                 "short and right", "--rounds", 2, "--challengers", 1, "--sample", 2, *args)

    def solve(self, task_id):
        self.server.submit_spec({"solve": {"request": "What is 6 times 7?"}}, task_id=task_id)
        return self.server.wait(task_id, seconds=30)

    def test_what_wins_is_used_and_can_be_taken_back(self):
        self.assertIn("I think", self.solve("before")["result"]["text"])
        shown = self.optimize("--task-id", "search")
        self.assertRegex(shown, r"Round 2: .*\$")  # live: the best so far, how it does, the money
        self.assertIn("prompts/solve.task/versions/2 is active now", shown)
        task = self.server.troupe("show", "search")
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task)
        self.assertEqual(task["result"]["text"], BETTER)
        win = task["result"]["wins"][0]
        self.assertEqual((win["prompt"], win.get("losses", 0)), ("prompts/solve.task", 0))
        # Distinct items beside comparisons, each of which is over two of them.
        self.assertEqual(win["items"], 2 * win["comparisons"])
        # It was tried by the agent itself, with the text in the prompt's place.
        trace = self.server.print("trace", "search")
        self.assertIn("agent", trace)
        used = self.server.troupe("prompts", "history", "solve.task")
        self.assertEqual(used["active_version"], 2)
        made = used["versions"][1]
        self.assertEqual((made["task"], made["evaluation"], made["parent_version"]),
                         ("tasks/search", "tasks/search", 1))
        self.assertEqual(used["promotions"][0]["win"]["winner_sha256"], made["sha256"])
        after = self.solve("after")
        self.assertEqual((after["result"]["text"], after["spec"]["prompts"]["solve.task"]), ("42", "2"))
        self.server.troupe("prompts", "rollback", "solve.task", "--reason", "a test")
        self.assertIn("I think", self.solve("again")["result"]["text"])
        # The report is among the artifacts, pictures and all.
        names = {each["name"].split("/")[-1] for each in task["result"]["artifacts"]}
        self.assertEqual(names, {"report.md", "spo-curve.svg", "spo-lineage.svg", "spo-matrix.svg", "spo-cost.svg"})
        for name in names - {"report.md"}:
            self.server.print("artifacts", "search", name, "-o", self.server.folder / name)
            xml.etree.ElementTree.parse(self.server.folder / name)
        page = self.server.folder / "report.md"
        self.server.print("artifacts", "search", "report.md", "-o", page)
        self.assertIn("asks for the number alone", page.read_text())

    def test_a_win_with_replies_that_a_fork_put_in_is_none(self):
        self.server.troupe("prompts", "add", "solve.task", self.write(BETTER))
        items = self.server.folder / "items.jsonl"
        items.write_text("".join(json.dumps({"question": f"How much is {i} and {42 - i}?", "answer": "42"}) + "\n"
                                 for i in range(10)))
        self.server.troupe("dataset", "upload", items, "--name", "items")
        self.server.troupe("evaluate", "items", "--agent", '{"solve": {"request": "{{question}}"}}', "--registered",
                           "solve.task@1", "--registered", "solve.task@2", "--grader", "exact", "--no-watch",
                           "--task-id", "tried")
        task = self.server.wait("tried", seconds=60)
        win = task["result"]["wins"][0]
        self.assertEqual((win["wins"], win["items"], win["comparisons"]), (10, 10, 10))
        spans = self.server.troupe("trace", "tried")["spans"]
        call = next(span["name"] for span in spans if span.get("kind") == "KIND_MODEL_CALL" and ".v1/" in span["path"])
        fork = self.server.troupe("fork", call, "--text", "It is 42, I think.", "--task-id", "forged")
        self.assertEqual(fork["name"], "tasks/forged")
        self.assertEqual(self.server.wait("forged", seconds=60)["result"]["wins"][0]["wins"], 10)
        replay = self.server.troupe("replay", "forged")["name"].removeprefix("tasks/")
        self.server.wait(replay, seconds=60)
        promote = ["prompts", "promote", "solve.task@2", "--reason", "it won", "--evidence"]
        for forged in ("forged", replay):
            error = self.server.troupe(*promote, forged, check=False)["error"]
            self.assertEqual(error["reason"], "NO_RECORDED_WIN")
            self.assertIn("put in another's place", error["message"])
        self.assertEqual(self.server.troupe(*promote, "tried")["active_version"], 2)

    def test_prompts_of_cellagent_need_no_task_to_be_written(self):
        # All that is wrong is what is made wrong here; nothing is run.
        wrong = self.server.troupe("optimize-prompt", "cellagent/planner", "--tasks", self.tasks, "--requirements", "short",
                                   "--rounds", 101, check=False)["error"]
        self.assertEqual(wrong["metadata"]["field"], "spec.spo.rounds")

    def test_a_version_alone_and_the_rest_later(self):
        self.assertIn("was made", self.optimize("--task-id", "search", "--no-promote"))
        self.assertEqual(self.server.troupe("prompts", "history", "solve.task")["active_version"], 1)
        self.solve("other")
        for other in ("search", "other"):
            wrong = self.server.troupe("optimize-prompt", "solve.solver", "--from", other, check=False)["error"]
            self.assertIn(f"tasks/{other} is no search for a better solve.solver", wrong["message"])
        shown = self.server.print("optimize-prompt", "solve/task", "--from", "search")
        self.assertIn("prompts/solve.task/versions/2 is active now", shown)
        self.assertEqual(len(self.server.troupe("prompts", "history", "solve.task")["versions"]), 2)


class OptimizePlannerTest(unittest.TestCase):
    """troupe optimize-prompt of CellAgent's planner, with a model that plans a step too many unless it is told not
    to, and a judge that likes short reports."""

    def setUp(self):
        self.model = ModelServer(self.answer)
        self.server = Server({"m": {"url": self.model.url}})
        self.template = self.server.troupe("prompts", "show", "cellagent.planner")["template"]

    def tearDown(self):
        self.server.close()
        self.model.close()

    def answer(self, request):
        text = "\n".join(str(message["content"]) for message in request["messages"])
        schema = request["response_format"]["json_schema"]
        if schema["name"] == "proposals":
            better = {"analysis": "a step too many", "modification": "asks for one step",
                      "prompt": self.template + "\nPlan one step alone.\n"}
            reply = {"proposals": [better], "joined": []}
            return json.dumps({name: reply[name] for name in schema["schema"]["properties"]})
        if schema["name"] == "comparison":
            first, second = (len(text.split(f"<text_{name}>")[1].split(f"</text_{name}>")[0]) for name in "ab")
            better = "same" if first == second else "A" if first < second else "B"
            return json.dumps({"a": "", "b": "", "better": better})
        if schema["name"] == "plan":
            titles = ["Add"] if "Plan one step alone." in text else ["Add", "Add once more"]
            return json.dumps({"question": None, "steps": [{"title": title, "kind": "work", "description": "It is to be added."}
                                                           for title in titles]})
        if schema["name"] == "solution":
            return json.dumps({"analysis": "an addition", "code": "print(1 + 1)"})
        if schema["name"] == "verdict":
            return json.dumps({"critique": "good", "score": 9, "ok": True, "next": ""})
        return json.dumps({"report": "It is so. And again it is so." if "Add once more" in text else "It is so."})

    def test_what_wins_is_used_by_later_tasks(self):
        tasks = self.server.folder / "tasks.jsonl"
        tasks.write_text("".join(json.dumps({"question": f"How much is {i} and {i}?"}) + "\n" for i in range(40)))
        agent = self.server.folder / "agent.json"
        agent.write_text(json.dumps({"cellagent": {"request": "{{question}}", "toolbox": "plain"}}))
        shown = self.server.print("optimize-prompt", "cellagent/planner", "--tasks", tasks, "--agent", agent,
                                  "--requirements", "short", "--rounds", 2, "--challengers", 1, "--sample", 2)
        self.assertIn("won 6, lost 0 of 6 comparisons on 12 held-out items", shown)
        self.assertIn("prompts/cellagent.planner/versions/2 is active now", shown)
        self.server.submit_spec({"cellagent": {"request": "How much is 3 and 3?", "toolbox": "plain"}}, task_id="after")
        task = self.server.wait("after", seconds=60)
        self.assertEqual(task["spec"]["prompts"]["cellagent.planner"], "2", task)
        self.assertEqual([step["title"] for step in task["result"]["cellagent"]["steps"]], ["Add"], task)


if __name__ == "__main__":
    main()
