"""@model: classes that know their parameters, and keep them in files."""
from __future__ import annotations

import json
import os
import pathlib
import tempfile
from typing import Any, TypeVar

from .bundle import Bundle
from .errors import TraceError
from .nodes import Node, ParameterNode
from .values import is_plain

C = TypeVar("C", bound=type)


class Module:
    """Something with parameters: nodes, functions with trainable code, other modules, and lists, tuples and
    dictionaries of them, as attributes."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def parameters(self) -> list[ParameterNode[Any]]:
        """All of them, each once."""
        return list({id(each): each for each in self.parameters_dict().values()}.values())

    def parameters_dict(self) -> dict[str, ParameterNode[Any]]:
        """By where they are: "word", "layers.0.word"."""
        found: dict[str, ParameterNode[Any]] = {}
        _collect(self, "", found, set())
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the parameters' values to a file, as JSON. The file is there in full or as it was."""
        values = {}
        for where, parameter in self.parameters_dict().items():
            value = list(parameter.value) if type(parameter.value) is tuple else parameter.value
            if not is_plain(value):
                raise TypeError(f"{where}: {parameter.value!r:.200} cannot be kept as JSON")
            values[where] = {"type": type(parameter.value).__name__, "value": value}
        target = pathlib.Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=target.name, delete=False) as file:
            json.dump({"parameters": values}, file, indent=1, ensure_ascii=False)
        os.replace(file.name, target)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Reads what `save` wrote; all parameters must be there with the types that they have. TraceError if not, and
        nothing is changed."""
        kept = json.loads(pathlib.Path(path).read_text())["parameters"]
        parameters = self.parameters_dict()
        if kept.keys() != parameters.keys():
            raise TraceError(f"{path}: the parameters differ in {', '.join(sorted(kept.keys() ^ parameters.keys()))}")
        for where, parameter in parameters.items():
            if kept[where]["type"] != type(parameter.value).__name__:
                raise TraceError(f"{path}: {where} is a {kept[where]['type']} there and a "
                                 f"{type(parameter.value).__name__} here")
        for where, parameter in parameters.items():
            value = kept[where]["value"]
            parameter._set(tuple(value) if type(parameter.value) is tuple else value)


def _collect(given: Any, where: str, found: dict[str, ParameterNode[Any]], seen: set[int]) -> None:
    if isinstance(given, ParameterNode):
        found.setdefault(where, given)
    elif isinstance(given, Bundle):
        if given.parameter is not None:
            found.setdefault(where, given.parameter)
    elif isinstance(given, (Module, list, tuple, dict)) and id(given) not in seen:
        seen.add(id(given))
        for name, each in _members(given):
            _collect(each, f"{where}.{name}" if where else name, found, seen)


def _members(given: Any) -> list[tuple[str, Any]]:
    if isinstance(given, dict):
        return [(str(key), each) for key, each in given.items()]
    if isinstance(given, (list, tuple)):
        return [(str(i), each) for i, each in enumerate(given)]
    own = {name: each for name, each in vars(given).items() if not name.startswith("_troupe_trace_")}
    for kind in type(given).__mro__:
        for name, each in vars(kind).items():
            if name in own:
                continue
            if isinstance(each, Bundle) and each.trainable:
                own[name] = getattr(given, name)
            elif isinstance(each, Node):
                own[name] = each
    return list(own.items())


def model(kind: C) -> C:
    """Makes a class a Module; its name and everything else stay."""
    if issubclass(kind, Module):
        return kind
    made = type(kind.__name__, (kind, Module), {"__module__": kind.__module__, "__qualname__": kind.__qualname__,
                                                "__doc__": kind.__doc__})
    return made  # type: ignore[return-value]
