#!/usr/bin/env python3
"""The evaluations themselves: their graders, their tools, which tasks they choose, and a whole run with replies from a
recording. What needs the benchmarks' data is left out where they are not there."""
import contextlib
import io
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import agentgym  # noqa: E402
import gta  # noqa: E402
import gta_grade  # noqa: E402
import gta_tools  # noqa: E402
import runs  # noqa: E402
import todo_grade  # noqa: E402
import todo_tools  # noqa: E402
from harness import ModelServer, SHARED  # noqa: E402
from provider_test import install_package  # noqa: E402

PROJECTS = [{"name": "Garden", "is_favorite": False, "tasks": [
    {"content": "Mow", "description": "- Place: lawn", "due_date": "2015-06-01", "duration": 30,
     "duration_unit": "minute", "priority": 1},
    {"content": "Prune", "description": "- Place: hedge", "due_date": "2015-06-05", "duration": 90,
     "duration_unit": "minute", "priority": 4}]}, {"name": "House", "is_favorite": True, "tasks": []}]


def todo_task(goal, expected, state, number=0):
    return {"id": number, "goal": goal, "subgoals": [expected], "additional_info": {
        "answer": state, "init_config": {"current_date": "2015-06-03", "current_location": "Oslo"}}}


def account():
    return todo_tools.Account(PROJECTS, "2015-06-03", "Oslo")


class GtaTest(unittest.TestCase):
    TASK = {"dialogs": [{"role": "user", "content": "How many?"},
                        {"role": "assistant", "tool_calls": [{"function": {
                            "name": "CountGivenObject", "arguments": {"image": "a.jpg", "text": "red apples"}}}]},
                        {"role": "tool", "name": "CountGivenObject", "content": {"type": "text", "content": "4"}}],
            "files": [{"path": "a.jpg"}],
            "tools": [{"name": "CountGivenObject", "description": "Counts.", "outputs": [], "inputs": [
                {"name": "image", "type": "image"}, {"name": "text", "type": "text"},
                {"name": "k", "type": "int", "optional": True}]}],
            "gt_answer": {"whitelist": [["4", "four"], ["apples"]], "blacklist": [["pears"]]}}

    def test_takes_a_text_of_every_group_and_none_of_the_black_list(self):
        self.assertTrue(gta_grade.is_right(self.TASK, "There are four apples."))
        self.assertFalse(gta_grade.is_right(self.TASK, "There are four."))
        self.assertFalse(gta_grade.is_right(self.TASK, "Four apples, and pears."))
        self.assertFalse(gta_grade.is_right(self.TASK, "14 apples"))
        self.assertFalse(gta_grade.is_right(self.TASK, "4.5 apples"))
        self.assertFalse(gta_grade.is_right(self.TASK, ""))

    def test_takes_the_same_value_written_in_another_way(self):
        for answer, wanted in (("€1.50", "1.5"), ("1,000 g", "1000"), ("07:04", "7:04"), ("\N{MINUS SIGN}3", "-3"),
                               ("**42**", "42"), ("It is 12.", "12")):
            self.assertTrue(gta_grade.has(answer, wanted), answer)
        for answer, wanted in (("1.51", "1.5"), ("10,000", "1000"), ("17:04", "7:04"), ("12,5", "12")):
            self.assertFalse(gta_grade.has(answer, wanted), answer)

    def test_grades_only_what_has_a_list(self):
        self.assertTrue(gta_grade.is_gradable(self.TASK))
        self.assertFalse(gta_grade.is_gradable({"gt_answer": None}))
        self.assertFalse(gta_grade.is_gradable({"gt_answer": {"whitelist": []}}))

    def test_tools_answer_as_recorded_in_the_task(self):
        recorded = gta_tools.Recorded({"7": self.TASK, "8": {**self.TASK, "dialogs": []}})
        self.assertEqual(recorded.answer("7", "count_given_object", {"image": "a.jpg", "text": "apples"}), "4")
        for key, arguments in (("7", {"image": "b.jpg", "text": "red apples"}), ("7", {"image": "a.jpg", "text": "x"}),
                               ("8", {"image": "a.jpg", "text": "red apples"})):
            with self.assertRaisesRegex(ValueError, "no result for these arguments"):
                recorded.answer(key, "count_given_object", arguments)
        self.assertEqual(recorded.schema("count_given_object")["required"], ["image", "text"])

    def test_calculator_calculates_and_runs_no_code(self):
        self.assertEqual(gta_tools.calculate("round(2 * (3 + 0.5), 1)"), 7.0)
        self.assertEqual(gta_tools.calculate("sum([1, 2, 3]) ** 2"), 36)
        for expression in ("__import__('os')", "9 ** 99999", "1 / 0", "x", "(lambda: 1)()", "1 +"):
            with self.assertRaises(ValueError, msg=expression):
                gta_tools.calculate(expression)

    @unittest.skipUnless((SHARED / "data/gta/tasks_even.json").exists(), "the GTA data is not there")
    def test_every_task_of_the_data_can_be_asked(self):
        tasks = json.loads((SHARED / "data/gta/tasks_even.json").read_text())
        recorded = gta_tools.Recorded(tasks)
        options = runs.parser("").parse_args([])
        for task in tasks.values():
            self.assertLessEqual(set(gta.spec_of(task, options)["solve"]["tools"]), set(recorded.specs))


class TodoAccountTest(unittest.TestCase):
    def test_shows_what_there_is(self):
        mine = account()
        self.assertEqual([each["name"] for each in mine.projects()], ["Garden", "House"])
        self.assertEqual(mine.tasks("1")[1], {"id": "102", "order": 2, "content": "Prune", "is_completed": False,
                                              "priority": 4, "due_date": "2015-06-05"})
        self.assertEqual(mine.tasks("2"), [])
        self.assertEqual(mine.task("101", "description"),
                         {"id": "101", "content": "Mow", "description": "- Place: lawn"})

    def test_changes_are_there_and_only_there(self):
        mine, other = account(), account()
        mine.set_favorite("1", True)
        mine.set_due_date("102", "2015-06-07")
        mine.remove("101")
        self.assertEqual(mine.state(), {
            "projects": [{"order": 1, "color": "charcoal", "name": "Garden", "is_favorite": True},
                         {"order": 2, "color": "charcoal", "name": "House", "is_favorite": True}],
            "tasks": [{"order": 2, "content": "Prune", "is_completed": False, "priority": 4,
                       "due_date": "2015-06-07"}]})
        self.assertEqual(other.state(), account().state())

    def test_what_is_shown_is_a_copy(self):
        mine = account()
        mine.projects()[0]["name"] = mine.tasks("1")[0]["content"] = "changed"
        self.assertEqual(mine.state(), account().state())

    def test_wrong_calls_are_told_what_is_right(self):
        mine = account()
        mine.remove("101")
        for call, words in ((lambda: mine.tasks("9"), "no project with the id '9'; get_projects"),
                            (lambda: mine.remove("101"), "no task with the id '101'; get_tasks"),
                            (lambda: mine.set_due_date("102", "tomorrow"), "YYYY-MM-DD"),
                            (lambda: mine.set_due_date("102", "2015-02-30"), "YYYY-MM-DD")):
            with self.assertRaisesRegex(ValueError, words):
                call()

    def test_each_task_of_the_benchmark_has_its_own_account(self):
        accounts = todo_tools.Accounts({"1": todo_task("", "", {}), "2": todo_task("", "", {})}, PROJECTS)
        accounts.of("1").remove("101")
        self.assertEqual(len(accounts.of("1").tasks("1")), 1)
        self.assertEqual(len(accounts.of("2").tasks("1")), 2)


class TodoGradeTest(unittest.TestCase):
    def test_answers_are_the_same_in_any_order_case_and_kind_of_number(self):
        for expected, given in ((3, 3), (3, "3"), (3, 3.0), ("Yes", "yes."), ("Mow", " 'Mow'"), ("1(hour)", "1(hour)"),
                                (["Mow", "Prune"], ["prune", "Mow"]), ("- Place:\n lawn", "- Place: lawn"), ([], [])):
            self.assertTrue(todo_grade.same(expected, given), (expected, given))
        for expected, given in ((3, 4), (3, "three"), ("Yes", "No"), (["Mow"], "Mow"), ("Mow", ["Mow"]), (["Mow"], []),
                                (["Mow"], ["Mow", "Mow"]), ("30(minute)", 30), (3, {"n": 3}), ("Mow", ""), (3, None)):
            self.assertFalse(todo_grade.same(expected, given), (expected, given))

    def test_a_question_needs_its_answer_and_an_account_as_expected(self):
        task = todo_task("How many?", 2, account().state())
        self.assertEqual(todo_grade.faults(task, "2", account().state()), [])
        self.assertEqual(todo_grade.faults(task, "", account().state()), ["the answer"])
        mine = account()
        mine.remove("102")
        self.assertEqual(todo_grade.faults(task, "2", mine.state()), ["'Prune' is gone"])

    def test_a_change_is_graded_by_the_account_alone(self):
        mine = account()
        mine.set_due_date("101", "2015-06-09")
        mine.remove("102")
        task = todo_task("Move it.", "done", mine.state())
        self.assertTrue(todo_grade.is_change(task))
        self.assertEqual(todo_grade.faults(task, "", mine.state()), [])
        self.assertEqual(todo_grade.faults(task, '"done"', account().state()),
                         ["'Prune' is still there", "due_date of 'Mow' is 2015-06-01, not 2015-06-09"])
        mine.set_favorite("1", True)
        self.assertEqual(todo_grade.faults(task, '"done"', mine.state()),
                         ["is_favorite of 'Garden' is True, not False"])


class ChoiceTest(unittest.TestCase):
    def test_is_even_and_leaves_out_what_says_the_same(self):
        goals = ["a", "b", "a ", "c", "d", "b", "e", "f"]
        tasks = {str(number): todo_task(goal, "", {}, number) for number, goal in enumerate(goals)}
        self.assertEqual(agentgym.choose(tasks, 3), ["0", "3", "6"])
        self.assertEqual(agentgym.choose(tasks, 99), ["0", "1", "3", "4", "6", "7"])

    @unittest.skipUnless((SHARED / "data/agentgym_tool/todo.jsonl").exists(), "AgentGym's data is not there")
    def test_of_the_data_is_the_one_in_the_docs_and_the_accounts_begin_as_it_says(self):
        tasks = agentgym.read_tasks(SHARED / "data/agentgym_tool/todo.jsonl")
        self.assertEqual(" ".join(agentgym.choose(tasks, 20)),
                         "0 7 14 22 29 38 46 56 63 71 79 86 94 102 110 117 125 132 140 147")
        accounts = todo_tools.Accounts(tasks)
        begins = [key for key, task in tasks.items()
                  if not todo_grade.state_faults(task["additional_info"]["answer"], accounts.of(key).state())]
        self.assertEqual(len(begins), 97)  # in the others something is to be changed


class TableTest(unittest.TestCase):
    def test_cells_stay_cells(self):
        self.assertEqual(runs.cell("a | b\nc"), "a \\| b c")
        self.assertEqual(runs.cell("x" * 100, 10), "xxxxxxx...")
        self.assertEqual(runs.table(["a", "b"], [[1, 2]]), "| a | b |\n| --- | --- |\n| 1 | 2 |")

    def test_outcomes_are_read_from_tasks(self):
        outcome = runs.outcome_of({"name": "tasks/gym-1", "state": "STATE_STOPPED", "error": {"message": "no budget"},
                                   "start_time": "2026-01-01T10:00:00.123456789Z", "end_time": "2026-01-01T10:00:02.5Z",
                                   "usage": {"input_tokens": "10", "output_tokens": "5", "model_time": "1.5s"},
                                   "result": {"solve": {"tool_calls": 3}}})
        self.assertEqual((outcome.said, outcome.calls, outcome.tokens, outcome.model_seconds),
                         ("(STOPPED: no budget)", 3, 15, 1.5))
        self.assertAlmostEqual(outcome.seconds, 2.3765, places=2)


class OffersTest(unittest.TestCase):
    """The tools as the package, installed, takes them."""
    @classmethod
    def setUpClass(cls):
        package = tempfile.mkdtemp(prefix="troupe-python-")
        cls.addClassCleanup(shutil.rmtree, package, ignore_errors=True)
        install_package(package)
        sys.path.insert(0, package)
        cls.addClassCleanup(sys.path.remove, package)
        import troupe
        cls.troupe = troupe
        cls.accounts = todo_tools.Accounts({"5": todo_task("", "", {})}, PROJECTS)
        cls.tools = {tool.name: tool for tool in todo_tools.offers(cls.accounts, troupe)}

    def call(self, name, **arguments):
        context = self.troupe.Context("call", "tasks/gym-5", "", 0, 60, None)
        tool = self.tools[name]
        return tool(**tool.arguments(arguments, context))

    def test_are_those_that_tasks_name_and_say_what_they_do(self):
        self.assertEqual(sorted(self.tools), sorted(agentgym.TOOLS))
        self.assertEqual([name for name, tool in self.tools.items() if tool.destructive], ["delete_task"])
        self.assertTrue(all(tool.read_only == name.startswith("get_") for name, tool in self.tools.items()))
        self.assertNotIn("context", self.tools["update_task"].arguments_schema["properties"])

    def test_work_on_the_account_of_the_task_that_calls(self):
        self.assertEqual(self.call("get_user_current_date"), "2015-06-03")
        self.assertEqual(self.call("get_user_current_location"), "Oslo")
        self.assertEqual(self.call("get_task_duration", task_id="102"),
                         {"id": "102", "content": "Prune", "duration": "90(minute)"})
        self.call("update_task", task_id="102", due_date="2015-06-30")
        self.call("update_project", project_id="2", is_favorite=False)
        self.call("complete_task", task_id="101")
        with self.assertRaisesRegex(self.troupe.ToolError, "no task with the id '101'"):
            self.call("delete_task", task_id="101")
        self.assertEqual([each["due_date"] for each in self.accounts.of("5").tasks("1")], ["2015-06-30"])
        self.assertFalse(any(each["is_favorite"] for each in self.call("get_projects")))

    def test_of_gta_are_made_of_its_specs(self):
        recorded = gta_tools.Recorded({"7": GtaTest.TASK})
        tool, = gta_tools.offers(recorded, self.troupe)
        context = self.troupe.Context("call", "tasks/gta-7", "", 0, 60, None)
        self.assertEqual(tool(context=context, image="a.jpg", text="red apples"), "4")
        with self.assertRaises(self.troupe.ToolError):
            tool(context=context, image="b.jpg", text="red apples")


class RunTest(unittest.TestCase):
    """Whole runs, with a model that calls one tool and then answers."""
    def run_with(self, module, data, reply):
        """What an evaluation prints."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-evaluation-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        (folder / "data").write_text(data)
        model = ModelServer(reply)
        self.addCleanup(model.close)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            module.main(["--data", str(folder / "data"), "--url", model.url, "--seconds", "60"])
        return said.getvalue()

    @staticmethod
    def calling(name, arguments):
        return {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": {
            "name": name, "arguments": json.dumps(arguments)}}]}

    def test_todo_tasks_run_and_are_graded(self):
        """A question, answered wrongly, and a change in which a task is deleted without anybody being asked."""
        def reply(request):
            deletes = "Delete" in request["messages"][1]["content"]
            if len(request["messages"]) > 2:
                return '"done"' if deletes else "6"
            return self.calling("delete_task", {"task_id": "101"}) if deletes else self.calling("get_projects", {})

        accounts = todo_tools.Accounts({"0": todo_task("", "", {}), "1": todo_task("", "", {})})
        accounts.of("1").remove("101")
        tasks = [todo_task("How many projects are there?", 5, accounts.of("0").state(), 0),
                 todo_task("Delete the first task.", "done", accounts.of("1").state(), 1)]
        said = self.run_with(agentgym, "\n".join(map(json.dumps, tasks)), reply)
        question, change = said.splitlines()[2:4]
        self.assertIn("| 6 | 5 | no: the answer | 1 |", question)
        self.assertIn('| "done" | "done" | yes | 1 |', change)
        self.assertIn("1 of 2 right (50 %), 2 calls of tools", said)

    def test_gta_tasks_run_and_are_graded(self):
        def reply(request):
            if len(request["messages"]) > 2:
                return request["messages"][-1]["content"].split()[0] + " apples"
            return self.calling("count_given_object", {"image": "a.jpg", "text": "red apples"})

        said = self.run_with(gta, json.dumps({"7": GtaTest.TASK}), reply)
        self.assertIn("| 7 | How many? | 4 apples | 4/four and apples | yes | 1 |", said)
        self.assertIn("1 of 1 right (100 %), 1 calls of tools", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
