"""Inputs that the program made, of things that are no parameters, are shown as given."""
from troupe.trace import bundle, node


@bundle()
def scale(x, factor):
    """x, scaled."""
    return x * factor


def run():
    x = node(2, name="x", trainable=True)
    unused = node(5, name="unused", trainable=True)
    base = node(3, name="base")
    factor = (base + 1) * 2
    y = scale(x, factor)
    _ = unused + 1
    return [x, unused], y + base, "should be 20"
