"""Operations on nodes: `operators.concat(x, y)`, and what a node does by `+`, `[]` and its methods. Each computes what
Python would of the values and records itself. One that fails raises ExecutionError with a node that says how.

An argument that is no node becomes one, called as the argument."""
from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, Callable, Iterator

from .errors import ExecutionError

if TYPE_CHECKING:
    from .nodes import MessageNode, Node

REQUIRED = object()


class Operator:
    """A built-in operation. `parameters` are the names of its arguments, "*y" for any number of them (which are called
    args_0, args_1 ...) and "**z" for any by name, "n=None" with a default."""

    def __init__(self, name: str, description: str, parameters: str, function: Callable[..., Any]):
        self.name, self.__doc__ = name, description
        self.description = f"[{name}] {description}"
        self._function = function
        self._names: list[str] = []
        self._defaults: dict[str, Any] = {}
        self._any, self._any_named = False, False
        for each in parameters.split(", "):
            if each.startswith("**"):
                self._any_named = True
            elif each.startswith("*"):
                self._any = True
            else:
                given, _, default = each.partition("=")
                self._names.append(given)
                if default:
                    self._defaults[given] = {"None": None, "-1": -1, "False": False}[default]

    def __call__(self, *args: Any, **kwargs: Any) -> "MessageNode[Any]":
        names = self._names
        if len(args) > len(names) and not self._any:
            raise TypeError(f"{self.name}() takes {len(names)} arguments, not {len(args)}")
        named = dict(zip(names, args))
        for name in kwargs:
            if name in named or not (self._any_named or name in names):
                raise TypeError(f"{self.name}() got '{name}' twice, or does not know it")
        named.update({name: kwargs[name] for name in names if name in kwargs})
        inputs = {name: _node(given, name) for name, given in named.items()}
        more = {f"args_{i}": _node(given) for i, given in enumerate(args[len(names):])}
        others = {name: _node(given, name) for name, given in kwargs.items() if name not in inputs}
        for name in names:
            if name not in inputs:
                if name not in self._defaults:
                    raise TypeError(f"{self.name}() misses '{name}'")
                inputs[name] = _node(self._defaults[name], name)
        return self._record({**inputs, **more, **others}, len(inputs) + len(more))

    def _record(self, inputs: "dict[str, Node[Any]]", by_place: int) -> "MessageNode[Any]":
        """Computes and records; the first `by_place` inputs are given to the function by their place."""
        from .nodes import ExceptionNode, MessageNode
        names = list(inputs)
        try:
            value = self._function(*(inputs[name].value for name in names[:by_place]),
                                   **{name: inputs[name].value for name in names[by_place:]})
        except Exception as error:
            raise ExecutionError(ExceptionNode(error, operator=self.name, inputs=inputs, description=self.description,
                                               name=f"exception_{self.name}")) from error
        return MessageNode(value, operator=self.name, inputs=inputs, description=self.description)


def _changed(x: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """A copy of x that the method has changed."""
    x = copy.copy(x)
    getattr(x, method)(*args, **kwargs)
    return x


def _keys(x: Any) -> list[Any]:
    return list(x.keys())


def _values(x: Any) -> list[Any]:
    return list(x.values())


clone = Operator("clone", "A copy of x.", "x", copy.deepcopy)


def identity(x: Any) -> "MessageNode[Any]":
    """The same as `clone`."""
    return clone(x)


pos = Operator("pos", "x itself, as +x.", "x", lambda x: +x)
neg = Operator("neg", "The negative of x.", "x", lambda x: -x)
abs_ = Operator("abs", "The absolute value of x.", "x", abs)
invert = Operator("invert", "x with all bits flipped.", "x", lambda x: ~x)
round_ = Operator("round", "x, rounded to n places.", "x, n=None", round)
floor = Operator("floor", "The largest whole number that is not above x.", "x", math.floor)
ceil = Operator("ceil", "The smallest whole number that is not below x.", "x", math.ceil)
trunc = Operator("trunc", "x without what is behind the point.", "x", math.trunc)

add = Operator("add", "The sum of x and y.", "x, y", lambda x, y: x + y)
subtract = Operator("subtract", "x less y.", "x, y", lambda x, y: x - y)
multiply = Operator("multiply", "The product of x and y.", "x, y", lambda x, y: x * y)
floor_divide = Operator("floor_divide", "x divided by y, rounded down.", "x, y", lambda x, y: x // y)
divide = Operator("divide", "x divided by y.", "x, y", lambda x, y: x / y)
mod = Operator("mod", "What is left of x when it is divided by y.", "x, y", lambda x, y: x % y)
node_divmod = Operator("divmod", "x divided by y, rounded down, and what is left.", "x, y", divmod)
power = Operator("power", "x to the power of y.", "x, y", lambda x, y: x**y)
lshift = Operator("lshift", "x with its bits moved left by y.", "x, y", lambda x, y: x << y)
rshift = Operator("rshift", "x with its bits moved right by y.", "x, y", lambda x, y: x >> y)
and_ = Operator("and_", "x & y: bits in both, or what two sets share.", "x, y", lambda x, y: x & y)
or_ = Operator("or_", "x | y: bits in either, or what is in either set.", "x, y", lambda x, y: x | y)
xor = Operator("xor", "x ^ y: what is in one of both alone.", "x, y", lambda x, y: x ^ y)

lt = Operator("lt", "Whether x is less than y.", "x, y", lambda x, y: x < y)
le = Operator("le", "Whether x is at most y.", "x, y", lambda x, y: x <= y)
eq = Operator("eq", "Whether x equals y.", "x, y", lambda x, y: x == y)
neq = Operator("neq", "Whether x differs from y.", "x, y", lambda x, y: x != y)
ne = Operator("ne", "Whether x differs from y.", "x, y", lambda x, y: x != y)
ge = Operator("ge", "Whether x is at least y.", "x, y", lambda x, y: x >= y)
gt = Operator("gt", "Whether x is greater than y.", "x, y", lambda x, y: x > y)

cond = Operator("cond", "x if the condition holds, else y.", "condition, x, y",
                lambda condition, x, y: x if condition else y)
not_ = Operator("not_", "Whether x is false or empty.", "x", lambda x: not x)
is_ = Operator("is_", "Whether x and y are one and the same.", "x, y", lambda x, y: x is y)
is_not = Operator("is_not", "Whether x and y are not one and the same.", "x, y", lambda x, y: x is not y)
in_ = Operator("in_", "Whether x is in y.", "x, y", lambda x, y: x in y)
not_in = Operator("not_in", "Whether x is not in y.", "x, y", lambda x, y: x not in y)

getitem = Operator("getitem", "What x has at the index or key.", "x, index", lambda x, index: x[index])
pop = Operator("pop", "Takes what x has at the index or key out of it.", "x, index", lambda x, index: x.pop(index))
len_ = Operator("len_", "How many elements x has.", "x", len)
node_getattr = Operator("node_getattr", "The attribute of obj with the name attr.", "obj, attr", getattr)
call = Operator("call", "What the function fun returns for the arguments.", "fun, *args, **kwargs",
                lambda fun, *args, **kwargs: fun(*args, **kwargs))

ord_ = Operator("ord_", "The number of a character.", "x", ord)
chr_ = Operator("chr_", "The character with a number.", "x", chr)
concat = Operator("concat", "x with y behind it.", "x, y", lambda x, y: x + y)
lower = Operator("lower", "x in small letters.", "x", lambda x: x.lower())
upper = Operator("upper", "x in capital letters.", "x", lambda x: x.upper())
title = Operator("title", "x with a capital at the beginning of each word.", "x", lambda x: x.title())
swapcase = Operator("swapcase", "x with capitals for small letters and the reverse.", "x", lambda x: x.swapcase())
capitalize = Operator("capitalize", "x with a capital at its beginning.", "x", lambda x: x.capitalize())
split = Operator("split", "The parts of the text x between occurrences of y, at most maxsplit times cut.",
                 "x, y, maxsplit=-1", lambda x, y, maxsplit: x.split(y, maxsplit))
strip = Operator("strip", "x without white space, or the characters chars, at its ends.", "x, chars=None",
                 lambda x, chars: x.strip(chars))
replace = Operator("replace", "x with new where old was, at most count times.", "x, old, new, count=-1",
                   lambda x, old, new, count: x.replace(old, new, count))
format_ = Operator("format", "The template x with the arguments in its places.", "x, *args, **kwargs",
                   lambda x, *args, **kwargs: x.format(*args, **kwargs))
join = Operator("join", "The texts one behind the other, with x between them.", "x, *y", lambda x, *y: x.join(y))

to_list = Operator("to_list", "x as a list.", "x", list)
make_list = Operator("make_list", "A list of the arguments.", "*args", lambda *args: list(args))
to_dict = Operator("to_dict", "x as a dictionary.", "x", dict)
make_dict = Operator("make_dict", "A dictionary of the arguments by their names.", "**kwargs", dict)
to_set = Operator("to_set", "x as a set.", "x", set)
make_set = Operator("make_set", "A set of the arguments.", "*args", lambda *args: set(args))
to_tuple = Operator("to_tuple", "x as a tuple.", "x", tuple)
make_tuple = Operator("make_tuple", "A tuple of the arguments.", "*args", lambda *args: args)

keys = Operator("keys", "The keys of the dictionary x.", "x", _keys)
values = Operator("values", "The values of the dictionary x.", "x", _values)
dict_update = Operator("dict_update", "x with the keys and values of y.", "x, y", lambda x, y: _changed(x, "update", y))
dict_pop = Operator("dict_pop", "x without the key.", "x, key", lambda x, key: _changed(x, "pop", key))
dict_popitem = Operator("dict_popitem", "x without its last key.", "x", lambda x: _changed(x, "popitem"))
list_append = Operator("list_append", "x with y at its end.", "x, y", lambda x, y: _changed(x, "append", y))
list_clear = Operator("list_clear", "x without its elements.", "x", lambda x: _changed(x, "clear"))
list_extend = Operator("list_extend", "x with the elements of y at its end.", "x, y",
                       lambda x, y: _changed(x, "extend", y))
list_insert = Operator("list_insert", "x with y put in at the index.", "x, index, y",
                       lambda x, index, y: _changed(x, "insert", index, y))
list_pop = Operator("list_pop", "x without what is at the index.", "x, index",
                    lambda x, index: _changed(x, "pop", index))
list_remove = Operator("list_remove", "x without the first y in it.", "x, y", lambda x, y: _changed(x, "remove", y))
list_reverse = Operator("list_reverse", "x from its end to its beginning.", "x", lambda x: _changed(x, "reverse"))
list_sort = Operator("list_sort", "x in order.", "x, key=None, reverse=False",
                     lambda x, key, reverse: _changed(x, "sort", key=key, reverse=reverse))
set_add = Operator("set_add", "x with y in it.", "x, y", lambda x, y: _changed(x, "add", y))
set_clear = Operator("set_clear", "x without its elements.", "x", lambda x: _changed(x, "clear"))
set_discard = Operator("set_discard", "x without y, if that was in it.", "x, y", lambda x, y: _changed(x, "discard", y))
set_intersection_update = Operator("set_intersection_update", "What x and y share.", "x, y",
                                   lambda x, y: _changed(x, "intersection_update", y))
set_pop = Operator("set_pop", "x without one of its elements.", "x", lambda x: _changed(x, "pop"))
set_remove = Operator("set_remove", "x without y.", "x, y", lambda x, y: _changed(x, "remove", y))
set_symmetric_difference_update = Operator("set_symmetric_difference_update", "What is in one of x and y alone.",
                                           "x, y", lambda x, y: _changed(x, "symmetric_difference_update", y))
set_update = Operator("set_update", "x with the elements of y.", "x, y", lambda x, y: _changed(x, "update", y))

_AS_IN_PYTHON = {"abs": abs_, "round": round_, "format": format_}


def __getattr__(name: str) -> Operator:
    """Operators that are called as functions of Python, which they are not to hide in here."""
    try:
        return _AS_IN_PYTHON[name]
    except KeyError:
        raise AttributeError(name) from None


def iterate(x: "Node[Any]") -> "Iterator[Node[Any]]":
    """The elements of a sequence, of a set in some order, or the keys of a dictionary, each as a node."""
    if isinstance(x.value, dict):
        x = keys(x)
    elif isinstance(x.value, (set, frozenset)):
        x = to_list(x)
    elif not (hasattr(x.value, "__getitem__") and hasattr(x.value, "__len__")):
        to_list(x)  # fails, with a node that says why
        raise TypeError(f"{x.name}: make a list of it first: operators.to_list")
    return _elements(x)


def _elements(x: "Node[Any]") -> "Iterator[Node[Any]]":
    index = 0
    while index < len(x.value):
        yield x[index]
        index += 1


class Traced:
    """The operators and methods that nodes have in common with their values."""

    def _text(self, method: str) -> "Node[Any]":
        value = self.value  # type: ignore[attr-defined]
        if not isinstance(value, str):
            raise AttributeError(f"'{type(value).__name__}' object has no attribute '{method}'")
        return self  # type: ignore[return-value]

    def clone(self) -> "Node[Any]":
        return clone(self)

    def getattr(self, key: Any) -> "Node[Any]":
        return node_getattr(self, _node(key))

    def call(self, method: str, *args: Any, **kwargs: Any) -> "Node[Any]":
        """What a method of the value returns."""
        return self.getattr(method)(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> "Node[Any]":
        return call(self, *args, **kwargs)

    def len(self) -> "Node[Any]":
        return len_(self)

    def __getitem__(self, key: Any) -> "Node[Any]":
        return getitem(self, _node(key))

    def __contains__(self, item: Any) -> bool:
        return bool(in_(_node(item), self))

    def __round__(self, n: Any = None) -> "Node[Any]":
        return round_(self) if n is None else round_(self, _node(n))

    def __add__(self, other: Any) -> "Node[Any]":
        texts = isinstance(self.value, str)  # type: ignore[attr-defined]
        return (concat if texts else add)(self, _node(other))

    def __radd__(self, other: Any) -> "Node[Any]":
        return _node(other) + self

    def __rmul__(self, other: Any) -> "Node[Any]":
        return multiply(self, _node(other))

    def eq(self, other: Any) -> "Node[Any]":
        return eq(self, _node(other))

    def neq(self, other: Any) -> "Node[Any]":
        return neq(self, _node(other))

    def format(self, *args: Any, **kwargs: Any) -> "Node[Any]":
        return format_(self._text("format"), *args, **kwargs)

    def split(self, sep: Any = None, maxsplit: Any = -1) -> "Node[Any]":
        return split(self._text("split"), sep, maxsplit)

    def strip(self, chars: Any = None) -> "Node[Any]":
        return strip(self._text("strip"), chars)

    def replace(self, old: Any, new: Any, count: Any = -1) -> "Node[Any]":
        return replace(self._text("replace"), _node(old), _node(new), count)

    def join(self, seq: Any) -> "Node[Any]":
        return join(self._text("join"), *seq)

    def items(self) -> "Iterator[tuple[Node[Any], Node[Any]]]":
        """Keys and values of a dictionary, as nodes."""
        names = keys(self)
        return ((key, self[key]) for key in _elements(names))

    def keys(self) -> "Node[Any]":
        return keys(self)

    def values(self) -> "Node[Any]":
        return values(self)

    def pop(self, index: Any = -1) -> "Node[Any]":
        """Takes an element out of the value; nothing else is recorded of the change."""
        return pop(self, _node(index))

    def append(self, *args: Any) -> "Node[Any]":
        """Changes the value, too; `list_append` makes another list."""
        return self.call("append", *args)


def _node(value: Any, name: str | None = None) -> "Node[Any]":
    from .nodes import Node
    return value if isinstance(value, Node) else Node(value, name=name)


def _give_operators() -> None:
    """Those that are all alike."""
    def unary(operator: Operator) -> Callable[[Any], Any]:
        return lambda self: operator(self)

    def binary(operator: Operator) -> Callable[[Any, Any], Any]:
        return lambda self, other: operator(self, _node(other))

    def reflected(operator: Operator) -> Callable[[Any, Any], Any]:
        return lambda self, other: operator(_node(other), self)

    def text_method(method: str, operator: Operator) -> Callable[[Any], Any]:
        return lambda self: operator(self._text(method))

    for name, operator in {"pos": pos, "neg": neg, "abs": abs_, "invert": invert, "floor": floor, "ceil": ceil,
                           "trunc": trunc}.items():
        setattr(Traced, f"__{name}__", unary(operator))
    for name, operator in {"sub": subtract, "floordiv": floor_divide, "truediv": divide, "mod": mod, "pow": power,
                           "lshift": lshift, "rshift": rshift, "and": and_, "or": or_, "xor": xor,
                           "divmod": node_divmod}.items():
        setattr(Traced, f"__{name}__", binary(operator))
        setattr(Traced, f"__r{name}__", reflected(operator))
    for name, operator in {"mul": multiply, "lt": lt, "le": le, "gt": gt, "ge": ge}.items():
        setattr(Traced, f"__{name}__", binary(operator))
    for name, operator in {"capitalize": capitalize, "lower": lower, "upper": upper, "swapcase": swapcase,
                           "title": title}.items():
        setattr(Traced, name, text_method(name, operator))


_give_operators()
