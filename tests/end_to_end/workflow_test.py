#!/usr/bin/env python3
"""Workflows through the real server and the real command line: run, checked and evaluated."""
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import BINARIES, ModelServer, SOURCE, Server, main, patience

EXAMPLES = SOURCE / "docs/examples"


class WorkflowTest(unittest.TestCase):
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
        self.server.troupe("dataset", "upload", self.file(name + ".jsonl", "".join(json.dumps(i) + "\n" for i in items)), *args)

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


if __name__ == "__main__":
    main()
