"""A loop over keys and values of a dictionary."""
from troupe.trace import node


def run():
    prices = node({"tea": 3, "milk": 1}, name="prices", trainable=True)
    bill = node("", name="bill")
    total = node(0, name="total")
    for name, price in prices.items():
        bill = bill + name
        total = total + price
    return [prices], total, "too dear"
