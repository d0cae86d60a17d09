#!/usr/bin/env python3
"""Programs as this package records them and the server arranges them, against what Trace's own package makes of them
(tests/trace)."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import unittest

import installed  # noqa: F401

from google.protobuf.internal.encoder import _VarintBytes
from troupe.trace import Tape
from troupe.trace.message import GraphMessage

PROGRAMS = installed.SOURCE / "tests/trace/programs"
EXPECTED = installed.SOURCE / "tests/trace/expected"
BINARIES = pathlib.Path(os.environ.get("TROUPE_BINARIES", installed.SOURCE / "build/release/bin"))
OTHERWISE = {"unordered_inputs": "gt0 = gt(x=x0, y=int0)"}  # see tests/trace/README.md


def delimited(message):
    data = message.SerializeToString()
    return _VarintBytes(len(data)) + data


def problem_of(name):
    """What an optimizer is shown of a program; each begins with fresh names."""
    with Tape():
        spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
        program = importlib.util.module_from_spec(spec)
        sys.modules[name] = program
        spec.loader.exec_module(program)
        parameters, output, feedback = program.run()
        output.backward(feedback)
        passes = list({id(each): each for parameter in parameters for each in parameter.feedback}.values())
        message = GraphMessage(passes, parameters)
    data = b"".join([delimited(message.graph), *map(delimited, message.feedback)])
    done = subprocess.run([BINARIES / "problem_of"], input=data, capture_output=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"{name}: {done.stderr.decode()}")
    return json.loads(done.stdout)


def documented(problem):
    """The operators' names, since their descriptions are worded differently."""
    return sorted({line.partition(" = ")[2].partition("(")[0] for line in problem["code"]})


class AgreementTest(unittest.TestCase):
    maxDiff = None

    def shown(self, name):
        problem = problem_of(name)
        self.assertEqual(len(problem["documentation"]), len(documented(problem)))
        self.assertTrue(all(text.startswith("[") for text in problem["documentation"]), problem["documentation"])
        for each in problem["variables"].values():
            if each["type"] == "code":
                self.assertIn("stay as they are", each.pop("constraint"))
        return {**problem, "documented": documented(problem), "documentation": None}

    def test_the_problem_is_the_same(self):
        names = sorted(each.stem for each in PROGRAMS.glob("*.py"))
        self.assertGreaterEqual(len(names) - len(OTHERWISE), 50)
        for name in names:
            if name not in OTHERWISE:
                with self.subTest(name):
                    expected = json.loads((EXPECTED / f"{name}.json").read_text())
                    self.assertEqual(self.shown(name), {**expected, "documentation": None})

    def test_no_line_is_lost_where_inputs_come_in_another_order(self):
        for name, line in OTHERWISE.items():
            shown, expected = self.shown(name), json.loads((EXPECTED / f"{name}.json").read_text())
            self.assertEqual([each for each in shown["code"] if each != line], expected["code"])
            self.assertIn(line, shown["code"])
            moved = line.partition(" ")[0]
            self.assertEqual(shown["others"].pop(moved), expected["inputs"].pop(moved))
            for section in ("variables", "inputs", "others", "outputs", "feedback"):
                self.assertEqual(shown[section], expected[section])


if __name__ == "__main__":
    unittest.main(verbosity=2)
