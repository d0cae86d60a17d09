"""Numerical problems, after those of Trace (arXiv 2406.16218): a graph of sums, differences and products is drawn, with one
to three variables in it, and a target. The optimizer is told whether the output is to be larger or smaller, and nothing
of the target but its range: the information that a derivative has. Solved: within 1 of the target.

    python numerical.py --server 127.0.0.1:7433 --optimizer optoprime 1 2 3 4

--optimizer opro sees the same values and feedback, but not the graph."""
import argparse

from troupe.trace import Optimizer, Tape, node

CLOSE = 1.0
RANGE = 50
OBJECTIVE = (f"Choose the variables so that the output comes within {CLOSE:g} of a target between -{RANGE} and {RANGE}, which "
             "you are not told. The feedback says on which side of it the output is.")


def draws(seed):
    """Numbers from 0 to 1, the same wherever this runs."""
    state = (seed * 2654435761 + 54321) % 2**32
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state / 2**32


class Problem:
    """`count` variables, a program of `operations` steps over them, and a target that it can reach."""

    def __init__(self, number, operations=6):
        random = draws(number)
        self.number, self.count = number, 1 + number % 3
        self.constants = [round(6 * next(random) - 3, 1) or 1.0 for _ in range(2)]
        self.start = [round(4 * next(random) - 2, 1) for _ in range(self.count)]
        self.steps = []
        size = self.count + len(self.constants)
        for step in range(operations):
            # The first ones use every variable, each later one what was made last: all of it leads to the output.
            left = step if step < self.count else size + step - 1
            self.steps.append(("+-*"[int(3 * next(random))], left, int((size + step) * next(random))))
        hidden = [round(6 * next(random) - 3, 1) for _ in range(self.count)]
        self.target = self.output(hidden)

    def output(self, variables, constants=None):
        """Of plain numbers or of nodes."""
        values = [*variables, *(constants or self.constants)]
        for operation, left, right in self.steps:
            x, y = values[left], values[right]
            values.append(x + y if operation == "+" else x - y if operation == "-" else x * y)
        return values[-1]

    def is_fair(self):
        """The target is in its range, and not near the output at first; every variable counts."""
        first = self.output(self.start)
        moved = [self.output([v + (i == k) for i, v in enumerate(self.start)]) for k in range(self.count)]
        return abs(self.target) <= RANGE and abs(first - self.target) > 5 and all(abs(m - first) > 0.1 for m in moved)


def problem(number):
    """The one of that number, from 1, among those that are fair."""
    found = (each for each in map(Problem, range(1, 10_000)) if each.is_fair())
    for _ in range(number - 1):
        next(found)
    return next(found)


def solve(number, server, kind="optoprime", steps=10, model="", show=print):
    """(steps that it took, or None if it was not solved; the last distance from the target)."""
    task = problem(number)
    with Tape():
        variables = [node(value, name=name, trainable=True) for name, value in zip("xyz", task.start)]
        with Optimizer(variables, kind=kind, memory=10, objective=OBJECTIVE, server=server, model=model,
                       seed=1) as optimizer:
            for step in range(steps + 1):
                with Tape():
                    output = task.output(variables, [node(value, name="c") for value in task.constants])
                distance = abs(output.value - task.target)
                values = ", ".join(f"{each.name[0]} = {each.value:g}" for each in variables)
                show(f"problem {number} {kind} step {step}: {values}: {output.value:.4g}")
                if distance <= CLOSE or step == steps:
                    return step if distance <= CLOSE else None, distance
                side = "larger" if output.value < task.target else "smaller"
                optimizer.zero_feedback()
                output.backward(f"The output is {output.value:.6g}. It should be {side}.")
                optimizer.step(score=-distance)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", default="127.0.0.1:7433")
    options.add_argument("--optimizer", default="optoprime")
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--model", default="", help="of the server's configuration")
    options.add_argument("problems", type=int, nargs="*", default=[1, 2, 3, 4])
    given = options.parse_args()
    for number in given.problems:
        took, distance = solve(number, given.server, given.optimizer, given.steps, given.model)
        print(f"problem {number}: {'solved in ' + str(took) + ' steps' if took is not None else 'not solved'}, "
              f"{distance:.4g} off")


if __name__ == "__main__":
    main()
