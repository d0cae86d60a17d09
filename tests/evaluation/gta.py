#!/usr/bin/python3
"""Runs GTA tasks (tool use on pictures, with recorded outputs of the tools) as solve tasks, grades their answers
by the tasks' own lists and prints a table in Markdown.

  gta.py --data tasks_even.json --url http://127.0.0.1:8080/v1 --model NAME [--tasks 30] [--skip 0] [--parallel 4]

A server with its data in a temporary folder is started for it; --keep FOLDER keeps the data, to look at the traces.
"""
import json
import pathlib

import gta_grade
import gta_tools
import runs

INSTRUCTIONS = "The pictures can only be looked at with the tools, by the paths given. Answer in one short sentence."


def request_of(task):
    files = ", ".join(file["path"] for file in task["files"])
    return f"{task['dialogs'][0]['content'].strip()}\n\nPictures: {files}"


def spec_of(task, options):
    return {"solve": runs.with_options({"request": request_of(task), "instructions": INSTRUCTIONS,
                                        "tools": sorted({gta_tools.snake(tool["name"]) for tool in task["tools"]})},
                                       options)}


def table(tasks, outcomes):
    rows, right = [], 0
    for key, outcome in outcomes.items():
        task = tasks[key]
        expected = " and ".join("/".join(map(str, group)) for group in task["gt_answer"]["whitelist"])
        is_right = gta_grade.is_right(task, outcome.answer)
        right += is_right
        rows.append([key, runs.cell(task["dialogs"][0]["content"]), runs.cell(outcome.said), runs.cell(expected, 40),
                     "yes" if is_right else "no", outcome.calls, outcome.tokens])
    head = ["task", "question", "answer", "expected", "right", "calls", "tokens"]
    return runs.table(head, rows) + "\n" + runs.share(right, outcomes.values())


def main(arguments=None):
    parser = runs.parser(__doc__)
    parser.add_argument("--data", required=True, help="the tasks, as JSON")
    parser.add_argument("--tasks", type=int, default=30)
    parser.add_argument("--skip", type=int, default=0, help="how many of the first tasks to leave out")
    options = parser.parse_args(arguments)

    tasks = json.loads(pathlib.Path(options.data).read_text())
    chosen = [key for key, task in tasks.items() if gta_grade.is_gradable(task)]
    chosen = options.only.split(",") if options.only else chosen[options.skip:options.skip + options.tasks]
    recorded = gta_tools.Recorded(tasks)
    specs = {gta_tools.TASK_PREFIX + key: spec_of(tasks[key], options) for key in chosen}
    outcomes = runs.run(options, specs, lambda troupe: gta_tools.offers(recorded, troupe))
    print(table(tasks, {key: outcomes[gta_tools.TASK_PREFIX + key] for key in chosen}))


if __name__ == "__main__":
    main()
