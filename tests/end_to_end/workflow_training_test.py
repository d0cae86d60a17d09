#!/usr/bin/env python3
"""Training of workflows through the real server and the real command line, the optimizer being simulated by rules:
what a summarizer says, merged lineages, agents whose prompts learn, a win by which a prompt is promoted, and
trainable code that means harm."""
import json
import re
import socket

from harness import SOURCE, WorkflowCase, main, schema_of


def suggest(**values):
    return json.dumps({"reasoning": "by rule", "answer": "", "suggestion": values})


def is_optimizer(request):
    return "response_format" in request and schema_of(request) == "optimization"


def section(request, name):
    """A section of the problem that the optimizer is shown."""
    text = request["messages"][0]["content"].rpartition(f"\n#{name}\n")[2]
    return re.split(r"^#|^=====", text, flags=re.M)[0]


class WorkflowTrainingTest(WorkflowCase):
    def upload(self, name, items):
        super().upload(name, items, "--split-field", "split")

    def train(self, document, *args, task_id="t"):
        self.begin_training(document, *args, task_id=task_id)
        task = self.server.wait(task_id)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        return task["result"]

    def asked(self, known):
        """The optimizer's prompts so far."""
        requests = map(json.loads, self.model.requests)
        return [each["messages"][0]["content"] for each in requests if known(each)]

    def test_what_the_summarizer_says_is_told_to_the_optimizer(self):
        def answer(request):
            if is_optimizer(request):
                x = float(re.search(r"x0=(-?[\d.]+)", section(request, "Variables")).group(1))
                return suggest(x0=int(x) - 2)
            return "Smaller values of x did better."
        self.answer = answer
        self.upload("runs", [{"question": f"run {i}", "split": "train"} for i in range(4)])
        grader = self.file("grader.py", "score = 1 / (1 + abs(float(answer)))\n")
        document = self.file("value.yaml", "inputs: {question: {}}\nparameters:\n  x: {value: 9, trainable: true}\n"
                             "steps:\n  - {name: y, set: $x}\n")
        result = self.train(document, "--dataset", "runs", "--grader", f"code={grader}", "--summarize", "--steps", "3",
                            "--candidates", "1", "--patience", "9", "--novelty", "0")
        self.assertEqual(result["optimize_workflow"]["values"]["x"], 3)
        summaries = self.asked(lambda each: not is_optimizer(each))
        self.assertEqual(len(summaries), 2)  # before the second and the third step
        self.assertIn('<candidate number="1" score="0.1', summaries[0])
        self.assertIn('"x":7', summaries[1].replace(" ", "").replace(".0", ""))
        told = ["Smaller values of x did better." in each for each in self.asked(is_optimizer)]
        self.assertEqual(told, [False, True, True])

    def test_gepa_merges_two_lineages(self):
        """Each of two values is of use to other items, and the optimizer changes one only as long as the other is as it
        was: what both lineages found is together in a merged candidate alone."""
        def answer(request):
            mine, value = re.search(r"\(int\) ([ab])0=(\d+)", section(request, "Variables")).groups()
            other = int(re.search(r"\(int\) [ab]0=(\d+)", section(request, "Inputs")).group(1))
            return suggest(**{f"{mine}0": min(2, int(value) + 1) if other == 0 else None})
        self.answer = answer
        self.upload("kinds", [{"question": f"{kind}{i}", "kind": kind, "split": split} for split in ("train", "validation")
                              for kind, count in (("a", 3), ("b", 3), ("z", 1)) for i in range(count)])
        grader = self.file("kind.py", "a, b = map(int, answer.split())\n"
                           "score = {'a': a / 2, 'b': b / 2, 'z': float(a == b == 0)}[item['kind']]\n")
        document = self.file("two.yaml", """
inputs: {question: {}}
parameters:
  a: {value: 0, trainable: true}
  b: {value: 0, trainable: true}
  put: {code: {source: "def put(a, b):\\n    return f'{a} {b}'\\n"}}
steps:
  - {name: both, code: {function: put, arguments: {a: $a, b: $b}}}
""")
        result = self.train(document, "--dataset", "kinds", "--train-split", "train", "--validation-split", "validation",
                            "--grader", f"code={grader}", "--trainer", "gepa", "--batch", "7", "--steps", "30", "--patience",
                            "30", "--seed", "3")["optimize_workflow"]
        merged = [each for each in result["candidates"] if each.get("other_parent")]
        self.assertTrue(merged, result["candidates"])
        self.assertTrue(all(each["accepted"] for each in merged))
        self.assertGreater(result["values"]["a"] * result["values"]["b"], 0)
        best = result["candidates"][result["best"] - 1]
        self.assertTrue(best.get("other_parent"), best)
        self.assertRegex(self.server.print("artifacts", "t", "report.md"), r"\| \d+ and \d+ \|")

    def test_runs_find_nothing_that_others_left(self):
        """Each run looks what files there are and then writes one: side by side and one after another, none finds any."""
        def answer(request):
            x = float(re.search(r"x0=(-?[\d.]+)", section(request, "Variables")).group(1))
            return suggest(x0=int(x) + 1)
        self.answer = answer
        self.upload("runs", [{"question": f"run {i}", "split": "train"} for i in range(4)])
        grader = self.file("files.py", "score = 0.0 if 'note.txt' in answer else 0.5\n")
        document = self.file("files.yaml", """
inputs: {question: {}}
parameters:
  x: {value: 1, trainable: true}
steps:
  - {name: y, set: $x}
  - {name: found, tool: {tool: list_files}}
  - {name: written, tool: {tool: write_file, arguments: {path: files/note.txt, text: $question}}}
answer: $found
""")
        result = self.train(document, "--dataset", "runs", "--grader", f"code={grader}", "--steps", "2", "--candidates", "1")
        scores = [each.get("score", 0) for each in result["optimize_workflow"]["candidates"]]
        self.assertEqual(scores[0], 0.5, result)
        rooms = list((self.folder / "data/tasks/t/rooms").iterdir())
        self.assertEqual(len(rooms), int(result["optimize_workflow"]["runs"]))

    # --- agents as steps ---

    def test_a_prompt_of_an_agent_learns_wins_and_is_promoted(self):
        """A whole solve task is the workflow's step. Its prompt is trained, the sign test on items that neither was made
        from finds it better, and with that as evidence it takes the registered one's place."""
        better = "Answer with the number alone.\n\n{{request}}\n"

        def answer(request):
            if is_optimizer(request):
                self.assertIn("asked0", section(request, "Variables"))
                self.assertRegex(section(request, "Code"), r"answer0 = task\(asked=asked0, question=question0\)")
                return suggest(asked0=better)
            text = "\n".join(str(message["content"]) for message in request["messages"])
            number = re.findall(r"What is (\d+)", text)[-1]
            return number if "the number alone" in text else f"I think that it is {number}."
        self.answer = answer
        self.upload("sums", [{"question": f"What is {i}?", "answer": str(i), "split": "train" if i < 8 else "test"}
                             for i in range(1, 20)])
        registered = (SOURCE / "agents/solve/prompts/task.md").read_text().partition("\n+++\n")[2]
        document = self.file("agent.json", json.dumps({
            "inputs": {"question": {}},
            "parameters": {"asked": {"prompt": registered, "trainable": True, "registered_prompt": "solve.task"}},
            "steps": [{"name": "answer", "task": {"spec": {"solve": {"request": "{{question}}"}},
                                                  "prompts": {"solve.task": "asked"}}}]}))
        options = ["--dataset", "sums", "--train-split", "train", "--grader", "exact", "--trainer", "minibatch"]
        few = self.train(document, *options, "--test-split", "test", "--test-limit", "3", task_id="few")
        self.assertEqual(few["optimize_workflow"]["values"]["asked"], better)
        self.assertNotIn("wins", few)  # three items prove nothing
        result = self.train(document, *options, "--test-split", "test", task_id="trained")
        win = result["wins"][0]
        self.assertEqual((win["prompt"], win["wins"], win.get("losses", 0), win["items"]), ("prompts/solve.task", 12, 0, 12))
        self.assertLess(win["p_value"], 0.001)
        self.server.troupe("prompts", "add", "solve.task", self.file("better.md", better), "--task", "trained")
        promote = ["prompts", "promote", "solve.task@2", "--reason", "it is better", "--evidence"]
        refused = self.server.troupe(*promote, "few", check=False)["error"]
        self.assertEqual(refused["reason"], "NO_RECORDED_WIN")
        self.assertEqual(self.server.troupe(*promote, "trained")["active_version"], 2)
        self.server.submit_spec({"solve": {"request": "What is 42?"}}, task_id="plain")
        self.assertEqual(self.server.wait("plain")["result"]["text"], "42")

    def test_chat_and_cellagent_are_steps_whose_texts_learn(self):
        def answer(request):
            if is_optimizer(request):
                return suggest(manner0="Be brief.", report0="Report on {{request}} {{#each steps}}{{this.title}}{{/each}}.")
            text = "\n".join(str(message["content"]) for message in request["messages"])
            schema = schema_of(request) if "response_format" in request else ""
            if schema == "plan":
                return json.dumps({"question": None, "steps": [{"title": "Add", "kind": "work", "description": "Add"}]})
            if schema == "selection":
                return json.dumps({"approaches": [{"tools": ["adder"], "idea": "add"}]})
            if schema == "solution":
                return json.dumps({"analysis": "", "code": "print(1 + 1)"})
            if schema == "verdict":
                return json.dumps({"critique": "good", "score": 9, "ok": True, "next": ""})
            if schema:
                return json.dumps({"report": "short" if "Report on" in text else "long " * 50})
            return "hm" if "Be brief." in text else "well, well"
        self.answer = answer
        self.upload("asked", [{"question": f"Question {i}", "split": "train"} for i in range(3)])
        grader = self.file("short.py", "said, analysed = __import__('json').loads(answer)\nscore = float(said == 'hm') / 2 + float('long' not in analysed) / 2\n"
                           "reason = 'it must be short'\n")
        document = self.file("agents.yaml", """
inputs: {question: {type: text}}
parameters:
  manner: {value: "Be friendly.", trainable: true}
  report:
    trainable: true
    registered_prompt: cellagent.reporter
    prompt: "Tell at length of {{request}}: {{#each steps}}{{this.title}}{{/each}}"
steps:
  - name: said
    task: {spec: {chat: {system: "{{manner}}", turns: ["{{question}}"]}}}
  - name: analysed
    task: {spec: {cellagent: {request: "Sum up {{said}}", toolbox: plain}}, prompts: {cellagent.reporter: report}}
answer: ["$said", "$analysed"]
""")
        result = self.train(document, "--dataset", "asked", "--grader", f"code={grader}", "--trainer", "basic", "--steps", "1",
                            "--batch", "1")
        first, best = result["optimize_workflow"]["candidates"]
        self.assertEqual((first.get("score", 0), best["score"]), (0, 1), self.model.requests[-1][:2000])
        problem = self.asked(is_optimizer)[0]
        self.assertRegex(problem, r"said0 = task\(manner=manner0, question=question0\)")
        self.assertRegex(problem, r"analysed0 = task\(report=report0, said=said0\)")

    # --- code that means harm ---

    def test_trainable_code_that_means_harm_stays_in_the_sandbox(self):
        """What the optimizer suggests reads what it must not, writes outside, calls home and kills: nothing of it is felt,
        and how it failed is the feedback."""
        secret, dropped = self.file("secret.txt", "the secret"), self.folder / "dropped.txt"
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(0.2)
        harm = [f"open({str(secret)!r}).read()", f"open({str(dropped)!r}, 'w').write('x')",
                f"__import__('socket').create_connection(('127.0.0.1', {listener.getsockname()[1]}), 1)",
                f"__import__('os').kill({self.server.process.pid}, 9)"]
        asked = []

        def answer(request):
            asked.append(request)
            code = f"def read(text):\n    return {harm[len(asked) - 1]}\n" if len(asked) <= len(harm) else \
                "def read(text):\n    return text.split()[-1]\n"
            return suggest(read0=code)
        self.answer = answer
        self.upload("words", [{"question": f"it is {i}", "answer": str(i), "split": "train"} for i in range(4)])
        document = self.file("code.yaml", """
inputs: {question: {type: text}}
parameters:
  read: {trainable: true, code: {source: "def read(text):\\n    return text\\n"}}
steps:
  - {name: word, code: {function: read, arguments: {text: $question}}}
""")
        result = self.train(document, "--dataset", "words", "--grader", "exact", "--trainer", "basic", "--steps", "6",
                            "--patience", "6")["optimize_workflow"]
        self.assertEqual(result["ending"], "ENDING_TARGET", result)
        self.assertEqual(len(asked), len(harm) + 1)
        for request, failed in zip(asked[1:], ("FileNotFoundError|PermissionError", "FileNotFoundError|PermissionError|OSError",
                                               "OSError|ConnectionRefusedError", "ProcessLookupError|PermissionError")):
            self.assertRegex(section(request, "Feedback"), failed)
            self.assertIn("<-- fails here", section(request, "Feedback"))
            self.assertNotIn("the secret", section(request, "Feedback"))
        self.assertFalse(dropped.exists())
        self.assertIsNone(self.server.process.poll())
        with self.assertRaises(TimeoutError):
            listener.accept()


if __name__ == "__main__":
    main()
