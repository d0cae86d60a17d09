from troupe.trace import bundle, node


def nested_bundles():
    @bundle("[inner] One more than x.")
    def inner(x):
        return x + 1

    @bundle("[outer] Twice the inner of x.", traceable_code=True)
    def outer(x):
        return inner(x) * 2
    x = node(3, name="x", trainable=True)
    return [x], outer(x) - node(1, name="one"), "Too small."


run = nested_bundles
