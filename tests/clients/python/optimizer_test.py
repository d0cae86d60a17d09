#!/usr/bin/env python3
"""The package's Optimizer against a server that is only a script: connections that break, steps that take long or fail,
and values that are not what they should be."""
import concurrent.futures
import unittest

import installed  # noqa: F401

import grpc
from troupe.trace import Optimizer, OptimizerError, Tape, TraceError, node
from troupe.trace import connection
from troupe.v1 import graph_pb2, optimizer_service_pb2 as pb, optimizer_service_pb2_grpc


class ScriptedServer(optimizer_service_pb2_grpc.OptimizerServiceServicer):
    """Makes steps that add one to x, and does first what `script` says: "broken", "running" or "failed"."""

    def __init__(self):
        self.script, self.requests, self.created, self.running = [], [], [], {}
        self.grpc = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        optimizer_service_pb2_grpc.add_OptimizerServiceServicer_to_server(self, self.grpc)
        self.address = f"127.0.0.1:{self.grpc.add_insecure_port('127.0.0.1:0')}"
        self.grpc.start()

    def CreateOptimizer(self, request, context):
        self.created.append(request)
        if len(self.created) > 1:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "is there")
        return pb.CreateOptimizerResponse()

    def GetOptimizer(self, request, context):
        return pb.GetOptimizerResponse(optimizer=pb.Optimizer(name=request.name, steps=7))

    def Step(self, request, context):
        self.requests.append(request)
        what = self.script.pop(0) if self.script else ""
        if what == "broken":
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        if what == "refused":
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the budget is used up")
        x = request.graph.nodes[0].value
        new = graph_pb2.GraphValue(int_value=x.int_value + 1)
        if what == "wrong type":
            new.text = "many"
        step = pb.OptimizerStep(name=f"{request.name}/steps/1", state=pb.OptimizerStep.STATE_SUCCEEDED, kind=1)
        step.changes.add(name=request.graph.nodes[0].name, old_value=x, new_value=new)
        if what == "failed":
            step.state, step.error.message = pb.OptimizerStep.STATE_FAILED, "the model said nothing"
        if what == "running":
            self.running[step.name] = pb.OptimizerStep.FromString(step.SerializeToString())
            step.state = pb.OptimizerStep.STATE_RUNNING
            step.ClearField("changes")
        return pb.StepResponse(step=step)

    def GetStep(self, request, context):
        return pb.GetStepResponse(step=self.running[request.name])

    def ListSteps(self, request, context):
        number = int(request.page_token or 1)
        step = pb.OptimizerStep(name=f"{request.parent}/steps/{number}")
        return pb.ListStepsResponse(steps=[step], next_page_token=str(number + 1) if number < 3 else "")


class OptimizerTest(unittest.TestCase):
    def setUp(self):
        tape = Tape()
        tape.__enter__()
        self.addCleanup(tape.__exit__)
        self.server = ScriptedServer()
        self.addCleanup(self.server.grpc.stop, None)
        self.x = node(1, name="x", trainable=True)
        self.optimizer = self.make()

    def make(self, **options):
        optimizer = Optimizer([self.x], server=self.server.address, **{"patience": 30, **options})
        self.addCleanup(optimizer.close)
        return optimizer

    def run_program(self):
        self.optimizer.zero_feedback()
        (self.x * 2).backward("more")

    def ids(self):
        return [each.request_id for each in self.server.requests]

    def test_a_connection_that_breaks_is_the_same_step(self):
        self.server.script = ["broken", "broken", ""]
        self.run_program()
        self.assertTrue(self.optimizer.step())
        self.assertEqual((self.x.value, len(self.ids()), len(set(self.ids()))), (2, 3, 1))
        self.run_program()
        self.optimizer.step()
        self.assertEqual(len(set(self.ids())), 2)

    def test_who_gave_up_goes_on_with_the_same_step_unless_it_is_another(self):
        self.optimizer = self.make(patience=0)
        self.server.script = ["broken", "broken"]
        self.run_program()
        for _ in range(2):
            with self.assertRaisesRegex(OptimizerError, "no server at"):
                self.optimizer.step()
        self.optimizer.step()
        self.assertEqual((len(self.ids()), len(set(self.ids()))), (3, 1))
        self.server.script = ["broken"]
        self.run_program()
        with self.assertRaises(OptimizerError):
            self.optimizer.step()
        (self.x * 3).backward("still more")
        self.optimizer.step()
        self.assertEqual(len(set(self.ids())), 3)

    def test_a_step_that_takes_long_is_waited_for(self):
        self.server.script = ["running"]
        self.run_program()
        self.assertEqual(self.optimizer.step().changes["x:0"].new, 2)
        self.assertEqual(self.server.requests[0].wait.seconds, int(connection.WAIT_SECONDS))

    def test_what_goes_wrong_changes_nothing_and_says_why(self):
        for what, code, message in (("failed", "STEP_FAILED", "step 1 failed: the model said nothing"),
                                    ("refused", "RESOURCE_EXHAUSTED", "the budget is used up")):
            self.server.script = [what]
            self.run_program()
            with self.assertRaisesRegex(OptimizerError, message) as caught:
                self.optimizer.step()
            self.assertEqual((caught.exception.code, self.x.value), (code, 1))
        self.server.script = ["wrong type"]
        with self.assertRaisesRegex(TypeError, "x:0"):
            self.optimizer.step()
        self.assertEqual(self.x.value, 1)

    def test_an_optimizer_is_made_once_and_as_asked(self):
        optimizer = self.make(kind="opro", memory=3, objective="o", optimizer_id="mine", model="big", seed=4,
                              budget={"max_model_calls": 9})
        self.run_program()
        optimizer.step()
        self.run_program()
        optimizer.step()
        self.assertEqual(len(self.server.created), 1)
        made = self.server.created[0]
        self.assertEqual((made.optimizer_id, made.settings.config.memory, made.settings.config.objective,
                          made.settings.budget.max_model_calls, made.settings.seed, dict(made.settings.models)),
                         ("mine", 3, "o", 9, 4, {"optimizer": "big"}))
        again = self.make(optimizer_id="mine")
        self.run_program()
        again.step()
        self.assertEqual(self.server.requests[-1].name, "optimizers/mine")

    def test_steps_come_in_pages(self):
        self.assertEqual([each.number for each in self.optimizer.steps()], [1, 2, 3])

    def test_bypassing_leaves_the_values(self):
        self.run_program()
        step = self.optimizer.step(bypassing=True)
        self.assertEqual(self.x.value, 1)
        self.optimizer.update(step)
        self.assertEqual(self.x.value, 2)

    def test_what_cannot_be_optimized_is_refused_at_once(self):
        for parameters, error, what in (([], ValueError, "at least one"), ([node(1)], TypeError, "no parameter"),
                                        ([node(object(), trainable=True)], TypeError, "object:0"),
                                        ([node(float("nan"), trainable=True)], TypeError, "float:0"),
                                        ([node("\ud800", trainable=True)], TypeError, "str:0")):
            with self.assertRaisesRegex(error, what):
                Optimizer(parameters)
        with self.assertRaisesRegex(ValueError, "optoprime_multi"):
            self.make(kind="sgd")
        with Tape():
            again = node(1, name="x", trainable=True)
        with self.assertRaisesRegex(TraceError, "two parameters are called x:0"):
            Optimizer([self.x, again])
        with self.assertRaisesRegex(TraceError, "call backward"):
            self.optimizer.step()


if __name__ == "__main__":
    unittest.main(verbosity=2)
