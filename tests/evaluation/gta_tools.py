"""The tools of GTA tasks, answering as they were recorded to."""
import ast
import json
import math
import operator
import re

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
             ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.USub: operator.neg,
             ast.UAdd: operator.pos}
FUNCTIONS = {name: getattr(math, name) for name in
             ("sqrt", "ceil", "floor", "log", "log10", "exp", "sin", "cos", "tan", "pi", "e")} | {
                 "round": round, "abs": abs, "min": min, "max": max, "sum": sum, "int": int, "float": float}
MAX_POWER = 1000
WORDS = ("text", "query", "attribute", "keywords", "instruction", "command")  # arguments in free words
CHOICES = ("top1", "k", "color", "position", "annotation")                    # that change nothing of what was recorded
LIKE_ENOUGH = 0.4
TASK_PREFIX = "gta-"  # before a task's key, its id at the server


def snake(name):
    """CountGivenObject as count_given_object: names of tools are lower case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def calculate(expression):
    """An arithmetic expression's value; ValueError for what is none."""
    def value(node):
        if isinstance(node, ast.Expression):
            return value(node.body)
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node.value
        if isinstance(node, (ast.BinOp, ast.UnaryOp)) and type(node.op) in OPERATORS:
            operands = [value(node.left), value(node.right)] if isinstance(node, ast.BinOp) else [value(node.operand)]
            if isinstance(node.op, ast.Pow) and abs(operands[1]) > MAX_POWER:
                raise ValueError("the power is too great")
            return OPERATORS[type(node.op)](*operands)
        if isinstance(node, ast.Name) and node.id in ("pi", "e"):
            return FUNCTIONS[node.id]
        if isinstance(node, (ast.List, ast.Tuple)):
            return [value(each) for each in node.elts]
        if isinstance(node, ast.Call) and not node.keywords:
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if callable(FUNCTIONS.get(function)):
                return FUNCTIONS[function](*[value(each) for each in node.args])
        raise ValueError("only numbers, + - * / // % ** and functions such as sqrt, round, max")
    try:
        return value(ast.parse(expression.strip(), mode="eval"))
    except (SyntaxError, ArithmeticError, TypeError) as error:
        raise ValueError(str(error)) from error


class Recorded:
    """What the tools answered in each task, by tool and arguments."""

    def __init__(self, tasks):
        self.specs, self.outputs = {}, {}
        for key, task in tasks.items():
            for spec in task["tools"]:
                self.specs[snake(spec["name"])] = spec
            calls = []
            for said in task["dialogs"]:
                if said["role"] == "assistant":
                    calls += [call["function"] for call in said.get("tool_calls", [])]
                elif said["role"] == "tool" and calls:
                    call = calls.pop(0)
                    self.outputs.setdefault((key, snake(call["name"])), []).append((call["arguments"], said["content"]))

    def answer(self, key, tool, arguments):
        """The output recorded in the task `key` for these arguments, or ValueError with what there is for this
        picture. Other tasks' outputs are none: a search much like theirs is another search."""
        if tool == "calculator":
            return str(calculate(str(arguments.get("expression", ""))))
        known = self.outputs.get((key, tool), [])
        likeness, best = max(((self.likeness(given, arguments), output) for given, output in known),
                             key=lambda each: each[0], default=(0, None))
        if likeness >= LIKE_ENOUGH:
            return self.text(best)
        near = [given for given, _ in known if given.get("image") == arguments.get("image")]
        there = "; ".join(json.dumps(given) for given in near[:5])
        raise ValueError(f"no result for these arguments. {'There is one for: ' + there if there else 'Try another tool.'}")

    @staticmethod
    def likeness(given, arguments):
        """0 to 1: what is said in words need not be said in the same ones, all else must be equal."""
        words, wanted = set(), set()
        for key in given.keys() | arguments.keys():
            one, other = str(given.get(key) or "").lower(), str(arguments.get(key) or "").lower()
            if key in WORDS:
                words |= set(re.findall(r"\w+", one))
                wanted |= set(re.findall(r"\w+", other))
            elif key not in CHOICES and re.sub(r"\W+", " ", one) != re.sub(r"\W+", " ", other):
                return 0
        return len(words & wanted) / len(words | wanted) if words | wanted else 1

    @staticmethod
    def text(output):
        if isinstance(output, dict) and output.get("type") == "image":
            return f"Made the picture {output['content']}"
        return str(output["content"] if isinstance(output, dict) else output)

    def schema(self, tool):
        """JSON Schema of the tool's arguments."""
        types = {"int": "integer", "float": "number", "bool": "boolean"}
        properties, required = {}, []
        for given in self.specs[tool]["inputs"]:
            properties[given["name"]] = {"type": types.get(given["type"], "string")}
            about = given.get("description") or ("Path of the picture." if given["type"] == "image" else "")
            if about:
                properties[given["name"]]["description"] = about
            if not given.get("optional"):
                required.append(given["name"])
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def offers(recorded, troupe):
    """The tools as Troupe's Python package takes them."""
    made = []
    for name in sorted(recorded.specs):
        def call(context: troupe.Context, _name=name, **arguments):
            try:
                return recorded.answer(context.task.rpartition(TASK_PREFIX)[2], _name, arguments)
            except ValueError as error:
                raise troupe.ToolError(str(error)) from error
        spec = recorded.specs[name]
        outputs = "; ".join(filter(None, (each.get("description") for each in spec["outputs"])))
        description = spec["description"].replace("input image", "picture") + (f" Returns: {outputs}" if outputs else "")
        made.append(troupe.Tool(function=call, name=name, version="1", brief=spec["description"].split(". ")[0][:200], description=description,
                                arguments_schema=recorded.schema(name), result_schema={}, read_only=True,
                                idempotent=True, context_parameter="context"))
    return made
