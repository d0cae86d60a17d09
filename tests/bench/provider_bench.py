#!/usr/bin/env python3
"""Measures how many tool calls a second one Python provider serves: tasks whose model asks for many calls at once,
each call with its effect in the journal, and prints a line of JSON.

  provider_bench.py [TASKS [CALLS_PER_TASK [PROVIDERS]]]"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
from harness import Server, write_recording  # noqa: E402
from provider_test import TOOLS, install_package  # noqa: E402


def main():
    tasks, calls, count = (int(each) for each in (*sys.argv[1:], *("20", "500", "1")[len(sys.argv) - 1:]))
    with tempfile.TemporaryDirectory(prefix="troupe-bench-") as name:
        folder = pathlib.Path(name)
        install_package(folder / "package")
        uses = [{"name": "add", "arguments": {"a": i, "b": 1}} for i in range(calls)]
        write_recording(folder / "replies.jsonl", {"assistant": [{"text": "", "tool_uses": uses}, "Done."]})
        server = Server({"scripted": {"kind": "recorded", "recording": str(folder / "replies.jsonl")}})
        environment = {**os.environ, "PYTHONPATH": str(folder / "package"), "PYTHONDONTWRITEBYTECODE": "1"}
        providers = [subprocess.Popen([sys.executable, TOOLS, server.address, f"p{i}", folder / "notes"],
                                      env=environment) for i in range(count)]
        try:
            while sum(f"provider p{i} attached" in server.log() for i in range(count)) < count:
                time.sleep(0.05)
            for i in range(tasks):
                server.submit_spec({"chat": {"turns": ["go"], "tools": ["add"]}},
                                   task_id=f"t{i}")
            for i in range(tasks):
                server.wait(f"t{i}")
            report(server, tasks)
        finally:
            for provider in providers:
                provider.terminate()
                provider.wait()
            server.close()


def report(server, tasks):
    spans = []
    for i in range(tasks):
        spans += [span for span in server.troupe("trace", f"t{i}")["spans"] if span.get("tool")]
    begin = min(span["begin_time"] for span in spans)
    end = max(span["end_time"] for span in spans)
    seconds = parse(end) - parse(begin)
    ran = sorted(int(span["attributes"]["served"]["ran_us"]) for span in spans)
    print(json.dumps({"calls": len(spans), "seconds": round(seconds, 3), "calls_per_second": round(len(spans) / seconds),
                      "ran_us_p50": ran[len(ran) // 2], "ran_us_p99": ran[len(ran) * 99 // 100]}))


def parse(stamp):
    whole, _, rest = stamp.rstrip("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (rest or "0"))


if __name__ == "__main__":
    main()
