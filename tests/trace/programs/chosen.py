from troupe.trace import node, operators as ops


def chosen():
    flag = node(True, name="flag", trainable=True)
    return [flag], ops.cond(flag, node("yes", name="first"), node("no", name="second")), "It must say no."


run = chosen
