from troupe.trace import node


def same_name():
    first = node(1, name="w", trainable=True)
    second = node(2, name="w", trainable=True)
    return [first, second], first - second, "It must be 1."


run = same_name
