from troupe.trace import node


def list_length():
    words = node(["a", "b"], name="words", trainable=True)
    return [words], words.len() * node(10, name="weight"), "More words."


run = list_length
