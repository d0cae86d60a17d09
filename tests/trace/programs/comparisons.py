"""What comparisons of values make; "==" alone makes a plain truth value."""
from troupe.trace import node


def run():
    x = node(3, name="x", trainable=True)
    limit = node(5, name="limit")
    assert not x == limit
    inside = (x < limit) & (x >= 0)
    other = x.eq(limit) | inside
    return [x], other, "should be false"
