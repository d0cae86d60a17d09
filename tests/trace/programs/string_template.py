"""A template with places by number and by name."""
from troupe.trace import node


def run():
    template = node("{0} is asked: {question}", name="template", trainable=True)
    name = node("Ada", name="name")
    question = node("why?", name="question")
    text = template.format(name, question=question)
    return [template], text.title(), "be polite"
