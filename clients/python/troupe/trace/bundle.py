"""@bundle: a function of the program as one operation of its graph."""
from __future__ import annotations

import contextvars
import functools
import inspect
import re
import types
from typing import Any, Callable

from . import operators
from .connection import OptimizerError
from .errors import ExecutionError, MissingInputsError, TraceError
from .nodes import NOTHING, ExceptionNode, MessageNode, Node, ParameterNode
from .sandbox import Sandbox, SandboxError
from .source import failed_line, signature_of, source_of
from .tape import watch_reads

EVAL = "The result of the code __code, called with the other inputs as arguments."
_SELF, _BOUND = "_troupe_trace_self", "_troupe_trace_bundles"
# Bundles that run now and whose function is to call itself as it would without @bundle.
_plain_calls: contextvars.ContextVar[tuple["Bundle", ...]] = contextvars.ContextVar("troupe_plain_calls", default=())


def bundle(description: str | Callable[..., Any] | None = None, traceable_code: bool = False, trainable: bool = False,
           catch_execution_error: bool = True, allow_external_dependencies: bool = False,
           overwrite_python_recursion: bool = False, sandbox: Sandbox | None = None) -> Any:
    """Makes a function one operation: called with values or nodes, it gets the values and returns a node.

    description: what it does, for the optimizer; else its docstring. "[name] ..." names its nodes.
    traceable_code: the function gets nodes, and what it does inside is recorded as well (`MessageNode.inner`): feedback
        reaches parameters that it uses there.
    trainable: its source becomes a parameter, `parameter`. What an optimizer makes of it, that is a model's text, is
        RUN IN THIS PROCESS, with all that the process may do, unless there is a `sandbox`. Ask for it only where that is
        acceptable.
    sandbox: where its code runs instead, on a server, with values that JSON can say. For trainable functions.
    catch_execution_error: what it raises becomes a node, within ExecutionError; else it is raised as it is.
    allow_external_dependencies: it may read nodes that it was not given; parameters among them get the feedback too.
    overwrite_python_recursion: calls of itself are ordinary calls, which are not recorded."""
    def decorate(function: Callable[..., Any]) -> Bundle:
        return Bundle(function, None if callable(description) else description, traceable_code, trainable,
                      catch_execution_error, allow_external_dependencies, overwrite_python_recursion, sandbox)
    return decorate(description) if callable(description) else decorate


class Bundle:
    """A function that records what it does. See `bundle`."""

    def __init__(self, function: Callable[..., Any], description: str | None, traceable_code: bool, trainable: bool,
                 catch_execution_error: bool, allow_external_dependencies: bool, overwrite_python_recursion: bool,
                 sandbox: Sandbox | None = None):
        functools.update_wrapper(self, function)
        self._function, self._signature = function, inspect.signature(function)
        self._operator = function.__qualname__[:200]
        text = description or f"[{self._operator}] {inspect.getdoc(function) or ''}".strip()
        named = re.match(r"\[([^\[\]]+)\]", text)
        self.description = text if named else f"[{self._operator}] {text}"
        self.name = named.group(1) if named else self._operator
        self._traceable, self._catch = traceable_code, catch_execution_error
        self._external, self._plain_recursion = allow_external_dependencies, overwrite_python_recursion
        self._source, self._sandbox = source_of(function), sandbox
        if sandbox is not None and (not trainable or traceable_code):
            raise TypeError(f"{self._operator}: a sandbox is for trainable code, of which the inside cannot be recorded")
        self._instance: Node[Any] | None = None  # of which it is a method
        self.parameter: ParameterNode[str] | None = None
        if trainable:
            self._make_parameter()

    @property
    def trainable(self) -> bool:
        return self.parameter is not None

    def _make_parameter(self) -> None:
        if self._source is None:
            raise TypeError(f"{self._operator}: its source cannot be read, so it cannot be trainable")
        head = signature_of(self._source.text)
        if not head:
            raise TypeError(f"{self._operator}: only a function with def can be trainable")
        self.parameter = ParameterNode(self._source.text, name="__code", code=True, constraint=(
            "The code defines one function, whose name, arguments and docstring stay as they are:\n" + head))

    def __get__(self, instance: Any, owner: type) -> "Bundle":
        if instance is None:
            return self
        methods = instance.__dict__.setdefault(_BOUND, {})
        bound = methods.get(self.__name__)
        if bound is None:
            bound = Bundle.__new__(Bundle)
            bound.__dict__.update(self.__dict__)
            if _SELF not in instance.__dict__:
                instance.__dict__[_SELF] = Node(instance)
            bound._instance = instance.__dict__[_SELF]
            if self.parameter is not None:
                bound._make_parameter()  # each object has code of its own
            methods[self.__name__] = bound
        return bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._instance is not None:
            args = (self._instance, *args)
        if any(each._function is self._function for each in _plain_calls.get()):
            return self._function(*(_value(each) for each in args), **{k: _value(v) for k, v in kwargs.items()})
        run = Run(self, self._callable(), *self._inputs(args, kwargs))
        return run.finish_later() if inspect.iscoroutinefunction(run.function) else run.finish()

    # --- before the call ---
    def _inputs(self, args: tuple[Any, ...],
                kwargs: dict[str, Any]) -> tuple[dict[str, Node[Any]], inspect.BoundArguments]:
        """The arguments and defaults as nodes: by the names that they have as inputs, and as they are passed on."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        inputs: dict[str, Node[Any]] = {}
        for name, given in bound.arguments.items():
            kind = self._signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_POSITIONAL:
                several = tuple(self._as_node(each, None) for each in given)
                inputs.update({f"args_{i}": each for i, each in enumerate(several)})
                bound.arguments[name] = several
            elif kind is inspect.Parameter.VAR_KEYWORD:
                by_name = {key: self._as_node(each, key) for key, each in given.items()}
                inputs.update(by_name)
                bound.arguments[name] = by_name
            else:
                bound.arguments[name] = inputs[name] = self._as_node(given, name)
        return inputs, bound

    @staticmethod
    def _as_node(given: Any, name: str | None) -> Node[Any]:
        if isinstance(given, Bundle) and given.parameter is not None:
            return _CodeArgument(given)
        if isinstance(given, Node):
            return given
        return _gathered(given) if _nodes_in(given) else Node(given, name=name)

    def _callable(self) -> Callable[..., Any]:
        """The function, or what the parameter with its code defines. ExecutionError if that defines none."""
        if self.parameter is None:
            return self._function
        if self._sandbox is not None:
            return self._in_sandbox
        try:
            return self._defined(self.parameter.value)
        except Exception as error:
            line = error.lineno if isinstance(error, SyntaxError) and error.lineno else 0
            if not self._catch:
                raise
            raise ExecutionError(ExceptionNode(
                error, operator=self._operator, inputs={"code": self.parameter}, line=line,
                source=self.parameter.value, description=f"[{self._operator}] Defines the function.",
                name=f"exception_{self.parameter.py_name}")) from error

    def _in_sandbox(self, *args: Any, **kwargs: Any) -> Any:
        assert self._sandbox is not None and self.parameter is not None
        return self._sandbox.call(self.parameter.value, self._function.__name__, args, kwargs)

    def _defined(self, text: str) -> Callable[..., Any]:
        scope = dict(getattr(self._function, "__globals__", {}))
        cells = zip(self._function.__code__.co_freevars, self._function.__closure__ or ())
        scope.update({name: cell.cell_contents for name, cell in cells if cell != types.CellType()})
        defined: dict[str, Any] = {}
        exec(compile(text, f"<{self.parameter.name if self.parameter else 'code'}>", "exec"), scope, defined)
        function = defined.get(self._function.__name__)
        if not isinstance(function, types.FunctionType):
            raise NameError(f"the code defines no function '{self._function.__name__}'")
        scope.update(defined)  # so that it can call itself
        return function


class _CodeArgument(ParameterNode[Any]):
    """A trainable function that is given to another: its parameter in the graph, itself for the function."""

    def __init__(self, given: Bundle):  # pylint: disable=super-init-not-called
        self.__dict__.update(given.parameter.__dict__)
        self._bundle, self._parameter = given, given.parameter


class Run:
    """One call of a bundle."""

    def __init__(self, caller: Bundle, function: Callable[..., Any], inputs: dict[str, Node[Any]],
                 arguments: inspect.BoundArguments):
        self.caller, self.function, self.arguments = caller, function, arguments
        self.inputs = {name: each._parameter if isinstance(each, _CodeArgument) else each
                       for name, each in inputs.items()}
        self._reads = watch_reads()
        self._token: contextvars.Token[Any] | None = None

    def finish(self) -> MessageNode[Any]:
        reads = self._begin()
        try:
            result = self.function(*self.arguments.args, **self.arguments.kwargs)
        except Exception as error:  # pylint: disable=broad-except
            return self._failed(error, reads)
        else:
            return self._node(result, reads)
        finally:
            self._end()

    async def finish_later(self) -> MessageNode[Any]:
        reads = self._begin()
        try:
            result = await self.function(*self.arguments.args, **self.arguments.kwargs)
        except Exception as error:  # pylint: disable=broad-except
            return self._failed(error, reads)
        else:
            return self._node(result, reads)
        finally:
            self._end()

    def _begin(self) -> dict[int, Node[Any]]:
        for name, given in self.arguments.arguments.items():
            # A method works on its object, never on a copy of it.
            traceable = self.caller._traceable and given is not self.caller._instance
            self.arguments.arguments[name] = _passed(given, traceable)
        if self.caller._plain_recursion:
            self._token = _plain_calls.set((*_plain_calls.get(), self.caller))
        return self._reads.__enter__()

    def _end(self) -> None:
        self._reads.__exit__(None, None, None)
        if self._token is not None:
            _plain_calls.reset(self._token)

    def _used(self, reads: dict[int, Node[Any]], result: Any = None) -> frozenset[ParameterNode[Any]]:
        """The parameters behind what it used inside."""
        given = {id(each) for each in self.inputs.values()}
        outside = [each for key, each in reads.items() if key not in given]
        if outside and not self.caller._external:
            raise MissingInputsError(
                f"{self.caller._operator} read {', '.join(each.name for each in outside)}, which it was not given: "
                "pass it as an argument, or say allow_external_dependencies=True")
        used = NOTHING
        for each in [*outside, *_nodes_in(result)]:
            used = used | each.leading_parameters()
        return used

    def _recorded(self) -> tuple[dict[str, Node[Any]], str, str, str]:
        caller = self.caller
        if caller.parameter is None:
            return self.inputs, caller._operator, caller.name, caller.description
        return {**self.inputs, "__code": caller.parameter}, "eval", "eval", f"[eval] {EVAL}"

    def _node(self, result: Any, reads: dict[int, Node[Any]]) -> MessageNode[Any]:
        used = self._used(reads, result)
        inputs, operator, name, description = self._recorded()
        return MessageNode(_value(result), operator=operator, inputs=inputs, name=name, description=description,
                           used=used, inner=result if self.caller._traceable and isinstance(result, Node) else None)

    def _failed(self, error: Exception, reads: dict[int, Node[Any]]) -> MessageNode[Any]:
        # What the function has no part in is no feedback on it.
        if not self.caller._catch or isinstance(error, (TraceError, OptimizerError)):
            raise error
        used = self._used(reads)
        if isinstance(error, ExecutionError):  # of an operation inside
            used = used | error.exception_node.leading_parameters()
            cause: BaseException = error.__cause__ or error
        else:
            cause = error
        inputs, operator, name, description = self._recorded()
        text, first = self._source()
        line = failed_line(getattr(self.function, "__code__", None), error.__traceback__)
        if isinstance(error, SandboxError):
            line = error.line
        raise ExecutionError(ExceptionNode(cause, operator=operator, inputs=inputs, name=f"exception_{name}", used=used,
                                           description=description, source=text,
                                           line=max(line - first + 1, 0))) from cause

    def _source(self) -> tuple[str, int]:
        if self.caller.parameter is not None:
            return self.caller.parameter.value, 1
        source = self.caller._source
        return (source.text, source.first_line) if source is not None else ("", 1)


def _passed(given: Any, traceable: bool) -> Any:
    """An argument as the function gets it: its value, or a node that is not bound to the outer graph."""
    if isinstance(given, _CodeArgument):
        return given._bundle
    if isinstance(given, Node):
        return given.detach() if traceable else _value(given)
    if isinstance(given, tuple):
        return tuple(_passed(each, traceable) for each in given)
    return {key: _passed(each, traceable) for key, each in given.items()}


def _gathered(given: Any) -> Node[Any]:
    """A node of a container that has nodes in it, made from these."""
    if isinstance(given, Node) or not _nodes_in(given):
        return given if isinstance(given, Node) else Node(given)
    if type(given) is dict:
        if not all(isinstance(key, str) for key in given):
            raise TypeError("a dictionary with nodes in it needs texts as keys to be an argument")
        return operators.make_dict(**{key: _gathered(each) for key, each in given.items()})
    make = {list: operators.make_list, tuple: operators.make_tuple, set: operators.make_set}[type(given)]
    return make(*map(_gathered, given))


def _value(given: Any) -> Any:
    """Without the nodes in it, at any depth of plain containers."""
    if isinstance(given, Node):
        return given.value
    if not _nodes_in(given):
        return given
    if type(given) in (list, tuple, set):
        return type(given)(_value(each) for each in given)
    return {key: _value(each) for key, each in given.items()}


def _nodes_in(given: Any) -> list[Node[Any]]:
    if isinstance(given, Node):
        return [given]
    if type(given) in (list, tuple, set):
        return [found for each in given for found in _nodes_in(each)]
    if type(given) is dict:
        return [found for each in given.values() for found in _nodes_in(each)]
    return []
