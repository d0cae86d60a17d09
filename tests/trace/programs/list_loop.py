"""A loop over a list of which each item becomes a node."""
from troupe.trace import node


def run():
    xs = node([1, 2, 3], name="xs", trainable=True)
    total = node(0, name="total")
    for x in xs:
        total = total + x * x.clone()
    return [xs], total, "should be less than 14"
