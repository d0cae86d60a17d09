from troupe.trace import node


def outside():
    x = node(1, name="x", trainable=True)
    made = node(2, name="a") + node(3, name="b")
    return [x], made - x, "Smaller."


run = outside
