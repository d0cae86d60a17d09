#!/usr/bin/env python3
"""A whole run of SPO's published search, and the evaluation of what it and others came to, on BBH Navigate and WSC,
replayed from the transcript of replies that were written by hand in a model's place (README.md): the same prompts must
be chosen, by as many calls, and the tables must say the same."""
import json
import pathlib
import sys
import unittest
from collections import Counter

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "end_to_end"))

from harness import Server, main  # noqa: E402

TRANSCRIPT = HERE / "transcript.jsonl"
SEED = ("Please think step by step.\nEnsure the response concludes with the answer in the XML format: \n"
        "<answer>[{}]</answer>.")

# What the improved search came to, with other replies of the same hand.
IMPROVED = json.loads((HERE / "improved_prompts.json").read_text())


class TranscriptTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server({"recorded": {"kind": "recorded", "recording": str(TRANSCRIPT)}})
        cls.addClassCleanup(cls.server.close)
        cls.folder = cls.server.folder
        for name, file in (("navigate", "bbh_validation"), ("wsc", "wsc_validation")):
            cls.server.troupe("dataset", "upload", HERE / f"{file}.jsonl", "--name", name)
        cls.recorded = Counter()
        for line in TRANSCRIPT.read_text().splitlines():
            reply = json.loads(line)
            cls.recorded[reply["task"], reply["role"]] += 1

    def run_task(self, task_id, *args, transcript=None):
        """What it comes to. Every reply of its transcript was taken, and each once."""
        transcript = transcript or task_id
        self.server.troupe(*args, "--label", f"recording={transcript}", "--task-id", task_id, "--seed", "7",
                           "--no-watch")
        task = self.server.wait(task_id)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        calls = sum(count for (name, _), count in self.recorded.items() if name == transcript)
        self.assertEqual(int(task["usage"]["model_calls"]), calls)
        return task["result"]

    def check_costs(self, task_id, spo):
        self.assertEqual({cost["role"]: int(cost["model_calls"]) for cost in spo["costs"]},
                         {role: count for (name, role), count in self.recorded.items() if name == task_id})

    def evaluate(self, task_id, dataset, prompts, *args, transcript=None):
        """The prompts on the 25 items of the validation split, which the search has not seen."""
        files = []
        for name, text in prompts.items():
            files += ["--text", self.folder / f"{name}.txt"]
            files[-1].write_text(text)
        result = self.run_task(task_id, "evaluate", dataset, *files, "-c", 16, *args, transcript=transcript)
        return result["evaluate"]

    def fates(self, result):
        return "".join({"FATE_SEED": "s", "FATE_ACCEPTED": "a", "FATE_REJECTED": "r"}[prompt["fate"]]
                       for prompt in result["spo"]["prompts"])

    def check(self, evaluation, passed, tokens):
        self.assertEqual([(variant["items"], variant.get("passed", 0)) for variant in evaluation["variants"]],
                         [(25, each) for each in passed])
        costs = [variant["cost"] for variant in evaluation["variants"]]
        self.assertEqual([cost["model_calls"] for cost in costs], ["25"] * len(passed))
        self.assertEqual([int(cost["input_tokens"]) + int(cost["output_tokens"]) for cost in costs], tokens)

    def check_even(self, evaluation):
        """On no item did they differ."""
        for comparison in evaluation["comparisons"]:
            self.assertEqual((comparison["ties"], comparison.get("wins", 0), comparison.get("losses", 0)), (25, 0, 0))
            self.assertEqual((comparison["sign_p"], comparison["mcnemar_p"]), (1, 1))
            self.assertNotIn("better", comparison)

    def check_form(self, name, dataset, prompts, answers, tokens):
        """The form of answers that the template shows the judge, which the search made the prompt ask for: the same
        replies, graded by it."""
        evaluation = self.evaluate(f"{name}-form", dataset, prompts, "--grader",
                                   rf"regex=Final Answer:\s*<answer>({answers})</answer>\s*$",
                                   transcript=f"{name}-eval")
        self.check(evaluation, [0, 25], tokens)
        comparison = evaluation["comparisons"][0]
        self.assertEqual(comparison["losses"], 25)
        self.assertAlmostEqual(comparison["mcnemar_p"], 2 / 2**25, places=12)
        self.assertEqual(comparison["better"], "improved")

    def test_navigate(self):
        prompts = {"seed": SEED.format("Yes or No"), "improved": IMPROVED["navigate"]}
        evaluation = self.evaluate("navigate-eval", "navigate", prompts, "--grader", "normalized",
                                   "--answer-tag", "answer")
        self.check(evaluation, [25, 25], [4069, 5331])
        self.check_even(evaluation)
        self.check_form("navigate", "navigate", prompts, "Yes|No", [4069, 5331])
        self.check_faithful()

    def check_faithful(self):
        result = self.run_task("navigate-faithful", "spo", HERE / "Navigate.yaml", "--faithful", "--rounds", 4)
        spo = result["spo"]
        self.assertEqual((spo["best"], self.fates(result)), (3, "saar"))
        self.check_costs("navigate-faithful", spo)
        self.assertEqual([cost["model_calls"] for cost in spo["costs"]], ["3", "12", "12"])
        evaluation = self.evaluate("navigate-faithful-eval", "navigate", {"faithful": result["text"]},
                                   "--baseline", "navigate-eval", "--grader", "normalized", "--answer-tag", "answer")
        self.check(evaluation, [25], [5024])
        self.check_even(evaluation)

    def test_wsc(self):
        prompts = {"seed": SEED.format("A or B"), "improved": IMPROVED["wsc"]}
        evaluation = self.evaluate("wsc-eval", "wsc", prompts, "--grader", "choice", "--answer-tag", "answer")
        self.check(evaluation, [25, 25], [3204, 4666])
        self.check_even(evaluation)
        self.check_form("wsc", "wsc", prompts, "A|B", [3204, 4666])
        short = self.evaluate("wsc-short-eval", "wsc", {"short": IMPROVED["wsc_short"]}, "--baseline", "wsc-eval",
                              "--grader", "choice", "--answer-tag", "answer")
        self.check(short, [25], [2167])
        self.check_even(short)


if __name__ == "__main__":
    main()
