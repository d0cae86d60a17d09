#!/usr/bin/env python3
"""Workflows trained on four tasks of BIG-Bench Hard, replayed with the replies that were written by hand in a model's place
(README.md): code alone for all four, prompt and code together for one; 15 items to learn from, 5 to choose by, 40 others
to be tested on."""
import json
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "end_to_end"))

from harness import Server, main  # noqa: E402

BBH = HERE / "bbh"
TASKS = {"boolean": "boolean_expressions", "words": "word_sorting", "dyck": "dyck_languages",
         "arithmetic": "multistep_arithmetic_two"}


class BbhTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server({"recorded": {"kind": "recorded", "recording": str(HERE / "bbh_replies.jsonl")}},
                            extra="[sandbox]\npreload = []")
        cls.addClassCleanup(cls.server.close)
        for name in TASKS.values():
            cls.server.troupe("dataset", "upload", BBH / f"{name}.jsonl", "--split-field", "split")

    def train(self, task_id, workflow, dataset, *args):
        self.server.troupe("optimize-workflow", BBH / workflow, "--dataset", dataset, "--train-split", "train",
                           "--validation-split", "validation", "--grader", "exact", "--seed", "7", "--task-id", task_id,
                           "--label", f"recording={task_id}", "--no-watch", *args)
        task = self.server.wait(task_id)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        result = task["result"]["optimize_workflow"]
        self.assertEqual((result["train_items"], result["validation_items"], result["ending"]), (15, 5, "ENDING_TARGET"))
        return task

    def evaluate(self, task_id, dataset):
        """The workflow that a training left behind, on the test items."""
        learned = self.server.folder / f"{task_id}.json"
        learned.write_text(self.server.print("artifacts", task_id, "workflow.json"))
        self.server.troupe("evaluate", dataset, "--split", "test", "--workflow", learned, "--grader", "exact",
                           "--task-id", f"{task_id}-eval", "--no-watch")
        variant = self.server.wait(f"{task_id}-eval")["result"]["evaluate"]["variants"][0]
        return variant["items"], variant["passed"]

    def test_code_alone_learns_what_code_can_do(self):
        for task_id, dataset in TASKS.items():
            with self.subTest(dataset):
                task = self.train(task_id, "code_only.yaml", dataset)
                self.assertEqual(int(task["usage"]["model_calls"]), 1)
                self.assertEqual(self.evaluate(task_id, dataset), (40, 40))

    def test_prompt_and_code_learn_together(self):
        task = self.train("both", "prompt_and_code.yaml", "boolean_expressions", "--test-split", "test",
                          "--candidates", 2, "--steps", 4)
        test = task["result"]["optimize_workflow"]["test"]
        self.assertEqual((test["first"]["value"], test["best"]["value"]), (0.125, 1))
        # 8 runs of the first values and 5 of the best in training, 40 of each in the test, and one proposal.
        self.assertEqual(int(task["usage"]["model_calls"]), 94)
        values = task["result"]["optimize_workflow"]["values"]
        self.assertIn("Work out the value", values["instruction"])
        self.assertIn("re.findall", values["read_answer"])


if __name__ == "__main__":
    main()
