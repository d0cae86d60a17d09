"""A function whose inside is a graph too, and uses a parameter that it was not given."""
from troupe.trace import bundle, node

SHIFT = node(5, name="shift", trainable=True)


@bundle(traceable_code=True, allow_external_dependencies=True)
def shifted(x):
    """x, moved."""
    return x * 2 + SHIFT


def run():
    x = node(3, name="x", trainable=True)
    y = shifted(x)
    return [x, SHIFT], y - 1, "should be 9"
