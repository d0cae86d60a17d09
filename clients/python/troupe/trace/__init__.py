"""Programs that learn from feedback (Trace, arXiv 2406.16218): what they do is recorded here, where they run."""
from . import operators
from .batch import batch
from .bundle import Bundle, bundle
from .errors import ExecutionError, MissingInputsError, TraceError
from .modules import Module, model
from .nodes import ExceptionNode, MessageNode, Node, ParameterNode, node
from .tape import Tape, current_tape, stop_tracing

__all__ = ["Bundle", "ExceptionNode", "ExecutionError", "MessageNode", "MissingInputsError", "Module", "Node",
           "ParameterNode", "Tape", "TraceError", "batch", "bundle", "current_tape", "model",
           "node", "operators", "stop_tracing"]
