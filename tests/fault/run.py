#!/usr/bin/env python3
"""Runs tasks of every kind under every fault and prints a table of what was tried and what failed.

A run is one task; at moments drawn from the run's seed a fault strikes, once a point. A run that
fails is printed with the command that repeats it alone. Runs are processes of their own, several at
once, each with a deadline."""
import argparse
import collections
import ctypes
import dataclasses
import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import sys
import time
import traceback

import checks
from faults import FAULTS, Fault
from kinds import KINDS
from patience import patience
from world import PROCESS_SECONDS, World

RUN_SECONDS = patience(150)
MOMENT_SECONDS = 60
PR_SET_CHILD_SUBREAPER = 36


@dataclasses.dataclass
class Run:
    kind: str
    fault: str
    seed: int
    points: int


@dataclasses.dataclass
class Outcome:
    run: Run
    points: int = 0
    wrong: list = dataclasses.field(default_factory=list)
    log: str = ""
    seconds: float = 0.0
    outcome: dict = None  # of an undisturbed run
    requests: int = 0     # to the outside world


def moments(draw, requests, points):
    """When the fault strikes: (number of the request to the outside, phase, seconds after it)."""
    numbers = sorted(draw.sample(range(1, requests + 1), min(points, requests)))
    for number in numbers:
        phase = draw.choice(["received", "replied", "replied"])
        after = draw.choice([0, 0, draw.uniform(0, 0.03), draw.uniform(0, 0.03), draw.uniform(0, 0.3)])
        yield number, phase, after


def strike_at(world, number, phase, after):
    fault = world.fault
    fault.plan(world, number)
    world.gate.set_trap(number, phase)
    world.wait_for_moment(MOMENT_SECONDS)
    time.sleep(after)
    fault.strike(world)
    world.gate.release()


def strike_while_starting(world, draw):
    """The server has ended: the fault strikes again while it comes up and resumes the task."""
    world.launch()
    time.sleep(draw.uniform(0, 0.4))
    if os.path.exists(world.folder / "port"):
        world.server.wait_until_listening()
    world.fault.strike(world)


def perform(run, undisturbed):
    """One task under one fault. Returns the outcome; nothing is left behind."""
    draw = random.Random(f"{run.seed}/{run.kind}/{run.fault}")
    outcome = Outcome(run)
    world = World(KINDS[run.kind], FAULTS[run.fault], draw)
    try:
        planned = list(moments(draw, undisturbed.requests, run.points))
        while planned:
            strike_at(world, *planned.pop(0))
            outcome.points += 1
            if world.fault.ends_life:
                while planned and draw.random() < 0.3:
                    planned.pop(draw.randrange(len(planned)))
                    strike_while_starting(world, draw)
                    outcome.points += 1
                world.restart()
        finish(world, outcome, undisturbed.outcome)
    except Exception:  # whatever it is, it is a finding
        outcome.wrong.append(traceback.format_exc())
    finally:
        outcome.wrong = world.wrong + outcome.wrong
        outcome.log = world.describe() if outcome.wrong else ""
        world.close()
    return outcome


def finish(world, outcome, undisturbed):
    task = world.wait_for_end(MOMENT_SECONDS)
    code = world.end_life(signal.SIGTERM)
    if code != 0:
        world.wrong.append(f"the last polite stop ended with exit {code}")
    world.wrong += world.watcher.wrong
    outcome.outcome = checks.outcome(world, task)
    outcome.requests = len(world.gate.numbers)
    world.wrong += checks.at_end(world, task, undisturbed)


def perform_undisturbed(run):
    outcome = Outcome(run)
    world = World(KINDS[run.kind], Fault(), random.Random(run.seed))
    try:
        finish(world, outcome, None)
    except Exception:
        outcome.wrong.append(traceback.format_exc())
    finally:
        outcome.wrong += world.wrong
        outcome.log = world.describe() if outcome.wrong else ""
        world.close()
    return outcome


# --- many runs at once ---

def in_child(pipe, function, arguments):
    # Processes that a dead server leaves come to this one, which looks for them and ends them.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began = time.monotonic()
    outcome = function(*arguments)
    # Those that were killed a moment ago may still be on their way out.
    outcome.wrong += checks.processes_left(checks.descendants(os.getpid()), patience(PROCESS_SECONDS))
    outcome.seconds = time.monotonic() - began
    pipe.send(outcome)
    pipe.close()


class Pool:
    """Runs functions in processes of their own, `jobs` at a time, each within RUN_SECONDS."""

    def __init__(self, jobs):
        self.jobs = jobs
        self.context = multiprocessing.get_context("fork")

    def map(self, function, tasks):
        """`tasks`: (run, arguments); yields outcomes as they come."""
        waiting, working = collections.deque(tasks), {}
        while waiting or working:
            while waiting and len(working) < self.jobs:
                run, arguments = waiting.popleft()
                receiver, sender = self.context.Pipe(duplex=False)
                process = self.context.Process(target=in_child, args=(sender, function, arguments))
                process.start()
                sender.close()
                working[receiver] = (run, process, time.monotonic() + RUN_SECONDS)
            ready = multiprocessing.connection.wait(list(working), timeout=0.5)
            for receiver in ready:
                run, process, _ = working.pop(receiver)
                yield self.take(run, receiver, process)
            for receiver, (run, process, end) in list(working.items()):
                if time.monotonic() > end:
                    del working[receiver]
                    yield self.give_up(run, receiver, process)

    def take(self, run, receiver, process):
        try:
            outcome = receiver.recv()
        except EOFError:
            outcome = Outcome(run, wrong=["the harness's own process ended"])
        receiver.close()
        process.join(timeout=30)
        return outcome

    def give_up(self, run, receiver, process):
        for pid in [process.pid, *checks.descendants(process.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.join(timeout=30)
        receiver.close()
        return Outcome(run, wrong=[f"the run did not end within {RUN_SECONDS} s"])


def plan(kinds, faults, points, seed, requests):
    """Runs that take `points` points together, shared out by the faults' weights. A task has as many moments as
    requests to the outside: one of a kind that makes few takes few points."""
    pairs = [(kind, fault) for fault in faults for kind in kinds]
    total = sum(FAULTS[fault].weight for _, fault in pairs)
    runs, weight, given = [], 0, 0
    for kind, fault in pairs:
        weight += FAULTS[fault].weight
        share = points * weight // total - given  # what is rounded off goes to the next ones
        given += share
        while share > 0:
            take = min(FAULTS[fault].per_run, share, requests[kind])
            runs.append(Run(kind, fault, seed * 1000 + len(runs), take))
            share -= take
    random.Random(seed).shuffle(runs)  # what one fault costs is not to come all at once
    return runs


def print_table(outcomes):
    rows = collections.defaultdict(lambda: [0, 0, 0, 0.0])
    for each in outcomes:
        row = rows[(each.run.kind, each.run.fault)]
        row[0] += 1
        row[1] += each.points
        row[2] += bool(each.wrong)
        row[3] = max(row[3], each.seconds)
    print(f"{'kind':<16} {'fault':<16} {'tasks':>6} {'points':>7} {'failures':>9} {'slowest s':>10}")
    for (kind, fault), (tasks, points, failures, seconds) in sorted(rows.items()):
        print(f"{kind:<16} {fault:<16} {tasks:>6} {points:>7} {failures:>9} {seconds:>10.1f}")
    total = [sum(row[i] for row in rows.values()) for i in range(3)]
    print(f"{'all':<33} {total[0]:>6} {total[1]:>7} {total[2]:>9}")


def report(outcome):
    run = outcome.run
    if not outcome.wrong:
        return
    print(f"FAILED {run.kind} under {run.fault}; alone: scripts/fault-test --kind {run.kind} --fault {run.fault} "
          f"--run {run.seed} --points {run.points}", flush=True)
    for wrong in outcome.wrong:
        print("  " + wrong.replace("\n", "\n  "), flush=True)
    if outcome.log:
        print("  the server's log:\n    " + outcome.log.replace("\n", "\n    "), flush=True)


def chosen(table, name, what):
    if name is None:
        return list(table)
    if name not in table:
        sys.exit(f"there is no {what} '{name}'; there are: {', '.join(table)}")
    return [name]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100, help="how often a fault strikes, together")
    parser.add_argument("--seed", type=int, default=1, help="all runs' seeds derive from it")
    parser.add_argument("--fault", help="one fault alone")
    parser.add_argument("--kind", help="one kind of task alone")
    parser.add_argument("--run", type=int, help="one run alone, by its own seed")
    parser.add_argument("--jobs", type=int, default=2 * len(os.sched_getaffinity(0)), help="runs at once")
    options = parser.parse_args()
    kinds = chosen(KINDS, options.kind, "kind")
    faults = chosen(FAULTS, options.fault, "fault")
    for fault in list(faults):
        if why := FAULTS[fault].why_not():
            print(f"skipping {fault}: {why}")
            faults.remove(fault)
    pool = Pool(options.jobs)
    first = [Run(kind, "undisturbed", options.seed, 0) for kind in kinds]
    undisturbed = {}
    for outcome in pool.map(perform_undisturbed, [(run, (run,)) for run in first]):
        report(outcome)
        if outcome.wrong:
            return 1
        undisturbed[outcome.run.kind] = outcome
    requests = {kind: outcome.requests for kind, outcome in undisturbed.items()}
    runs = plan(kinds, faults, options.points, options.seed, requests)
    if options.run is not None:
        runs = [Run(kind, fault, options.run, options.points) for kind in kinds for fault in faults]
    outcomes = []
    for outcome in pool.map(perform, [(run, (run, undisturbed[run.kind])) for run in runs]):
        outcomes.append(outcome)
        report(outcome)
    print_table(outcomes)
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
