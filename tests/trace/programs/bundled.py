from troupe.trace import bundle, node


def bundled():
    @bundle("[scale] Scales x by a factor.")
    def scaled(x, factor=3):
        return x * factor
    x = node(2, name="x", trainable=True)
    return [x], scaled(x), "It must be 9."


run = bundled
