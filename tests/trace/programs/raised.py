from troupe.trace import ExecutionError, bundle, node


def raised():
    @bundle("[divide_all] Divides x by y.")
    def divided(x, y):
        return x / y
    y = node(0, name="y", trainable=True)
    try:
        return [y], divided(node(1, name="x"), y), ""
    except ExecutionError as error:
        return [y], error.exception_node, "It failed: division by zero"


run = raised
