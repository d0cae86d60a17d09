"""Optimizer: an optimizer on the server and the parameters here that it changes."""
from __future__ import annotations

import uuid
from typing import Any, Mapping, Sequence

import grpc

from ..v1 import optimizer_pb2, optimizer_service_pb2 as pb, task_pb2
from .connection import WAIT_SECONDS, Connection, OptimizerError
from .errors import TraceError
from .message import GraphMessage
from .nodes import Node, ParameterNode, Pass
from .steps import Best, Step, best_of, step_of
from .values import check_parameter, value_of

KINDS = {"optoprime": optimizer_pb2.OptimizerConfig.ALGORITHM_OPTOPRIME,
         "optoprime_multi": optimizer_pb2.OptimizerConfig.ALGORITHM_OPTOPRIME_MULTI,
         "opro": optimizer_pb2.OptimizerConfig.ALGORITHM_OPRO,
         "textgrad": optimizer_pb2.OptimizerConfig.ALGORITHM_TEXTGRAD}


class Optimizer:
    """Changes parameters by what was thought of outputs that came from them. The server holds what was tried, the
    budget and the trace, in an optimizer `optimizer_id`; one that is there already goes on, also from another process,
    as long as the parameters have the same names.

    kind: "optoprime", "optoprime_multi", "opro" or "textgrad".
    memory: how many earlier values with their feedback the model is shown.
    objective: what it is to do, in words; else to make the output better, judging by the feedback.
    model: a model of the server's configuration; else that of the role "optimizer", or "default".
    budget: limits on all steps together, a `Budget` message or its fields.
    config: everything else that a server's optimizer can be told (`OptimizerConfig`); `kind`, `memory` and `objective`
        go before it only if they are given.
    patience: seconds for which a server that cannot be reached is tried again. A step is paid once however often it is.

    Not for several threads at the same time."""

    def __init__(self, parameters: Sequence[ParameterNode[Any]], kind: str | None = None, memory: int | None = None,
                 objective: str | None = None, server: str = "127.0.0.1:7433", *, optimizer_id: str = "",
                 model: str = "", budget: task_pb2.Budget | Mapping[str, Any] | None = None, seed: int = 0,
                 config: optimizer_pb2.OptimizerConfig | None = None,
                 credentials: grpc.ChannelCredentials | None = None, patience: float = 300.0):
        self.parameters = list({id(each): each for each in parameters}.values())
        self._check_parameters()
        self._config = optimizer_pb2.OptimizerConfig()
        if config is not None:
            self._config.CopyFrom(config)
        if kind is not None:
            if kind not in KINDS:
                raise ValueError(f"kind: one of {', '.join(KINDS)}, not {kind!r}")
            self._config.algorithm = KINDS[kind]
        if memory is not None:
            self._config.memory = memory
        if objective is not None:
            self._config.objective = objective
        self._budget = budget if isinstance(budget, task_pb2.Budget) or budget is None else task_pb2.Budget(**budget)
        self._models, self._seed = ({"optimizer": model} if model else {}), seed
        self._id = optimizer_id or f"py-{uuid.uuid4().hex}"
        self._connection = Connection(server, credentials, patience)
        self._made = False
        self._begun: pb.StepRequest | None = None  # sent, and not heard of
        self._last: int | None = None
        self._first_score: float | None = None  # of the values before all steps

    def _check_parameters(self) -> None:
        if not self.parameters:
            raise ValueError("an optimizer needs at least one parameter: node(..., trainable=True)")
        names: set[str] = set()
        for each in self.parameters:
            if not isinstance(each, ParameterNode):
                raise TypeError(f"{each!r} is no parameter: make it with node(..., trainable=True)")
            check_parameter(each.value, each.name)
            if each.name in names:
                raise TraceError(f"two parameters are called {each.name}: give them different names")
            names.add(each.name)

    @property
    def name(self) -> str:
        """The server's name of it, "optimizers/..."."""
        return f"optimizers/{self._id}"

    def backward(self, output: Node[Any], feedback: Any = "", retain_graph: bool = False) -> None:
        """The same as `output.backward(feedback)`."""
        output.backward(feedback, retain_graph=retain_graph)

    def zero_feedback(self) -> None:
        """Forgets the feedback that reached the parameters; what the server remembers stays."""
        for each in self.parameters:
            each.zero_feedback()

    def step(self, bypassing: bool = False, score: float | None = None, context: str = "") -> Step:
        """One step: the graph and the feedback go to the server, the new values come back and are set, unless
        `bypassing`. Raises OptimizerError; then no value is changed, and a call with the same graph and feedback goes
        on with the step that may have begun.

        score: how good the values were; more is better. context: what else the model is to know."""
        passes = self._passes()
        if not passes:
            raise TraceError("no feedback reached the parameters: call backward on an output that came from them")
        message = GraphMessage(passes, self.parameters)
        request = pb.StepRequest(name=self.name, graph=message.graph, feedback=message.feedback, context=context,
                                 score=self._first_score if score is None else score)
        request.wait.FromNanoseconds(int(WAIT_SECONDS * 1e9))
        step = self._make(self._same_or_new(request))
        self._begun, self._first_score, self._last = None, None, step.number
        if step.state == "failed":
            raise OptimizerError(f"step {step.number} failed: {step.error}", "STEP_FAILED")
        if not bypassing:
            self._set({each.name: each.new_value for each in step.message.changes})
        return step

    def propose(self, score: float | None = None, context: str = "") -> Step:
        """A step whose new values are not set: `update` does that."""
        return self.step(bypassing=True, score=score, context=context)

    def update(self, step: Step) -> None:
        """Sets the values that a step proposed."""
        self._set({each.name: each.new_value for each in step.message.changes})

    def revert(self, step: int | None = None, reason: str = "") -> Step:
        """Sets the values that were there after a step, 0: before all; without `step` those before the last change."""
        self._ensure()
        if step is None:
            changed = [each for each in self.steps() if each.changes or each.kind == "revert"]
            if not changed:
                raise TraceError("nothing has changed yet that could be reverted")
            step = changed[-1].number - 1
        response = self._connection.call(self._connection.stub.Revert,
                                         pb.RevertRequest(name=self.name, step=step, reason=reason))
        made = step_of(response.step)
        self._last = made.number
        self._set({each.name: each.value for each in response.step.values_after})
        return made

    def report(self, score: float) -> None:
        """Says how good the current values are; more is better. Before the first step it is kept for that."""
        if self._last is None:
            self._first_score = score
            return
        self._connection.call(self._connection.stub.ReportScore,
                              pb.ReportScoreRequest(name=f"{self.name}/steps/{self._last}", score=score))

    def best(self, score: float | None = None, restore: bool = False) -> Best:
        """The values with the highest mean score, after `score` of the current ones was reported; `restore` sets them.
        OptimizerError (NOT_FOUND) if none has a score."""
        if score is not None:
            self.report(score)
        self._ensure()
        response = self._connection.call(self._connection.stub.GetBest, pb.GetBestRequest(name=self.name))
        if restore:
            self._set({each.name: each.value for each in response.values})
        return best_of(response)

    def steps(self) -> list[Step]:
        """All steps, the oldest first."""
        self._ensure()
        found: list[Step] = []
        token = ""
        while True:
            page = self._connection.call(self._connection.stub.ListSteps,
                                         pb.ListStepsRequest(parent=self.name, page_token=token))
            found += map(step_of, page.steps)
            token = page.next_page_token
            if not token:
                return found

    def close(self) -> None:
        """Ends the connection; the server keeps the optimizer."""
        self._connection.close()

    def __enter__(self) -> "Optimizer":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # --- steps ---
    def _passes(self) -> list[Pass]:
        found = {id(each): each for parameter in self.parameters for each in parameter.feedback}
        return sorted(found.values(), key=lambda each: each.order)

    def _same_or_new(self, request: pb.StepRequest) -> pb.StepRequest:
        """The request with the id of one that was sent before and is the same, if that was not heard of."""
        if self._begun is not None:
            request.request_id = self._begun.request_id
            if request == self._begun:
                return request
        request.request_id = str(uuid.uuid4())
        self._begun = request
        return request

    def _ensure(self) -> None:
        """Makes the optimizer; that it is there already is as well."""
        if self._made:
            return
        request = pb.CreateOptimizerRequest(optimizer_id=self._id, settings=pb.OptimizerSettings(
            config=self._config, budget=self._budget, models=self._models, seed=self._seed))
        try:
            self._connection.call(self._connection.stub.CreateOptimizer, request)
        except OptimizerError as error:
            if error.code != "ALREADY_EXISTS":
                raise
            there = self._connection.call(self._connection.stub.GetOptimizer, pb.GetOptimizerRequest(name=self.name))
            self._last = there.optimizer.steps or None
        self._made = True

    def _make(self, request: pb.StepRequest) -> Step:
        self._ensure()
        made = self._connection.call(self._connection.stub.Step, request, WAIT_SECONDS).step
        while made.state == pb.OptimizerStep.STATE_RUNNING:
            further = pb.GetStepRequest(name=made.name)
            further.wait.CopyFrom(request.wait)
            made = self._connection.call(self._connection.stub.GetStep, further, WAIT_SECONDS).step
        return step_of(made)

    def _set(self, values: Mapping[str, Any]) -> None:
        """Sets all or none."""
        read = [(each, value_of(values[each.name], each.value, each.name)) for each in self.parameters
                if each.name in values]
        for parameter, value in read:
            parameter._set(value)
