"""How often the loop runs depends on values: the graph is another in each run."""
from troupe.trace import node


def run():
    step = node(7, name="step", trainable=True)
    total = node(0, name="total")
    while total < 20:
        total = total + step
    return [step], total, "should end at 20"
