from troupe.trace import node


def floats():
    rate = node(0.5, name="rate", trainable=True, constraint="between 0 and 1")
    base = node(80.0, name="base")
    return [rate], base * rate / node(4, name="parts"), "It should be about 15."


run = floats
