"""The kinds of task that faults are tried on. A new kind is one entry of KINDS: what is submitted,
what the model answers (a function of the request alone, so that a request made again is answered
alike), and what must come out. Whatever else the result holds must equal an undisturbed run's."""
import dataclasses
import json
import re
from typing import Callable


@dataclasses.dataclass(frozen=True)
class Kind:
    spec: Callable[[str], dict]        # of the tool server's address, a TaskSpec
    answer: Callable[[str, dict], dict]  # of that and the model's request, the message of the reply
    text: str | re.Pattern             # of the result
    artifacts: dict                    # name to content
    posts: tuple = ()                  # what tools send out, each to happen once
    # Fields of the result that differ from run to run, times for example.
    varies: tuple = ()
    # Lines of JSON that are uploaded as datasets/faults before the task is submitted.
    dataset: str = ""
    # Whether each model call is made from the results of all that came before it, so that its
    # request proves that they were recorded.
    sequential: bool = True


def call(number, tool, **arguments):
    return {"id": f"call_{number}", "type": "function",
            "function": {"name": tool, "arguments": json.dumps(arguments)}}


# --- chat: a conversation in three turns, with tools that run side by side ---

def chat_spec(tools):
    return {"chat": {"turns": ["Note and post one", "Post two", "Show and keep the notes"], "max_rounds": 40,
                     "tools": ["python", "http_request", "write_artifact"]}}


def append(word):
    return "python", {"code": f"import time\nwith open('notes.txt', 'a') as file:\n    file.write('{word}\\n')\ntime.sleep(0.05)"}


def post(tools, body):
    return "http_request", {"method": "POST", "url": tools + "/orders", "body": body}


def failed(result):
    return result.startswith("The call failed")


def chat_turn(tools, turn, told):
    """The rounds of calls of one turn, and what the model says behind them. `told` is what the last
    call that did not fail printed."""
    keep = ("write_artifact", {"name": "notes.txt", "text": told})
    show = ("python", {"code": "print(open('notes.txt').read(), end='')"})
    return {1: ([[append("one"), post(tools, "order one")], [append("two")]], "Noted."),
            2: ([[post(tools, "order two"), append("three")]], "Posted."),
            3: ([[show], [keep]], "Kept the notes.")}[turn]


def chat_answer(tools, request):
    messages = request["messages"]
    users = [i for i, message in enumerate(messages) if message["role"] == "user"]
    said = messages[users[-1] + 1:]
    results = [message["content"] for message in said if message["role"] == "tool"]
    rounds, last_words = chat_turn(tools, len(users), last_told(results))
    return next_move(rounds, results, last_words)


def last_told(results):
    return next((each for each in reversed(results) if not failed(each)), "")


def next_move(rounds, results, last_words):
    """Goes through the rounds, calling again what failed."""
    given = iter(results)
    number = 0
    for calls in rounds:
        left = calls
        while left:
            outcome = [next(given, None) for _ in left]
            if None in outcome:
                return {"content": "", "tool_calls": [call(number + i, tool, **arguments)
                                                      for i, (tool, arguments) in enumerate(left)]}
            number += len(left)
            left = [each for each, result in zip(left, outcome) if failed(result)]
    return {"content": last_words}


# --- solve: the same work without turns; a plan before, a call that needs approval, an evaluator behind ---

def solve_spec(tools):
    return {"solve": {"request": "Note and post, then keep the notes", "max_rounds": 60, "stuck_rounds": 50, "plan": True,
                      "max_reviews": 1, "tools": ["python", "http_request", "write_artifact"]},
            "permissions": [{"decision": "DECISION_ASK", "tool": "write_artifact", "reason": "It hands out a file."}]}


def solve_answer(tools, request):
    schema = request.get("response_format", {}).get("json_schema", {}).get("name")
    if schema == "plan":
        return {"content": json.dumps({"steps": ["Note", "Post", "Keep"]})}
    if schema == "verdict":
        return {"content": json.dumps({"critique": "good", "accepted": True})}
    results = [re.sub(r"\n\[(Round|You made)[^\n]*\]$", "", message["content"])
               for message in request["messages"] if message["role"] == "tool"]
    told = last_told(results)
    rounds = [[append("one"), post(tools, "order one")], [append("two")], [post(tools, "order two"), append("three")],
              [("python", {"code": "print(open('notes.txt').read(), end='')"})],
              [("write_artifact", {"name": "notes.txt", "text": told})]]
    return next_move(rounds, results, "Kept the notes.")


# --- CellAgent: a plan of steps, each with code that goes on from the state of the one before ---

def cellagent_spec(tools):
    return {"cellagent": {"request": "Sum up", "toolbox": "plain", "max_attempts": 8}}


def cellagent_answer(kind, steps):
    """`kind`: of the steps; those that are "wide" are tried in two ways side by side."""
    def answer(tools, request):
        name = request["response_format"]["json_schema"]["name"]
        text = str(request["messages"][0]["content"])
        if name == "plan":
            content = {"question": None, "steps": [{"title": f"Step {i}", "kind": kind, "description": f"Add {i}"}
                                                   for i in range(1, steps + 1)]}
        elif name == "selection":
            content = {"approaches": [{"tools": [tool], "idea": f"by the {tool}"} for tool in ("adder", "counter")]}
        elif name == "solution":
            step = int(re.search(r"The step to do now: Step (\d+)", text).group(1))
            way = next((tool for tool in ("adder", "counter") if f"by the {tool}" in text), "hand")
            first = "total = 0\n" if step == 1 else ""
            content = {"analysis": "add", "code": first + f"import time\n# by {way}\ntotal += {step}\n"
                       f"with open('steps.txt', 'a') as file:\n    file.write('{step} ')\ntime.sleep(0.05)\n"
                       "print('total', total, open('steps.txt').read())"}
        elif name == "verdict":
            content = {"critique": "good", "score": 9, "ok": True, "next": ""}
        elif name == "comparison":  # of trials with the same score
            first, second = (text.split(f"<text_{letter}>")[1] for letter in "ab")
            content = {"a": "", "b": "", "better": "A" if first < second else "B"}
        else:
            content = {"report": "All is summed up."}
        return {"content": json.dumps(content)}
    return answer


# --- SPO: rounds of proposals, answers side by side, votes in both orders, a tournament ---

def spo_spec(tools):
    return {"spo": {"prompt": "Quality 1.", "requirements": "High quality.", "rounds": 3, "challengers": 2, "sample": 2,
                    "questions": [{"question": f"Question {i} of the search?"} for i in range(1, 6)],
                    "held_out": [{"question": f"Secret {i} of the end?"} for i in range(1, 5)]}, "seed": "7"}


def spo_answer(tools, request):
    schema = request.get("response_format", {}).get("json_schema", {}).get("name")
    text = str(request["messages"][0]["content"])
    qualities = [int(found) for found in re.findall(r"of quality (\d+)", text)]
    if schema == "proposals":
        quality = int(re.search(r"Quality (\d+)\.", text).group(1))
        content = {"proposals": [{"analysis": "", "modification": f"to {quality + i}", "prompt": f"Quality {quality + i}."}
                                 for i in (3, 1)],
                   "joined": [{"number": 1, "prompt": f"Quality {quality + 4}."}]}
        wanted = request["response_format"]["json_schema"]["schema"]["properties"]
        content = {name: prompts for name, prompts in content.items() if name in wanted}
    elif schema == "comparison":
        content = {"a": "", "b": "", "better": "A" if qualities[0] > qualities[-1] else "B"}
    elif schema == "ranking":
        shown = [int(re.search(r"of quality (\d+)", part).group(1)) for part in text.split("<text label=")[1:]]
        order = sorted(range(len(shown)), key=lambda i: -shown[i])
        places = {chr(ord("A") + i): place for place, i in enumerate(order, 1)}
        content = {"notes": dict.fromkeys(places, ""), "places": places}
    else:
        return {"content": "of quality " + re.search(r"Quality (\d+)\.", text).group(1)}
    return {"content": json.dumps(content)}


# --- evaluate: two prompts on the items of a data set, side by side, graded by code in the sandbox ---

def evaluate_spec(tools):
    return {"evaluate": {"items": {"dataset": "datasets/faults"}, "prompt": {}, "concurrency": 4,
                         "variants": [{"name": "plain", "text": "Answer."}, {"name": "careful", "text": "Be careful."}],
                         "graders": [{"code": {"code": "score = answer == expected"}}]}}


def evaluate_answer(tools, request):
    text = str(request["messages"][0]["content"])
    number = int(re.search(r"What is (\d+)", text).group(1))
    return {"content": str(number) if "careful" in text or number % 2 else "unknown"}


# --- optimizer_step: proposals that each make the one before better, of code that the sandbox parses ---

def optimizer_spec(tools):
    nodes = [{"name": "x", "trainable": True, "value": {"int_value": "1"}},
             {"name": "rule", "trainable": True, "value": {"code": "def rule(x):\n    return x"}},
             {"name": "y", "operator": "eval", "value": {"int_value": "1"},
              "inputs": [{"name": "x", "node": 0}, {"name": "code", "node": 1}]}]
    return {"optimizer_step": {"graph": {"nodes": nodes}, "feedback": [{"output": 2, "feedback": "It must be 9."}],
                               "optimizer": {"algorithm": "ALGORITHM_OPTOPRIME_MULTI", "candidates": {
                                   "count": 6, "generation": "GENERATION_REFINEMENT", "selection": "SELECTION_LAST"}}}}


def optimizer_answer(tools, request):
    text = str(request["messages"][0]["content"])
    tried = text.count("<proposal number=")
    return {"content": json.dumps({"reasoning": f"try {tried}", "answer": "", "suggestion": {
        "x0": tried + 2, "rule0": f"def rule(x):\n    return x * {tried + 2}"}})}


EVALUATE_ITEMS = "".join(json.dumps({"question": f"What is {i}?", "answer": str(i)}) + "\n" for i in range(1, 9))

# --- workflow: a map of model calls side by side, code, a loop, and what tools send out ---

def workflow_spec(tools):
    code = "import time\n\ndef number(text):\n    time.sleep(0.05)\n    return int(text.split()[-1])\n"
    post_step = {"name": "posted", "tool": {"tool": "http_request", "arguments": {
        "method": "POST", "url": tools + "/orders", "body": "order one"}}}
    return {"workflow": {"inputs": {"words": ["one", "two", "three"]}, "workflow": {
        "inputs": {"words": {}},
        "parameters": {"number": {"code": {"source": code}},
                       "add": {"code": {"source": "def add(a, b):\n    return a + b\n"}}},
        "steps": [
            {"name": "numbers", "map": {"each": "$words", "as": "word", "steps": [
                {"name": "said", "model": {"messages": [{"text": "How much is {{word}}?"}]}},
                {"name": "value", "code": {"function": "number", "arguments": {"text": "$said"}}}]}},
            post_step,
            {"name": "total", "for": {"each": "$numbers", "as": "one", "carry": {"sum": 0}, "steps": [
                {"name": "more", "code": {"function": "add", "arguments": {"a": "$sum", "b": "$one"}}}],
                "next": {"sum": "$more"}}},
            {"name": "kept", "tool": {"tool": "write_artifact", "arguments": {
                "name": "total.txt", "text": "the total", "description": "what it came to"}}}],
        "answer": "$total.sum"}}}


def workflow_answer(tools, request):
    word = re.search(r"How much is (\w+)", str(request["messages"][-1]["content"])).group(1)
    return {"content": f"That is {['one', 'two', 'three'].index(word) + 1}"}


# --- optimize_workflow: runs side by side, graded by code, and proposals made from what they did ---

def optimize_workflow_spec(tools):
    return {"optimize_workflow": {
        "workflow": {"inputs": {"question": {}},
                     "parameters": {"x": {"value": 10.5, "trainable": True},
                                    "f": {"code": {"source": "def f(x):\n    return f'{(x - 3) ** 2} {x}'\n"}}},
                     "steps": [{"name": "y", "code": {"function": "f", "arguments": {"x": "$x"}}}]},
        "train": {"dataset": "datasets/faults"}, "steps": 3, "novelty": 0, "trainer": "TRAINER_MINIBATCH", "batch": 2,
        "graders": [{"code": {"code": "y, x = map(float, answer.split())\nscore = 1 / (1 + y)\n"
                                      "reason = f'gradient {2 * (x - 3)}'"}}]}, "seed": "7"}


def optimize_workflow_answer(tools, request):
    text = request["messages"][0]["content"]
    x = float(re.findall(r"\((?:int|float)\) x0=(-?[\d.e-]+)", text)[-1])
    gradient = float(re.search(r"gradient (-?[\d.e-]+)", text).group(1))
    content = {"reasoning": "", "answer": "", "suggestion": {"x0": round(x - 0.4 * gradient, 6)}}
    return {"content": json.dumps(content)}


KINDS = {
    "chat": Kind(chat_spec, chat_answer, "Kept the notes.", {"notes.txt": "one\ntwo\nthree\n"},
                 posts=("order one", "order two")),
    "solve": Kind(solve_spec, solve_answer, "Kept the notes.", {"notes.txt": "one\ntwo\nthree\n"},
                  posts=("order one", "order two")),
    "evaluate": Kind(evaluate_spec, evaluate_answer, re.compile(r"plain .* 50\.0 %.*\n.* careful .* 100\.0 %"), {}, sequential=False, dataset=EVALUATE_ITEMS,
                     varies=("text", "usage", "input_tokens", "latency", "latency_median", "latency_p95", "size_bytes", "sha256")),
    "cellagent": Kind(cellagent_spec, cellagent_answer("work", 4), "All is summed up.", {"total.txt": "10"}),
    "cellagent_wide": Kind(cellagent_spec, cellagent_answer("wide", 2), "All is summed up.", {"total.txt": "3"},
                           sequential=False),
    "optimizer_step": Kind(optimizer_spec, optimizer_answer, re.compile(r"^try 5\n"), {}),
    "workflow": Kind(workflow_spec, workflow_answer, "6", {"total.txt": "the total"}, posts=("order one",), sequential=False, varies=("value",)),
    "optimize_workflow": Kind(optimize_workflow_spec, optimize_workflow_answer, re.compile("^Candidate 4 of 4 is the best"), {},
                              sequential=False, dataset=EVALUATE_ITEMS),
    # Four held-out questions do not prove a prompt better than the first one, which stays.
    # The report tells of tokens, which are the requests' own numbers here.
    "spo": Kind(spo_spec, spo_answer, "Quality 12.", {}, sequential=False, varies=("sha256", "size_bytes", "input_tokens")),
}
