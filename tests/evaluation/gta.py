#!/usr/bin/python3
"""Runs GTA tasks (tool use on pictures, with recorded outputs of the tools) as solve tasks, grades their answers
by the tasks' own lists and prints a table in Markdown.

  gta.py --data tasks_even.json --url http://127.0.0.1:8080/v1 --model NAME [--tasks 30] [--skip 0] [--parallel 4]

A server with its data in a temporary folder is started for it; --keep FOLDER keeps the data, to look at the traces.
"""
import argparse
import concurrent.futures
import json
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "end_to_end"))

import gta_grade  # noqa: E402
import gta_tools  # noqa: E402
from harness import Server  # noqa: E402
from provider_test import install_package  # noqa: E402

INSTRUCTIONS = "The pictures can only be looked at with the tools, by the paths given. Answer in one short sentence."


def request_of(task):
    files = ", ".join(file["path"] for file in task["files"])
    return f"{task['dialogs'][0]['content'].strip()}\n\nPictures: {files}"


def spec_of(task, options):
    spec = {"solve": {"request": request_of(task), "instructions": INSTRUCTIONS, "max_rounds": options.max_rounds,
                      "tools": sorted({gta_tools.snake(tool["name"]) for tool in task["tools"]})}}
    if options.json_calls:
        spec["solve"]["call_form"] = "CALL_FORM_JSON"
    if options.plan:
        spec["solve"]["plan"] = True
    if options.reviews:
        spec["solve"]["max_reviews"] = options.reviews
    return spec


def run_task(server, key, task, options):
    task_id = gta_tools.TASK_PREFIX + key
    server.submit_spec(spec_of(task, options), task_id=task_id)
    ended = server.wait(task_id, seconds=options.seconds)
    answer = ended.get("result", {}).get("text", "")
    return {"key": key, "state": ended["state"].removeprefix("STATE_"), "answer": answer,
            "right": gta_grade.is_right(task, answer), "solve": ended.get("result", {}).get("solve", {}),
            "usage": ended.get("usage", {}), "error": ended.get("error", {}).get("message", "")}


def cell(text, most=70):
    text = " ".join(str(text).split()).replace("|", "\\|")
    return text if len(text) <= most else text[:most - 3] + "..."


def table(tasks, outcomes):
    lines = ["| task | question | answer | expected | right | calls | tokens |", "|---|---|---|---|---|---|---|"]
    for outcome in outcomes:
        task = tasks[outcome["key"]]
        expected = " and ".join("/".join(map(str, group)) for group in task["gt_answer"]["whitelist"])
        usage = outcome["usage"]
        tokens = int(usage.get("input_tokens", 0)) + int(usage.get("output_tokens", 0))
        said = outcome["answer"] or f"({outcome['state']}: {outcome['error']})"
        lines.append(f"| {outcome['key']} | {cell(task['dialogs'][0]['content'])} | {cell(said)} | {cell(expected, 40)} "
                     f"| {'yes' if outcome['right'] else 'no'} | {outcome['solve'].get('tool_calls', 0)} | {tokens} |")
    right = sum(outcome["right"] for outcome in outcomes)
    lines.append(f"\n{right} of {len(outcomes)} right ({100 * right / max(1, len(outcomes)):.0f} %), "
                 f"{sum(o['solve'].get('tool_calls', 0) for o in outcomes)} calls of tools")
    return "\n".join(lines)


def model_settings(options):
    settings = {"kind": options.kind, "model": options.model, "first_byte_seconds": options.seconds,
                "total_seconds": options.seconds, "tools": not options.json_calls}
    if options.url:
        settings["url"] = options.url
    if options.recording:
        settings["recording"] = options.recording
    if options.record_to:
        settings["record_to"] = options.record_to
    if options.api_key_env:
        settings["api_key_env"] = options.api_key_env
    return settings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="the tasks, as JSON")
    parser.add_argument("--kind", default="openai", choices=("openai", "anthropic", "recorded"))
    parser.add_argument("--url", help="the model's server, up to and with /v1")
    parser.add_argument("--model", default="default")
    parser.add_argument("--api-key-env", help="variable with the key")
    parser.add_argument("--recording", help="of --kind recorded: replies to play")
    parser.add_argument("--record-to", help="append replies to this file")
    parser.add_argument("--tasks", type=int, default=30)
    parser.add_argument("--skip", type=int, default=0, help="how many of the first tasks to leave out")
    parser.add_argument("--only", help="keys of tasks, separated by commas")
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--max-rounds", type=int, default=12)
    parser.add_argument("--json-calls", action="store_true", help="the model has no tool calls")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--reviews", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=3600, help="that a task may take")
    parser.add_argument("--keep", help="folder for the server's data, kept")
    options = parser.parse_args()

    tasks = json.loads(pathlib.Path(options.data).read_text())
    chosen = [key for key, task in tasks.items() if gta_grade.is_gradable(task)]
    chosen = options.only.split(",") if options.only else chosen[options.skip:options.skip + options.tasks]
    package = tempfile.mkdtemp(prefix="troupe-python-")
    server = None
    try:
        install_package(package)
        sys.path.insert(0, package)
        import troupe
        if options.keep:
            pathlib.Path(options.keep).mkdir(parents=True, exist_ok=True)
        server = Server({"tried": model_settings(options)}, folder=options.keep)
        recorded = gta_tools.Recorded(tasks)
        with troupe.Provider(*gta_tools.offers(recorded, troupe), server=server.address):
            with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
                outcomes = list(pool.map(lambda key: run_task(server, key, tasks[key], options), chosen))
        print(table(tasks, outcomes))
    finally:
        if server is not None:
            server.stop() if options.keep else server.close()
        shutil.rmtree(package, ignore_errors=True)


if __name__ == "__main__":
    main()
