"""Two ways from one parameter to the output."""
from troupe.trace import node


def run():
    x = node(2, name="x", trainable=True)
    a = x + 1
    b = x * 3
    return [x], a - b, "should be 0"
