"""A choice that is part of the graph, by what a comparison made: it comes before inputs that are roots."""
from troupe.trace import node, operators


def run():
    x = node(6, name="x", trainable=True)
    fallback = node(0, name="fallback", trainable=True)
    y = operators.cond(x > 10, x, fallback)
    z = operators.not_(y)
    return [x, fallback], z, "should be false"
