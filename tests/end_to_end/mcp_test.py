"""Chats with tools of real MCP servers, from npm, through the real server."""
import json
import pathlib
import signal
import subprocess
import unittest

import harness

INSTALL = harness.SOURCE / "tests/mcp/install-peers"
PEERS = harness.BINARIES.parent / "mcp_peers"


def setUpModule():
    done = subprocess.run([INSTALL, PEERS], capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest(f"no MCP servers from npm: {done.stdout}{done.stderr}")


def mcp(name, package, args=(), **settings):
    """A table [mcp.NAME] of a server that is started with node."""
    script = PEERS / f"node_modules/@modelcontextprotocol/{package}/dist/index.js"
    settings = {"command": "node", "args": [str(script), *map(str, args)], **settings}
    return "\n".join([f"[mcp.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items())])


def use(name, **arguments):
    return {"text": "", "tool_uses": [{"name": name, "arguments": arguments}]}


def chat(*tools):
    return {"chat": {"turns": ["Go."], "tools": list(tools)}}


class McpTest(harness.unittest.TestCase):
    def serve(self, replies, table):
        self.recording = pathlib.Path(self.folder) / "replies.jsonl"
        harness.write_recording(self.recording, replies)
        self.server = harness.Server({"m": {"kind": "recorded", "recording": str(self.recording)}},
                                     extra=table, folder=self.folder)
        self.addCleanup(self.server.close)
        return self.server

    def setUp(self):
        self.folder = harness.tempfile.mkdtemp(prefix="troupe-mcp-")
        self.files = pathlib.Path(self.folder) / "files"
        self.files.mkdir()
        (self.files / "note.txt").write_text("the clover has four leaves\n")

    def filesystem(self):
        return mcp("files", "server-filesystem", [self.files], trust_annotations=True, workspace_root=False)

    def everything(self, **settings):
        return mcp("every", "server-everything", ["stdio"], nondestructive_tools=["*"], **settings)

    def test_filesystem_tool_in_a_chat(self):
        server = self.serve({"assistant": [use("files.read_text_file", path=str(self.files / "note.txt")),
                                           "Four."]}, self.filesystem())
        server.submit_spec(chat("files.read_text_file"))
        task = server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task)
        spans = server.troupe("trace", "t", "--full")
        self.assertIn("the clover has four leaves", json.dumps(spans))

    def test_tools_are_listed(self):
        server = self.serve({"assistant": []}, self.filesystem())
        tools = {tool["name"]: tool for tool in server.troupe("tools")["tools"]}
        self.assertIn("tools/files.write_file", tools)
        tool = server.troupe("tools", "files.write_file")
        self.assertTrue(tool["destructive"], tool)
        self.assertIn("path", tool["arguments_schema"])

    def test_changed_definition_is_accepted_by_a_person(self):
        counter = pathlib.Path(self.folder) / "counter"
        script = harness.SOURCE / "tests/mcp/servers/awkward.mjs"
        server = self.serve({"assistant": []}, f"""[mcp.awk]
command = "node"
args = ["{script}", "changes"]
env = {{COUNTER = "{counter}"}}""")
        self.assertNotIn("needs_approval", server.troupe("tools", "awk.second"))
        refused = server.troupe("tools", "python", "--accept", check=False)
        self.assertIn("only tools of MCP servers", refused["error"]["message"])
        server.stop()
        server.start()
        deadline = harness.time.monotonic() + harness.patience(30)
        while "needs_approval" not in server.troupe("tools", "awk.second"):
            self.assertLess(harness.time.monotonic(), deadline, "the changed tool never came")
        accepted = server.troupe("tools", "awk.second", "--accept")
        self.assertNotIn("needs_approval", accepted)
        self.assertEqual(accepted["description"], "Version 2")

    def wait_for_question(self, server, text):
        """A server that has just started knows that the task waits before it has asked again."""
        deadline = harness.time.monotonic() + harness.patience(30)
        while True:
            waiting = server.wait(states=("STATE_INPUT_REQUIRED",))
            if any(text in question["prompt"] for question in waiting.get("pending_questions", [])):
                return
            self.assertLess(harness.time.monotonic(), deadline, waiting)

    def test_question_of_a_server_survives_a_crash(self):
        server = self.serve({"assistant": [use("every.trigger-elicitation-request"), "Thank you."]},
                            self.everything())
        server.submit_spec(chat("every.trigger-elicitation-request"))
        waiting = server.wait(states=("STATE_INPUT_REQUIRED",))
        self.assertIn("MCP server 'every' asks", waiting["pending_questions"][0]["prompt"])
        server.stop(signal.SIGKILL)
        server.start()
        # The call may have done something before it asked: a person decides, and is then asked what
        # the server had asked.
        self.wait_for_question(server, "it is not known whether it took effect")
        server.troupe("respond", "t", "--answer-json", '"retry"')
        self.wait_for_question(server, "MCP server")
        refused = server.troupe("respond", "t", "--answer-json", '{"check": true}', check=False)
        self.assertIn("error", refused, "the form wants a name")
        server.troupe("respond", "t", "--answer-json", '{"name": "Ada"}')
        task = server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task)
        self.assertIn("Name: Ada", json.dumps(server.troupe("trace", "t", "--full")))

    def test_sampling_counts_against_the_task(self):
        server = self.serve({"assistant": [use("every.trigger-sampling-request", prompt="hi", maxTokens=10), "Done."],
                             "sampling": ["Hello yourself."]}, self.everything(sampling="allow"))
        server.submit_spec(chat("every.trigger-sampling-request"))
        task = server.wait()
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task)
        self.assertEqual(int(task["usage"]["model_calls"]), 3, task)
        by_role = {row.get("group"): row for row in server.troupe("usage", "--by", "role")["rows"]}
        self.assertIn("sampling", by_role)
        self.assertIn("Hello yourself.", json.dumps(server.troupe("trace", "t", "--full")))

    def test_sampling_stops_at_the_budget(self):
        server = self.serve({"assistant": [use("every.trigger-sampling-request", prompt="hi", maxTokens=10), "Done."],
                             "sampling": ["Hello yourself."]}, self.everything(sampling="allow"))
        server.submit_spec({**chat("every.trigger-sampling-request"), "budget": {"max_model_calls": 1}})
        self.assertEqual(server.wait()["state"], "STATE_STOPPED")


if __name__ == "__main__":
    harness.main()
