from troupe.trace import node


def diamond():
    x = node(3, name="x", trainable=True)
    left = x + node(1, name="one")
    right = x * node(2, name="two")
    return [x], left * right, "Too large."


run = diamond
