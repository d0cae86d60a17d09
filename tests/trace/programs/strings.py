"""Methods of texts."""
from troupe.trace import node


def run():
    prompt = node("  answer in one word ", name="prompt", trainable=True)
    question = node("What is 2+2?", name="question")
    text = prompt.strip().capitalize() + ": " + question.upper()
    text = text.replace("WORD", "line")
    return [prompt], text.swapcase(), "the capitals are wrong"
