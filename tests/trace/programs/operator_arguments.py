"""Functions with defaults, with any number of arguments and with arguments by name."""
from troupe.trace import bundle, node


@bundle("[weigh] The weighted sum of xs, with options.")
def weigh(first, *others, scale=2, **options):
    return scale * (first + sum(others)) + options["offset"]


@bundle()
def clip(x, low=0, high=9):
    """x, within bounds."""
    return max(low, min(high, x))


def run():
    a = node(1, name="a", trainable=True)
    b = node(2, name="b", trainable=True)
    y = weigh(a, b, 3, offset=node(4, name="offset"))
    return [a, b], clip(y, high=12), "should be 5"
