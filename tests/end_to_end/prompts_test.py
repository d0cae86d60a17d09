#!/usr/bin/env python3
"""The prompts as resources: versions, their history and differences, promotion and the way back, and that
tasks say what is promoted."""
import json
import subprocess
import unittest

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
        bad = subprocess.run([BINARIES / "troupe", "--server", self.server.address, "prompts", "create", "x.y", first,
                              "--var", "a:map"], capture_output=True, text=True, timeout=patience(30))
        self.assertEqual(bad.returncode, 2, bad.stderr)


if __name__ == "__main__":
    main()
