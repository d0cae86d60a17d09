from troupe.trace import node


def dict_items():
    settings = node({"high": 9, "low": 2}, name="settings", trainable=True)
    return [settings], settings["high"] - settings["low"], "The span must be 10."


run = dict_items
