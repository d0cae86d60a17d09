#!/usr/bin/env python3
"""Faults at chosen moments: what chance would seldom hit, and what must then be said and done."""
import contextlib
import ctypes
import errno
import json
import pathlib
import random
import signal
import sqlite3
import time
import unittest

import checks
import faults
import record
import shim
from kinds import Kind, call
from patience import patience
from world import BINARIES, World

PATIENCE = 60
PR_SET_CHILD_SUBREAPER = 36


def one_call(tool, **arguments):
    """A chat in which the model makes one call and then repeats what it was told."""

    def answer(tools, request):
        told = [message["content"] for message in request["messages"] if message["role"] == "tool"]
        if told:
            return {"content": "told: " + told[0]}
        filled = {name: value.replace("TOOLS", tools) for name, value in arguments.items()}
        return {"content": "", "tool_calls": [call(1, tool, **filled)]}

    return Kind(lambda tools: {"chat": {"turns": ["Do it"], "tools": [tool]}}, answer, "", {})


POST = one_call("http_request", method="POST", url="TOOLS/orders", body="order")
LONG_CELL = one_call("python", code="import time\ntime.sleep(300)")
WORD = Kind(lambda tools: {"chat": {"turns": ["Say it"]}}, lambda tools, request: {"content": "said"}, "said", {})


class PatientWorld(World):
    """Its person answers nothing by himself."""

    def on_question(self, name):
        pass


class DirectedTest(unittest.TestCase):
    def setUp(self):
        # Orphans of a killed server become children of this process, where they are seen.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def world(self, kind, fault=None, hold=None):
        world = PatientWorld(kind, fault or faults.Fault(), random.Random(1), hold)
        self.addCleanup(world.close)
        if hold is not None:
            world.wait_for_moment(PATIENCE)
        return world

    def question_of(self, world):
        task = world.server.wait("t", seconds=PATIENCE, states=("STATE_INPUT_REQUIRED",))
        return task["pending_questions"][0]

    def succeeds(self, world):
        task = world.wait_for_end(PATIENCE)
        self.assertEqual(task["state"], "STATE_SUCCEEDED", task.get("error"))
        self.assertEqual(world.end_life(signal.SIGTERM), 0)
        recorded = record.read(world.data, copied=True)
        self.assertEqual(checks.dense(recorded), [])
        self.assertEqual(recorded.integrity, "ok")
        self.assertEqual(world.wrong, [])
        return task["result"]["text"]

    # --- a call that may not be repeated, interrupted in the middle ---

    def interrupted_post(self):
        world = self.world(POST, hold=(2, "received"))  # the first request is the model's
        world.end_life(signal.SIGKILL)
        world.gate.release()
        world.restart()
        question = self.question_of(world)
        self.assertEqual(question["kind"], "KIND_INTERRUPTED_CALL")
        self.assertEqual(json.loads(question["detail_json"])["arguments"]["body"], "order")
        world.tools.settle()
        self.assertEqual(world.tools.counts["order"], 1)
        return world

    def test_a_person_says_retry(self):
        world = self.interrupted_post()
        world.server.troupe("respond", "t", '"retry"', "--answer-json")
        self.assertIn("told: HTTP 200", self.succeeds(world))
        self.assertEqual(world.tools.counts["order"], 2)

    def test_a_person_says_skip(self):
        world = self.interrupted_post()
        world.server.troupe("respond", "t", '"skip"', "--answer-json")
        self.assertIn("a person decided to go on without its result", self.succeeds(world))
        self.assertEqual(world.tools.counts["order"], 1)

    def test_a_person_supplies_the_result(self):
        world = self.interrupted_post()
        world.server.troupe("respond", "t", '{"result": {"status": 201, "body": "seen by hand"}}', "--answer-json")
        self.assertIn("seen by hand", self.succeeds(world))
        self.assertEqual(world.tools.counts["order"], 1)

    def test_other_answers_are_refused(self):
        world = self.interrupted_post()
        for answer in ('"perhaps"', '{"outcome": 1}', "3"):
            refused = world.server.troupe("respond", "t", answer, "--answer-json", check=False)
            self.assertEqual(refused["error"]["code"], "INVALID_ARGUMENT", answer)
        world.server.troupe("respond", "t", '"skip"', "--answer-json")
        self.succeeds(world)

    def test_interrupted_again_it_asks_again(self):
        world = self.interrupted_post()
        first = self.question_of(world)["name"]
        world.gate.set_trap(2, "received")
        world.server.troupe("respond", "t", '"retry"', "--answer-json")
        world.wait_for_moment(PATIENCE)
        world.end_life(signal.SIGKILL)
        world.gate.release()
        world.restart()
        self.assertNotEqual(self.question_of(world)["name"], first)
        world.server.troupe("respond", "t", '"skip"', "--answer-json")
        self.succeeds(world)
        self.assertEqual(world.tools.counts["order"], 2)

    def test_the_question_outlives_the_server(self):
        world = self.interrupted_post()
        first = self.question_of(world)["name"]
        world.end_life(signal.SIGKILL)
        world.restart()
        self.assertEqual(self.question_of(world)["name"], first)
        world.server.troupe("respond", "t", '"skip"', "--answer-json")
        self.succeeds(world)

    # --- the sandbox ---

    def test_a_running_cell_dies_with_the_server(self):
        for how in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(how=how):
                world = self.world(LONG_CELL)
                end = time.monotonic() + patience(PATIENCE)
                while not self.cell_runs(world) and time.monotonic() < end:
                    time.sleep(0.05)
                world.end_life(how)  # looks for processes that are left
                self.assertEqual(world.wrong, [])
                self.assertEqual([kind for _, kind in world.read_record().open], [record.TOOL_CALL])
                world.restart()
                world.server.troupe("cancel", "t")
                self.assertEqual(world.wait_for_end(PATIENCE)["state"], "STATE_CANCELLED")

    def cell_runs(self, world):
        states = world.data / "tasks/t/states"
        return states.exists() and any(states.iterdir())

    # --- a store that takes no writes ---

    def stop_while_it_cannot_write(self, world):
        """After the model's first reply has come, which cannot be recorded."""
        with self.unwritable(world):
            world.gate.release()
            self.assertFalse(world.watcher.wait_for(lambda: world.ended(), 1))
            self.assertEqual(world.end_life(signal.SIGTERM), 0)
        self.assertEqual(world.wrong, [])
        world.restart()
        self.assertEqual(self.succeeds(world), "said")

    @contextlib.contextmanager
    def unwritable(self, world):
        other = sqlite3.connect(world.data / "troupe.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()

    def test_a_polite_stop_while_the_database_is_busy(self):
        self.stop_while_it_cannot_write(self.world(WORD, hold=(1, "received")))

    def test_a_polite_stop_while_a_task_waits_for_the_store(self):
        self.stop_while_it_cannot_write(self.world(WORD, faults.DatabaseBusy(give_up=0.2), hold=(1, "received")))

    def test_a_task_without_a_store_waits_and_can_be_cancelled(self):
        world = self.world(WORD, faults.DatabaseBusy(give_up=0.2), hold=(1, "received"))
        with self.unwritable(world):
            world.gate.release()
            self.assertFalse(world.watcher.wait_for(lambda: world.ended(), 2))
            self.assertEqual(world.show()["state"], "STATE_RUNNING")
            refused = world.server.troupe("submit", "another", check=False)
            self.assertEqual((refused["error"]["code"], refused["error"]["reason"]), ("UNAVAILABLE", "STORE_READ_ONLY"))
        with contextlib.suppress(AssertionError):  # it may have ended just now
            world.server.troupe("cancel", "t")
        task = world.wait_for_end(PATIENCE)
        self.assertIn(task["state"], ("STATE_CANCELLED", "STATE_SUCCEEDED"))
        self.assertEqual(world.end_life(signal.SIGTERM), 0)
        recorded = record.read(world.data, copied=True)
        self.assertEqual(checks.dense(recorded), [])
        self.assertEqual(world.watcher.sequences, recorded.sequences)

    # --- stops ---

    def test_a_terminal_that_goes_is_a_polite_stop(self):
        world = self.world(WORD, hold=(1, "received"))
        self.assertEqual(world.end_life(signal.SIGHUP), 0)
        world.gate.release()
        world.restart()
        self.assertEqual(self.succeeds(world), "said")

    def test_a_stop_while_it_starts(self):
        world = self.world(WORD, hold=(1, "received"))
        world.end_life(signal.SIGKILL)
        world.gate.release()
        with self.unwritable(world):
            world.launch()
            self.wait_until_it_takes_signals(world)  # and then for the store
            began = time.monotonic()
            self.assertEqual(world.end_life(signal.SIGTERM), 0)
            self.assertLess(time.monotonic() - began, patience(2))
        world.restart()
        self.assertEqual(self.succeeds(world), "said")

    def wait_until_it_takes_signals(self, world):
        status = pathlib.Path(f"/proc/{world.server.process.pid}/status")
        end = time.monotonic() + patience(PATIENCE)
        while time.monotonic() < end:
            blocked = next(line for line in status.read_text().splitlines() if line.startswith("SigBlk"))
            if int(blocked.split()[1], 16) & 1 << signal.SIGTERM - 1:
                return
            time.sleep(0.01)

    # --- the clock ---

    def test_time_outs_do_not_follow_the_clock(self):
        if why := shim.why_not(BINARIES):
            self.skipTest(why)
        fault = faults.Clock()
        fault.model_settings = {"first_byte_seconds": 0.5}
        world = self.world(WORD, fault, hold=(1, "received"))
        world.model.mischief.append((1, faults.never))
        world.page.set_clock(-3600)
        began = time.monotonic()
        world.gate.release()
        self.assertEqual(self.succeeds(world), "said")
        self.assertLess(time.monotonic() - began, patience(20))
        self.assertEqual(len(world.model.asked), 2)

    def test_a_disk_that_refuses_and_then_takes_writes(self):
        if why := shim.why_not(BINARIES):
            self.skipTest(why)
        world = self.world(WORD, faults.ReadOnly(give_up=0.2), hold=(1, "received"))
        world.page.set_write_error(errno.EROFS)
        world.gate.release()
        self.assertFalse(world.watcher.wait_for(lambda: world.ended(), 1.5))
        world.page.set_write_error(0)
        self.assertEqual(self.succeeds(world), "said")


if __name__ == "__main__":
    unittest.main(verbosity=2)
