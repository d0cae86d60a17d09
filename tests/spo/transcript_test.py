#!/usr/bin/env python3
"""Whole runs of SPO, by the published search and by the improved one, and the evaluation of what they came to, on BBH
Navigate and WSC, replayed from the transcript of replies that were written by hand in a model's place (README.md): the
same prompts must be chosen, by as many calls, and the tables must say the same."""
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

BREVITY = ("The right answer must stand at the end in XML (<answer>A</answer> or <answer>B</answer>). Of right answers "
           "the shorter response is the better one.")


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
        """One letter a prompt; "o" if only its change was tried, in others."""
        letters = {"FATE_SEED": "s", "FATE_ACCEPTED": "a", "FATE_REJECTED": "r", None: "o"}
        return "".join(letters[prompt.get("fate")] for prompt in result["spo"]["prompts"])

    def questions(self, name, template="", shape=None):
        """A file of the questions of a training split that are not in the template, with the shape of answers that
        the judge is shown, if any. What is right nobody is told."""
        lines = [json.loads(line)["input"] for line in (HERE / f"{name}_train.jsonl").read_text().splitlines()]
        items = [{"question": line} for line in lines if line.split("\n")[0] not in template]
        if shape:
            items = [{**item, "answer": shape} for item in items]
        file = self.folder / "questions.jsonl"
        file.write_text("".join(json.dumps(item) + "\n" for item in items))
        return file

    def improve(self, task_id, expected, *args):
        """The result of a run of the improved search: its text. Expected: which prompt it is, what became of all, and
        how often optimizer, executor and judge were asked."""
        result = self.run_task(task_id, "spo", *args, "--rounds", 4, "--sample", 3, "--challengers", 2, "--votes", 3)
        spo = result["spo"]
        self.check_costs(task_id, spo)
        calls = [int(cost["model_calls"]) for cost in spo["costs"]]
        self.assertEqual((spo["best"], self.fates(result), calls), expected)
        return result["text"]

    def improve_template(self, task_id, expected, template, name, answers):
        shape = f"A lot of thinking and analysis processes.\n...\nFinal Answer:\n<answer>({answers})</answer>"
        questions = self.questions(name, (HERE / template).read_text(), shape)
        return self.improve(task_id, expected, HERE / template, "--questions", questions)

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
        improved = self.improve_template("navigate-improved", (9, "soooaaraar", [4, 60, 18]),
                                         "Navigate.yaml", "bbh", "Yes or No")
        prompts = {"seed": SEED.format("Yes or No"), "improved": improved}
        evaluation = self.evaluate("navigate-eval", "navigate", prompts, "--grader", "normalized",
                                   "--answer-tag", "answer")
        self.check(evaluation, [25, 25], [4069, 8557])
        self.check_even(evaluation)
        self.check_form("navigate", "navigate", prompts, "Yes|No", [4069, 8557])
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
        improved = self.improve_template("wsc-improved", (11, "soooaaraaaa", [5, 79, 26]), "WSC.yaml", "wsc", "A or B")
        prompts = {"seed": SEED.format("A or B"), "improved": improved}
        evaluation = self.evaluate("wsc-eval", "wsc", prompts, "--grader", "choice", "--answer-tag", "answer")
        self.check(evaluation, [25, 25], [3204, 5111])
        self.check_even(evaluation)
        self.check_form("wsc", "wsc", prompts, "A|B", [3204, 5111])
        self.check_brevity()

    def check_brevity(self):
        start = self.folder / "start.txt"
        start.write_text(SEED.format("A or B"))
        short = self.improve("wsc-short", (7, "soooaaa", [5, 63, 26]), "--start", start, "--requirements", BREVITY,
                             "--questions", self.questions("wsc"))
        evaluation = self.evaluate("wsc-short-eval", "wsc", {"short": short}, "--baseline", "wsc-eval", "--grader",
                                   "choice", "--answer-tag", "answer")
        self.check(evaluation, [25], [1942])
        self.check_even(evaluation)


if __name__ == "__main__":
    main()
