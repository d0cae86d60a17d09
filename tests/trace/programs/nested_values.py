from troupe.trace import node


def nested_values():
    table = node({"rows": [[1, 2.5], ["it's", None]], "title": "t"}, name="table", trainable=True)
    return [table], table["rows"][1], "The second row is wrong."


run = nested_values
