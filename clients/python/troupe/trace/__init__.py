"""Programs that learn from feedback (Trace, arXiv 2406.16218). What the program does is recorded here, where it runs;
an optimizer on a Troupe server proposes new values of its parameters.

    from troupe.trace import Optimizer, node

    x = node(-1.0, name="x", trainable=True)
    optimizer = Optimizer([x], server="127.0.0.1:7433")
    for _ in range(5):
        y = (x + 1) * 2
        optimizer.zero_feedback()
        y.backward("should be 10")
        optimizer.step()
"""
from . import operators
from .batch import batch
from .bundle import Bundle, bundle
from .errors import ExecutionError, MissingInputsError, TraceError
from .modules import Module, model
from .nodes import ExceptionNode, MessageNode, Node, ParameterNode, node
from .optimizer import Optimizer, OptimizerError, Step
from .sandbox import Sandbox, SandboxError
from .tape import Tape, current_tape, stop_tracing

__all__ = ["Bundle", "ExceptionNode", "ExecutionError", "MessageNode", "MissingInputsError", "Module", "Node",
           "Optimizer", "OptimizerError", "ParameterNode", "Sandbox", "SandboxError", "Step", "Tape", "TraceError", "batch", "bundle",
           "current_tape", "model", "node", "operators", "stop_tracing"]
