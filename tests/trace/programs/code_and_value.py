from troupe.trace import bundle, node


@bundle("[rule] Decides.", trainable=True)
def rule(x, k):
    return x * k


def code_and_value():
    k = node(2, name="k", trainable=True)
    return [rule.parameter, k], rule(node(4, name="x"), k) + 1, "It must be 13."


run = code_and_value
