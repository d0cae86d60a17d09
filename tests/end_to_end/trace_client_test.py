#!/usr/bin/env python3
"""Programs that learn: what they did is recorded here, and a real server's optimizer, whose model is a script, changes
their parameters. With a server that is killed in the middle of a step, and the example in C++."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import unittest.mock
import uuid

from harness import BINARIES, SOURCE, ModelServer, Server, main, patience
from provider_test import install_package

PACKAGE = pathlib.Path(tempfile.mkdtemp(prefix="troupe-python-"))
unittest.addModuleCleanup(shutil.rmtree, PACKAGE, ignore_errors=True)
install_package(PACKAGE)
sys.path.insert(0, str(PACKAGE))
from troupe.trace import (ExceptionNode, ExecutionError, Optimizer, OptimizerError, Sandbox, Tape, TraceError, bundle,  # noqa: E402
                          node)


def prompt_of(request):
    return request["messages"][-1]["content"]


def variable(prompt, name):
    """A number among the variables of the problem that was asked last."""
    return float(re.findall(rf"\((?:int|float)\) {name}=(-?[\d.]+)", prompt)[-1])


def reply(reasoning, **values):
    return json.dumps({"reasoning": reasoning, "answer": "", "suggestion": values})


def larger(request):
    """x and one; whole if it is."""
    x = variable(prompt_of(request), "x0")
    return reply("one more", x0=x + 1 if x % 1 else int(x) + 1)


FIXED = 'def share(total, people):\n    """What each pays."""\n    return total / people'


@bundle(trainable=True)
def share(total, people):
    """What each pays."""
    rest = people - 2
    return total / rest


class TraceClientTest(unittest.TestCase):
    def start(self, answer, delay=0.0):
        self.model = ModelServer(answer, delay)
        self.addCleanup(self.model.close)
        self.server = Server({"main": {"kind": "openai", "url": self.model.url, "model": "m"}}, extra="[sandbox]\npreload = []")
        self.addCleanup(self.server.close)
        config = self.server.folder / "troupe.toml"  # it keeps its port when it is started again
        config.write_text(config.read_text().replace("127.0.0.1:0", self.server.address))
        tape = Tape()
        tape.__enter__()
        self.addCleanup(tape.__exit__)

    def optimizer(self, *parameters, **options):
        optimizer = Optimizer(parameters, server=self.server.address, patience=patience(60), **options)
        self.addCleanup(optimizer.close)
        return optimizer

    def learn(self, optimizer, x, steps):
        made = []
        for _ in range(steps):
            y = (x + node(1, name="b")) - node(2, name="c")
            optimizer.zero_feedback()
            y.backward("y should be larger")
            made.append(optimizer.step(score=y.value))
        return made

    # --- trainable code in the server's sandbox ---

    def trainable(self, function, **options):
        sandbox = Sandbox(self.server.address, timeout=5, patience=patience(60), **options)
        self.addCleanup(sandbox.close)
        return bundle(trainable=True, sandbox=sandbox)(function)

    def test_code_in_the_sandbox_gives_values_and_fails_at_its_line(self):
        self.start(larger)

        def tally(words, times=1):
            import collections
            counted = collections.Counter(words)
            if times > 5:
                raise KeyError("too often")
            return {"most": counted.most_common(1)[0][0], "half": len(words) / 2, "big": 2**60 + 1, "times": times}
        tally = self.trainable(tally)
        self.assertEqual(tally(["a", "b", "a"], times=2).value, {"most": "a", "half": 1.5, "big": 2**60 + 1, "times": 2})
        with self.assertRaises(ExecutionError) as failed:
            tally(["a"], 6)
        exception = failed.exception.exception_node
        self.assertEqual((exception.error_type, exception.message, exception.line), ("KeyError", "'too often'", 5))
        self.assertIn('raise KeyError("too often")   <-- fails here', exception.create_feedback("full"))
        with self.assertRaisesRegex(TraceError, "arguments must be"):
            tally({1, 2})
        tally.parameter._set("def tally(words, times=1):\n    return (")
        with self.assertRaises(ExecutionError) as broken:
            tally([])
        self.assertEqual(broken.exception.exception_node.error_type, "SyntaxError")
        self.assertEqual(self.server.troupe("tasks", "--filter", "kind = workflow").get("tasks", []), [])  # all are gone
        with self.assertRaisesRegex(TypeError, "for trainable code"):
            bundle(sandbox=Sandbox(self.server.address))(larger)

    def test_code_that_means_harm_stays_in_the_sandbox(self):
        """What the optimizer suggests for a function of this process reads, writes, calls home, kills and never ends: nothing
        of it is felt here, and how it failed is the feedback."""
        secret, dropped = self.start_with_secret()
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(0.2)
        harm = [f"open({str(secret)!r}).read()", f"open({str(dropped)!r}, 'w').write('x')",
                f"__import__('socket').create_connection(('127.0.0.1', {listener.getsockname()[1]}), 1)",
                f"__import__('os').kill({os.getpid()}, 9)", "__import__('os')._exit(3)", "[x for x in iter(int, 1)]"]
        suggested = []

        def answer(request):
            suggested.append(prompt_of(request))
            return reply("mischief", __code0=f"def work(text):\n    return {harm[len(suggested) - 1]}")
        self.model.answer_with = answer

        def work(text):
            return text
        work = self.trainable(work)
        optimizer = self.optimizer(work.parameter)
        output = work("hello")
        for expression in harm:
            optimizer.zero_feedback()
            output.backward("" if isinstance(output, ExceptionNode) else "do more")
            optimizer.step()
            self.assertIn(expression, work.parameter.value)
            with self.assertRaises(ExecutionError) as failed:
                work("hello")
            output = failed.exception.exception_node
            self.assertNotIn("the secret", output.value)
        for told, error in zip(suggested[1:], ("FileNotFoundError|PermissionError", "FileNotFoundError|PermissionError|OSError",
                                               "OSError|ConnectionRefusedError", "ProcessLookupError|PermissionError")):
            self.assertRegex(told, rf"\(({error})\) ")
            self.assertIn("<-- fails here", told)
        self.assertFalse(dropped.exists())
        with self.assertRaises(TimeoutError):
            listener.accept()

    def start_with_secret(self):
        self.start(lambda request: self.model.answer_with(request))
        secret = self.server.folder / "secret.txt"
        secret.write_text("the secret")
        return secret, self.server.folder / "dropped.txt"

    def test_steps_make_the_output_what_it_should_be(self):
        self.start(larger)
        x = node(-1, name="x", trainable=True)
        optimizer = self.optimizer(x, memory=2, objective="Make y large.")
        steps = self.learn(optimizer, x, 4)
        self.assertEqual(x.value, 3)
        self.assertEqual([(each.number, each.changes["x:0"].old, each.changes["x:0"].new) for each in steps],
                         [(1, -1, 0), (2, 0, 1), (3, 1, 2), (4, 2, 3)])
        self.assertEqual(steps[0].reasoning, "one more")
        self.assertTrue(steps[0].task.startswith("tasks/"))
        prompt = prompt_of(json.loads(self.model.requests[-1]))
        for shown in ("Make y large.", "add3 = add(x=x0, y=b3)", "subtract3 = subtract(x=add3, y=c3)",
                      "y should be larger", "(int) x0=2"):
            self.assertIn(shown, prompt)
        self.assertEqual([each.number for each in optimizer.steps()], [1, 2, 3, 4])
        self.assertEqual(optimizer.steps()[1].score_before, -1)
        # Back and forth.
        optimizer.revert(reason="too far")
        self.assertEqual(x.value, 2)
        optimizer.revert(0)
        self.assertEqual(x.value, -1)
        best = optimizer.best(restore=True)
        self.assertEqual((best.values["x:0"], best.score, x.value), (2, 1.0, 2))
        # It goes on in another process of the same program.
        again = self.optimizer(x, optimizer_id=optimizer.name.partition("/")[2])
        self.assertEqual(self.learn(again, x, 1)[0].number, optimizer.steps()[-1].number)
        self.assertEqual(x.value, 3)

    def test_a_step_may_be_looked_at_before_it_is_made(self):
        self.start(larger)
        x = node(-1, name="x", trainable=True)
        optimizer = self.optimizer(x)
        (x + 1).backward("more")
        step = optimizer.step(bypassing=True)
        self.assertEqual((x.value, step.changes["x:0"].new), (-1, 0))
        optimizer.update(step)
        self.assertEqual(x.value, 0)

    def test_how_it_failed_is_feedback(self):
        self.start(larger)
        x = node(4, name="x", trainable=True)
        optimizer = self.optimizer(x)
        try:
            node(1, name="one") / (x - 4)
        except ExecutionError as error:
            error.exception_node.backward()
        optimizer.step()
        self.assertEqual(x.value, 5)
        prompt = prompt_of(json.loads(self.model.requests[0]))
        self.assertIn("(ZeroDivisionError) division by zero", prompt)
        self.assertIn("exception_divide0 = divide(x=one0, y=subtract0)", prompt)

    def test_code_is_mended(self):
        self.start(lambda request: reply("people must not be zero", __code0=FIXED))
        with self.assertRaises(ExecutionError) as caught:
            share(30, 2)
        optimizer = self.optimizer(share.parameter)
        caught.exception.exception_node.backward()
        step = optimizer.step()
        self.assertEqual(share(30, 2).value, 15)
        self.assertIn("-    return total / rest", step.changes["__code:0"].diff)
        prompt = prompt_of(json.loads(self.model.requests[0]))
        self.assertRegex(prompt, r"return total / rest +<-- fails here: \(ZeroDivisionError\) division by zero")

    def test_a_value_of_another_type_is_not_taken(self):
        self.start(lambda request: reply("why not", x0="many"))
        x = node(4, name="x", trainable=True)
        optimizer = self.optimizer(x)
        (x + 1).backward("more")
        step = optimizer.step()
        self.assertFalse(step)
        self.assertEqual(x.value, 4)
        self.assertTrue(step.refused)

    def test_a_server_that_refuses_says_why(self):
        self.start(larger)
        x = node(4, name="x", trainable=True)
        (x + 1).backward("more")
        with self.assertRaisesRegex(OptimizerError, "memory") as caught:
            self.optimizer(x, memory=-1).step()
        self.assertEqual(caught.exception.code, "INVALID_ARGUMENT")

    def test_a_kill_in_the_middle_of_a_step_is_paid_once(self):
        asked, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def answer(request):
            asked.set()
            go_on.wait(patience(60))
            return larger(request)
        self.start(answer)
        x = node(-1, name="x", trainable=True)
        optimizer = self.optimizer(x)
        (x + 1).backward("more")
        made = []
        thread = threading.Thread(target=lambda: made.append(optimizer.step()))
        thread.start()
        self.assertTrue(asked.wait(patience(30)))
        self.server.stop(signal.SIGKILL)
        go_on.set()
        self.server.start()
        thread.join(patience(90))
        self.assertEqual((x.value, made[0].number, made[0].model_calls), (0, 1, 1))
        self.assertEqual(len(optimizer.steps()), 1)

    def test_the_same_step_is_not_paid_twice_however_the_server_ended(self):
        self.start(larger)
        x = node(-1, name="x", trainable=True)
        optimizer = self.optimizer(x)
        (x + 1).backward("more")
        with unittest.mock.patch("uuid.uuid4", return_value=uuid.uuid4()):
            first = optimizer.step()
            self.server.stop(signal.SIGKILL)
            self.server.start()
            x._set(-1)  # as if the answer had not come
            again = optimizer.step()
        self.assertEqual((again, x.value), (first, 0))
        self.assertEqual(len(self.model.requests), 1)

    def test_the_example_of_the_docs_learns(self):
        self.start(larger)
        docs = (SOURCE / "docs/trace-clients.md").read_text()
        program = re.search(r"```python\n(import sys\n.*?)```", docs, re.DOTALL)
        file = self.server.folder / "learn.py"
        file.write_text(program.group(1))
        done = subprocess.run([sys.executable, file, self.server.address], capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(PACKAGE)}, timeout=patience(60))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [
            "x = -1.0, y = -1.0", "one more", "x = 0.0, y = 1.0", "one more", "x = 1.0, y = 3.0", "one more",
            "x = 2.0, y = 5.0", "one more", "x = 3.0, y = 7.0"])

    def test_a_program_in_cpp_learns(self):
        self.start(larger)
        done = subprocess.run([BINARIES / "learn", self.server.address], capture_output=True, text=True,
                              timeout=patience(60))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.splitlines()[-1], "x = 3, y = 7")
        prompt = prompt_of(json.loads(self.model.requests[0]))
        for shown in ("scale0 = scale(x=x0, z=z0)", "[scale] The product of x and z.", "between -10 and 10"):
            self.assertIn(shown, prompt)

    def test_code_of_a_program_in_cpp_runs_in_the_sandbox(self):
        """What the optimizer suggests first does harm, then is of another type, then is right."""
        secret, dropped = self.start_with_secret()
        ways = [f"open({str(dropped)!r}, 'w').write(open({str(secret)!r}).read())", "str(x)", "x * k"]
        suggested = []

        def answer(request):
            suggested.append(prompt_of(request))
            return reply("a way", rule0=f"def rule(x, k):\n    return {ways[len(suggested) - 1]}")
        self.model.answer_with = answer
        done = subprocess.run([BINARIES / "sandboxed_rule", self.server.address], capture_output=True, text=True,
                              timeout=patience(60))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        first, harm, other, last = done.stdout.splitlines()
        self.assertEqual((float(first), float(last)), (7, 12))
        self.assertRegex(harm, "FileNotFoundError|PermissionError")
        self.assertRegex(other, r"\(TypeError\) rule returns \"4(\.0)?\", which is of another type")
        self.assertIn("eval0 = eval(x=x0, k=k0, __code=rule0)", suggested[0])
        self.assertIn("<-- fails here", suggested[1])
        self.assertFalse(dropped.exists())
        self.assertEqual(self.server.troupe("tasks", "--filter", "kind = workflow").get("tasks", []), [])


if __name__ == "__main__":
    main()
