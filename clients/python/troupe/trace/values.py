"""Values of nodes as messages and back. What comes from a server is checked before it becomes a value."""
from __future__ import annotations

import json
import math
import re
from typing import Any

from ..v1 import graph_pb2

LONGEST_TEXT = 64 * 1024  # of a value that no optimizer may change; more would not reach a model anyhow
LONGEST_DESCRIPTION = 15_000  # of an operator, and of what an error says: a server takes 64 KiB
LONGEST_CONSTRAINT = 4_000  # a server takes 16 KiB
PARAMETER_TYPES = (bool, int, float, str, list, tuple, dict)
_ADDRESS = re.compile(r" at 0x[0-9a-f]+(?=>)")
_INT64 = range(-2**63, 2**63)


def _characters(text: str) -> bool:
    """Whether it is text throughout: "\\ud800" is half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_plain(value: Any) -> bool:
    """Whether it is the same after having been JSON."""
    if value is None or type(value) is bool:
        return True
    if type(value) is str:
        return _characters(value)
    if type(value) is int:
        return value in _INT64
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is list:
        return all(map(is_plain, value))
    return type(value) is dict and all(type(key) is str and _characters(key) and is_plain(each) for key, each in value.items())


def check_parameter(value: Any, name: str) -> None:
    """Raises TypeError for what an optimizer could not give another value."""
    plain = is_plain(list(value)) if type(value) is tuple else is_plain(value)
    if type(value) not in PARAMETER_TYPES or not plain:
        raise TypeError(f"parameter {name}: an optimizer can change finite numbers, truth values, texts, and lists, "
                        f"tuples and dictionaries (with texts as keys) of them, not {value!r:.200}")


def text_of(value: Any) -> str:
    """What a value looks like to a model, without addresses in memory, which would differ in every run."""
    try:
        return _ADDRESS.sub("", str(value))
    except Exception as error:  # pylint: disable=broad-except
        return f"<{type(value).__name__} object that cannot be shown: {type(error).__name__}>"


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """The beginning and the end of a longer text, and without what is no character ("\\ud800")."""
    text = text.encode("utf-8", "replace").decode()
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def value_message(value: Any, trainable: bool = False, code: bool = False) -> graph_pb2.GraphValue:
    kind = type(value)
    if code:
        return graph_pb2.GraphValue(code=value)
    if value is None:
        return graph_pb2.GraphValue()
    if kind is bool:
        return graph_pb2.GraphValue(bool_value=value)
    if kind is int and value in _INT64:
        return graph_pb2.GraphValue(int_value=value)
    if kind is float:
        return graph_pb2.GraphValue(double_value=value)
    if kind is str:
        return graph_pb2.GraphValue(text=value if trainable else shortened(value))
    if kind is tuple and trainable:
        return graph_pb2.GraphValue(json=json.dumps(list(value)), type="tuple")
    if kind in (list, dict) and is_plain(value):
        text = json.dumps(value, ensure_ascii=False)
        if trainable or len(text) <= LONGEST_TEXT:
            return graph_pb2.GraphValue(json=text)
    return graph_pb2.GraphValue(text=shortened(text_of(value)), type=kind.__name__[:200])


def value_of(message: graph_pb2.GraphValue, like: Any, name: str) -> Any:
    """The value that an optimizer gave the parameter `name`, which is of the same type as `like`, what it was."""
    kind = message.WhichOneof("kind")
    value: Any = json.loads(message.json) if kind == "json" else getattr(message, kind) if kind else None
    if type(like) is float and type(value) is int:
        value = float(value)
    if type(like) is tuple and type(value) is list:
        value = tuple(value)
    if like is not None and type(value) is not type(like):
        raise TypeError(f"the server gave parameter {name} a {type(value).__name__}, which was a {type(like).__name__}")
    return value
