"""A choice that is part of the graph, by a parameter that is a truth value."""
from troupe.trace import node, operators


def run():
    careful = node(True, name="careful", trainable=True)
    x = node(6, name="x", trainable=True)
    fallback = node(0, name="fallback")
    y = operators.cond(careful, fallback, x)
    z = operators.not_(y)
    return [careful, x], z, "should be false"
