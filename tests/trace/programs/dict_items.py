"""Values of a dictionary by their keys."""
from troupe.trace import node


def run():
    settings = node({"rate": 0.5, "steps": 4}, name="settings", trainable=True)
    key = node("steps", name="key")
    y = settings["rate"] * settings[key]
    return [settings], y, "should be 3"
