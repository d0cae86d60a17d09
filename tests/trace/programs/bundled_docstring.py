from troupe.trace import bundle, node


def bundled_docstring():
    @bundle()
    def shout(text):
        """Makes the text loud"""
        return text.upper() + "!"
    text = node("hi", name="text", trainable=True)
    return [text], shout(text), "Too loud."


run = bundled_docstring
