#!/usr/bin/env python3
"""The command line as a person and as a script meet it."""
import json
import unittest

from harness import SOURCE, Server, main


class CommandLineTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        recording = SOURCE / "tests/recordings/plain.jsonl"
        cls.server = Server({"recorded": {"kind": "recorded", "recording": str(recording)}})

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_an_argument_may_follow_an_option_that_repeats(self):
        file = self.server.folder / "data.txt"
        file.write_text("1")
        spec = self.server.troupe("submit", "--toolbox", "plain", "--label", "a=1", "--label", "b=2", "-i", file,
                                  "--context", "tissue=blood (PBMC)", "Which cells?")["spec"]
        self.assertEqual(spec["cellagent"]["request"], "Which cells?")
        self.assertEqual(spec["cellagent"]["context"], {"tissue": "blood (PBMC)"})
        self.assertEqual(spec["labels"], {"a": "1", "b": "2"})
        self.assertEqual([given["name"] for given in spec["inputs"]], ["data.txt"])


if __name__ == "__main__":
    main()
