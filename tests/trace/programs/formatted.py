from troupe.trace import node


def formatted():
    template = node("Dear {}, {}", name="template", trainable=True)
    return [template], template.format(node("Ada", name="who"), node("welcome", name="what")), "Use the full name."


run = formatted
