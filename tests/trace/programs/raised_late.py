from troupe.trace import ExecutionError, bundle, node


def raised_late():
    @bundle("[pick] Takes the item at index.")
    def pick(items, index):
        return items[index]
    start = node(1, name="start", trainable=True)
    try:
        return [start], pick(node([10, 20], name="items"), start + node(4, name="step")), ""
    except ExecutionError as error:
        return [start], error.exception_node, "It failed: list index out of range"


run = raised_late
