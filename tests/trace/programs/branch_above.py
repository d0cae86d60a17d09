from troupe.trace import node


def branch_above():
    x = node(2, name="x", trainable=True)
    y = -x if x < 0 else x * 2
    return [x], y + 1, "Larger."


run = branch_above
