"""Battleship, after the example of Trace (arXiv 2406.16218): the code of a player learns. It has two functions, one that
looks at the board and one that says where to shoot; both are parameters. After each game every shot gets feedback, and
the score is the share of ship squares that the player finds on boards that it has not played.

    python battleship.py --server 127.0.0.1:7433 --optimizer optoprime

The code that the model writes RUNS IN THIS PROCESS: use a container, or a user that can do no harm."""
import argparse

from troupe.trace import ExecutionError, Optimizer, Tape, bundle, model, node, stop_tracing

SIZE, SHIPS, SHOTS = 8, (4, 3, 3, 2), 40
JUDGED = range(1001, 1031)  # boards that are never played in training
OBJECTIVE = (f"Battleship: ships of {', '.join(map(str, SHIPS))} squares lie on a board of {SIZE} x {SIZE}, each in a row or "
             f"a column, none on another. Change the code so that as many of their {sum(SHIPS)} squares as possible are hit "
             f"with {SHOTS} shots, on other boards too. The code must be deterministic.")


def draws(seed):
    state = (seed * 2654435761 + 12345) % 2**32
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state / 2**32


def ships(number):
    """The squares of board `number` on which ships are."""
    random, taken = draws(number), set()
    for length in SHIPS:
        while True:
            along, row, column = next(random) < 0.5, int(SIZE * next(random)), int((SIZE + 1 - length) * next(random))
            squares = {(row, column + i) if along else (column + i, row) for i in range(length)}
            if not squares & taken:
                taken |= squares
                break
    return taken


class Board:
    """What is seen: "." for a square that was not shot at, "X" for a hit, "O" for a miss."""

    def __init__(self, number):
        self.ships, self.rows = ships(number), ["." * SIZE] * SIZE
        self.hits = 0

    def shoot(self, square):
        """What came of it, in words."""
        if (not isinstance(square, (list, tuple)) or len(square) != 2
                or not all(isinstance(each, int) and 0 <= each < SIZE for each in square)):
            return f"no square: it must be [row, column], each from 0 to {SIZE - 1}; a shot is lost"
        row, column = square
        if self.rows[row][column] != ".":
            return "already shot at: a shot is lost"
        hit = (row, column) in self.ships
        self.hits += hit
        self.rows[row] = self.rows[row][:column] + ("X" if hit else "O") + self.rows[row][column + 1:]
        return "hit" if hit else "miss"


@model
class Player:
    @bundle(trainable=True)
    def reason(self, board):
        """Notes on the board, for the function act."""
        return []

    @bundle(trainable=True)
    def act(self, board, notes):
        """The next square to shoot at, as [row, column]."""
        for row in range(len(board)):
            for column in range(len(board[row])):
                if board[row][column] == ".":
                    return [row, column]

    def shot(self, rows):
        board = node(list(rows), name="board")
        return self.act(board, self.reason(board))


def play(player, number):
    """A game: (node, what came of it) of each shot, and the share of the ships that was hit."""
    board, shots = Board(number), []
    while len(shots) < SHOTS and board.hits < sum(SHIPS):
        try:
            square = player.shot(board.rows)
        except ExecutionError as error:
            shots.append((error.exception_node, ""))
            break
        shots.append((square, board.shoot(square.value)))
    return shots, board.hits / sum(SHIPS)


def judge(player):
    """The mean share on the boards that are not played in training."""
    with Tape(), stop_tracing():
        return sum(play(player, number)[1] for number in JUDGED) / len(JUDGED)


def learn(server, kind="optoprime", steps=5, enough=0.97, model="", show=print):
    """The scores, before the first step and after each."""
    scores = []
    with Tape():
        player = Player()
        with Optimizer(player.parameters(), kind=kind, memory=3, objective=OBJECTIVE, server=server,
                       model=model, seed=1) as optimizer:
            for step in range(steps + 1):
                scores.append(judge(player))
                show(f"{kind} step {step}: {scores[-1]:.3f} of the ships found with {SHOTS} shots")
                if scores[-1] >= enough or step == steps:
                    return scores
                optimizer.zero_feedback()
                with Tape():  # each game is a graph of its own
                    shots, share = play(player, step + 1)
                    for i, (square, outcome) in enumerate(shots):
                        if i + 1 == len(shots) and outcome:
                            outcome += f". After {len(shots)} shots {share:.0%} of the ships' squares were hit."
                        square.backward(outcome)
                optimizer.step(score=scores[-1])


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", default="127.0.0.1:7433")
    options.add_argument("--optimizer", default="optoprime")
    options.add_argument("--steps", type=int, default=5)
    options.add_argument("--model", default="", help="of the server's configuration")
    given = options.parse_args()
    learn(given.server, given.optimizer, given.steps, model=given.model)


if __name__ == "__main__":
    main()
