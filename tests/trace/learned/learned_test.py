#!/usr/bin/env python3
"""The examples that learn (docs/examples/learn), with the replies that were written by hand in a model's place (README.md):
as many steps must be taken, and the same be reached, by OptoPrime and by OPRO."""
import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "end_to_end"))

from harness import BINARIES, SOURCE, ModelServer, Server, main, patience  # noqa: E402
from provider_test import install_package  # noqa: E402

PACKAGE = pathlib.Path(tempfile.mkdtemp(prefix="troupe-python-"))
unittest.addModuleCleanup(shutil.rmtree, PACKAGE, ignore_errors=True)
install_package(PACKAGE)
sys.path.insert(0, str(PACKAGE))

LEARN = SOURCE / "docs/examples/learn"
NUMERICAL = {"optoprime": [5, 3, 4, 4, 3], "opro": [6, 5, 6, 6, 2]}
# On the first 10 of the boards; docs/trace.md has the scores on all.
BATTLESHIP = {"optoprime": [0.567, 0.942, 0.975, 0.975, 0.983], "opro": [0.567, 0.942, 0.975, 0.983, 0.975, 0.983]}
# Delays at the crossing, before the first step and after each.
TRAFFIC = {"optoprime": [167.36, 73.73, 68.30, 63.03, 65.62, 65.25, 64.47, 58.52, 64.81, 64.37, 63.43, 57.04, 58.52, 57.04],
           "opro": [167.36, 106.78, 62.33, 103.26, 64.14, 60.82, 110.85, 67.53, 59.52, 80.30, 66.46, 75.93, 59.52, 66.42]}


def example(name):
    spec = importlib.util.spec_from_file_location(name, LEARN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class LearnedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.replies = {}
        for line in (HERE / "replies.jsonl").read_text().splitlines():
            entry = json.loads(line)
            cls.replies.setdefault(entry["run"], []).append(json.dumps(entry["reply"]))
        # The backends are called as the runs: each call gets the run's next reply.
        cls.model = ModelServer(lambda request: cls.replies[request["model"]].pop(0))
        cls.addClassCleanup(cls.model.close)
        cls.server = Server({run: {"kind": "openai", "url": cls.model.url, "model": run} for run in cls.replies})
        cls.addClassCleanup(cls.server.close)

    def check_all_taken(self, run):
        self.assertEqual(self.replies[run], [], f"replies of {run} that nothing asked for")

    def test_numerical_problems_are_solved_in_ten_steps(self):
        numerical = example("numerical")
        for kind, expected in NUMERICAL.items():
            for number, steps in enumerate(expected, 1):
                run = f"numerical-{number}-{kind}"
                took, distance = numerical.solve(number, self.server.address, kind, model=run, show=lambda line: None)
                self.assertEqual(took, steps, run)
                self.assertLessEqual(distance, numerical.CLOSE, run)
                self.check_all_taken(run)
        self.assertLessEqual(max(NUMERICAL["optoprime"]), 10)

    def test_battleship_is_played_better_and_better(self):
        battleship = example("battleship")
        battleship.JUDGED = battleship.JUDGED[:10]
        for kind, expected in BATTLESHIP.items():
            run = f"battleship-{kind}"
            scores = battleship.learn(self.server.address, kind, len(expected) - 1, enough=2, model=run,
                                      show=lambda line: None)
            self.assertEqual([round(each, 3) for each in scores], expected)
            self.check_all_taken(run)

    def test_the_traffic_lights_learn(self):
        for kind, expected in TRAFFIC.items():
            run = f"traffic_lights-{kind}"
            done = subprocess.run([BINARIES / "traffic_lights", self.server.address, kind, str(len(expected) - 1), run],
                                  capture_output=True, text=True, timeout=patience(60))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual([float(each) for each in re.findall(r"delay ([\d.]+)", done.stdout)], expected)
            self.check_all_taken(run)
            self.assertLess(min(expected), 0.6 * expected[0])


if __name__ == "__main__":
    main()
