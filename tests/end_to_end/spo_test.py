#!/usr/bin/env python3
"""SPO as a user has it: templates read as they are, tasks side by side that never see each other's
questions, and a server that is killed in the middle of a round."""
import json
import re
import signal
import time
import unittest

from harness import ModelServer, Server, main

TEMPLATE = """prompt: |
  Quality 1.

requirements: |
  High quality.

count: None

qa:
  - question: |
      The first question?
    answer: |
      any
  - question: The second question?
    answer:
  - question: The third question?
"""


def qualities(text):
    return [int(found) for found in re.findall(r"of quality (\d+)", text)]


def answer(request):
    """Plays all roles: the optimizer raises a prompt's quality, answers tell it, the judge likes it high."""
    text = request["messages"][0]["content"]
    name = request.get("response_format", {}).get("json_schema", {}).get("name")
    if name == "proposals":
        quality = int(re.search(r"Quality (\d+)\.", text).group(1))
        wanted = request["response_format"]["json_schema"]["schema"]["properties"]
        reply = {"proposals": [{"analysis": "a", "modification": f"to {quality + i}",
                                "prompt": f"Quality {quality + i}."} for i in (2, 1)],
                 "joined": [{"number": 1, "prompt": f"Quality {quality + 3}."}]}
        return json.dumps({name: prompts for name, prompts in reply.items() if name in wanted})
    if name == "ranking":
        shown = [qualities(part)[0] for part in text.split("<text label=")[1:]]
        order = sorted(range(len(shown)), key=lambda i: -shown[i])
        places = {chr(ord("A") + i): place for place, i in enumerate(order, 1)}
        return json.dumps({"notes": dict.fromkeys(places, "r"), "places": places})
    if name == "comparison":
        found = qualities(text)
        return json.dumps({"a": "r", "b": "r", "better": "A" if found[0] > found[-1] else "B"})
    if "<choose>" in text:
        found = qualities(text)
        return f"<analyse>r</analyse><choose>{'A' if found[0] > found[-1] else 'B'}</choose>"
    if "<modification>" in text:
        quality = int(re.search(r"Quality (\d+)\.", text).group(1))
        return f"<analyse>a</analyse><modification>m</modification><prompt>Quality {quality + 1}.</prompt>"
    return "of quality " + re.search(r"Quality (\d+)\.", text).group(1)


def spec(word, **more):
    return {"spo": {"prompt": "Quality 1.", "requirements": "High quality.", "rounds": 4, "challengers": 2,
                    "questions": [{"question": f"{word} number {i}, asked once?"} for i in range(12)],
                    "held_out": [{"question": f"{word} secret {i}, asked once?"} for i in range(30)], **more},
            "seed": "3"}


class SpoTest(unittest.TestCase):
    def start(self, delay=0.0):
        self.model = ModelServer(answer, delay)
        self.addCleanup(self.model.close)
        self.server = Server({"main": {"kind": "openai", "url": self.model.url, "model": "m"}})
        self.addCleanup(self.server.close)

    def test_a_template_is_read_as_it_is(self):
        self.start()
        file = self.server.folder / "template.yaml"
        file.write_text(TEMPLATE)
        self.server.troupe("spo", file, "--faithful", "--challengers", 1, "--no-watch", "--task-id", "t")
        task = self.server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.assertEqual(task["title"], "Improve a prompt: Quality 1.")
        self.assertEqual(task["usage"].get("tool_calls", "0"), "0")  # what its report is written by is none
        self.assertEqual(len(self.model.requests), 75)
        self.assertEqual(task["result"]["text"], "Quality 10.")
        result = task["result"]["spo"]
        self.assertEqual([cost["model_calls"] for cost in result["costs"]], ["9", "30", "36"])
        self.assertEqual(result["questions"][0], {"question": "The first question?", "answer": "any"})
        self.assertEqual(len(result["prompts"]), 10)

    def test_questions_come_from_stored_data_sets_and_files_with_the_usual_names(self):
        self.start()
        items = self.server.folder / "items.jsonl"
        items.write_text("".join(json.dumps({"input": f"Stored question {i}, asked once?", "target": f"{i}",
                                             "part": "train" if i % 2 else "test"}) + "\n" for i in range(1, 25)))
        self.server.troupe("dataset", "upload", items, "--name", "stored", "--split-field", "part")
        more = self.server.folder / "more.jsonl"
        more.write_text(json.dumps({"query": "A question of the file, asked once?", "label": 7}) + "\n")
        start = self.server.folder / "start.txt"
        start.write_text("Quality 1.\n")
        self.server.troupe("spo", "--start", start, "--requirements", "High quality.", "--questions", more, "--dataset",
                           "stored:train", "--limit", 8, "--held-out-dataset", "stored:test", "--rounds", 2,
                           "--challengers", 2, "--no-watch", "--task-id", "t")
        task = self.server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        result = task["result"]["spo"]
        self.assertEqual(result["questions"][0], {"question": "A question of the file, asked once?", "answer": "7"})
        self.assertEqual(len(result["questions"]), 9)
        odd = {f"Stored question {i}, asked once?" for i in range(1, 25, 2)}
        self.assertTrue({each["question"] for each in result["questions"][1:]} <= odd)
        self.assertEqual(len(result["held_out"]), 8)
        self.assertFalse({each["question"] for each in result["held_out"]} & odd)
        self.assertEqual(result["prompts"][0]["text"], "Quality 1.")
        # The replay needs the data set no more; a task that has yet to read it does.
        self.server.troupe("dataset", "delete", "stored")
        replay = self.server.troupe("replay", "t")["name"].removeprefix("tasks/")
        self.assertEqual(self.server.wait(replay)["result"]["text"], task["result"]["text"])
        error = self.server.troupe("spo", "--start", "Quality 1.", "--requirements", "r", "--dataset", "stored",
                                   check=False)["error"]
        self.assertEqual(error["metadata"]["field"], "spec.spo.items.dataset")

    def test_the_result_is_evaluated_as_it_was_searched_for(self):
        self.start()
        self.server.submit_spec(spec("Alpha"))
        best = self.server.wait()["result"]["text"]
        quality = int(re.fullmatch(r"Quality (\d+)\.", best).group(1))
        self.assertGreater(quality, 1)
        items = self.server.folder / "items.jsonl"
        items.write_text("".join(json.dumps({"question": f"Item {i}?", "answer": f"of quality {quality}"}) + "\n"
                                 for i in range(8)))
        self.server.troupe("dataset", "upload", items, "--name", "items")
        before = len(self.model.requests)
        self.server.troupe("evaluate", "items", "--spo", "t", "--no-watch", "--task-id", "e")
        result = self.server.wait("e")["result"]["evaluate"]
        self.assertEqual([(each["name"], each.get("passed", 0)) for each in result["variants"]],
                         [("first", 0), ("result", 8)])
        asked = [json.loads(body) for body in self.model.requests[before:]]
        searched = next(json.loads(body) for body in self.model.requests if b"Alpha number" in body and b"Quality 1." in body
                        and b"<prompt>" not in body)
        self.assertEqual({each.get("temperature") for each in asked}, {searched["temperature"]})
        self.assertEqual({each["messages"][0]["content"] for each in asked},
                         {f"Quality {each}.\n\nItem {i}?" for each in (1, quality) for i in range(8)})

    def test_a_wrong_template_names_file_and_line(self):
        self.start()
        file = self.server.folder / "template.yaml"
        for text, line, what in ((TEMPLATE.replace("count: None", "count: many"), 7, "count"),
                                 (TEMPLATE.replace("qa:", "questions:"), 9, "questions"),
                                 (TEMPLATE.replace("    answer:\n", "    reply: x\n"), 15, "reply"),
                                 ("prompt: [1, 2]\n", 1, "prompt"), ("prompt: [1\n", r"\d", "")):
            file.write_text(text)
            error = self.server.troupe("spo", file, check=False)["error"]["message"]
            self.assertRegex(error, f"{re.escape(str(file))}:{line}: ")
            self.assertIn(what, error)

    def test_a_file_that_is_not_there_is_no_prompt(self):
        self.start()
        empty = self.server.folder / "empty.txt"
        empty.write_text("\n")
        for given, what in (("nosuch.txt", "there is no such file"), (empty, "is empty")):
            error = self.server.troupe("spo", "--start", given, "--requirements", "short", check=False)["error"]
            self.assertIn(what, error["message"])

    def test_few_held_out_questions_prove_nothing_and_the_result_says_so(self):
        self.start()
        file = self.server.folder / "template.yaml"
        file.write_text(TEMPLATE)
        self.server.troupe("spo", file, "--rounds", 2, "--no-watch", "--task-id", "few")
        task = self.server.wait("few")
        self.assertEqual(task["result"]["text"], "Quality 1.")
        self.assertIn("give more questions", task["result"]["spo"]["choice"])
        # It is said before anything is spent, too.
        self.assertIn("the first prompt will be the result", self.server.print("watch", "few").split("Round 1")[0])

    def test_no_question_is_searched_with_and_held_out(self):
        self.start()
        both = spec("Alpha")
        both["spo"]["held_out"] += both["spo"]["questions"][:5] + both["spo"]["held_out"][:1]
        self.server.submit_spec(both)
        result = self.server.wait()["result"]["spo"]
        self.assertEqual((len(result["questions"]), len(result["held_out"])), (7, 35))
        self.assertFalse({each["question"] for each in result["questions"]} &
                         {each["question"] for each in result["held_out"]})
        self.assertIn("6 questions left out", self.server.print("watch", "t"))
        both["spo"]["held_out"] = both["spo"]["questions"]
        file = self.server.folder / "both.json"
        file.write_text(json.dumps(both))
        error = self.server.troupe("submit", "--spec", file, check=False)["error"]
        self.assertIn("all of them are held out too", error["message"])
        # Of data sets that is known when they are read.
        items = self.server.folder / "items.jsonl"
        items.write_text("".join(json.dumps({"question": f"Item {i}?"}) + "\n" for i in range(8)))
        self.server.troupe("dataset", "upload", items)
        self.server.troupe("spo", "--start", "Quality 1.", "--requirements", "r", "--dataset", "items", "--held-out-dataset",
                           "items", "--no-watch", "--task-id", "same")
        self.assertIn("all of them are held out too", self.server.wait("same")["error"]["message"])

    def test_a_search_in_which_nobody_answers_fails(self):
        self.start()
        answers = self.model.url
        self.server.close()
        self.server = Server({"main": {"kind": "openai", "url": answers, "model": "m"},
                              "gone": {"kind": "openai", "url": "http://127.0.0.1:9/v1", "model": "m", "attempts": 1}},
                             roles={"default": "main", "executor": "gone"})
        self.addCleanup(self.server.close)
        for preset, calls in (("PRESET_FAITHFUL", 0), ("PRESET_IMPROVED", 1)):
            before = len(self.model.requests)
            settings = spec("Alpha", preset=preset)
            if preset == "PRESET_FAITHFUL":
                del settings["spo"]["held_out"], settings["spo"]["challengers"]
            self.server.submit_spec(settings, task_id=preset.lower().replace("_", "-"))
            task = self.server.wait(preset.lower().replace("_", "-"))
            self.assertEqual(task["state"], "STATE_FAILED", task.get("result"))
            self.assertIn("the first answers all failed", task["error"]["message"])
            self.assertEqual(len(self.model.requests) - before, calls)

    def test_the_best_prompt_wins_on_held_out_questions(self):
        self.start()
        self.server.submit_spec(spec("Alpha"))
        task = self.server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        result = task["result"]["spo"]
        self.assertEqual(task["result"]["text"], "Quality 8.", result.get("choice"))
        self.assertEqual(result["tournament"][0]["name"], str(result["best"]))

    def test_tasks_side_by_side_never_see_each_others_questions(self):
        self.start(delay=0.002)
        words = ("Alpha", "Omega")
        for word in words:
            self.server.submit_spec(spec(word), task_id=word.lower())
        for word in words:
            self.assertEqual(self.server.wait(word.lower())["state"], "STATE_SUCCEEDED")
        for body in self.model.requests:
            self.assertFalse(all(word.encode() in body for word in words), body)
        for word, other in zip(words, reversed(words)):
            self.assertNotIn(other, json.dumps(self.server.troupe("trace", word.lower(), "--full")))

    def test_a_kill_in_mid_round_asks_nothing_twice(self):
        self.start(delay=0.02)
        self.server.submit_spec(spec("Alpha"))
        for calls in (8, 40):
            end = time.monotonic() + 60
            while len(self.model.requests) < calls and time.monotonic() < end:
                time.sleep(0.005)
            self.server.stop(signal.SIGKILL)
            self.server.start()
        task = self.server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.assertEqual(task["result"]["text"], "Quality 8.")
        # What was under way when the server was killed is asked again; at most 16 calls are at a time.
        paid = int(task["usage"]["model_calls"])
        self.assertLessEqual(len(self.model.requests), paid + 2 * 16)
        replay = self.server.troupe("replay", "t")["name"].removeprefix("tasks/")
        before = len(self.model.requests)
        self.assertEqual(self.server.wait(replay)["result"]["text"], "Quality 8.")
        self.assertEqual(len(self.model.requests), before)


if __name__ == "__main__":
    main()
