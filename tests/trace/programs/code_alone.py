from troupe.trace import bundle, node


@bundle("[rule] Decides.", trainable=True)
def rule(x):
    """Decides."""
    return x + 1


def code_alone():
    return [rule.parameter], rule(node(4, name="x")), "It must be 8."


run = code_alone
