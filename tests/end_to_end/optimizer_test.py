#!/usr/bin/env python3
"""OptimizerService as a client has it: steps on graphs that it records, a server that is killed in the middle of
one, going back, and the best values by the scores that were told."""
import contextlib
import importlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
import xml.etree.ElementTree

import grpc

from harness import SOURCE, ModelServer, Server, main, patience


def stubs():
    """The protocol's modules, generated into a folder that lives as long as the test."""
    folder = tempfile.TemporaryDirectory(prefix="troupe-stubs-")
    protos = sorted(str(file) for file in (SOURCE / "proto/troupe").rglob("*.proto"))
    subprocess.run(["protoc", f"-I{SOURCE}/proto", f"--python_out={folder.name}", f"--grpc_python_out={folder.name}",
                    f"--plugin=protoc-gen-grpc_python={shutil.which('grpc_python_plugin')}", *protos,
                    str(SOURCE / "proto/google/rpc/status.proto")], check=True)
    sys.path.insert(0, folder.name)
    return folder, [importlib.import_module(f"troupe.v1.{name}") for name in
                    ("graph_pb2", "optimizer_pb2", "optimizer_service_pb2", "optimizer_service_pb2_grpc")]


FOLDER, (graph_pb, config_pb, pb, rpc) = stubs()
CODE = "def rule(n):\n    return n"
R_CODE = "rule <- function(n) n"
BROKEN = {"python": "def rule(n:\n    return", "r": "rule <- function(n, k) n"}
MENDED = {"python": "def rule(n):\n    return n * 2", "r": "rule <- function(n) {\n  n * 2\n}"}


def answer(request):
    """The optimizer: one more than x is, or the code that the feedback wants."""
    text = request["messages"][0]["content"]
    properties = request["response_format"]["json_schema"]["schema"]["properties"]["suggestion"]["properties"]
    suggestion = dict.fromkeys(properties)
    # The values as they are come first, values that were tried before later.
    if "x0" in suggestion:
        suggestion["x0"] = int(re.findall(r"\(int\) x0=(-?\d+)", text)[-1]) + 1
    if "rule0" in suggestion:
        mended = len(request["messages"]) > 1
        language = "r" if "function(n)" in text else "python"
        suggestion["rule0"] = MENDED[language] if mended else BROKEN[language]
    return json.dumps({"reasoning": "one more", "answer": "", "suggestion": suggestion})


def graph(x, code=""):
    """y = x + b, or y = rule(x) with the rule's code trainable."""
    message = graph_pb.Graph()
    node = message.nodes.add(name="x", trainable=not code)
    node.value.int_value = x
    if code:
        rule = message.nodes.add(name="rule", trainable=True)
        rule.value.code = code
    else:
        message.nodes.add(name="b").value.int_value = 2
    out = message.nodes.add(name="y", operator="eval" if code else "add")
    out.value.int_value = x if code else x + 2
    out.inputs.add(name="x", node=0)
    out.inputs.add(name="code" if code else "y", node=1)
    return message


class OptimizerTest(unittest.TestCase):
    def start(self, delay=0.0, **config):
        self.model = ModelServer(answer, delay)
        self.addCleanup(self.model.close)
        self.server = Server({"main": {"kind": "openai", "url": self.model.url, "model": "m"}})
        self.addCleanup(self.server.close)
        self.connect()
        settings = pb.OptimizerSettings(title="a test", config=config_pb.OptimizerConfig(**config))
        self.name = self.stub.CreateOptimizer(
            pb.CreateOptimizerRequest(optimizer_id="o", settings=settings)).optimizer.name

    def connect(self):
        channel = grpc.insecure_channel(self.server.address)
        self.addCleanup(channel.close)
        self.stub = rpc.OptimizerServiceStub(channel)

    def request(self, x, feedback="Too small.", **more):
        request = pb.StepRequest(name=self.name, graph=graph(x, more.pop("code", "")), **more)
        request.feedback.add(output=2, feedback=feedback)
        return request

    def step(self, x, **more):
        request = self.request(x, **more)
        request.wait.seconds = 30
        return self.stub.Step(request, timeout=patience(40)).step

    def test_steps_change_values_and_remember_what_was_tried(self):
        self.start()
        first = self.step(1, score=0.1)
        self.assertEqual(first.state, pb.OptimizerStep.STATE_SUCCEEDED, first.error)
        self.assertEqual(first.changes[0].name, "x:0")
        self.assertEqual(first.changes[0].new_value.int_value, 2)
        self.assertIn("-1\n+2\n", first.changes[0].diff)
        self.assertEqual(first.reasoning, "one more")
        second = self.step(2, score=0.5, feedback="Still too small.", context="It is near 3.")
        self.assertEqual(second.changes[0].new_value.int_value, 3)
        shown = json.loads(self.model.requests[-1])["messages"][0]["content"]
        self.assertIn("Feedback: Too small.", shown)
        self.assertIn("It is near 3.", shown)
        optimizer = self.stub.GetOptimizer(pb.GetOptimizerRequest(name=self.name)).optimizer
        self.assertEqual((optimizer.steps, optimizer.usage.model_calls, optimizer.parameters[0].value.int_value),
                         (2, 2, 3))
        text = self.server.print("optimizer", "show", "o")
        self.assertIn("+2", text)
        markdown = self.server.print("optimizer", "show", "o", "--markdown")
        self.assertIn("`x:0`\n\n```diff\n--- before\n+++ after\n@@ -1,1 +1,1 @@\n-1\n+2\n```\n", markdown)
        listed = self.server.print("optimizer", "list")
        self.assertIn("o  optoprime, 2 steps", listed)
        self.assertIn("\n    (to make the output better", listed)
        other = pb.OptimizerSettings(config=config_pb.OptimizerConfig(
            algorithm=config_pb.OptimizerConfig.ALGORITHM_OPRO, objective="Come near\nto 7."))
        self.stub.CreateOptimizer(pb.CreateOptimizerRequest(optimizer_id="other", settings=other))
        self.assertRegex(self.server.print("optimizer", "list"), r"other  opro, 0 steps.*\n    Come near to 7\.")

    def test_the_picture_of_a_step_is_a_file_that_can_be_fetched(self):
        self.start()
        text = "<b>&\"'</b>\x01]]>"
        self.step(1, feedback=text)
        self.step(2, feedback="Still too small.")
        for args, x, thought in (((), "(int) 2", "Still too small."), (("--step", 1), "(int) 1", text.replace("\x01", " "))):
            file = self.server.folder / "program.svg"
            self.server.print("optimizer", "show", "o", "--svg", file, *args)
            texts = [each.text for each in xml.etree.ElementTree.parse(file).iter("{http://www.w3.org/2000/svg}text")]
            for wanted in ("x0", x, "y0 = add", thought):
                self.assertIn(wanted, texts)
        missing = self.server.troupe("optimizer", "show", "o", "--svg", file, "--step", 7, check=False)
        self.assertIn("there is no step 7", str(missing))

    def test_a_step_near_the_limits_of_size_can_be_read(self):
        """Its task would be over the 4 MiB that clients take by default."""
        self.start()
        self.step(1, feedback="f" * 250_000)  # remembered
        request = self.request(2, feedback="g" * 262_000)
        for i in range(46):
            request.graph.nodes.add(name="large").value.text = f"{i} " + "x" * 65_000
        made = request.graph.nodes.add(name="all", operator="gather")
        made.value.text = "y"
        for i in (0, *range(3, 49)):
            made.inputs.add(name=f"i{i}", node=i)
        for letter in "hkl":
            request.feedback.add(output=49, feedback=letter * 262_000)
        self.assertGreater(request.ByteSize(), 3_900_000)
        request.wait.seconds = 50
        step = self.stub.Step(request, timeout=patience(60)).step
        self.assertEqual(step.state, pb.OptimizerStep.STATE_SUCCEEDED, step.error)
        task = self.server.troupe("show", step.task.removeprefix("tasks/"))
        spec = task["spec"]["optimizer_step"]
        self.assertEqual(len(spec["graph"]["nodes"]), 50)
        self.assertRegex(spec["graph"]["nodes"][3]["value"]["text"], r"^0 x+\n\[\.\.\. \d+ bytes left out")
        self.assertEqual(task["result"]["optimizer_step"]["changes"][0]["new_value"]["int_value"], "3")
        replay = self.server.troupe("replay", task["name"].removeprefix("tasks/"))["name"].removeprefix("tasks/")
        self.assertEqual(self.server.wait(replay)["state"], "STATE_SUCCEEDED")

    def test_best_is_by_mean_score_and_revert_goes_back(self):
        self.start()
        with self.assertRaises(grpc.RpcError) as nothing:
            self.stub.GetBest(pb.GetBestRequest(name=self.name))
        self.assertEqual(nothing.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.step(1, score=0.2)
        self.step(2, score=0.9)
        for score in (0.4, 0.5):
            self.stub.ReportScore(pb.ReportScoreRequest(name=self.name + "/steps/2", score=score))
        best = self.stub.GetBest(pb.GetBestRequest(name=self.name))
        self.assertEqual((best.values[0].value.int_value, best.score, best.step), (2, 0.9, self.name + "/steps/1"))
        # A second run of the same values counts with the first.
        self.stub.ReportScore(pb.ReportScoreRequest(name=self.name + "/steps/1", score=0.1))
        best = self.stub.GetBest(pb.GetBestRequest(name=self.name))
        self.assertEqual((best.score, best.scores), (0.5, 2))
        back = self.stub.Revert(pb.RevertRequest(name=self.name, step=1, reason="better")).step
        self.assertEqual(back.values_after[0].value.int_value, 2)
        self.assertIn("back to step 1", self.server.print("optimizer", "show", "o"))
        start = self.server.troupe("optimizer", "revert", "o", 0)
        self.assertEqual(start["values_after"][0]["value"]["int_value"], "1")
        steps = self.stub.ListSteps(pb.ListStepsRequest(parent=self.name)).steps
        self.assertEqual([step.kind for step in steps], [1, 1, 2, 2])

    def test_code_is_parsed_in_the_sandbox_before_it_is_taken(self):
        self.start()
        step = self.step(1, code=CODE)
        self.assertEqual(step.state, pb.OptimizerStep.STATE_SUCCEEDED, step.error)
        self.assertEqual(step.changes[0].new_value.code, MENDED["python"])
        self.assertEqual(len(self.model.requests), 2)
        correction = json.loads(self.model.requests[1])["messages"][-1]["content"]
        self.assertIn("rule0: it does not parse", correction)
        self.assertIn("line 1", correction)

    def test_code_of_r_is_parsed_by_r_and_keeps_its_arguments(self):
        self.start(language="LANGUAGE_R")
        step = self.step(1, code=R_CODE)
        self.assertEqual(step.state, pb.OptimizerStep.STATE_SUCCEEDED, step.error)
        self.assertEqual([change.new_value.code for change in step.changes], [MENDED["r"]], step.refused)
        correction = json.loads(self.model.requests[1])["messages"][-1]["content"]
        self.assertIn("rule0: it must define rule(n)", correction)

    def test_a_formatter_runs_in_the_sandbox_and_may_refuse(self):
        self.start(projections=[{"parameter": "rule:*", "formatter": ["sed", "s/return/return  /"]}])
        step = self.step(1, code=CODE)
        self.assertEqual(step.changes[0].new_value.code, "def rule(n):\n    return   n * 2")
        settings = pb.OptimizerSettings()
        settings.config.projections.add(parameter="*", formatter=["sh", "-c", "echo not so >&2; exit 3"])
        self.name = self.stub.CreateOptimizer(pb.CreateOptimizerRequest(settings=settings)).optimizer.name
        step = self.step(1, code=CODE)
        self.assertEqual(len(step.changes), 0)
        self.assertIn("the formatter refuses it: not so", step.refused[0].reason)

    def test_a_kill_in_the_middle_of_a_step_pays_nothing_twice(self):
        self.start(delay=0.3, algorithm="ALGORITHM_OPTOPRIME_MULTI",
                   candidates={"count": 4, "generation": "GENERATION_REFINEMENT", "selection": "SELECTION_LAST"})
        request = self.request(1, request_id=str(uuid.uuid4()))
        begun = self.stub.Step(request).step
        self.assertEqual(begun.state, pb.OptimizerStep.STATE_RUNNING)
        with self.assertRaises(grpc.RpcError) as busy:
            self.stub.Step(self.request(5))
        self.assertEqual(busy.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
        end = time.monotonic() + patience(60)
        while len(self.model.requests) < 3 and time.monotonic() < end:
            time.sleep(0.005)
        self.server.stop(signal.SIGKILL)
        self.server.start()
        self.connect()
        # The client does not know whether its call arrived, and calls again.
        request.wait.seconds = 30
        step = self.stub.Step(request, timeout=patience(40)).step
        self.assertEqual((step.name, step.task), (begun.name, begun.task))
        self.assertEqual(step.state, pb.OptimizerStep.STATE_SUCCEEDED, step.error)
        self.assertEqual(step.usage.model_calls, 4)
        # Four calls, and the one that was under way again.
        self.assertEqual(len(self.model.requests), 5)
        self.assertEqual(len(set(self.model.requests)), 4)
        again = self.stub.Step(request).step
        self.assertEqual(again.name, step.name)
        self.assertEqual(len(self.stub.ListSteps(pb.ListStepsRequest(parent=self.name)).steps), 1)
        other = self.request(7, request_id=request.request_id)
        with self.assertRaises(grpc.RpcError) as reused:
            self.stub.Step(other)
        self.assertEqual(reused.exception.code(), grpc.StatusCode.ALREADY_EXISTS)

    def forget_tasks(self):
        """As if the server had been killed between making a step durable and making its task so."""
        self.server.stop(signal.SIGKILL)
        with contextlib.closing(sqlite3.connect(self.server.folder / "data/troupe.db")) as database:
            database.execute("UPDATE optimizer_steps SET running = 1")
            database.execute("DELETE FROM tasks WHERE kind = 'optimizer_step'")
            database.commit()
        self.server.start()
        self.connect()

    def test_a_step_that_was_cut_off_before_its_task_is_made_when_it_is_asked_for_again(self):
        self.start()
        request = self.request(1, request_id=str(uuid.uuid4()))
        request.wait.seconds = 30
        first = self.stub.Step(request, timeout=patience(40)).step
        self.forget_tasks()
        again = self.stub.Step(request, timeout=patience(40)).step
        self.assertEqual(again.state, pb.OptimizerStep.STATE_SUCCEEDED, again.error)
        self.assertEqual(again.name, first.name)
        self.assertNotEqual(again.task, first.task)
        # Nobody asks for it again: it failed, and the next one is made.
        self.forget_tasks()
        second = self.step(5)
        steps = self.stub.ListSteps(pb.ListStepsRequest(parent=self.name)).steps
        self.assertEqual([step.state for step in steps],
                         [pb.OptimizerStep.STATE_FAILED, pb.OptimizerStep.STATE_SUCCEEDED])
        self.assertEqual(second.changes[0].new_value.int_value, 6)

    def test_the_budget_is_for_all_steps(self):
        self.start()
        settings = pb.OptimizerSettings()
        settings.budget.max_model_calls = 2
        self.name = self.stub.CreateOptimizer(pb.CreateOptimizerRequest(settings=settings)).optimizer.name
        self.step(1)
        self.step(2)
        with self.assertRaises(grpc.RpcError) as over:
            self.step(3)
        self.assertEqual(over.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(len(self.model.requests), 2)

    def test_what_is_deleted_is_gone_and_its_task_stays(self):
        self.start()
        task = self.step(1).task
        self.server.troupe("optimizer", "delete", "o")
        with self.assertRaises(grpc.RpcError) as gone:
            self.stub.GetOptimizer(pb.GetOptimizerRequest(name=self.name))
        self.assertEqual(gone.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(self.server.troupe("show", task.removeprefix("tasks/"))["kind"], "optimizer_step")


if __name__ == "__main__":
    main()
