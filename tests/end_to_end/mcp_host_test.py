"""`troupe mcp` used by the official SDKs' clients as any MCP host uses it, in both eras."""
import json
import subprocess
import unittest

import harness

INSTALL = harness.SOURCE / "tests/mcp/install-peers"
PEERS = harness.BINARIES.parent / "mcp_peers"
TOOLS = ["cancel_task", "get_task", "get_trace", "list_tasks", "respond_to_task", "search_spans", "submit_task",
         "wait_for_task"]


def setUpModule():
    done = subprocess.run([INSTALL, PEERS], capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest(f"no MCP clients from npm: {done.stdout}{done.stderr}")


def answer(request):
    """Says hello, or asks the user once and repeats the answer."""
    last = request["messages"][-1]
    if last["role"] == "tool":
        return f"You like {last['content'] if isinstance(last['content'], str) else last['content'][0]['text']}."
    if request.get("tools"):
        return {"content": None, "tool_calls": [{"id": "c", "type": "function", "function": {
            "name": "ask_user", "arguments": json.dumps({"question": "Which colour?"})}}]}
    return "Hello."


class McpHostTest(unittest.TestCase):
    def setUp(self):
        # Slow enough that something happens while a host waits.
        self.model = harness.ModelServer(answer, delay=0.3)
        self.addCleanup(self.model.close)
        self.server = harness.Server({"m": {"url": self.model.url}})
        self.addCleanup(self.server.close)

    def host(self, script, *mode):
        done = subprocess.run(["node", PEERS / "clients" / script, *mode, harness.BINARIES / "troupe", "--server",
                               self.server.address, "mcp"],
                              capture_output=True, text=True, timeout=harness.patience(120))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def check(self, seen):
        self.assertEqual(seen["server"], "troupe")
        self.assertEqual(seen["tools"], TOOLS)
        self.assertEqual(seen["hello"]["state"], "STATE_SUCCEEDED")
        self.assertEqual(seen["hello"]["result"]["text"], "Hello.")
        self.assertGreater(seen["progress"], 0)
        self.assertEqual(seen["asking"]["state"], "STATE_INPUT_REQUIRED")
        self.assertEqual(seen["asking"]["pending_questions"][0]["prompt"], "Which colour?")
        self.assertEqual(seen["answered"]["result"]["text"], "You like blue.")
        self.assertTrue(seen["aborted"].startswith("rejected"), seen["aborted"])
        self.assertIn(seen["stopping"].get("state"), ["STATE_CANCELLING", "STATE_CANCELLED"], seen["stopping"])
        self.assertEqual(seen["cancelled"]["state"], "STATE_CANCELLED")
        self.assertEqual(sorted(seen["tasks"]), ["tasks/asking", "tasks/hello", "tasks/stuck"])
        self.assertGreater(seen["hits"], 0)
        self.assertGreater(seen["spans"], 2)
        self.assertIn("NOT_FOUND", seen["wrong"]["failed"])
        self.assertIn("no argument 'taks'", seen["misspelt"]["failed"])
        self.assertEqual(seen["unknown"], "rejected: -32602")

    def test_legacy_sdk(self):
        seen = self.host("legacy.mjs")
        self.assertEqual(seen["version"], "2025-11-25")
        self.check(seen)

    def test_modern_sdk(self):
        seen = self.host("modern.mjs", "auto")
        self.assertEqual((seen["era"], seen["version"]), ("modern", "2026-07-28"))
        self.check(seen)

    def test_modern_sdk_in_the_legacy_era(self):
        seen = self.host("modern.mjs", "legacy")
        self.assertEqual((seen["era"], seen["version"]), ("legacy", "2025-11-25"))
        self.check(seen)

    def talk(self, *lines):
        """What is replied to lines on the standard input."""
        done = subprocess.run([harness.BINARIES / "troupe", "--server", self.server.address, "mcp"],
                              input="".join(line + "\n" for line in lines), capture_output=True, text=True,
                              timeout=harness.patience(30))
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_wrong_messages(self):
        meta = {"io.modelcontextprotocol/protocolVersion": "1900-01-01",
                "io.modelcontextprotocol/clientCapabilities": {}}
        replies = self.talk("{", "[]", '{"jsonrpc": "2.0", "id": {}, "method": "ping"}',
                            '{"jsonrpc": "2.0", "id": 1, "method": "resources/list"}',
                            json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": meta}}),
                            '{"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": 5}',
                            '{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}}',
                            '{"jsonrpc": "2.0", "id": 4, "result": {}}',
                            '{"jsonrpc": "2.0", "id": "five", "method": "ping"}')
        self.assertEqual([reply.get("error", {}).get("code") for reply in replies],
                         [-32700, -32600, -32600, -32601, -32022, -32602, None])
        self.assertIn("2026-07-28", replies[4]["error"]["data"]["supported"])
        self.assertEqual(replies[6]["id"], "five")


if __name__ == "__main__":
    harness.main()
