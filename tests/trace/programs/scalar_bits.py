"""Operators on bits."""
from troupe.trace import node


def run():
    mask = node(0b1100, name="mask", trainable=True)
    shift = node(2, name="shift")
    y = ((mask >> shift) | 8) ^ (~mask & 0xF)
    z = y << 1
    return [mask], z, "too many bits"
