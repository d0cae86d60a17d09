"""The faults, each a class that prepares a world for itself and strikes in it. A new fault is one
class in FAULTS."""
import errno
import os
import signal
import socket
import sqlite3
import subprocess
import time

import checks
import record
import shim
import world as worlds
from proxy import Proxy
from servers import http

HOUR = 3600


class Fault:
    per_run = 4            # points that one run of a task takes
    weight = 1             # of its share of points
    ends_life = False      # whether the server is started again after it
    lenient = False        # whether tools may fail by it, so that agents try again
    give_up = 60           # seconds that the store tries a write
    model_settings = {}

    def why_not(self):
        """Why it cannot be tried on this machine; None if it can."""
        return None

    def prepare(self, world):
        """Before the server's first start."""

    def plan(self, world, number):
        """When it is known at which request the fault is to strike."""

    def strike(self, world):
        raise NotImplementedError


class Kill(Fault):
    """SIGKILL, and a start anew."""
    per_run = 6
    weight = 8
    ends_life = True

    def strike(self, world):
        world.end_life(signal.SIGKILL)
        world.read_record()


class Term(Fault):
    """SIGTERM: running effects finish or are recorded as begun, watching clients get a clean status,
    and the server is gone within ten seconds."""
    per_run = 5
    weight = 3
    ends_life = True

    def strike(self, world):
        listening, ended = world.server.listening, world.ended()
        watched = listening and world.watcher.connected_to == world.server.address
        breaks = len(world.watcher.breaks)
        code = world.end_life(signal.SIGTERM)
        # Before it blocks the signal, a process that starts is ended by it, as any is.
        if code != 0 and not (code == -signal.SIGTERM and not listening):
            world.wrong.append(f"a polite stop ended with exit {code}")
        recorded = world.read_record()
        if not ended:
            self.check_begun(world, recorded)
        if watched and not ended:
            self.check_client(world, breaks)

    def check_begun(self, world, recorded):
        digests = {asked.digest for asked in world.model.asked if asked.serial in recorded.serials}
        for asked in world.model.asked:
            if asked.life != world.life or asked.digest in digests:
                continue
            if record.MODEL_CALL not in [kind for _, kind in recorded.open]:
                world.wrong.append(f"model request {asked.serial} is recorded neither as finished nor as begun")

    def check_client(self, world, breaks):
        watcher = world.watcher
        if not watcher.wait_for(lambda: len(watcher.breaks) > breaks or watcher.ended(), 10):
            world.wrong.append("the watching client was not told that the server stopped")
            return
        for status in watcher.breaks[breaks:][:1]:
            told = (status["code"], status["reason"]) == ("UNAVAILABLE", "SHUTTING_DOWN")
            # A call that was just being made is turned away by gRPC itself, in its own words.
            if not told and (status["heard"] or status["code"] not in ("UNAVAILABLE", "CANCELLED")):
                world.wrong.append(f"the watching client was told: {status}")


class PowerCut(Fault):
    """A kill after which what was not yet synced is lost, in part lost, or torn.

    The kernel keeps all that a killed process wrote, so a kill alone never loses anything. What a
    power cut may lose is known exactly: a preloaded library (shim.cc) notes every write to the
    database and its log, and forgets it when the file is synced."""
    per_run = 6
    weight = 3
    ends_life = True

    def why_not(self):
        return shim.why_not(worlds.BINARIES)

    def prepare(self, world):
        world.page = shim.Page(world.folder)

    def strike(self, world):
        world.end_life(signal.SIGKILL)
        world.page.lose_unsynced(world.data, world.draw)
        world.read_record()


class KillUnwritten(Fault):
    """A kill after a while in which another process held the write lock, so that nothing of that
    while is on the disk. Who goes on before the disk has what it goes on from is found out here:
    after a kill alone the commit, which takes less than a millisecond, has nearly always been made."""
    per_run = 5
    weight = 2
    ends_life = True

    def strike(self, world):
        other = sqlite3.connect(world.data / "troupe.db", timeout=10, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            world.gate.release()
            time.sleep(world.draw.uniform(0.1, 0.6))
            world.end_life(signal.SIGKILL)
            other.execute("ROLLBACK")
        finally:
            other.close()
        world.read_record()


class Freeze(Fault):
    """SIGSTOP for a while, then SIGCONT."""

    def strike(self, world):
        os.kill(world.server.process.pid, signal.SIGSTOP)
        time.sleep(world.draw.uniform(0.05, 1.0))
        os.kill(world.server.process.pid, signal.SIGCONT)


class KillSandbox(Fault):
    """Kills one of the sandbox's processes: bubblewrap, the kernel, a state of it, a cell."""
    per_run = 3
    lenient = True

    def strike(self, world):
        end = time.monotonic() + 10
        while not world.ended() and time.monotonic() < end:
            below = [pid for pid in checks.descendants(world.server.process.pid) if checks.running(pid)]
            if below:
                try:
                    os.kill(world.draw.choice(below), signal.SIGKILL)
                    return
                except ProcessLookupError:
                    continue
            world.gate.release()  # no code has run yet: let the task come to that
            time.sleep(0.02)


class DiskFull(Fault):
    """The data folder's disk fills up, and is freed after a while."""
    per_run = 3
    lenient = True

    def __init__(self, give_up=60):
        self.give_up = give_up

    def why_not(self):
        if os.geteuid() != 0:
            return "a small file system can be mounted by root alone"
        probe = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
        return None if probe.returncode == 0 else "no file system can be mounted here: " + probe.stderr.decode().strip()

    def prepare(self, world):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", world.data], check=True, timeout=30)
        world.mounted = True

    def strike(self, world):
        ballast = world.folder / "data/ballast"
        try:
            with open(ballast, "wb", buffering=0) as file:
                for size in (1 << 20, 4096, 1):
                    try:
                        while file.write(bytes(size)) == size:
                            pass
                    except OSError:
                        pass
            world.gate.release()
            time.sleep(world.draw.uniform(0.1, 2.0))
        finally:
            ballast.unlink(missing_ok=True)


class DatabaseBusy(Fault):
    """Another process holds the database's write lock."""

    def __init__(self, give_up=60, longest=1.5):
        self.give_up, self.longest = give_up, longest

    def strike(self, world):
        other = sqlite3.connect(world.data / "troupe.db", timeout=10, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            world.gate.release()
            time.sleep(world.draw.uniform(0.1, self.longest))
            other.execute("ROLLBACK")
        finally:
            other.close()


class ReadOnly(Fault):
    """The disk refuses every write (read-only, broken, or full), and takes them again later."""
    per_run = 3
    lenient = True

    def __init__(self, give_up=60):
        self.give_up = give_up

    def why_not(self):
        return shim.why_not(worlds.BINARIES)

    def prepare(self, world):
        world.page = shim.Page(world.folder)

    def strike(self, world):
        world.page.set_write_error(world.draw.choice([errno.EROFS, errno.EIO, errno.ENOSPC]))
        world.gate.release()
        time.sleep(world.draw.uniform(0.1, 2.0))
        world.page.set_write_error(0)


class Clock(Fault):
    """The time of day jumps, forward or back, by seconds or by days."""

    def why_not(self):
        return shim.why_not(worlds.BINARIES)

    def prepare(self, world):
        world.page = shim.Page(world.folder)

    def strike(self, world):
        world.page.set_clock(world.draw.choice([1, -1]) * world.draw.choice([2, 30, HOUR, 30 * 24 * HOUR]))


class CutClient(Fault):
    """Cuts the connections of clients in the middle of what they read."""
    per_run = 5

    def prepare(self, world):
        world.proxy = Proxy()

    def strike(self, world):
        world.proxy.cut(reset=world.draw.random() < 0.5)


# --- what the model's server does wrong, to one request ---

class Model(Fault):
    per_run = 5

    def __init__(self, misbehave, **settings):
        self.misbehave, self.model_settings = misbehave, settings

    def plan(self, world, number):
        world.model.mischief.append((number, self.misbehave))

    def strike(self, world):
        pass  # the model's server does it


def refuse(status, *headers):
    return lambda server, connection, reply: connection.sendall(http(status, '{"error": {"message": "no"}}', headers))


def delay(server, connection, reply):
    server.closed.wait(1.0)
    connection.sendall(reply)


def cut(server, connection, reply):
    connection.sendall(reply[:len(reply) * 2 // 3])


def garbage(server, connection, reply):
    connection.sendall(http(200, b"\xff\xfe{]" * 50, ["Content-Type: application/json"]))


def drip(server, connection, reply):
    for i in range(len(reply)):
        connection.sendall(reply[i:i + 1])
        if server.closed.wait(0.05):
            return


def huge(server, connection, reply):
    connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n")
    while True:
        connection.sendall(b" " * (1 << 20))


def never(server, connection, reply):
    connection.settimeout(10)
    try:
        connection.recv(1)  # until the other side gives up
    except socket.timeout:
        pass


FAULTS = {
    "kill": Kill(),
    "term": Term(),
    "power_cut": PowerCut(),
    "kill_unwritten": KillUnwritten(),
    "freeze": Freeze(),
    "kill_sandbox": KillSandbox(),
    "disk_full": DiskFull(),
    "disk_full_long": DiskFull(give_up=0.3),
    "busy": DatabaseBusy(),
    "busy_long": DatabaseBusy(give_up=0.3, longest=7),
    "read_only": ReadOnly(),
    "read_only_long": ReadOnly(give_up=0.3),
    "clock": Clock(),
    "cut_client": CutClient(),
    "model_delay": Model(delay),
    "model_429": Model(refuse(429, "Retry-After: 1")),
    "model_500": Model(refuse(500)),
    "model_503": Model(refuse(503)),
    "model_cut": Model(cut),
    "model_garbage": Model(garbage),
    "model_drip": Model(drip, idle_seconds=2, total_seconds=2, first_byte_seconds=2),
    "model_huge": Model(huge),
    "model_never": Model(never, first_byte_seconds=0.6, idle_seconds=0.6, total_seconds=2),
}
