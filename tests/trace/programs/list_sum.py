from troupe.trace import node


def list_items():
    numbers = node([3, 1, 2], name="numbers", trainable=True)
    return [numbers], numbers[0] + numbers[2], "The sum must be 6."


run = list_items
