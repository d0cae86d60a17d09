"""What must hold after a fault, and at the end. Each check says what is wrong, or nothing."""
import collections
import os
import pathlib
import signal
import time

import record


def after_death(world, recorded):
    """A server has died, however: what it left on the disk."""
    wrong = []
    if recorded.integrity != "ok":
        wrong.append(f"integrity_check: {recorded.integrity}")
    wrong += dense(recorded)
    wrong += nothing_lost(world.records, recorded)
    wrong += known_results_recorded(world, recorded)
    return wrong


def dense(recorded):
    if recorded.sequences == list(range(1, len(recorded.sequences) + 1)):
        return []
    counts = collections.Counter(recorded.sequences)
    last = max(counts)
    return [f"the sequences of events are not dense: {[n for n in range(1, last + 1) if counts[n] != 1]} "
            f"are missing or there twice, up to {last}"]


def nothing_lost(earlier, recorded):
    wrong = []
    for before in earlier:
        for path, what in before.finished.items():
            if path not in recorded.finished:
                wrong.append(f"the recorded effect '{path}' is lost")
            elif recorded.finished[path] != what:
                wrong.append(f"the recorded effect '{path}' changed: {what} became {recorded.finished[path]}")
    return wrong


def known_results_recorded(world, recorded):
    """A request that was made from earlier results proves that the algorithm has seen them: then
    they must be on the disk."""
    if not world.kind.sequential:
        return []
    recorded_digests = {asked.digest for asked in world.model.asked if asked.serial in recorded.serials}
    latest = max((asked.came for asked in world.model.asked), default=0)
    last_digest = next((asked.digest for asked in world.model.asked if asked.came == latest), None)
    wrong = []
    for asked in world.model.asked:
        if asked.answered is None or asked.answered >= latest or asked.digest == last_digest:
            continue
        if asked.digest not in recorded_digests:
            wrong.append(f"the reply to model request {asked.serial} was used before it was on the disk")
    return wrong


def nothing_repeated(world):
    """No call whose outcome was recorded, or known to one life of the server, is made again."""
    wrong = []
    for life, recorded in enumerate(world.records_by_life):
        if recorded is None:
            continue
        settled = {asked.digest: asked.serial for asked in world.model.asked if asked.serial in recorded.serials}
        for asked in world.model.asked:
            if asked.life > life and asked.digest in settled:
                wrong.append(f"model request {asked.serial} repeats {settled[asked.digest]}, whose reply was recorded "
                             f"when life {life} of the server ended")
    if world.fault.give_up < 60:
        return wrong + repeated_tools(world)  # a reply that could not be written must be asked for again
    answered = collections.Counter((asked.life, asked.digest) for asked in world.model.asked if asked.answered)
    for (life, digest), count in answered.items():
        if count > 1:
            serials = [asked.serial for asked in world.model.asked if (asked.life, asked.digest) == (life, digest)]
            wrong.append(f"life {life} of the server made a model call again that had its reply: {serials}")
    return wrong + repeated_tools(world)


def repeated_tools(world):
    return [f"the tool call '{body}' took effect {world.tools.counts[body]} times"
            for body in world.kind.posts if world.tools.counts[body] != 1]


def comparable(task, lenient, varies=()):
    """The result without what differs from run to run; with `lenient` also without how often code
    was tried, which a fault inside a tool may change."""
    result = task.get("result", {})

    def strip(value):
        if isinstance(value, dict):
            left_out = {"path", "name", *varies} | ({"attempts", "rounds", "tool_calls", "critique"} if lenient else set())
            return {key: strip(each) for key, each in value.items() if key not in left_out}
        if isinstance(value, list):
            return [strip(each) for each in value]
        return value

    return {"state": task.get("state"), "result": strip(result)}


def at_end(world, task, undisturbed):
    """The task has ended and the server was stopped."""
    recorded = record.read(world.data, copied=True)
    wrong = after_death(world, recorded)
    wrong += nothing_repeated(world)
    if recorded.open_spans:
        wrong.append(f"{recorded.open_spans} spans of the ended task are open")
    lenient = world.fault.lenient
    expected = undisturbed if undisturbed is not None else {
        "state": "STATE_SUCCEEDED", "text": world.kind.text, "files": None}
    found = outcome(world, task)
    if undisturbed is None:
        text, wanted = task.get("result", {}).get("text", ""), expected["text"]
        right = text == wanted if isinstance(wanted, str) else wanted.search(text) is not None
        if found["task"]["state"] != expected["state"] or not right:
            wrong.append(f"the undisturbed run came to {task.get('state')} {task.get('result')} {task.get('error')}")
    else:
        for key in ("task_lenient", "files_lenient") if lenient else ("task", "files"):
            if found[key] != expected[key]:
                wrong.append(f"the end is another than undisturbed ({key}):\n  {found[key]} {task.get('error', '')}\n"
                             f"  {expected[key]}")
        calls = sum(1 for what in recorded.finished.values() if what[0] == record.MODEL_CALL)
        if int(task["usage"].get("model_calls", 0)) != calls:
            wrong.append(f"usage says {task['usage'].get('model_calls')} model calls, recorded are {calls}")
    for name, content in world.kind.artifacts.items():
        file = world.data / "tasks/t/artifacts" / name
        if not file.exists() or file.read_text() != content:
            wrong.append(f"the artifact {name} holds {file.read_text() if file.exists() else 'nothing'!r}")
    if world.watcher.sequences != recorded.sequences:
        wrong.append(f"the watching client saw the events {world.watcher.sequences}, recorded are {recorded.sequences}")
    return wrong


def outcome(world, task):
    """What must be the same in every run of the kind."""
    files = sorted(str(path.relative_to(world.data)) for path in world.data.rglob("*") if not path.is_symlink())
    # A state is named by the call that made it; one more call, and it has another name.
    states = [file for file in files if file.startswith("tasks/t/states/") and file.count("/") == 3]
    others = [file for file in files if not file.startswith("tasks/t/states/")]
    return {"task": comparable(task, False, world.kind.varies),
            "task_lenient": comparable(task, True, world.kind.varies),
            "files": files, "files_lenient": (others, len(states))}


# --- processes ---

def descendants(pid):
    """All processes below `pid`."""
    found, left = [], [pid]
    while left:
        parent = left.pop()
        for task in list_folder(f"/proc/{parent}/task"):
            try:
                children = pathlib.Path(f"/proc/{parent}/task/{task}/children").read_text().split()
            except OSError:
                continue
            found += [int(child) for child in children]
            left += [int(child) for child in children]
    return found


def list_folder(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
    except OSError:
        return "?"


def processes_left(pids, seconds):
    """Those of the dead server's processes that do not end by themselves. They are then ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(running(pid) for pid in pids):
            return []
        time.sleep(0.02)
    left = [pid for pid in pids if running(pid)]
    wrong = [f"the process {pid} of the dead server still runs: {command(pid)}" for pid in left]
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return wrong
