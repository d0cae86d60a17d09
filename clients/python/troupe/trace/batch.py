"""Several outputs, and what was thought of them, as one: a step that learns from a minibatch."""
from __future__ import annotations

from typing import Any, Sequence

from .bundle import bundle
from .nodes import Node


@bundle("[batch] The outputs of several runs, one below the other, each with its number.")
def batch_outputs(*outputs: Any) -> str:
    return numbered(outputs)


def numbered(texts: Sequence[Any]) -> str:
    return "\n".join(f"ID [{i}]: {each}" for i, each in enumerate(texts))


def batch(outputs: Sequence[Node[Any]], feedbacks: Sequence[Any]) -> tuple[Node[str], str]:
    """One output made of several, and one feedback: `output.backward(feedback)` reaches what led to any of them.

        output, feedback = batch(outputs, feedbacks)
        output.backward(feedback)

    To keep them apart instead, call `backward` for each before the step."""
    if not outputs or len(outputs) != len(feedbacks):
        raise ValueError(f"give as many feedbacks as outputs, and at least one: {len(outputs)} and {len(feedbacks)}")
    return batch_outputs(*outputs), numbered(feedbacks)
