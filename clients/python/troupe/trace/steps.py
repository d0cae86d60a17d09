"""What an optimizer did, as a program reads it."""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping

from ..v1 import graph_pb2, optimizer_service_pb2 as pb


def plain_value(message: graph_pb2.GraphValue) -> Any:
    """A value by its kind alone: a tuple comes as a list."""
    kind = message.WhichOneof("kind")
    return json.loads(message.json) if kind == "json" else getattr(message, kind) if kind else None


@dataclass(frozen=True)
class Change:
    """What becomes of one parameter."""
    old: Any
    new: Any
    diff: str  # as lines, in the unified format


@dataclass(frozen=True)
class Refused:
    """A suggestion of the model that was not taken."""
    name: str  # of the parameter; empty: the reply as a whole
    suggested: str
    reason: str


@dataclass(frozen=True)
class Step:
    """One step of an optimizer. `changes` are by the parameters' names ("x:0"), as are the values before and after it.
    Its task's trace (`troupe trace`) has the prompt and the reply."""
    number: int
    kind: str  # "step" or "revert"
    state: str  # "running", "succeeded" or "failed"
    task: str
    changes: Mapping[str, Change]
    refused: tuple[Refused, ...]
    reasoning: str
    answer: str
    finished: bool  # the model says that nothing is left to change
    unreached: tuple[str, ...]  # parameters that no feedback reached
    values_before: Mapping[str, Any]
    values_after: Mapping[str, Any]
    feedback: str
    score_before: float | None
    scores_after: tuple[float, ...]
    model_calls: int
    cost_microusd: int
    error: str
    message: pb.OptimizerStep = field(repr=False, compare=False)

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.changes)


@dataclass(frozen=True)
class Best:
    """The values with the highest mean score. `step` first had them after it; 0: they were there before all."""
    values: Mapping[str, Any]
    score: float
    scores: int
    step: int


def number_of(step_name: str) -> int:
    return int(step_name.rpartition("/")[2] or 0)


def values_of(values: Iterable[pb.ParameterValue]) -> dict[str, Any]:
    return {each.name: plain_value(each.value) for each in values}


def step_of(message: pb.OptimizerStep) -> Step:
    def word(enum: Any, value: int, prefix: str) -> str:
        return str(enum.Name(value)).removeprefix(prefix).lower()

    return Step(
        number=number_of(message.name), kind=word(pb.OptimizerStep.Kind, message.kind, "KIND_"),
        state=word(pb.OptimizerStep.State, message.state, "STATE_"), task=message.task,
        changes={each.name: Change(plain_value(each.old_value), plain_value(each.new_value), each.diff)
                 for each in message.changes},
        refused=tuple(Refused(each.name, each.suggested, each.reason) for each in message.refused),
        reasoning=message.reasoning, answer=message.answer, finished=message.finished,
        unreached=tuple(message.unreached),
        values_before=values_of(message.values_before), values_after=values_of(message.values_after),
        feedback=message.feedback, score_before=message.score_before if message.HasField("score_before") else None,
        scores_after=tuple(message.scores_after), model_calls=message.usage.model_calls,
        cost_microusd=message.usage.cost_microusd, error=message.error.message, message=message)


def best_of(message: pb.GetBestResponse) -> Best:
    return Best(values_of(message.values), message.score, message.scores,
                number_of(message.step) if message.step else 0)
