"""A function of one's own fails behind a diamond."""
from troupe.trace import ExecutionError, bundle, node


@bundle()
def pick(items, i):
    """The item at place i."""
    return items[i]


def run():
    i = node(2, name="i", trainable=True)
    items = node([1, 2, 3], name="items")
    far = i + 1
    try:
        output = pick(items, far * i)
    except ExecutionError as error:
        output = error.exception_node
    return [i], output, output.create_feedback("simple")
