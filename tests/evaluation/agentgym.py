#!/usr/bin/python3
"""Runs to-do tasks of AgentGym (questions about a to-do list, and changes of it) as solve tasks, grades them by the
answers and the end states that come with the tasks, and prints a table in Markdown.

  agentgym.py --data todo.jsonl --url http://127.0.0.1:8080/v1 --model NAME [--tasks 20] [--parallel 4]

The tasks are spread evenly over the data set, of which a task that says the same as one before it is left out.
A server with its data in a temporary folder is started for it; --keep FOLDER keeps the data, to look at the traces.
"""
import json
import pathlib

import runs
import todo_grade
import todo_tools

INSTRUCTIONS = ("Do what is asked with the tools. Give the answer alone, in the form asked for: a list as an array, a "
                "number as a number. If nothing is asked but that something be done, the answer is \"done\".")
ANSWER_SCHEMA = {"type": ["string", "number", "array"], "items": {"type": "string"}}
TOOLS = ["get_user_current_date", "get_user_current_location", "get_projects", "update_project", "get_tasks",
         "get_task_description", "get_task_duration", "complete_task", "update_task", "delete_task"]
# Deleting is what some tasks ask for; without a rule a person would be asked each time.
PERMISSIONS = [{"decision": "DECISION_ALLOW", "tool": "delete_task"}]


def read_tasks(path):
    """The tasks by id, in the data's order."""
    lines = pathlib.Path(path).read_text().splitlines()
    return {str(task["id"]): task for task in map(json.loads, filter(None, lines))}


def choose(tasks, count):
    """Ids of `count` tasks at even distances, the first included, among those that differ in what they ask."""
    first = {}
    for key, task in tasks.items():
        first.setdefault((task["goal"].strip(), json.dumps(task["additional_info"]["init_config"])), key)
    distinct = list(first.values())
    count = min(count, len(distinct))
    return [distinct[number * len(distinct) // count] for number in range(count)]


def spec_of(task, options):
    return {"solve": runs.with_options({"request": task["goal"].strip(), "instructions": INSTRUCTIONS, "tools": TOOLS,
                                        "answer_schema": json.dumps(ANSWER_SCHEMA)}, options),
            "permissions": PERMISSIONS}


def table(tasks, outcomes, accounts):
    rows, right = [], 0
    for key, outcome in outcomes.items():
        task = tasks[key]
        faults = todo_grade.faults(task, outcome.answer, accounts.of(key).state())
        right += not faults
        rows.append([key, "change" if todo_grade.is_change(task) else "question", runs.cell(task["goal"]),
                     runs.cell(outcome.said), runs.cell(json.dumps(task["subgoals"][0])),
                     "yes" if not faults else runs.cell("no: " + "; ".join(faults), 200), outcome.calls,
                     outcome.tokens, f"{outcome.seconds:.0f}", f"{outcome.seconds - outcome.model_seconds:.2f}"])
    head = ["task", "kind", "asked", "answer", "expected", "right", "calls", "tokens", "seconds", "without the model"]
    return runs.table(head, rows) + "\n" + runs.share(right, outcomes.values())


def main(arguments=None):
    parser = runs.parser(__doc__)
    parser.add_argument("--data", required=True, help="the tasks: todo.jsonl")
    parser.add_argument("--tasks", type=int, default=20)
    options = parser.parse_args(arguments)

    tasks = read_tasks(options.data)
    chosen = options.only.split(",") if options.only else choose(tasks, options.tasks)
    accounts = todo_tools.Accounts(tasks)
    specs = {todo_tools.TASK_PREFIX + key: spec_of(tasks[key], options) for key in chosen}
    outcomes = runs.run(options, specs, lambda troupe: todo_tools.offers(accounts, troupe))
    print(table(tasks, {key: outcomes[todo_tools.TASK_PREFIX + key] for key in chosen}, accounts))


if __name__ == "__main__":
    main()
