from troupe.trace import node


def compared():
    x = node(4, name="x", trainable=True)
    return [x], (x > node(5, name="limit")).eq(node(True, name="wanted")), "It must be above the limit."


run = compared
