"""Diamonds one upon the other, with an edge that passes over levels."""
from troupe.trace import node


def run():
    x = node(1, name="x", trainable=True)
    w = node(10, name="w", trainable=True)
    y = x
    for _ in range(3):
        left = y + 1
        right = y * 2
        y = left + right
    return [x, w], (y - w) * y, "should be 200"
