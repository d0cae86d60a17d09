"""An operator fails; the exception is a node, which gets the feedback."""
from troupe.trace import ExecutionError, node


def run():
    x = node(4, name="x", trainable=True)
    y = x - 4
    try:
        z = node(1, name="one") / y
    except ExecutionError as error:
        z = error.exception_node
    return [x], z, z.create_feedback()
