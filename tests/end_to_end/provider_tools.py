#!/usr/bin/env python3
"""A provider for tests: provider_tools.py SERVER ID LOG. What its tools do is written to the file LOG, a line each."""
import os
import sys
import time

import troupe

SERVER, ID, LOG = sys.argv[1:4]


def note(line):
    with open(LOG, "a") as file:
        file.write(f"{ID} {line}\n")


@troupe.tool(read_only=True)
def add(a: int, b: int) -> int:
    """Adds two numbers.

    Args:
        a: One number.
        b: The other one.
    """
    return a + b


@troupe.tool(read_only=True)
def who() -> str:
    """Tells which provider answers."""
    time.sleep(0.05)
    return ID


@troupe.tool(idempotent=True, timeout=60)
def slow(seconds: float, context: troupe.Context) -> str:
    """Takes its time, and says so."""
    note("slow begins")
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            context.check()
            context.progress(f"{end - time.monotonic():.1f} seconds left")
            time.sleep(0.05)
    except troupe.Cancelled:
        note("slow cancelled")
        raise
    note("slow ends")
    return "slept well"


@troupe.tool(timeout=60)
def pay(amount: int, seconds: float) -> str:
    """Pays, which is not to be done twice."""
    note("pay begins")
    time.sleep(seconds)
    note("pay ends")
    return f"paid {amount}"


@troupe.tool(read_only=True)
def draw(size: int) -> list:
    """Draws a picture and writes about it."""
    png = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c"
                        "63f8cfc0000003010100c9fe92ef0000000049454e44ae426082")
    return ["A picture.", troupe.Image(png), troupe.File("about.txt", "x" * size, "About the picture")]


@troupe.tool(read_only=True)
def fickle(word: str) -> str:
    """Fails in the ways that a tool can."""
    if word == "mend":
        raise troupe.ToolError("there is no such word; try 'good'")
    if word == "bad":
        note("fickle fails")
        raise ValueError("a bad word")
    return word


class Walk(troupe.Environment):
    """A walk along a line."""
    action_schema = {"type": "integer"}

    def __init__(self):
        self.place = 0

    def reset(self, settings):
        self.place = (settings or {}).get("start", 0)
        return self.observe()

    def observe(self):
        return troupe.State({"place": self.place}, done=self.place >= 3)

    def step(self, action):
        self.place += action
        return troupe.State({"place": self.place}, reward=float(action), done=self.place >= 3)

    def snapshot(self):
        return self.place

    def restore(self, snapshot):
        self.place = snapshot
        return self.observe()


note(f"starts {os.getpid()}")
troupe.serve(add, who, slow, pay, draw, fickle, Walk, server=SERVER, provider_id=ID)
