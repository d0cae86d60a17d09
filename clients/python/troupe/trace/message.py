"""What a program did as the message that a server takes."""
from __future__ import annotations

from typing import Any, Iterable, Sequence

from ..v1 import graph_pb2
from .errors import TraceError
from .nodes import ExceptionNode, MessageNode, Node, ParameterNode, Pass, nodes_behind
from .values import LONGEST_CONSTRAINT, LONGEST_DESCRIPTION, LONGEST_TEXT, shortened, value_message


class GraphMessage:
    """The graph behind some outputs, with `parameters` even where nothing led from them to an output. A node of another
    tape whose name is taken gets the next one that is free; parameters keep theirs, by which they are known again."""

    def __init__(self, passes: Sequence[Pass], parameters: Iterable[ParameterNode[Any]] = ()):
        outputs = list({id(each.output): each.output for each in passes}.values())
        nodes = nodes_behind([*outputs, *parameters])
        self.graph = graph_pb2.Graph()
        self._ids = {id(each): i for i, each in enumerate(nodes)}
        names = Names(nodes)
        described: dict[str, str] = {}
        for each in nodes:
            self._add(each, names.of(each), described)
        for name, description in described.items():
            self.graph.operators.add(name=name, description=shortened(description, LONGEST_DESCRIPTION))
        self.feedback = [graph_pb2.GraphFeedback(output=self._ids[id(each.output)],
                                                 feedback=each.feedback.encode("utf-8", "replace").decode())
                         for each in passes]

    def _add(self, each: Node[Any], name: str, described: dict[str, str]) -> None:
        message = self.graph.nodes.add(name=name)
        if isinstance(each, ParameterNode):
            message.trainable, message.constraint = True, shortened(each.constraint or "", LONGEST_CONSTRAINT)
            message.value.CopyFrom(value_message(each.value, trainable=True, code=each.code))
            return
        if isinstance(each, ExceptionNode):
            message.exception.type = each.error_type[:200]
            message.exception.message = shortened(each.message, LONGEST_DESCRIPTION)
            if len(each.source) <= LONGEST_TEXT:
                message.exception.source, message.exception.line = shortened(each.source), each.line
        else:
            message.value.CopyFrom(value_message(each.value))
        if each.is_root or not isinstance(each, MessageNode):
            if isinstance(each, ExceptionNode):  # of nothing: only its text is left of it
                message.ClearField("exception")
                message.value.text = each.value
            return
        message.operator = each.operator
        for argument, given in each.inputs.items():
            message.inputs.add(name=argument[:200], node=self._ids[id(given)])
        message.hidden_dependencies.extend(sorted(self._ids[id(used)] for used in each.hidden))
        if each.description and described.setdefault(each.operator, each.description) != each.description:
            message.description = shortened(each.description, LONGEST_DESCRIPTION)


class Names:
    """Names that are unique in one graph."""

    def __init__(self, nodes: Sequence[Node[Any]]):
        self._names: dict[int, str] = {}
        self._next: dict[str, int] = {}
        taken: dict[str, Node[Any]] = {}
        for each in sorted(nodes, key=lambda each: not each.trainable):
            if each.name in taken and each.trainable:
                raise TraceError(f"two parameters are called {each.name}, one of each tape: give them different names")
            name = self._free(each.base, taken) if each.name in taken else each.name
            taken[name] = each
            self._names[id(each)] = name

    def _free(self, base: str, taken: dict[str, Node[Any]]) -> str:
        index = self._next.get(base, 0)
        while f"{base}:{index}" in taken:
            index += 1
        self._next[base] = index + 1
        return f"{base}:{index}"

    def of(self, each: Node[Any]) -> str:
        return self._names[id(each)]
