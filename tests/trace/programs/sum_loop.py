from troupe.trace import node


def loop():
    x = node(2, name="x", trainable=True)
    y = node(0, name="start")
    for _ in range(4):
        y = y + x
    return [x], y, "It must be 25."


run = loop
