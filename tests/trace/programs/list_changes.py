"""Lists that are made from others."""
from troupe.trace import node, operators


def run():
    xs = node([4, 2], name="xs", trainable=True)
    longer = operators.list_append(xs, 9)
    longest = operators.list_extend(longer, node([1, 1], name="more"))
    ordered = operators.list_sort(longest)
    return [xs], ordered, "no number twice"
