from troupe.trace import bundle, node


def hidden_parameter():
    inside = node(5, name="inside", trainable=True)

    @bundle("[lifted] x and something inside.", traceable_code=True, allow_external_dependencies=True)
    def lifted(x):
        return x + inside
    x = node(3, name="x", trainable=True)
    return [x, inside], lifted(x), "Too small."


run = hidden_parameter
