"""Dictionaries that are made from others, and their keys."""
from troupe.trace import node, operators


def run():
    base = node({"a": 1, "b": 2}, name="base", trainable=True)
    extra = node({"b": 5, "c": 7}, name="extra", trainable=True)
    merged = operators.dict_update(base, extra)
    names = merged.keys()
    return [base, extra], names.len() + merged["b"], "should be 9"
