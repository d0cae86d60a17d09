#!/usr/bin/env python3
"""The package's recording of programs, without a server."""
import asyncio
import copy
import gc
import json
import pathlib
import tempfile
import threading
import unittest
import weakref

import installed  # noqa: F401

from troupe.trace import (ExceptionNode, ExecutionError, MissingInputsError, Tape, TraceError, batch, bundle, model,
                          node, operators, stop_tracing)
from troupe.trace.message import GraphMessage
from troupe.trace.values import LONGEST_TEXT, value_message, value_of


def graph_of(output, *parameters, feedback="f"):
    output.backward(feedback, retain_graph=True)
    passes = [each for parameter in parameters for each in parameter.feedback]
    return GraphMessage(list({id(each): each for each in passes}.values()), parameters)


@bundle()
def scaled(x, by=2):
    """x, some times."""
    return x * by


@bundle(trainable=True)
def share(total, people):
    """What each pays."""
    rest = people - 2
    return total / rest


class Fresh(unittest.TestCase):
    """Each test has names of its own."""

    def setUp(self):
        tape = Tape()
        tape.__enter__()
        self.addCleanup(tape.__exit__)


class NodeTest(Fresh):
    def test_operators_compute_what_python_does_and_name_what_they_make(self):
        x, word = node(7, name="x"), node("ab", name="word")
        for made, value, operator in (
                (x + 1, 8, "add"), (1 + x, 8, "add"), (x - 1, 6, "subtract"), (1 - x, -6, "subtract"),
                (2 * x, 14, "multiply"),
                (x / 2, 3.5, "divide"), (14 / x, 2.0, "divide"), (x // 2, 3, "floor_divide"), (x % 4, 3, "mod"),
                (x ** 2, 49, "power"), (2 ** x, 128, "power"), (x << 1, 14, "lshift"), (x >> 1, 3, "rshift"),
                (x & 3, 3, "and_"), (x | 8, 15, "or_"), (x ^ 1, 6, "xor"), (-x, -7, "neg"), (+x, 7, "pos"),
                (~x, -8, "invert"),
                (abs(-x), 7, "abs"), (round(x / 2, 0), 4.0, "round"), (divmod(x, 2), (3, 1), "divmod"),
                (x < 8, True, "lt"),
                (x <= 6, False, "le"), (x > 6, True, "gt"), (x >= 8, False, "ge"), (x.eq(7), True, "eq"),
                (x.neq(7), False, "neq"), (word + "c", "abc", "concat"), ("c" + word, "cab", "concat"),
                (word * 2, "abab", "multiply"),
                (word.upper(), "AB", "upper"), (word.title(), "Ab", "title"), (word.replace("a", "c"), "cb", "replace"),
                (node("{}-{n}").format(word, n=x), "ab-7", "format"), (node(",").join(["a", word]), "a,ab", "join"),
                (node("a b").split(), ["a", "b"], "split"), (word.len(), 2, "len_"), (word[0], "a", "getitem"),
                (node([3, 1])[0:1], [3], "getitem"), (node({"k": 5})["k"], 5, "getitem"),
                (operators.list_sort([2, 1]), [1, 2], "list_sort"),
                (operators.make_dict(a=x), {"a": 7}, "make_dict"), (operators.in_("a", word), True, "in_"),
                (operators.abs(-3), 3, "abs"), (node([1, 2]).call("count", 1), 1, "call")):
            self.assertEqual((made.value, made.operator), (value, operator))
            self.assertTrue(made.parents, operator)

    def test_equality_compares_values_and_leaves_no_trace(self):
        x = node(3, name="x")
        self.assertTrue(x == 3 and x == node(3) and x != 4)
        self.assertIs(type(x == 3), bool)
        self.assertIn("a", node({"a": 1}))
        self.assertEqual(len({x, node(3)}), 2)  # as keys they are themselves

    def test_names_count_for_each_base(self):
        self.assertEqual([node(1).name, node(2).name, node("a").name, node(1, name="my x!").name],
                         ["int:0", "int:1", "str:0", "my_x_:0"])
        self.assertEqual((node(1, name="x") + 1).py_name, "add0")

    def test_values_of_what_cannot_be_sent_are_texts_without_addresses(self):
        class Thing:
            pass
        for value, text, kind in ((Thing(), f"<{__name__}.{Thing.__qualname__} object>", "Thing"),
                                  ((1, 2), "(1, 2)", "tuple"),
                                  ({1: 2}, "{1: 2}", "dict"), (2**70, str(2**70), "int"), ([].append, None, None)):
            message = value_message(value)
            self.assertNotRegex(message.text, "0x[0-9a-f]{6}")
            if text is not None:
                self.assertEqual((message.text, message.type), (text, kind))
        self.assertLess(len(value_message("a" * 10**6).text), LONGEST_TEXT + 100)
        self.assertEqual(len(value_message("a" * 10**6, trainable=True).text), 10**6)

    def test_what_is_too_long_or_no_text_is_sent_as_far_as_it_can_be(self):
        def fail(x):
            raise ValueError("\ud800" + "é" * 10**6)
        fail.__doc__ = "d" * 10**6
        x = node("ok", name="x", trainable=True, constraint="c" * 10**6)
        with self.assertRaises(ExecutionError) as caught:
            bundle()(fail)(x)
        graph = graph_of(caught.exception.exception_node, x, feedback="\ud800").graph
        failed = graph.nodes[1].exception
        for text, most in ((failed.message, 64), (graph.operators[0].description, 64), (graph.nodes[0].constraint, 16)):
            self.assertIn("characters left out", text)
            self.assertLess(len(text.encode()), most * 1024)
        self.assertEqual(failed.line, 2)
        self.assertEqual(value_message(["\ud800"]).text, "['\\ud800']")

    def test_a_parameter_keeps_its_type(self):
        for value in (True, 3, 2.5, "s", [1, "a"], {"k": None}, (1, 2)):
            back = value_of(value_message(value, trainable=True), value, "p:0")
            self.assertEqual((back, type(back)), (value, type(value)))
        self.assertEqual(value_of(value_message(3), 2.5, "p:0"), 3.0)
        for sent, current in (("False", True), (True, 1), (1.5, 1), ("[1]", [1]), ({}, [])):
            with self.assertRaisesRegex(TypeError, "p:0"):
                value_of(value_message(sent), current, "p:0")

    def test_an_operation_that_fails_is_a_node(self):
        with self.assertRaises(ExecutionError) as caught:
            node(1) / node(0, name="zero", trainable=True)
        failed = caught.exception.exception_node
        self.assertIsInstance(failed, ExceptionNode)
        self.assertEqual((failed.name, failed.value), ("exception_divide:0", "(ZeroDivisionError) division by zero"))
        self.assertIsInstance(caught.exception.__cause__, ZeroDivisionError)
        self.assertEqual(failed.create_feedback(), failed.value)


class BackwardTest(Fresh):
    def test_feedback_reaches_the_parameters_it_came_from(self):
        x, other = node(1, name="x", trainable=True), node(1, name="other", trainable=True)
        y = (x + 1) * 2
        other + 1
        y.backward(3.5)
        self.assertEqual([each.feedback for each in x.feedback], ["3.5"])
        self.assertEqual(other.feedback, [])
        x.zero_feedback()
        self.assertEqual(x.feedback, [])

    def test_a_second_time_is_an_error_unless_the_graph_is_retained(self):
        x = node(1, name="x", trainable=True)
        middle = x + 1
        first, second = middle * 2, middle * 3
        first.backward("a", retain_graph=True)
        first.backward("b")
        with self.assertRaisesRegex(TraceError, "multiply:1 goes through add:0"):
            second.backward("c")
        with self.assertRaisesRegex(TraceError, "retain_graph=True"):
            first.backward("d")
        self.assertEqual([each.feedback for each in x.feedback], ["a", "b"])

    def test_each_node_is_sent_once_however_many_ways_lead_to_it(self):
        x = node(1, name="x", trainable=True)
        y = x
        for _ in range(8):
            y = (y + 1) - (y * 2)
        graph = graph_of(y, x).graph
        self.assertEqual(len(graph.nodes), 1 + 8 * 5)
        self.assertEqual(len({each.name for each in graph.nodes}), len(graph.nodes))
        for i, each in enumerate(graph.nodes):
            self.assertTrue(all(given.node < i for given in each.inputs))

    def test_the_same_node_may_be_given_twice(self):
        x = node(3, name="x", trainable=True)
        graph = graph_of(x * x, x).graph
        self.assertEqual([given.node for given in graph.nodes[1].inputs], [0, 0])

    def test_waiting_feedback_is_bounded(self):
        x = node(1, name="x", trainable=True)
        y = x + 1
        with self.assertRaisesRegex(TraceError, "zero_feedback"):
            for _ in range(10**4):
                y.backward("f", retain_graph=True)

    def test_a_long_chain_needs_no_deep_stack(self):
        x = node(0, name="x", trainable=True)
        y = x
        for _ in range(5000):
            y = y + 1
        self.assertEqual(len(graph_of(y, x).graph.nodes), 10001)

    def test_nothing_keeps_what_the_program_let_go(self):
        x = node(1, name="x", trainable=True)
        kept = weakref.ref(x + 1)
        gc.collect()
        self.assertIsNone(kept())

    def test_outputs_of_a_minibatch_are_one(self):
        x = node(1, name="x", trainable=True)
        output, feedback = batch([x + 1, x + 2], ["good", 0.5])
        self.assertEqual((output.value, feedback), ("ID [0]: 2\nID [1]: 3", "ID [0]: good\nID [1]: 0.5"))
        output.backward(feedback)
        self.assertEqual(len(x.feedback), 1)
        with self.assertRaises(ValueError):
            batch([output], [])

    def test_within_stop_tracing_nothing_is_remembered(self):
        x = node(1, name="x", trainable=True)
        with stop_tracing():
            y = scaled(x) + 1
        self.assertEqual((y.value, y.parents), (3, []))


class BundleTest(Fresh):
    def test_arguments_defaults_and_values_become_inputs(self):
        @bundle()
        def weigh(first, *others, scale=2, **options):
            """The weighted sum."""
            return scale * (first + sum(others)) + options["offset"]
        y = weigh(1, node(2, name="two"), 3, offset=4)
        self.assertEqual(y.value, 16)
        self.assertRegex(y.base, r"^BundleTest\.[a-z_]+\.<locals>\.weigh$")
        self.assertEqual([(name, each.name) for name, each in y.inputs.items()],
                         [("first", "first:0"), ("args_0", "two:0"), ("args_1", "int:0"), ("scale", "scale:0"),
                          ("offset", "offset:0")])
        self.assertIn("] The weighted sum.", y.description)

    def test_a_description_names_its_nodes(self):
        named = bundle("[Twice] Two of x.")(lambda x: 2 * x)
        self.assertEqual((named(3).value, named(3).base), (6, "Twice"))

    def test_decorated_without_parentheses(self):
        @bundle
        def plain(x):
            return x + 1
        self.assertEqual((plain(1).value, plain.__name__), (2, "plain"))

    def test_what_fails_tells_its_line(self):
        @bundle()
        def pick(items, i):
            """An item."""
            if i < 0:
                return None
            return items[i]
        with self.assertRaises(ExecutionError) as caught:
            pick([1], node(3, name="i", trainable=True))
        failed = caught.exception.exception_node
        self.assertEqual(failed.line, 5)
        self.assertTrue(failed.source.startswith("def pick(items, i):\n"))
        self.assertIn("    return items[i]   <-- fails here: (IndexError) list index out of range",
                      failed.create_feedback("full"))

    def test_what_fails_in_a_call_tells_the_line_of_the_call(self):
        def helper(x):
            raise KeyError("k")

        @bundle()
        def outer(x):
            y = x
            return helper(y)
        with self.assertRaises(ExecutionError) as caught:
            outer(1)
        failed = caught.exception.exception_node
        self.assertEqual((failed.line, failed.value), (3, "(KeyError) 'k'"))

    def test_an_error_may_be_raised_as_it_is(self):
        with self.assertRaises(ZeroDivisionError):
            bundle(catch_execution_error=False)(lambda x: 1 / x)(0)

    def test_reading_what_was_not_given_is_an_error_unless_allowed(self):
        hidden = node(5, name="hidden", trainable=True)
        with self.assertRaisesRegex(MissingInputsError, "hidden:0"):
            bundle("[f] f")(lambda x: x + hidden.data)(1)
        y = bundle("[f] f", allow_external_dependencies=True)(lambda x: x + hidden.data)(1)
        graph = graph_of(y, hidden).graph
        self.assertEqual(list(graph.nodes[2].hidden_dependencies), [0])
        self.assertEqual(len(hidden.feedback), 1)

    def test_the_inside_of_traceable_code_is_a_graph(self):
        shift = node(5, name="shift", trainable=True)

        @bundle(traceable_code=True)
        def moved(x):
            """x, moved."""
            return x * 2 + shift
        x = node(3, name="x", trainable=True)
        y = moved(x)
        self.assertEqual((y.value, y.parents, y.hidden), (11, [x], {shift}))
        self.assertEqual(y.inner.operator, "add")
        y.backward("less")
        self.assertEqual((len(x.feedback), len(shift.feedback)), (1, 1))

    def test_nodes_within_a_list_are_inputs_too(self):
        x = node(3, name="x", trainable=True)
        y = bundle("[total] Their sum.")(lambda xs: sum(xs))([x, 4])
        self.assertEqual(y.value, 7)
        self.assertEqual(y.leading_parameters(), {x})

    def test_recursion_can_be_left_out(self):
        @bundle(overwrite_python_recursion=True)
        def factorial(n):
            return 1 if n < 2 else n * factorial(n - 1)
        y = factorial(5)
        self.assertEqual((y.value, y.name.rpartition(":")[2]), (120, "0"))

    def test_coroutines(self):
        @bundle()
        async def later(x):
            """x, later."""
            await asyncio.sleep(0)
            return x + 1

        async def all_of_them():
            return await asyncio.gather(*(later(node(i)) for i in range(5)))
        self.assertEqual([each.value for each in asyncio.run(all_of_them())], [1, 2, 3, 4, 5])

    def test_tapes_on_threads_do_not_mix(self):
        names = []

        def run():
            with Tape():
                names.append([scaled(node(i, name="x")).name for i in range(50)])
        threads = [threading.Thread(target=run) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual(names, [[f"scaled:{i}" for i in range(50)]] * 4)

    def test_parameters_of_another_tape_keep_their_names(self):
        x = node(1, name="x", trainable=True)
        with Tape():
            y = node(5, name="x") + x
        self.assertEqual(sorted(each.name for each in graph_of(y, x).graph.nodes), ["add:0", "x:0", "x:1"])


class TrainableTest(Fresh):
    def test_code_is_a_parameter_and_is_run_as_it_is_now(self):
        @bundle(trainable=True)
        def price(weight, zone):
            """What it costs."""
            return weight * 2 + zone
        code = price.parameter
        self.assertEqual(code.value.splitlines()[0], "def price(weight, zone):")
        self.assertIn('def price(weight, zone):\n    """What it costs."""', code.constraint)
        self.assertEqual(price(3, 4).value, 10)
        code._set("def price(weight, zone):\n    return weight + LIMIT\nLIMIT = 100")
        y = price(3, 4)
        self.assertEqual((y.value, y.operator, y.inputs["__code"]), (103, "eval", code))
        self.assertEqual(graph_of(y, code).graph.nodes[0].value.code, code.value)

    def test_it_sees_what_the_function_saw_and_calls_itself(self):
        base = 10

        @bundle(trainable=True)
        def total(n):
            return base if n == 0 else n + total(n - 1)
        self.assertEqual(total(3).value, 16)

    def test_what_it_raises_points_at_the_line(self):
        with self.assertRaises(ExecutionError) as caught:
            share(30, 2)
        failed = caught.exception.exception_node
        self.assertEqual((failed.line, failed.base), (4, "exception_eval"))
        self.assertIn("return total / rest   <-- fails here", failed.create_feedback("full"))

    def test_code_that_does_not_parse_is_an_exception_too(self):
        @bundle(trainable=True)
        def f(x):
            return x
        for text, what in (("def f(x):\n  return (", "SyntaxError"), ("y = 1", "NameError")):
            f.parameter._set(text)
            with self.assertRaises(ExecutionError) as caught:
                f(1)
            failed = caught.exception.exception_node
            self.assertEqual((failed.error_type, failed.parents), (what, [f.parameter]))
            failed.backward()
        self.assertEqual(len(f.parameter.feedback), 2)

    def test_each_object_has_code_of_its_own(self):
        @model
        class Agent:
            def __init__(self):
                self.word = node("hi", name="word", trainable=True)
                self.more = [node(1, name="n", trainable=True), {"k": self.word}]

            @bundle(trainable=True)
            def act(self, x):
                """What it does."""
                return x + 1
        one, two = Agent(), Agent()
        self.assertIsNot(one.act.parameter, two.act.parameter)
        one.act.parameter._set("def act(self, x):\n    return self.word.value + str(x)")
        self.assertEqual((one.act(1).value, two.act(1).value), ("hi1", 2))
        self.assertEqual(sorted(one.parameters_dict()), ["act", "more.0", "more.1.k", "word"])
        self.assertEqual(len(one.parameters()), 3)
        self.assertEqual(Agent.__name__, "Agent")
        self.assertEqual(one.act(2).inputs["self"].base, "Agent")


class ModuleTest(Fresh):
    def test_traceable_methods_use_the_parameters_of_their_object(self):
        @model
        class Agent:
            def __init__(self):
                self.word = node("hi ", name="word", trainable=True)

            @bundle(traceable_code=True)
            def greet(self, name):
                """A greeting."""
                return self.word + name
        agent = Agent()
        y = agent.greet("Ada")
        self.assertEqual((y.value, y.hidden), ("hi Ada", {agent.word}))
        other = copy.deepcopy(agent)
        other.word._set("ho ")
        self.assertEqual((other.greet("Ada").value, agent.greet("Ada").value), ("ho Ada", "hi Ada"))

    def test_parameters_are_kept_in_a_file(self):
        @model
        class Settings:
            def __init__(self, rate, words):
                self.rate = node(rate, name="rate", trainable=True)
                self.words = node(words, name="words", trainable=True)
        with tempfile.TemporaryDirectory(prefix="troupe-model-") as folder:
            file = pathlib.Path(folder) / "deep/kept.json"
            Settings(0.5, ("a", "b")).save(file)
            self.assertEqual([each.name for each in file.parent.iterdir()], ["kept.json"])
            other = Settings(1.0, ())
            other.load(file)
            self.assertEqual((other.rate.value, other.words.value), (0.5, ("a", "b")))
            wrong = Settings(1, ())
            with self.assertRaisesRegex(TraceError, "rate is a float there and a int here"):
                wrong.load(file)
            file.write_text(json.dumps({"parameters": {}}))
            with self.assertRaisesRegex(TraceError, "rate, words"):
                other.load(file)


if __name__ == "__main__":
    unittest.main(verbosity=2)
