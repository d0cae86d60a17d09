"""A function that calls another: the graph shows the outer one alone."""
from troupe.trace import bundle, node


@bundle()
def inner(x):
    """x and one."""
    return x + 1


@bundle()
def outer(x, y):
    """What inner makes of x, times y."""
    return inner(x) * y


def run():
    x = node(3, name="x", trainable=True)
    y = node(4, name="y", trainable=True)
    return [x, y], outer(x, y) - inner(y), "should be 12"
