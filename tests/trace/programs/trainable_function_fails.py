"""The code of a function is a parameter, and fails."""
from troupe.trace import ExecutionError, bundle, node


@bundle(trainable=True)
def share(total, people):
    """What each of them pays."""
    rest = people - 2
    return total / rest


def run():
    total = node(30, name="total", trainable=True)
    try:
        output = share(total * 2, 2)
    except ExecutionError as error:
        output = error.exception_node
    return [share.parameter, total], output, output.create_feedback()
