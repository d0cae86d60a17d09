"""Texts taken apart and put together again."""
from troupe.trace import node


def run():
    line = node("red,green,blue", name="line", trainable=True)
    parts = line.split(",")
    glue = node(" + ", name="glue")
    text = glue.join([parts[2], parts[0]])
    return [line], text, "blue comes last"
