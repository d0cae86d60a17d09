"""The grading of GTA tasks: by the white and black lists of their answers."""
import re


def is_gradable(task):
    """Whether an answer can be told right from wrong by its words: not where it is a picture or free text."""
    answer = task.get("gt_answer")
    return isinstance(answer, dict) and bool(answer.get("whitelist"))


def normal(text):
    """Numbers without thousands separators and without zeros at the end of their decimals, times without a leading
    zero, one kind of quotes and of minus, case and space aside."""
    text = re.sub(r"\b0(\d:\d\d)", r"\1", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.lower().replace("\N{MINUS SIGN}", "-"))
    text = re.sub(r"(?<![\d.])(\d+)(?:\.0+|(\.\d*[1-9])0+)(?![\d.]*\d)", r"\1\2", text)
    return re.sub(r"\s+", " ", text.replace("’", "'").replace("*", ""))


def has(answer, wanted):
    """Whether the text occurs as words of their own: 12 is not in 112, nor in 12.5."""
    wanted = normal(str(wanted)).strip()
    return re.search(r"(?<![\w.])" + re.escape(wanted) + r"(?!\w|[.,]\d)", normal(answer)) is not None


def is_right(task, answer):
    lists = task["gt_answer"]
    if any(has(answer, text) for group in lists.get("blacklist") or [] for text in group):
        return False
    return all(any(has(answer, text) for text in group) for group in lists["whitelist"])
