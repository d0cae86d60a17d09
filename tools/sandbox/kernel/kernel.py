"""The kernel that runs inside the sandbox: a shell of Python or R behind a Unix socket.

A process is one state. It runs one cell, in a folder copied from its parent's, and then serves as
the parent of further states: "fork" makes a child that shares its memory copy-on-write and speaks
on a socket of its own. Messages are a length of four bytes and JSON, both ways. Outputs follow
Jupyter's output model (nbformat 4).

  {"op": "run", "code": "...", "folder": "...", "from_folder": "..."}  -> {"status", "outputs"}
  {"op": "fork"} with a socket attached                                -> {"pid": n}
  {"op": "clean"}, of the first process alone                          -> {"clean": bool}
"""
import base64
import ctypes
import io
import json
import os
import resource
import shutil
import signal
import socket
import struct
import sys
import threading
import time

MESSAGE_LIMIT = 256 * 1024 * 1024
IMAGE_LIMIT = 4 * 1024 * 1024
PR_SET_CHILD_SUBREAPER = 36
REAL_STDOUT = sys.stdout
SCRATCH = ("/tmp", "/dev/shm")


class Collector:
    """Gathers a cell's outputs, up to a number of bytes of text and a number of images."""

    def __init__(self, text_limit, image_limit):
        self.outputs = []
        self.text_left = text_limit
        self.images_left = image_limit
        self.text_dropped = 0
        self.images_dropped = 0
        self.lock = threading.RLock()

    def clip(self, text):
        kept = text[:max(self.text_left, 0)]
        self.text_left -= len(kept)
        self.text_dropped += len(text) - len(kept)
        return kept

    def stream(self, name, text):
        with self.lock:
            text = self.clip(text)
            if not text:
                return
            last = self.outputs[-1] if self.outputs else None
            if last and last["output_type"] == "stream" and last["name"] == name:
                last["parts"].append(text)
            else:
                self.outputs.append({"output_type": "stream", "name": name, "parts": [text]})

    def display(self, output_type, data, metadata=None, **more):
        with self.lock:
            kept = {}
            for kind, value in data.items():
                if kind.startswith("image/") and kind != "image/svg+xml":
                    if isinstance(value, bytes):
                        value = base64.b64encode(value).decode()
                    if self.images_left <= 0 or len(value) > IMAGE_LIMIT * 4 // 3:
                        self.images_dropped += 1
                        continue
                    self.images_left -= 1
                elif isinstance(value, str):
                    value = self.clip(value)
                    if not value:
                        continue
                else:
                    continue
                kept[kind] = value
            if kept:
                self.outputs.append({"output_type": output_type, "data": kept,
                                     "metadata": metadata or {}, **more})

    def error(self, name, value, traceback):
        with self.lock:
            # The reason must be seen even when the output has used up its share.
            self.outputs.append({"output_type": "error", "ename": name, "evalue": value[:20000],
                                 "traceback": [line[:20000] for line in traceback[-60:]]})

    def finish(self):
        with self.lock:
            for output in self.outputs:
                if output["output_type"] == "stream":
                    output["text"] = "".join(output.pop("parts"))
            notes = []
            if self.text_dropped:
                notes.append(f"{self.text_dropped} more characters of output are left out")
            if self.images_dropped:
                notes.append(f"{self.images_dropped} figures are left out")
            if notes:
                self.outputs.append({"output_type": "stream", "name": "stderr",
                                     "text": "[" + "; ".join(notes) + "]\n"})
            return self.outputs


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr of a cell."""

    def __init__(self, kernel, name, fd):
        self.kernel, self.stream_name, self.fd = kernel, name, fd

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self.kernel.collector is not None:
            self.kernel.collector.stream(self.stream_name, text)
        return len(text)

    def writable(self):
        return True

    def fileno(self):
        return self.fd

    @property
    def encoding(self):
        return "utf-8"


def start_patiently(thread):
    """Another cell of the task may have used up the processes, until it is stopped for that."""
    for _ in range(60):
        try:
            return thread.start()
        except RuntimeError:
            time.sleep(0.05)
    thread.start()


class Drain:
    """What C code and child processes write to the descriptors 1 and 2."""

    def __init__(self, collector):
        self.collector = collector
        self.saved, self.threads = [], []
        for fd, name in ((1, "stdout"), (2, "stderr")):
            read_end, write_end = os.pipe()
            self.saved.append((fd, os.dup(fd)))
            os.dup2(write_end, fd)
            os.close(write_end)
            thread = threading.Thread(target=self.read, args=(read_end, name), daemon=True)
            start_patiently(thread)
            self.threads.append(thread)

    def read(self, fd, name):
        with os.fdopen(fd, "rb", buffering=0) as source:
            while True:
                block = source.read(65536)
                if not block:
                    return
                self.collector.stream(name, block.decode("utf-8", "replace"))

    def close(self):
        for fd, saved in self.saved:
            os.dup2(saved, fd)
            os.close(saved)
        for thread in self.threads:
            thread.join(timeout=1)


def receive(channel, fds=None):
    """One message, or None when the other side is gone. Descriptors sent along go to `fds`."""
    def read(count):
        data = b""
        while len(data) < count:
            part, received, _, _ = socket.recv_fds(channel, count - len(data), 4)
            if fds is not None:
                fds.extend(received)
            if not part:
                return None
            data += part
        return data

    header = read(4)
    if header is None:
        return None
    body = read(struct.unpack("<I", header)[0])
    return None if body is None else json.loads(body)


def send(channel, message):
    data = json.dumps(message).encode("utf-8", "replace")
    if len(data) > MESSAGE_LIMIT:
        data = json.dumps({"status": "error", "outputs": [{
            "output_type": "error", "ename": "OutputTooLarge", "evalue": "the outputs are too large",
            "traceback": []}]}).encode()
    channel.sendall(struct.pack("<I", len(data)) + data)


def children():
    """The processes that this one started and that still run."""
    found = []
    try:
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children") as file:
                found += [int(pid) for pid in file.read().split()]
    except OSError:
        pass
    return found


def end_children():
    """Ends what a cell left running; orphans come to this process, the nearest subreaper."""
    for _ in range(100):
        left = children()
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pid in left:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass


def scratch_paths():
    """All that is in the folders that states share."""
    return {os.path.join(folder, name) for top in SCRATCH
            for folder, folders, files in os.walk(top) for name in folders + files}


def remove_scratch(kept):
    """Removes what states left in the folders that they share. False if something of it stays."""
    for path in sorted(scratch_paths() - kept, key=len):
        if os.path.islink(path) or not os.path.isdir(path):
            try:
                os.unlink(path)
            except OSError:
                pass  # it went with its folder, or shows below
        else:
            shutil.rmtree(path, ignore_errors=True)
    return scratch_paths() <= kept


class Kernel:
    def __init__(self, channel, settings):
        self.channel, self.settings = channel, settings
        self.own_scratch = set()
        self.collector = None
        self.shell = None

    def start_shell(self):
        if self.settings["language"] == "r":
            from r_shell import RShell
            self.shell = RShell(self, self.settings["r_home"])
        else:
            from python_shell import PythonShell
            self.shell = PythonShell(self, self.settings["preload"])
        # Once, for all states: each draws on from where its parent stopped.
        self.shell.seed(self.settings["seed"])
        self.own_scratch = scratch_paths()

    def clean(self):
        try:
            return {"clean": remove_scratch(self.own_scratch)}
        except Exception:  # folders that were made to be walked through for ever
            return {"clean": False}

    def run(self, request):
        started = time.monotonic()
        collector = Collector(self.settings["text_limit"], self.settings["image_limit"])
        self.collector = collector
        folder, source = request["folder"], request.get("from_folder")
        drain = None
        ok = False
        own_pid = os.getpid()
        try:
            if source:
                shutil.copytree(source, folder, symlinks=True)
            else:
                os.makedirs(folder)
                os.symlink(self.settings["inputs"], os.path.join(folder, "inputs"))
            os.chdir(folder)
            drain = Drain(collector)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            ok = self.shell.run_cell(request["code"])
            self.shell.flush_figures()
        except KeyboardInterrupt:
            ok = False
            collector.error("KeyboardInterrupt", "interrupted", [])
        except BaseException as error:  # the cell's doing; the next cell runs in another process
            ok = False
            collector.error(type(error).__name__, str(error), [])
        finally:
            if os.getpid() != own_pid:
                os._exit(0)  # a process that the cell forked must not answer for it
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            end_children()
            # States that end later, and what a killed cell left, are not to stay as zombies.
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            if drain is not None:
                drain.close()
        reply = {"status": "ok" if ok else "error", "outputs": collector.finish(),
                 "duration_ms": int(1000 * (time.monotonic() - started))}
        self.collector = None
        return reply

    def fork(self, fds):
        carried = self.shell.before_fork()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(fds[0])
            return {"error": str(error)}
        if pid == 0:
            self.shell.after_fork(carried)
            self.channel.close()
            self.channel = socket.socket(fileno=fds[0])
            self.become_state()
            send(self.channel, {"hello": True})
            return None
        os.close(fds[0])
        return {"pid": pid}

    def become_state(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def serve(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            fds = []
            request = receive(self.channel, fds)
            if request is None:
                os._exit(0)
            if request["op"] == "fork":
                reply = self.fork(fds)
                if reply is None:
                    continue  # now in the child, on its own channel
            elif request["op"] == "clean":
                reply = self.clean()
            else:
                reply = self.run(request)
            send(self.channel, reply)


def limit_resources(settings):
    mega = 1024 * 1024

    def limit(what, value):
        hard = resource.getrlimit(what)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(what, (value, value))

    limit(resource.RLIMIT_AS, settings["memory_mb"] * mega)
    limit(resource.RLIMIT_FSIZE, settings["file_mb"] * mega)
    limit(resource.RLIMIT_CPU, settings["cpu_seconds"])
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NOFILE, 1024)
    limit(resource.RLIMIT_NPROC, settings["processes"])
    # A file over its limit should be an OSError that the code sees, not a death.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def main():
    settings = json.loads(sys.argv[1])
    sys.path[:0] = settings["python_path"]
    kernel = Kernel(socket.socket(fileno=3), settings)
    sys.stdout = Stream(kernel, "stdout", 1)
    sys.stderr = Stream(kernel, "stderr", 2)
    kernel.start_shell()
    limit_resources(settings)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    send(kernel.channel, {"hello": True})
    kernel.serve()


main()
