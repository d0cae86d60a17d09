"""A class with parameters, one of which is the code of a method."""
from troupe.trace import bundle, model, node


@model
class Greeter:
    def __init__(self):
        self.word = node("Hello", name="word", trainable=True)
        self.mark = node("!", name="mark", trainable=True)

    def __call__(self, name):
        return self.greet(self.word, name) + self.mark

    @bundle()
    def greet(self, word, name):
        """The greeting."""
        return word + ", " + name

    def __str__(self):
        return "a greeter"


def run():
    greeter = Greeter()
    return [greeter.word, greeter.mark], greeter(node("Ada", name="name")), "in Spanish, please"
