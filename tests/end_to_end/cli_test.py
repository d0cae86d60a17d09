#!/usr/bin/env python3
"""The command line as a person and as a script meet it: a tree on a terminal, lines elsewhere, JSON on
success and on error of every command, completion by the shell, the manual, exit codes."""
import json
import os
import pty
import re
import select
import struct
import subprocess
import fcntl
import tempfile
import termios
import time
import unittest

from harness import BINARIES, SOURCE, Server, main, patience

TROUPE = str(BINARIES / "troupe")


def run(*args, env=None):
    return subprocess.run([TROUPE, *map(str, args)], capture_output=True, text=True, timeout=patience(60),
                          env={**os.environ, **(env or {})})


def on_terminal(args, rows=24, columns=80, env=None, seconds=patience(60)):
    """Runs a command on a terminal of its own; returns its exit code and all that it wrote there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(args[0], args, {**os.environ, "TERM": "xterm", **(env or {})})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    written = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # what a terminal says when its last program ended
            break
        if not piece:
            break
        written += piece
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written.decode(errors="replace")


def frames(written):
    """What stood on the terminal after each drawing, without colors."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written).replace("\r", "")
    return re.split(r"(?:\x1b\[\d+F)?\x1b\[J", plain)[1:]


class CommandLineTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        recording = SOURCE / "tests/recordings/plain.jsonl"
        cls.server = Server({"recorded": {"kind": "recorded", "recording": str(recording)}})
        cls.server.submit("Sum up", "--toolbox", "plain")
        cls.task = cls.server.wait()
        assert cls.task["state"] == "STATE_SUCCEEDED", cls.task

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def at(self, *args, **more):
        return run("--server", self.server.address, *args, **more)

    def test_watch_draws_a_tree_on_a_terminal(self):
        args = [TROUPE, "--server", self.server.address, "submit", "Sum up", "--toolbox", "plain", "--watch"]
        code, written = on_terminal(args)
        self.assertEqual(code, 0, written)
        last = frames(written)[-1]
        self.assertRegex(last, r"tasks/\S+  SUCCEEDED  \d+:\d\d  \d+ model calls?")
        self.assertRegex(last, r"  \+ step Work  .*score \d")
        self.assertRegex(last, r"    \+ trial .*score \d")
        self.assertNotIn("programmer", last.split("* ")[0])  # calls of what ended are folded away
        self.assertIn("\x1b[32m", written)
        for frame in frames(written)[:-1]:
            self.assertLessEqual(frame.count("\n"), 23)
            self.assertLessEqual(max(map(len, frame.split("\n"))), 80)

    def test_no_color_and_dumb_terminals(self):
        args = [TROUPE, "--server", self.server.address, "watch", "t"]
        _, written = on_terminal(args, env={"NO_COLOR": "1"})
        self.assertNotRegex(written, r"\x1b\[[0-9]+m")
        code, written = on_terminal(args, env={"TERM": "dumb"})
        self.assertEqual(code, 0)
        self.assertNotIn("\x1b", written)
        self.assertIn("[planner:", written)

    def test_watch_prints_lines_elsewhere(self):
        done = self.at("watch", "t")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("\x1b", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^    \+ trial .*score \d")
        self.assertTrue(done.stdout.rstrip().endswith("SUCCEEDED"), done.stdout)
        quiet = self.at("watch", "-q", "t")
        self.assertLess(len(quiet.stdout), len(done.stdout))
        nothing_new = self.at("watch", "--after", self.task["last_sequence"], "t")
        self.assertEqual(nothing_new.returncode, 0, nothing_new.stderr)

    def test_json_of_every_command(self):
        span = json.loads(self.at("--json", "trace", "t").stdout)["spans"][1]["name"]
        notebook = self.server.folder / "x.ipynb"
        for words in (["tasks"], ["tasks", "-n", "1"], ["show", "t"], ["trace", "t"], ["span", span],
                      ["search", "total"], ["usage"], ["usage", "--by", "role"], ["tools"],
                      ["tools", "python"], ["prompts"], ["prompts", "show", "cellagent.planner"],
                      ["prompts", "list"], ["prompts", "history", "cellagent.planner"],
                      ["prompts", "diff", "cellagent.planner@1", "solve.planner@1"],
                      ["prompts", "promote", "cellagent.planner/versions/1", "--reason", "a test"],
                      ["artifacts", "t"], ["artifacts", "t", "report.md", "-o", self.server.folder / "r.md"],
                      ["export", "t", "-o", self.server.folder / "x.jsonl"],
                      ["export", "t", "--format", "notebook", "-o", notebook],
                      ["completion"], ["manual"], ["replay", "t"], ["fork", "t", "--task-id", "forked"],
                      ["delete", "forked", "--force"]):
            done = self.at("--json", *words)
            self.assertEqual(done.returncode, 0, (words, done.stderr))
            self.assertIsInstance(json.loads(done.stdout), dict, words)
            self.assertEqual(done.stderr, "", words)
        self.assertIn("cells", json.loads(notebook.read_text()))
        self.assertIn("# ", (self.server.folder / "r.md").read_text())
        watched = self.at("--json", "watch", "t")
        self.assertEqual([json.loads(line)["sequence"] for line in watched.stdout.splitlines()],
                         [str(1 + i) for i in range(int(self.task["last_sequence"]))])
        submitted = self.at("--json", "submit", "Sum up", "--toolbox", "plain", "--watch")
        lines = [json.loads(line) for line in submitted.stdout.splitlines()]
        self.assertEqual(lines[-1]["task"]["state"], "STATE_SUCCEEDED")

    def test_json_of_every_error(self):
        refused = {1: (["show", "none"], ["trace", "none"], ["span", "t/spans/999"], ["export", "none"],
                       ["watch", "none"], ["cancel", "t"], ["respond", "t", "x"], ["fork", "none"],
                       ["replay", "none"], ["delete", "none"], ["tools", "none"], ["prompts", "show", "none"],
                       ["prompts", "promote", "none/versions/1", "--reason", "x"], ["search", '"open'],
                       ["prompts", "history", "none"], ["prompts", "diff", "cellagent.planner@1", "9"],
                       ["prompts", "rollback", "cellagent.planner", "--reason", "x"],
                       ["tasks", "--filter", "colour = red"], ["usage", "--task", "none"],
                       ["artifacts", "none"], ["artifacts", "t", "none.txt"],
                       ["submit", "x", "--toolbox", "none"], ["chat", "x", "--tool", "none"]),
                   2: (["shwo", "t"], ["show"], ["tasks", "-n", "many"], ["usage", "--by", "moon"], [],
                       ["submit"], ["submit", "x", "--context", "no-equals-sign"],
                       ["submit", "x", "-i", "/no/such/file"],
                       ["prompts", "add", "cellagent.planner", "/no/such/file"])}
        for code, commands in refused.items():
            for words in commands:
                done = self.at("--json", *words)
                self.assertEqual(done.returncode, code, (words, done.stderr))
                self.assertEqual(done.stdout, "", words)
                error = json.loads(done.stderr)["error"]
                self.assertTrue(error["message"] and error["code"], words)
        self.assertIn("name", json.loads(self.at("--json", "show", "none").stderr)["error"]["metadata"])
        unreachable = run("--json", "--server", "127.0.0.1:1", "tasks")
        self.assertEqual(unreachable.returncode, 3)
        self.assertEqual(json.loads(unreachable.stderr)["error"]["code"], "UNAVAILABLE")
        said = self.at("show", "none")
        self.assertIn("troupe: ", said.stderr)
        self.assertIn("none", said.stderr)

    def test_output_that_cannot_be_written(self):
        for words in (["tasks"], ["--json", "tasks"], ["export", "t"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([TROUPE, "--server", self.server.address, *words], stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=patience(60))
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("could not be written", done.stderr)

    def test_output_to_what_is_no_file(self):
        pipe = self.server.folder / "pipe"
        os.mkfifo(pipe)
        with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
            self.assertEqual(self.at("export", "t", "-o", pipe).returncode, 0)
            self.assertIn('"path"', reader.stdout.read())
        self.assertTrue(pipe.is_fifo())
        done = self.at("--json", "export", "none", "-o", pipe / "x")
        self.assertEqual(done.returncode, 2)

    def test_an_empty_replacement_is_no_replacement_left_out(self):
        span = json.loads(self.at("--json", "trace", "t").stdout)["spans"][1]["name"]
        done = self.at("fork", span, "--value-json", "")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("INVALID_ARGUMENT_FIELD", done.stderr)

    def test_budgets(self):
        budget = self.server.troupe("submit", "x", "--toolbox", "plain", "--max-calls", 9, "--max-tool-calls", 8,
                                    "--max-cost", 0.5, "--role-budget", "planner.calls=1", "--role-budget",
                                    "planner.seconds=60", "--role-budget", "programmer.cost=0.25")["spec"]["budget"]
        self.assertEqual(budget, {
            "max_model_calls": "9", "max_tool_calls": "8", "max_cost_microusd": "500000",
            "roles": {"planner": {"max_model_calls": "1", "max_model_time": "60s"},
                      "programmer": {"max_cost_microusd": "250000"}}})
        for wrong in ("planner=1", "planner.moons=1", "planner.calls=many", "planner.calls=-1"):
            self.assertEqual(self.at("submit", "x", "--role-budget", wrong).returncode, 2, wrong)
        self.assertEqual(self.at("submit", "x", "--seed", "-1").returncode, 2)
        self.assertEqual(self.at("submit", "x", "-i", self.server.folder).returncode, 2)
        # What would be no limit is no budget.
        for option in ("--max-calls", "--max-tool-calls", "--max-tokens", "--max-cost", "--timeout"):
            for value in ("0", "-1"):
                wrong = self.at("submit", "x", "--toolbox", "plain", option, value)
                self.assertEqual(wrong.returncode, 2, (option, value))
                self.assertIn(f"{option}: give more than 0", wrong.stderr)

    def test_tasks_page_by_page(self):
        first = json.loads(self.at("--json", "tasks", "-n", "1").stdout)
        self.server.submit("Sum up", "--toolbox", "plain", task_id="later")
        self.server.wait("later")
        page = json.loads(self.at("--json", "tasks", "-n", "1").stdout)
        self.assertEqual(page["tasks"][0]["name"], "tasks/later")
        second = json.loads(self.at("--json", "tasks", "-n", "1", "--page-token",
                                    page["next_page_token"]).stdout)
        self.assertEqual(second["tasks"][0]["name"], first["tasks"][0]["name"])

    def complete(self, line):
        """What bash offers for a line with the cursor at its end. Names come from the server within a second or
        not at all, so a build that is slow may need another try."""
        for _ in range(round(patience(1))):
            if words := self.complete_once(line):
                return words
        return []

    def complete_once(self, line):
        script = """eval "$(troupe completion)"
            COMP_LINE="$1"; read -ra COMP_WORDS <<<"$1"; [[ "$1" == *" " ]] && COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_POINT=${#1}
            _troupe; printf '%s\\n' "${COMPREPLY[@]}"; complete -p troupe >&2"""
        done = subprocess.run(["bash", "-c", script, "bash", line], capture_output=True, text=True, timeout=patience(60),
                              env={**os.environ, "PATH": f"{BINARIES}:{os.environ['PATH']}",
                                   "TROUPE_SERVER": self.server.address})
        self.assertIn("_troupe", done.stderr)
        return done.stdout.split()

    def test_bash_completes(self):
        self.assertEqual(self.complete("troupe exp"), ["export"])
        self.assertIn("submit", self.complete("troupe "))
        self.assertEqual(self.complete("troupe export --f"), ["--format"])
        self.assertEqual(self.complete("troupe export --format n"), ["notebook"])
        self.assertIn("--json", self.complete("troupe tasks --"))
        self.assertEqual(self.complete("troupe show tasks/t"), ["tasks/t"])
        self.assertEqual(self.complete("troupe tools pyth"), ["python"])
        self.assertEqual(self.complete("troupe prompts pro"), ["promote"])
        self.assertEqual(self.complete("troupe prompts show cellagent.pl"), ["cellagent.planner"])
        self.assertEqual(self.complete("troupe --server 127.0.0.1:1 show tasks/"), [])

    def test_an_argument_may_follow_an_option_that_repeats(self):
        file = self.server.folder / "data.txt"
        file.write_text("1")
        spec = self.server.troupe("submit", "--toolbox", "plain", "--label", "a=1", "--label", "b=2", "-i", file,
                                  "--context", "tissue=blood (PBMC)", "Which cells?")["spec"]
        self.assertEqual(spec["cellagent"]["request"], "Which cells?")
        self.assertEqual(spec["cellagent"]["context"], {"tissue": "blood (PBMC)"})
        self.assertEqual(spec["labels"], {"a": "1", "b": "2"})
        self.assertEqual([given["name"] for given in spec["inputs"]], ["data.txt"])

    def test_help_and_manual(self):
        help_text = self.at("--help").stdout
        for code in ("0 done", "1 refused or failed", "2 wrong command line", "3 server not reached",
                     "4 task stopped"):
            self.assertIn(code, help_text)
        manual = self.at("manual").stdout
        for part in ("NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "EXAMPLES",
                     "prompts promote version", "--max-cost"):
            self.assertIn(part, manual)


if __name__ == "__main__":
    main()
