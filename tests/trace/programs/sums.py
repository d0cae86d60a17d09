from troupe.trace import node


def sums():
    x = node(1, name="x", trainable=True)
    b = node(2, name="b")
    c = node(3, name="c")
    return [x], (x + b) - c, "The result must be 10."


run = sums
