"""What a server has durably recorded of its task, read from the data folder behind its back."""
import dataclasses
import pathlib
import shutil
import sqlite3
import tempfile

MODEL_CALL, TOOL_CALL = 2, 3
FIRST_EFFECT = MODEL_CALL


@dataclasses.dataclass
class Record:
    integrity: str
    finished: dict    # path of a recorded effect to all that must never change of it
    open: list        # (path, kind) of effects that have begun and not ended
    open_spans: int   # of all kinds
    sequences: list   # of all events, sorted
    serials: dict     # number of the reply that a model call recorded, to its path


def read(data_folder, copied):
    """`copied`: a server that is not running left the files, which are to stay as they are."""
    database = pathlib.Path(data_folder) / "troupe.db"
    if not copied:
        return read_file(database)
    with tempfile.TemporaryDirectory(prefix="troupe-fault-copy-") as folder:
        for name in ("troupe.db", "troupe.db-wal"):
            if database.with_name(name).exists():
                shutil.copyfile(database.with_name(name), pathlib.Path(folder) / name)
        return read_file(pathlib.Path(folder) / "troupe.db")


def failed_calls(data_folder):
    """The calls of tools that failed: (path, error). What an agent was told is packed as only a server can read it."""
    database = sqlite3.connect(f"file:{data_folder}/troupe.db?mode=ro", uri=True, timeout=10)
    try:
        return database.execute(
            "SELECT path, ifnull(nullif(error, ''), 'the agent was told') FROM spans s "
            "JOIN span_ends e ON e.span = s.id "
            "WHERE kind = ? AND (error != '' OR e.attributes LIKE '%is_error%')", (TOOL_CALL,)).fetchall()
    finally:
        database.close()


def read_file(file):
    # Written to only in so far as reading recovers the log.
    database = sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=10)
    try:
        spans = database.execute(
            "SELECT path, kind, begin_sequence, ifnull(end_sequence, 0), state, hex(ifnull(e.request, s.request)), "
            "hex(result), error, input_tokens FROM spans s LEFT JOIN span_ends e ON e.span = s.id "
            "WHERE s.task = (SELECT id FROM tasks WHERE name = 't')").fetchall()
        events = database.execute(
            "SELECT sequence FROM events WHERE task = (SELECT id FROM tasks WHERE name = 't')").fetchall()
        integrity = database.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        database.close()
    effects = [span for span in spans if span[1] >= FIRST_EFFECT]
    return Record(
        integrity=integrity,
        finished={span[0]: span[1:] for span in effects if span[3] > 0},
        open=[(span[0], span[1]) for span in effects if span[3] == 0],
        open_spans=sum(1 for span in spans if span[3] == 0),
        sequences=sorted([span[2] for span in spans] + [span[3] for span in spans if span[3] > 0] +
                         [event[0] for event in events]),
        serials={span[8]: span[0] for span in effects if span[1] == MODEL_CALL and span[3] > 0 and span[8]})
