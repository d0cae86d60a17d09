#!/usr/bin/env python3
"""What the Python package derives from functions, and what it makes of arguments and results. Needs no server."""
import dataclasses
import enum
import importlib
import pathlib
import sys
import types
import typing
import unittest

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "clients/python/troupe"


def load(*names):
    """Modules of the package that need no generated code, without installing it."""
    package = types.ModuleType("troupe_plain")
    package.__path__ = [str(FOLDER)]
    sys.modules["troupe_plain"] = package
    return [importlib.import_module(f"troupe_plain.{name}") for name in names]


schema, results, tools = load("schema", "results", "tools")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Options(typing.TypedDict, total=False):
    deep: bool


@tools.tool(read_only=True, max_concurrent=3)
def paint(where: list[Point], colour: Colour, title: typing.Annotated[str, "On top", {"maxLength": 9}] = "",
          limit: int | None = None, options: Options = {}, *, context: tools.Context) -> dict[str, Point]:
    """Paints points.

    They do not wash off.

    Args:
        where: The points,
            in order.
        limit (int): How many at most.

    Returns:
        What was painted.
    """
    return {colour.name: where[0], "limit": limit}


@tools.tool
def sphinx(first: str, second: typing.Literal["a", 1]):
    """Guards.

    :param first: What goes
        first.
    :param second: What follows.
    """


class SchemaTest(unittest.TestCase):
    def test_arguments_come_from_hints_and_the_docstring(self):
        properties = paint.arguments_schema["properties"]
        self.assertEqual(paint.arguments_schema["required"], ["where", "colour"])
        self.assertFalse(paint.arguments_schema["additionalProperties"])
        self.assertEqual(properties["where"]["description"], "The points, in order.")
        self.assertEqual(properties["where"]["items"]["required"], ["x"])
        self.assertEqual(properties["colour"], {"enum": ["red", "blue"]})
        self.assertEqual(properties["title"], {"type": "string", "description": "On top", "maxLength": 9,
                                               "default": ""})
        self.assertEqual(properties["limit"], {"type": ["integer", "null"], "description": "How many at most.",
                                               "default": None})
        self.assertEqual(properties["options"]["properties"], {"deep": {"type": "boolean"}})
        self.assertNotIn("context", properties)
        self.assertEqual(paint.description, "Paints points.\n\nThey do not wash off.")
        self.assertEqual((paint.brief, paint.read_only, paint.max_concurrent), ("Paints points.", True, 3))
        self.assertEqual(paint.result_schema["additionalProperties"]["required"], ["x"])
        self.assertEqual(sphinx.arguments_schema["properties"],
                         {"first": {"type": "string", "description": "What goes first."},
                          "second": {"enum": ["a", 1], "description": "What follows."}})

    def test_the_brief_is_the_first_paragraph_as_long_as_the_server_takes_it(self):
        def long():
            """Says something that goes on
            in a second line.

            And more.
            """
        self.assertEqual(tools.make_tool(long).brief, "Says something that goes on in a second line.")
        self.assertEqual(tools.make_tool(long, description="城" * 200).brief, "城" * 100)

    def test_arguments_reach_the_function_as_its_types(self):
        context = tools.Context("id", "tasks/t", "path", 1, 5, None)
        arguments = paint.arguments({"where": [{"x": 1, "y": 2}], "colour": "blue"}, context)
        self.assertEqual(arguments["where"], [Point(1.0, 2.0)])
        self.assertIs(arguments["colour"], Colour.BLUE)
        self.assertIs(arguments["context"], context)
        self.assertEqual(schema.to_json(paint(**arguments)), {"BLUE": {"x": 1.0, "y": 2.0}, "limit": None})

    def test_what_has_no_schema_is_told(self):
        def bad(where: complex):
            pass

        def rest(*args):
            pass
        with self.assertRaisesRegex(schema.SchemaError, "complex"):
            tools.tool(bad)
        with self.assertRaisesRegex(schema.SchemaError, "cannot be given by name"):
            tools.tool(rest)

    def test_results(self):
        self.assertEqual(results.result_of("x"), results.Result("x", ["x"]))
        self.assertEqual(results.result_of([1, 2]), results.Result([1, 2]))
        picture, file = results.Image(b"png"), results.File("a.txt", "text")
        self.assertEqual(results.result_of([picture, "seen", file, {"a": 1}]),
                         results.Result(None, [picture, "seen", '{"a": 1}'], [file]))
        self.assertEqual(results.result_of(file).content, ["Files: a.txt"])
        self.assertEqual(file.read(), b"text")


if __name__ == "__main__":
    unittest.main(verbosity=2)
