"""A function that returns several values, taken apart."""
from troupe.trace import bundle, node


@bundle()
def bounds(center, width):
    """The lower and the upper end of an interval."""
    return center - width, center + width


def run():
    center = node(10, name="center", trainable=True)
    low, high = bounds(center, 3)
    return [center], high * 2 - low, "a bit less"
