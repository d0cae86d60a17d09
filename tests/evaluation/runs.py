"""What the evaluations share: a server with the model that is tried, tools that a Python provider serves, tasks run
side by side, cells of tables in Markdown."""
import argparse
import concurrent.futures
import dataclasses
import datetime
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "end_to_end"))

from harness import BINARIES, Server  # noqa: E402
from provider_test import install_package  # noqa: E402


@dataclasses.dataclass
class Outcome:
    """What became of a task."""
    state: str
    answer: str        # as text; JSON if the task has an answer schema
    error: str
    calls: int         # of tools, failed ones included
    tokens: int
    seconds: float     # from start to end
    model_seconds: float  # of these, spent waiting for the model

    @property
    def said(self):
        """The answer, or why there is none."""
        return self.answer or f"({self.state}: {self.error})"


def parser(description):
    """The options that every evaluation has; --data and what is special come on top."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--kind", default="openai", choices=("openai", "anthropic", "recorded"))
    made.add_argument("--url", help="the model's server, up to and with /v1")
    made.add_argument("--model", default="default")
    made.add_argument("--api-key-env", help="variable with the key")
    made.add_argument("--recording", help="of --kind recorded: replies to play")
    made.add_argument("--record-to", help="append replies to this file")
    made.add_argument("--only", help="keys of tasks, separated by commas")
    made.add_argument("--parallel", type=int, default=4)
    made.add_argument("--max-rounds", type=int, default=12)
    made.add_argument("--json-calls", action="store_true", help="the model has no tool calls")
    made.add_argument("--plan", action="store_true")
    made.add_argument("--reviews", type=int, default=0)
    made.add_argument("--seconds", type=int, default=3600, help="that a task may take")
    made.add_argument("--keep", help="folder for the server's data, kept")
    return made


def with_options(solve, options):
    """A `solve` spec with what the options say of it."""
    solve = {**solve, "max_rounds": options.max_rounds}
    if options.json_calls:
        solve["call_form"] = "CALL_FORM_JSON"
    if options.plan:
        solve["plan"] = True
    if options.reviews:
        solve["max_reviews"] = options.reviews
    return solve


def model_settings(options):
    settings = {"kind": options.kind, "model": options.model, "first_byte_seconds": options.seconds,
                "total_seconds": options.seconds, "tools": not options.json_calls}
    given = {"url": options.url, "recording": options.recording, "record_to": options.record_to,
             "api_key_env": options.api_key_env}
    return settings | {key: value for key, value in given.items() if value}


def run(options, specs, offers):
    """Runs specs by task id, `parallel` at a time, and returns their outcomes by task id. `offers(troupe)` gives the
    tools, as the Python package takes them."""
    package = tempfile.mkdtemp(prefix="troupe-python-")
    server = None
    try:
        install_package(package)
        sys.path.insert(0, package)
        import troupe
        if options.keep:
            pathlib.Path(options.keep).mkdir(parents=True, exist_ok=True)
        server = Server({"tried": model_settings(options)}, folder=options.keep)
        with troupe.Provider(*offers(troupe), server=server.address):
            with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
                outcomes = pool.map(lambda task_id: run_task(server, task_id, specs[task_id], options), specs)
                return dict(zip(specs, outcomes))
    finally:
        if server is not None:
            server.stop() if options.keep else server.close()
        shutil.rmtree(package, ignore_errors=True)


def run_task(server, task_id, spec, options):
    server.submit_spec(spec, task_id=task_id)
    subprocess.run([BINARIES / "troupe", "--server", server.address, "watch", task_id], stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=options.seconds, check=False)
    return outcome_of(server.troupe("show", task_id))


def outcome_of(task):
    """Of a task as `troupe show --json` gives it."""
    result, usage = task.get("result", {}), task.get("usage", {})
    solve = result.get("solve", {})
    seconds = 0.0
    if "start_time" in task and "end_time" in task:
        seconds = (moment(task["end_time"]) - moment(task["start_time"])).total_seconds()
    return Outcome(state=task["state"].removeprefix("STATE_"),
                   answer=solve.get("answer_json") or result.get("text", ""),
                   error=task.get("error", {}).get("message", ""), calls=solve.get("tool_calls", 0),
                   tokens=int(usage.get("input_tokens", 0)) + int(usage.get("output_tokens", 0)), seconds=seconds,
                   model_seconds=float(usage.get("model_time", "0s").rstrip("s")))


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def cell(text, most=70):
    """Text as a table's cell takes it."""
    text = " ".join(str(text).split()).replace("|", "\\|")
    return text if len(text) <= most else text[:most - 3] + "..."


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def share(right, outcomes):
    """The line below a table."""
    return (f"\n{right} of {len(outcomes)} right ({100 * right / max(1, len(outcomes)):.0f} %), "
            f"{sum(each.calls for each in outcomes)} calls of tools, {sum(each.tokens for each in outcomes)} tokens")
