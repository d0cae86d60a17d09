#!/usr/bin/env python3
"""Tools that a Python program serves over ToolService.Attach, with the package as pip installs it: used in tasks, in
the midst of which providers and the server are killed."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from harness import SOURCE, Server, main, patience, write_recording

TOOLS = pathlib.Path(__file__).with_name("provider_tools.py")


def install_package(target):
    """Installs clients/python as a user would, from a copy: building leaves files in a source tree."""
    with tempfile.TemporaryDirectory(prefix="troupe-package-") as folder:
        copy = pathlib.Path(folder) / "troupe"
        shutil.copytree(SOURCE / "clients/python", copy, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(SOURCE / "proto", copy / "proto")
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps",
                               "--no-index", "--target", target, copy], capture_output=True, text=True,
                              env={**os.environ, "PIP_NO_CACHE_DIR": "1", "PIP_ROOT_USER_ACTION": "ignore"})
        if done.returncode != 0:
            raise RuntimeError(f"pip: {done.stdout}\n{done.stderr}")


def use(tool, /, **arguments):
    return {"name": tool, "arguments": arguments}


class ProviderTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.package = pathlib.Path(tempfile.mkdtemp(prefix="troupe-python-"))
        cls.addClassCleanup(shutil.rmtree, cls.package, ignore_errors=True)
        install_package(cls.package)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="troupe-provider-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.notes = self.folder / "notes"
        self.providers = {}
        self.addCleanup(self.end_providers)

    def serve(self, replies, grace=2.0, extra=""):
        """A server whose model says `replies`; it keeps its port when it is started again."""
        write_recording(self.folder / "replies.jsonl", {"assistant": replies})
        server = Server({"scripted": {"kind": "recorded", "recording": str(self.folder / "replies.jsonl")}},
                        extra=f"[providers]\ngrace_seconds = {patience(grace)}\n{extra}")
        self.addCleanup(server.close)
        config = server.folder / "troupe.toml"
        config.write_text(config.read_text().replace('"127.0.0.1:0"', f'"{server.address}"'))
        return server

    def provide(self, server, name="a"):
        def attached():
            return server.log().count(f"provider {name} attached")
        before = attached()
        environment = {**os.environ, "PYTHONPATH": str(self.package), "PYTHONDONTWRITEBYTECODE": "1"}
        with open(self.folder / f"{name}.log", "a") as log:
            self.providers[name] = subprocess.Popen([sys.executable, TOOLS, server.address, name, self.notes],
                                                    stdout=log, stderr=log, env=environment)
        self.until(lambda: attached() > before, f"{name} does not attach")
        return self.providers[name]

    def kill(self, name):
        provider = self.providers.pop(name)
        provider.kill()
        provider.wait(patience(10))

    def end_providers(self):
        for provider in self.providers.values():
            provider.terminate()
        for provider in self.providers.values():
            try:
                provider.wait(patience(10))
            except subprocess.TimeoutExpired:
                provider.kill()
                provider.wait()
                raise

    def until(self, holds, what, seconds=20):
        end = time.monotonic() + patience(seconds)
        while not holds():
            if time.monotonic() > end:
                logs = "\n".join(each.read_text() for each in self.folder.glob("*.log"))
                raise AssertionError(f"{what}\n{self.noted()}\n{logs}")
            time.sleep(0.01)

    def noted(self):
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def count(self, line):
        return sum(line in each for each in self.noted())

    def chat(self, server, *tools, task_id="t"):
        server.submit_spec({"chat": {"turns": ["go"], "tools": list(tools)}}, task_id=task_id)

    def tool_spans(self, server, task_id="t"):
        return [span for span in server.troupe("trace", task_id)["spans"] if span.get("tool")]

    def told(self, server):
        calls = [span for span in server.troupe("trace", "t")["spans"] if span.get("role")]
        return server.troupe("span", calls[-1]["name"])["request_json"]

    def test_a_tool_is_used_in_a_task(self):
        server = self.serve([{"text": "", "tool_uses": [use("add", a=2, b=3), use("slow", seconds=0.5)]},
                             {"text": "", "tool_uses": [use("draw", size=1_500_000), use("fickle", word="mend")]},
                             "It is 5."])
        self.provide(server)
        listed = {tool["name"]: tool for tool in server.troupe("tools")["tools"]}
        self.assertIn("One number.", listed["tools/add"]["arguments_schema"])
        self.assertEqual(listed["tools/add"]["provider"], "attached")
        self.chat(server, "add", "slow", "draw", "fickle")
        task = server.wait()
        self.assertEqual(task["result"]["text"], "It is 5.", task)
        told = self.told(server)
        for part in ("slept well", "A picture.", "try 'good'"):
            self.assertIn(part, told)
        self.assertIn("seconds left", server.print("watch", "t"))
        spans = {span["tool"]: span for span in self.tool_spans(server)}
        self.assertEqual(spans["add"]["attributes"]["served"]["provider"], "a")
        self.assertEqual([each["name"].split("/")[-1] for each in task["result"]["artifacts"]], ["about.txt"])
        self.assertEqual((server.folder / "data/tasks/t/artifacts/about.txt").stat().st_size, 1_500_000)

    def test_cancelling_reaches_the_provider_within_a_second(self):
        server = self.serve([{"text": "", "tool_uses": [use("slow", seconds=30)]}])
        self.provide(server)
        self.chat(server, "slow")
        self.until(lambda: self.count("slow begins"), "the call does not begin")
        asked = time.monotonic()
        server.troupe("cancel", "t")
        self.until(lambda: self.count("slow cancelled"), "the provider is not told")
        self.assertLess(time.monotonic() - asked, patience(1))
        self.assertEqual(server.wait()["state"], "STATE_CANCELLED")

    def test_a_killed_provider_repeats_what_may_be_repeated(self):
        server = self.serve([{"text": "", "tool_uses": [use("slow", seconds=0.6)]}, "Done."], grace=20)
        self.provide(server)
        self.chat(server, "slow")
        self.until(lambda: self.count("slow begins"), "the call does not begin")
        self.kill("a")
        self.provide(server)
        self.assertEqual(server.wait()["result"]["text"], "Done.")
        self.assertEqual((self.count("slow begins"), self.count("slow ends")), (2, 1))
        self.assertIn("slept well", self.told(server))

    def test_another_provider_takes_the_call_of_a_killed_one(self):
        server = self.serve([{"text": "", "tool_uses": [use("slow", seconds=0.6)]}, "Done."], grace=20)
        self.provide(server, "a")
        self.provide(server, "b")
        self.chat(server, "slow")
        self.until(lambda: self.count("slow begins"), "the call does not begin")
        first = next(line for line in self.noted() if "slow begins" in line).split()[0]
        self.kill(first)
        self.assertEqual(server.wait()["result"]["text"], "Done.")
        other = "b" if first == "a" else "a"
        self.assertEqual(self.count(f"{other} slow ends"), 1)
        served = self.tool_spans(server)[0]["attributes"]["served"]
        self.assertEqual((served["provider"], served["attempts"]), (other, 2))

    def test_a_person_is_asked_about_a_call_that_may_not_be_repeated(self):
        server = self.serve([{"text": "", "tool_uses": [use("pay", amount=7, seconds=0.5)]}, "Done."], grace=0.5)
        self.provide(server)
        self.chat(server, "pay")
        self.until(lambda: self.count("pay begins"), "the call does not begin")
        self.kill("a")
        task = server.wait(states=("STATE_INPUT_REQUIRED",))
        self.assertIn("pay", task["pending_questions"][0]["prompt"])
        self.provide(server)
        server.troupe("respond", "t", "retry")
        self.assertEqual(server.wait()["result"]["text"], "Done.")
        self.assertEqual(self.count("pay begins"), 2)
        self.assertIn("paid 7", self.told(server))

    def test_a_call_outlives_the_server(self):
        for tool, arguments in (("slow", {"seconds": 1.5}), ("pay", {"amount": 7, "seconds": 1.5})):
            with self.subTest(tool):
                self.notes.unlink(missing_ok=True)
                server = self.serve([{"text": "", "tool_uses": [use(tool, **arguments)]}, "Done."], grace=20)
                self.provide(server)
                self.chat(server, tool)
                self.until(lambda: self.count(f"{tool} begins"), "the call does not begin")
                server.stop(signal.SIGKILL)
                server.start()
                self.assertEqual(server.wait()["result"]["text"], "Done.")
                self.assertEqual((self.count(f"{tool} begins"), self.count(f"{tool} ends")), (1, 1),
                                 "the provider had it all the time")
                self.end_providers()
                self.providers.clear()
                server.stop()

    def test_server_and_provider_are_killed_together(self):
        server = self.serve([{"text": "", "tool_uses": [use("slow", seconds=0.5)]}, "Done."], grace=20)
        self.provide(server)
        self.chat(server, "slow")
        self.until(lambda: self.count("slow begins"), "the call does not begin")
        server.stop(signal.SIGKILL)
        self.kill("a")
        server.start()
        self.provide(server, "b")
        self.assertEqual(server.wait()["result"]["text"], "Done.")
        self.assertEqual(self.count("slow ends"), 1)

    def test_two_providers_take_turns(self):
        server = self.serve([{"text": "", "tool_uses": [use("who")] * 6}, "Done."])
        self.provide(server, "a")
        self.provide(server, "b")
        self.chat(server, "who")
        server.wait()
        served = sorted(span["attributes"]["served"]["provider"] for span in self.tool_spans(server))
        self.assertEqual(served, ["a"] * 3 + ["b"] * 3)

    def test_tools_of_all_kinds_in_one_task(self):
        build = pathlib.Path(os.environ.get("TROUPE_BINARIES", SOURCE / "build/release/bin")).parent
        library = build / "tests/tools/library/dice_library.so"
        server = self.serve([{"text": "", "tool_uses": [use("add", a=2, b=3), use("area", name="Lima"),
                                                        use("area", name="Oz"), use("die", sides=1),
                                                        use("list_files")]}, "Done."],
                            extra=f'[tools]\nlibraries = ["{library}"]')
        self.provide(server)
        self.providers["cpp"] = subprocess.Popen([build / "tests/clients/area_provider", server.address],
                                                 stderr=subprocess.DEVNULL)
        self.until(lambda: "troupe-cpp" in server.log(), "the C++ provider does not attach")
        self.chat(server, "add", "area", "die", "list_files")
        self.assertEqual(server.wait()["result"]["text"], "Done.")
        told = self.told(server)
        for part in ('"text":"5"', "2672", "try Lagos or Lima", '"text":"1"'):
            self.assertIn(part, told)
        provided = {tool["name"]: tool["provider"] for tool in server.troupe("tools")["tools"]}
        self.assertEqual((provided["tools/die"], provided["tools/list_files"]), ("library:dice_library", "builtin"))

    def test_an_unknown_provider_is_told_to_the_agent(self):
        server = self.serve([{"text": "", "tool_uses": [use("add", a=1, b=2)]}, "Pity."], grace=0.3)
        self.provide(server)
        self.kill("a")
        self.chat(server, "add")
        self.assertEqual(server.wait()["result"]["text"], "Pity.")
        self.assertIn("no provider of it is attached", self.told(server))


if __name__ == "__main__":
    main()
