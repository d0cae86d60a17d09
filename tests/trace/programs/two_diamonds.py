from troupe.trace import node


def two_diamonds():
    x = node(3, name="x", trainable=True)
    square = x.clone() * x
    return [x], (square + node(1, name="one")) * square, "Too large."


run = two_diamonds
