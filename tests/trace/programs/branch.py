"""A branch of the program: only what was gone through is in the graph."""
from troupe.trace import bundle, node


@bundle()
def double(x):
    """Twice x."""
    return 2 * x


@bundle()
def shrink(x, by=3):
    """x less some."""
    return x - by


def run():
    x = node(6, name="x", trainable=True)
    limit = node(5, name="limit")
    y = shrink(x) if x > limit else double(x)
    return [x], double(y), "should be 8"
