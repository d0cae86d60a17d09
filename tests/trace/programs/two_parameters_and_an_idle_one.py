from troupe.trace import node


def two_parameters_and_an_idle_one():
    x = node(1, name="x", trainable=True)
    y = node(2, name="y", trainable=True, constraint="even")
    idle = node(3, name="idle", trainable=True)
    return [x, y, idle], (x + node(1, name="k")) * y, "It must be 12."


run = two_parameters_and_an_idle_one
