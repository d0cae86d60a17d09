"""The grading of AgentGym's to-do tasks: by the answer that a task expects, and by what its account must look like
in the end. A task of which nothing but "done" is expected is one in which something was to be changed."""
import json

DONE = "done"


def is_change(task):
    """Whether the task only asks for something to be done, so that its answer says nothing."""
    return task["subgoals"] == [DONE]


def faults(task, answer, state):
    """What is wrong with an answer (JSON text) and the state of the account: a list of words, empty if it is right."""
    expected = task["additional_info"]["answer"]
    found = state_faults(expected, state)
    if not is_change(task) and not same(task["subgoals"][0], value_of(answer)):
        found.insert(0, "the answer")
    return found


def value_of(answer):
    try:
        return json.loads(answer)
    except ValueError:
        return answer


def same(expected, given):
    """Whether two answers say the same: lists in any order; texts but for case, space, quotes around them and a full
    stop behind; numbers by value, also when given as text."""
    if isinstance(expected, list):
        return isinstance(given, list) and sorted(map(normal, expected)) == sorted(map(normal, given))
    if isinstance(given, (list, dict)):
        return False
    return normal(expected) == normal(given)


def normal(value):
    text = " ".join(str(value).split()).strip("'\"").rstrip(".").lower()
    try:
        return str(float(text))
    except ValueError:
        return text


def state_faults(expected, state):
    """Where an account is not as it must be."""
    found = []
    for kind, name in (("projects", "name"), ("tasks", "content")):
        wanted = {each[name]: each for each in expected[kind]}
        there = {each[name]: each for each in state[kind]}
        found += [f"'{key}' is still there" for key in there if key not in wanted]
        found += [f"'{key}' is gone" for key in wanted if key not in there]
        for key in wanted.keys() & there.keys():
            found += [f"{field} of '{key}' is {there[key].get(field)}, not {value}"
                      for field, value in wanted[key].items() if there[key].get(field) != value]
    return sorted(found)
