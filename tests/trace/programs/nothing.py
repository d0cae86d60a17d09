from troupe.trace import node, operators as ops


def nothing():
    x = node(None, name="x", trainable=True)
    return [x], ops.is_(x, node(None, name="none")), "Give it a value."


run = nothing
