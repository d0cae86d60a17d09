from troupe.trace import ExecutionError, bundle, node


@bundle("[rule] Decides.", trainable=True)
def rule(x):
    return x["missing"]


def code_that_fails():
    try:
        return [rule.parameter], rule(node({"there": 1}, name="x")), ""
    except ExecutionError as error:
        return [rule.parameter], error.exception_node, "It failed: no such key"


run = code_that_fails
