"""JSON Schemas from type hints, and values that fit them as the types say."""
from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import types
import typing
from typing import Any, Callable

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
NONE = type(None)


class SchemaError(TypeError):
    """A type that has no JSON Schema."""


def schema_of(hint: Any) -> dict[str, Any]:
    """The JSON Schema of a type: plain types, list, dict, tuple, Literal, Enum, Optional, Union, dataclasses,
    TypedDict; Annotated adds a description (a str) or keywords (a dict)."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is inspect.Parameter.empty or hint is object:
        return {}
    if origin is typing.Annotated:
        schema = schema_of(args[0])
        for note in args[1:]:
            schema.update({"description": note} if isinstance(note, str) else note if isinstance(note, dict) else {})
        return schema
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if origin is typing.Literal:
        return {"enum": list(args)}
    if origin in (typing.Union, types.UnionType):
        return union_schema(args)
    if hint in (list, tuple, set) or origin in (list, set, frozenset) or hint is types.GenericAlias:
        return {"type": "array", **({"items": schema_of(args[0])} if args else {})}
    if origin is tuple:
        return tuple_schema(args)
    if hint is dict or origin is dict:
        return {"type": "object", **({"additionalProperties": schema_of(args[1])} if args else {})}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    if dataclasses.is_dataclass(hint):
        return dataclass_schema(hint)
    if typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint, include_extras=True)
        return {"type": "object", "properties": {name: schema_of(each) for name, each in hints.items()},
                "required": sorted(hint.__required_keys__), "additionalProperties": False}
    raise SchemaError(f"{hint!r} has no JSON Schema; use plain types, list, dict, Literal, Enum, dataclasses, "
                      "TypedDict, or give the schema to @tool(arguments_schema=...)")


def union_schema(args: tuple[Any, ...]) -> dict[str, Any]:
    schemas = [schema_of(each) for each in args]
    kinds = [schema["type"] for schema in schemas if set(schema) == {"type"}]
    return {"type": kinds} if len(kinds) == len(schemas) else {"anyOf": schemas}


def tuple_schema(args: tuple[Any, ...]) -> dict[str, Any]:
    if len(args) == 2 and args[1] is Ellipsis:
        return {"type": "array", "items": schema_of(args[0])}
    return {"type": "array", "items": [schema_of(each) for each in args], "minItems": len(args), "maxItems": len(args)}


def dataclass_schema(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        properties[field.name] = schema_of(hints[field.name])
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        elif field.default is not dataclasses.MISSING and is_json(field.default):
            properties[field.name].setdefault("default", field.default)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def is_json(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def parameters_schema(function: Callable[..., Any], skip: typing.Collection[str],
                      descriptions: dict[str, str]) -> dict[str, Any]:
    """The schema of a function's arguments, without those in `skip`."""
    hints = typing.get_type_hints(function, include_extras=True)
    properties, required = {}, []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in skip:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise SchemaError(f"{function.__name__}: the parameter '{name}' cannot be given by name")
        schema = schema_of(hints.get(name, Any))
        if name in descriptions:
            schema.setdefault("description", descriptions[name])
        if parameter.default is parameter.empty:
            required.append(name)
        elif is_json(parameter.default):
            schema.setdefault("default", parameter.default)
        properties[name] = schema
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def convert(value: Any, hint: Any) -> Any:
    """A JSON value as its type hint wants it: dataclasses, enums, tuples and sets are made, inside lists too."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return convert(value, args[0])
    if origin in (typing.Union, types.UnionType):
        options = [each for each in args if each is not NONE]
        return value if value is None or len(options) != 1 else convert(value, options[0])
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        hints = typing.get_type_hints(hint, include_extras=True)
        return hint(**{name: convert(each, hints[name]) for name, each in value.items()})
    if origin in (list, set, frozenset) and args:
        return origin(convert(each, args[0]) for each in value)
    if origin is tuple and args:
        kinds = args[:1] * len(value) if args[-1] is Ellipsis else args
        return tuple(convert(each, kind) for each, kind in zip(value, kinds))
    if origin is dict and args:
        return {name: convert(each, args[1]) for name, each in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def to_json(value: Any) -> Any:
    """A result as JSON: what convert makes, taken apart again."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(name): to_json(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(each) for each in value]
    return value


SECTION = re.compile(r"^(args|arguments|parameters|returns?|raises|yields|examples?|notes?):\s*$", re.IGNORECASE)
NAMED = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
PARAM = re.compile(r"^:param\s+(?:[\w\[\], ]+\s)?(\w+):\s*(.*)$")


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The description, and what an "Args:" section or ":param x:" lines say of each parameter."""
    description: list[str] = []
    parameters: dict[str, str] = {}
    section, current, indent = "", "", 0
    for line in inspect.cleandoc(text or "").splitlines():
        stripped = line.strip()
        if found := SECTION.match(stripped):
            section, current, indent = found.group(1).lower(), "", 0
        elif found := PARAM.match(stripped):
            section, current = "param", found.group(1)
            parameters[current] = found.group(2)
        elif section in ("args", "arguments", "parameters") and stripped:
            depth = len(line) - len(line.lstrip())
            indent = indent or depth
            found = NAMED.match(stripped)
            if found and depth <= indent:
                current = found.group(1)
                parameters[current] = found.group(2)
            elif current:
                parameters[current] += " " + stripped
        elif section == "param" and stripped and not stripped.startswith(":"):
            parameters[current] += " " + stripped
        elif not section:
            description.append(line)
    return "\n".join(description).strip(), {name: text.strip() for name, text in parameters.items()}
