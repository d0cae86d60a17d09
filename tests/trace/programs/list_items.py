"""Places and slices of a list, and how long it is."""
from troupe.trace import node


def run():
    xs = node([3, 1, 2], name="xs", trainable=True)
    i = node(1, name="i")
    y = xs[0] + xs[i] * xs.len()
    tail = xs[1:]
    z = y + tail[0]
    return [xs], z, "should be 10"
