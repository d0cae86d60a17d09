"""Numbers of both kinds, with constants on either side."""
from troupe.trace import node


def run():
    x = node(2.5, name="x", trainable=True, constraint="between 0 and 10")
    n = node(7, name="n", trainable=True)
    half = 1 - x / 2
    rest = (n % 4) ** 2 // 2
    y = -half * 3 + (x + rest)
    return [x, n], y, "8.5 is wanted"
