"""The code of a function is a parameter."""
from troupe.trace import bundle, node


@bundle(trainable=True)
def price(weight, zone):
    """What it costs to send a parcel."""
    return weight * 2 + zone


def run():
    weight = node(3, name="weight")
    total = price(weight, 4) + 1
    return [price.parameter], total, "zone 4 costs 10 more"
