#!/usr/bin/env python3
"""Workflows through the real server and the real command line: run, checked, evaluated and trained, the
optimizer being simulated by rules."""
import json
import re
import signal
import subprocess
import time
import xml.etree.ElementTree

from harness import BINARIES, SOURCE, WorkflowCase, main, patience

EXAMPLES = SOURCE / "docs/examples"


def suggest(**values):
    return json.dumps({"reasoning": "by rule", "answer": "", "suggestion": values})


def section(text, name):
    found = re.search(rf"^#{name}\n(.*?)(?=^#|^=====)", text, re.S | re.M)
    return found.group(1) if found else ""


class WorkflowTest(WorkflowCase):
    def run_for_people(self, *args):
        return subprocess.run([BINARIES / "troupe", "--server", self.server.address, *map(str, args)],
                              capture_output=True, text=True, timeout=patience(60))

    # --- run and check ---

    def test_the_example_answers_and_its_values_can_be_others(self):
        self.answer = lambda request: "Twelve eggs less five are 7." if "step by step" in str(request) else "9"
        done = self.server.print("workflow", "run", EXAMPLES / "word_problems.yaml", "--set", "question=12 eggs less 5?",
                                 "--task-id", "eggs")
        self.assertRegex(done, r"(?m)^7")
        result = self.server.troupe("show", "eggs")["result"]["workflow"]
        self.assertEqual([f"{o['name']} = {o['kind']}({', '.join(o['inputs'])})" for o in result["operations"]],
                         ["thought_message = fill(instruction, question)",
                          "thought = model(thought_message, temperature)", "number = code(read_number, thought)"])
        self.assertRegex(self.server.print("trace", "eggs"), r"\+ step Thinks about the problem ")
        self.server.troupe("workflow", "run", EXAMPLES / "word_problems.yaml", "--set", "question=q", "--value",
                           "instruction=Quick: {{question}}", "--value", "temperature=0.7", "--task-id", "quick", "--no-watch")
        self.assertEqual(self.server.wait("quick")["result"]["text"], "9")
        request = json.loads(self.model.requests[-1])
        self.assertEqual(request["messages"][-1]["content"], "Quick: q")
        self.assertEqual(request["temperature"], 0.7)

    def test_all_errors_of_a_document_are_told_with_their_lines(self):
        unread = self.file("unread.yaml", "steps:\n  - name: a\n    sett: 1\n  - name: b\n    set: 1\n    model: {}\ninputs: 3\n")
        done = self.run_for_people("workflow", "check", unread)
        self.assertEqual(done.returncode, 2)
        for line in ("unread.yaml:3: there is no field 'sett' here", "unread.yaml:6: give set or model, not both",
                     "unread.yaml:7: inputs must map names"):
            self.assertIn(line, done.stderr)
        wrong = self.file("wrong.yaml", "parameters:\n  f:\n    code:\n      source: |\n        def g(x):\n          return x\n"
                          "steps:\n  - name: a\n    set: $b\n  - name: b\n    code: {function: f, timeout_seconds: 1000}\n")
        done = self.run_for_people("workflow", "check", wrong)
        self.assertEqual(done.returncode, 1, done.stderr)
        for line in ("wrong.yaml:4: parameters[f].code.source: f: must define the function f",
                     "wrong.yaml:9: steps[0].set: the step 'b' is not seen here", "wrong.yaml:11: steps[1].code.timeout_seconds: give 1"):
            self.assertIn(line, done.stderr)
        for example in EXAMPLES.glob("*.yaml"):
            done = self.run_for_people("workflow", "check", example)
            self.assertEqual((done.returncode, done.stdout), (0, f"{example} is fine\n"), done.stderr)

    def test_functions_fail_at_their_line_and_stay_in_the_sandbox(self):
        document = self.file("r.yaml", """
inputs: {x: {type: number}}
parameters:
  half:
    code:
      language: r
      source: |
        half <- function(x) {
          if (x > 10) stop("too large")
          list(half = x / 2, text = "ok")
        }
  escape:
    code:
      source: |
        def escape():
            import os, socket
            left = os.listdir("/root") if os.access("/root", os.R_OK) else []
            socket.create_connection(("127.0.0.1", 1), 1)
  large:
    code: {source: "def large(n):\\n    return 'x' * n\\n"}
steps:
  - name: halved
    code: {function: half, arguments: {x: $x}}
  - name: escaped
    keep_error: true
    code: {function: escape}
  - name: much
    code: {function: large, arguments: {n: 50000}}
  - name: never
    keep_error: true
    code: {function: large, arguments: {n: 500000}}
answer: [$halved.half, $halved.text, $escaped.error.line, $never.error.type]
""")
        self.server.troupe("workflow", "run", document, "--set", "x=9", "--task-id", "good", "--no-watch")
        good = self.server.wait("good")
        self.assertRegex(self.server.print("trace", "good"), r"\+ step halved ")  # that has no description
        self.assertEqual(json.loads(good["result"]["text"]), [4.5, "ok", 4, "ValueError"], good)
        self.server.troupe("workflow", "run", document, "--set", "x=11", "--task-id", "bad", "--no-watch")
        bad = self.server.wait("bad")
        self.assertEqual(bad["state"], "STATE_FAILED")
        self.assertIn('line 2 of half (if (x > 10) stop("too large"))', bad["error"]["message"])

    def test_a_workflow_is_evaluated_with_texts_in_the_place_of_a_parameter(self):
        self.answer = lambda request: re.search(r"What is (\d+)", str(request)).group(1) if "well" in str(request) else "0"
        self.upload("numbers", [{"question": f"What is {i}?", "answer": str(i)} for i in range(1, 9)])
        table = self.server.print("evaluate", "numbers", "--workflow", EXAMPLES / "word_problems.yaml", "--parameter",
                                  "instruction", "--template", "Think well: {{question}}", "--template", "{{question}}",
                                  "--grader", "numeric")
        self.assertRegex(table, r"100\.0 %")
        self.assertRegex(table, r"is better")

    # --- training ---

    def train(self, name, *args, task_id, check=True):
        return self.begin_training(EXAMPLES / name if isinstance(name, str) else name, *args, task_id=task_id, check=check)

    def first_order(self, request):
        """Follows the gradient that the feedback names."""
        text = request["messages"][0]["content"]
        x = float(re.search(r"\((?:int|float)\) x0=(-?[\d.e-]+)", section(text, "Variables")).group(1))
        gradient = float(re.search(r"gradient (-?[\d.e-]+)", section(text, "Feedback")).group(1))
        return suggest(x0=round(x - 0.4 * gradient, 6))

    def parabola(self):
        """y = (x - 3)²; the grader tells the gradient."""
        grader = self.file("grader.py", "y, x = map(float, answer.split())\n"
                           "score = 1 if y < 1e-3 else 1 / (1 + y)\nreason = f'gradient {2 * (x - 3)}'\n")
        self.upload("runs", [{"question": f"run {i}"} for i in range(1, 7)])
        return self.file("parabola.yaml", """
inputs: {question: {}}
parameters:
  x: {value: 10.5, trainable: true, constraint: {minimum: -20, maximum: 20}}
  f: {code: {source: "def f(x):\\n    return f'{(x - 3) ** 2} {x}'\\n"}}
steps:
  - {name: y, code: {function: f, arguments: {x: $x}}}
"""), "--dataset", "runs", "--grader", f"code={grader}"

    def test_every_trainer_solves_a_first_order_problem_in_ten_steps(self):
        self.answer = self.first_order
        document, *options = self.parabola()
        for trainer in ("basic", "minibatch", "beam-search", "ucb-search", "priority-search", "gepa"):
            more = ["--novelty", "0"] if trainer == "priority-search" else []
            self.train(document, *options, *more, "--trainer", trainer, "--steps", "10", "--patience", "10", "--candidates", "2",
                       task_id=trainer)
        for trainer in ("basic", "minibatch", "beam-search", "ucb-search", "priority-search", "gepa"):
            task = self.server.wait(trainer)
            self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
            result = task["result"]["optimize_workflow"]
            self.assertEqual(result["ending"], "ENDING_TARGET", (trainer, task["result"]["text"]))
            self.assertLess(abs(result["values"]["x"] - 3), 0.04, trainer)
            self.assertLessEqual(result["curve"][-1]["step"], 10)
            self.assertEqual({a["name"].split("/")[-1] for a in task["result"]["artifacts"]},
                             {"report.md", "history.md", "score-curve.svg", "graph.svg", "workflow.json"})
        picture = xml.etree.ElementTree.fromstring(self.server.print("artifacts", "minibatch", "graph.svg"))
        texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("x0", texts)
        self.assertIn("feedback", texts)
        self.assertRegex("\n".join(texts), r"What candidate \d+ did in step \d+, as the optimizer was shown it")
        curve = self.server.print("artifacts", "minibatch", "score-curve.svg")
        self.assertIn("<polygon", curve)  # the band
        self.assertIn("+++ x of 2", self.server.print("artifacts", "minibatch", "history.md"))

    def test_every_optimizer_trains_with_every_kind_of_trainer(self):
        def follow(request):
            """The same rule, whatever form the values and the feedback are shown in."""
            text = request["messages"][0]["content"]
            properties = request["response_format"]["json_schema"]["schema"]["properties"]
            if "best" in properties:
                return json.dumps({"reasoning": "", "best": 1})
            gradient = re.findall(r"gradient (-?[\d.e-]+)", text)
            if "criticism" in properties:  # TextGrad, on the way back
                return json.dumps({"criticism": f"gradient {gradient[0]}"})
            now = re.search(r"The values now:.*|The variable:.*|#Variables\n(?!.*#Variables\n).*|<variables>.*", text, re.S)
            x = float(re.search(r"x0(?:=|\".*?<value>\s*)(-?[\d.e-]+)", now.group(0), re.S).group(1))
            thought = re.search(r"gradient (-?[\d.e-]+)", now.group(0)).group(1)
            rate = 0.4 + 0.02 * request.get("temperature", 0)  # so that several proposals differ
            return suggest(x0=round(x - rate * float(thought), 6))
        self.answer = follow
        document, *options = self.parabola()
        ways = {"opto-prime-tags": "minibatch", "opto-prime-multi": "basic", "opro": "gepa", "textgrad": "beam-search"}
        for optimizer, trainer in ways.items():
            several = ["--several", "2", "--generation", "temperature", "--selection", "best"] if "multi" in optimizer else []
            self.train(document, *options, *several, "--optimizer", optimizer, "--trainer", trainer, "--steps", "10",
                       "--patience", "10", "--candidates", "1", task_id=optimizer)
        for optimizer in ways:
            task = self.server.wait(optimizer)
            self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
            result = task["result"]["optimize_workflow"]
            self.assertEqual(result["ending"], "ENDING_TARGET", (optimizer, task["result"]["text"]))
            self.assertLess(abs(result["values"]["x"] - 3), 0.04, optimizer)
        prompts = {name: self.server.print("trace", name, "--full") for name in ways}
        self.assertIn("<variables>", prompts["opto-prime-tags"])
        self.assertIn("propose.select", prompts["opto-prime-multi"])
        self.assertNotIn("#Code", prompts["opro"])
        self.assertIn("propose:1.backward:1", prompts["textgrad"])

    def test_who_is_asked_again_is_told_what_was_proposed_before(self):
        """A step that did not help is taken back; the next one from the same values is to be another."""
        def answer(request):
            # What makes it worse, unless that was tried.
            tried = "\nx: 15" in request["messages"][0]["content"]
            return self.first_order(request) if tried else suggest(x0=15)
        self.answer = answer
        document, *options = self.parabola()
        self.train(document, *options, "--trainer", "minibatch", "--steps", "10", "--patience", "10", task_id="told")
        task = self.server.wait("told")
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        second = json.loads(self.model.requests[1])["messages"][0]["content"]
        self.assertIn("on its minibatch, where candidate 1 had", second)
        self.assertLess(abs(task["result"]["optimize_workflow"]["values"]["x"] - 3), 7)

    def test_training_survives_kills_and_pays_nothing_twice(self):
        self.answer = self.first_order
        document, *options = self.parabola()
        self.train(document, *options, "--trainer", "minibatch", "--steps", "10", "--patience", "10", task_id="killed")
        for requests in (2, 4):
            end = time.monotonic() + patience(60)
            while len(self.model.requests) < requests and time.monotonic() < end:
                time.sleep(0.01)
            self.server.stop(signal.SIGKILL)
            self.server.start()
        task = self.server.wait("killed")
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.assertEqual(task["result"]["optimize_workflow"]["ending"], "ENDING_TARGET")
        # A call that was under way when the server was killed is made again; no other is.
        self.assertLessEqual(len(self.model.requests) - len(set(self.model.requests)), 2)
        replay = self.server.troupe("replay", "killed")["name"].removeprefix("tasks/")
        replayed = self.server.wait(replay)
        self.assertEqual(replayed["result"]["text"], task["result"]["text"], replayed.get("error"))

    def test_prompt_and_code_learn_together_and_the_test_tells(self):
        """The simulated model says more than the number unless it is told not to; the code takes the wrong word."""
        def answer(request):
            text = str(request["messages"][-1]["content"])
            if "response_format" not in request:
                number = int(re.search(r"What is (\d+)", text).group(1))
                return f"It is {number}" if "number last" in text else f"It is {number}, I think"
            problem = request["messages"][0]["content"]
            if "number last" not in section(problem, "Variables"):
                # A name that there is not is refused, and told in the next step.
                told = "there is no 'nobody'" in problem or "nobody" in problem
                return suggest(instruction0="{{question}} Give the number last." + ("" if told else " {{nobody}}"), read0=None)
            return suggest(instruction0=None, read0="def read(text):\n    return text.split()[-1]\n")
        self.answer = answer
        self.upload("items", [{"question": f"What is {i}?", "answer": str(i), "split": "train" if i < 12 else "test"}
                              for i in range(1, 31)], "--split-field", "split")
        document = self.file("both.yaml", """
inputs: {question: {type: text}}
parameters:
  instruction: {prompt: "{{question}}", trainable: true}
  read: {trainable: true, code: {source: "def read(text):\\n    return text.split()[0]\\n"}}
steps:
  - {name: reply, model: {messages: [{prompt: instruction}]}}
  - {name: word, code: {function: read, arguments: {text: $reply}}}
""")
        self.train(document, "--dataset", "items", "--train-split", "train", "--test-split", "test", "--grader", "exact",
                   "--trainer", "basic", "--steps", "6", "--patience", "6", task_id="both")
        task = self.server.wait("both")
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        result = task["result"]["optimize_workflow"]
        self.assertEqual(result["validation_items"], 3)
        self.assertEqual((result["test"]["first"].get("value", 0), result["test"]["best"]["value"]), (0, 1))
        self.assertEqual(result["test"]["comparison"]["better"], "best")
        report = self.server.print("artifacts", "both", "report.md")
        self.assertIn("+    return text.split()[-1]", report)
        proposals = [each.decode() for each in self.model.requests if b"response_format" in each]
        self.assertIn("exact: not passed, is not '", proposals[0])  # which tells what was expected
        self.assertNotIn("Expected:", "".join(proposals))

    def test_the_traffic_lights_learn(self):
        """A simulated optimizer that halves what the feedback finds too long: the delay falls by at least 40 %."""
        grader = self.file("delay.py", "delay = float(answer)\nscore = max(0, 1 - delay / 300)\n"
                           "reason = f'the delay is {delay}; shorter is better'\n")

        def answer(request):
            text = section(request["messages"][0]["content"], "Variables")
            ew, ns = (int(re.search(rf"green_{name}0=(\d+)", text).group(1)) for name in ("ew", "ns"))
            return suggest(green_ew0=max(15, int(ew * 0.7)), green_ns0=max(15, int(ns * 0.9)))
        self.answer = answer
        self.upload("days", [{"question": "day", "seed": i} for i in range(1, 7)])
        self.train("traffic_lights.yaml", "--dataset", "days", "--grader", f"code={grader}", "--steps", "8", "--novelty", "0",
                   task_id="lights")
        task = self.server.wait("lights")
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        curve = task["result"]["optimize_workflow"]["curve"]
        first, last = (300 * (1 - curve[i]["score"]["value"]) for i in (0, -1))
        self.assertLess(last, 0.6 * first)


if __name__ == "__main__":
    main()
