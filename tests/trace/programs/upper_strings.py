from troupe.trace import node


def strings():
    greeting = node("hello", name="greeting", trainable=True)
    return [greeting], (greeting + " world").upper(), "Say it more politely."


run = strings
