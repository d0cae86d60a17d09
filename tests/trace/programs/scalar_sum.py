"""Whole numbers, and the operators that everybody uses."""
from troupe.trace import node


def run():
    x = node(-1, name="x", trainable=True)
    b = node(1, name="b")
    c = node(2, name="c")
    y = (x + b) - c
    return [x], y, "y should be larger"
