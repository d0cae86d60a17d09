"""Nodes: values that remember what made them, so that feedback on one reaches the parameters it came from (Trace,
arXiv 2406.16218). Operators and methods of a node compute as those of its value do, and record themselves."""
from __future__ import annotations

import copy
import itertools
from typing import Any, Generic, Iterator, TypeVar

from . import operators
from .errors import TraceError
from .tape import Tape, current_tape, note_read

T = TypeVar("T")
MOST_FEEDBACK = 256  # that waits for a step, of one parameter; a server takes no more
_orders = itertools.count()
_passes = itertools.count()
NOTHING: frozenset["ParameterNode"] = frozenset()


def node(data: Any, name: str | None = None, trainable: bool = False, description: str | None = None,
         constraint: str | None = None) -> "Node[Any]":
    """`data` as a node. A node comes back as it is, unless `trainable` asks for a parameter with its value.

    `constraint` says, in words, what a new value must keep to."""
    if trainable:
        if isinstance(data, Node):
            name, data = name or data.base, data.value
        return ParameterNode(data, name=name, description=description, constraint=constraint)
    return data if isinstance(data, Node) else Node(data, name=name, description=description)


class Pass:
    """One call of `backward`: an output and what was thought of it."""

    def __init__(self, output: "Node[Any]", feedback: str):
        self.output, self.feedback, self.order = output, feedback, next(_passes)


class Node(operators.Traced, Generic[T]):
    """A value of the program. Reading `data` within a function with @bundle counts as using the node; `value` does
    not."""
    trainable = False

    def __init__(self, value: Any, *, name: str | None = None, description: str | None = None,
                 tape: Tape | None = None):
        self._value = value.value if isinstance(value, Node) else value
        self._name = (tape or current_tape()).name(name if name is not None else type(self._value).__name__)
        self._order = next(_orders)
        self.description = description
        self.inputs: dict[str, Node[Any]] = {}
        self.hidden: frozenset[ParameterNode] = NOTHING  # used, but neither given nor behind what was given
        self._leading: frozenset[ParameterNode] = NOTHING  # all parameters that lead here
        self._gone_through = False

    @property
    def name(self) -> str:
        """ "base:index", of which the base is as given. """
        return self._name

    @property
    def base(self) -> str:
        return self._name.rpartition(":")[0]

    @property
    def py_name(self) -> str:
        """What optimizers call it: the name in one word."""
        return self._name.replace(":", "")

    @property
    def data(self) -> T:
        note_read(self)
        return self._value

    @property
    def value(self) -> T:
        return self._value

    @property
    def type(self) -> type:
        return type(self._value)

    @property
    def parents(self) -> list["Node[Any]"]:
        """What it was made from."""
        return list(self.inputs.values())

    @property
    def is_root(self) -> bool:
        return not self.inputs and not self.hidden

    def leading_parameters(self) -> frozenset["ParameterNode"]:
        """The parameters that it came from."""
        return self._leading

    def backward(self, feedback: Any = "", retain_graph: bool = False) -> None:
        """Carries what is thought of this node (a text, a number, whatever `str` prints) back to the parameters that it
        came from, where the optimizer finds it. For an exception it may be left out: what failed, and at which line.

        Each node is gone through once: TraceError if one was before, and nothing is changed, unless that call had
        `retain_graph`."""
        behind = nodes_behind([self])
        for each in behind:
            if each._gone_through:
                raise TraceError(f"feedback on {self.name} goes through {each.name}, which feedback went through "
                                 "before: say retain_graph=True in the first call to allow it")
        reached = {each for each in behind if each.trainable}
        for parameter in reached:
            parameter._check_room()
        for each in behind:
            each._gone_through = not retain_graph and not each.is_root
        taken = Pass(self, feedback if isinstance(feedback, str) else str(feedback))
        for parameter in reached:
            parameter._feedback.append(taken)

    def zero_feedback(self) -> None:
        """Forgets the feedback that reached it."""

    def detach(self) -> "Node[T]":
        """A copy of the value that remembers nothing."""
        return Node(copy.deepcopy(self._value), name=self.base)

    def _set(self, value: Any) -> None:
        """Another value, which is not recorded."""
        self._value = value.value if isinstance(value, Node) else value

    def __eq__(self, other: object) -> bool:
        """Compares values, and is not recorded: `eq` is."""
        return bool(self._value == (other.value if isinstance(other, Node) else other))

    def __hash__(self) -> int:
        return id(self)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __len__(self) -> int:
        return len(self._value)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator["Node[Any]"]:
        return operators.iterate(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Node[T]":
        copied = Node(copy.deepcopy(self._value, memo), name=self.base, description=self.description)
        memo[id(self)] = copied
        return copied

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name}, {self._value!r:.200})"


class ParameterNode(Node[T]):
    """A value that an optimizer may change."""
    trainable = True

    def __init__(self, value: Any, *, name: str | None = None, description: str | None = None,
                 constraint: str | None = None, code: bool = False, tape: Tape | None = None):
        super().__init__(value, name=name, description=description, tape=tape)
        self.constraint, self.code = constraint, code
        self._leading = frozenset([self])
        self._feedback: list[Pass] = []

    @property
    def feedback(self) -> list[Pass]:
        """What reached it and no step has used."""
        return list(self._feedback)

    def zero_feedback(self) -> None:
        self._feedback.clear()

    def _check_room(self) -> None:
        if len(self._feedback) >= MOST_FEEDBACK:
            raise TraceError(f"{MOST_FEEDBACK} feedbacks wait at {self.name}: step an optimizer that has it, or call "
                             "its zero_feedback()")

    def __deepcopy__(self, memo: dict[int, Any]) -> "ParameterNode[T]":
        copied = ParameterNode(copy.deepcopy(self._value, memo), name=self.base, description=self.description,
                               constraint=self.constraint, code=self.code)
        memo[id(self)] = copied
        return copied


class MessageNode(Node[T]):
    """What an operation made of its inputs. `inner` is the node inside the function that was its result, if the
    function was recorded too."""

    def __init__(self, value: Any, *, operator: str, inputs: dict[str, Node[Any]], name: str | None = None,
                 description: str | None = None, used: frozenset[ParameterNode] = NOTHING,
                 inner: Node[Any] | None = None):
        super().__init__(value, name=name or operator, description=description)
        self.operator, self.inner = operator, inner
        if not current_tape().recording:
            return
        self.inputs = inputs
        given = NOTHING
        for each in inputs.values():
            if each._leading is not given and not each._leading <= given:
                given = given | each._leading if given else each._leading
        self.hidden = used - given
        self._leading = given | self.hidden if self.hidden else given


class ExceptionNode(MessageNode[str]):
    """How an operation failed: "(ZeroDivisionError) division by zero". `source` is the function's, of which `line`
    failed, from 1; 0 if that is not known."""

    def __init__(self, error: BaseException, *, operator: str, inputs: dict[str, Node[Any]], name: str,
                 description: str | None = None, used: frozenset[ParameterNode] = NOTHING, source: str = "",
                 line: int = 0):
        # What was raised in a sandbox says itself what it was.
        self.error_type, self.message = getattr(error, "error_type", type(error).__name__), str(error)
        self.source, self.line = source, line
        super().__init__(f"({self.error_type}) {self.message}", operator=operator, inputs=inputs, name=name,
                         description=description, used=used)

    def create_feedback(self, style: str = "simple") -> str:
        """What failed; with style "full" the source too, in which the line that failed is marked."""
        if style not in ("simple", "full"):
            raise ValueError(f"style: 'simple' or 'full', not {style!r}")
        if style == "simple" or not self.source:
            return self._value
        lines = self.source.splitlines()
        if 0 < self.line <= len(lines):
            lines[self.line - 1] += f"   <-- fails here: {self._value}"
        return "\n".join([*lines, self._value])


def nodes_behind(outputs: list[Node[Any]]) -> list[Node[Any]]:
    """The outputs and all that led to them, each once, in the order in which they were made."""
    seen = {id(each): each for each in outputs}
    waiting = list(seen.values())
    while waiting:
        each = waiting.pop()
        for behind in itertools.chain(each.inputs.values(), each.hidden):
            if id(behind) not in seen:
                seen[id(behind)] = behind
                waiting.append(behind)
    return sorted(seen.values(), key=lambda each: each._order)
