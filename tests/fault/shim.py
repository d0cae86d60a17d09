"""The page of memory by which the harness commands shim.cc in a server (see there for its layout)."""
import mmap
import os
import pathlib
import re
import struct

MAX_UNSYNCED = 8192
SIZE = 32 + MAX_UNSYNCED * 24
LIBRARY = "libtroupe_fault_shim.so"
FILES = {1: "troupe.db", 2: "troupe.db-wal"}


def library(binaries):
    return os.environ.get("TROUPE_FAULT_SHIM", str(pathlib.Path(binaries).parent / "tests/fault" / LIBRARY))


def why_not(binaries):
    """Why the library cannot be used here; None if it can."""
    if not os.path.exists(library(binaries)):
        return f"{library(binaries)} is not built"
    return None


def sanitizer_runtimes(binaries):
    """The shared runtimes of sanitizers that trouped needs: they must come before any other library."""
    needed = re.findall(rb"lib[at]san\.so\.\d+", (pathlib.Path(binaries) / "trouped").read_bytes())
    return sorted({name.decode() for name in needed})


class Page:
    def __init__(self, folder):
        self.file = pathlib.Path(folder) / "shim.page"
        self.file.write_bytes(bytes(SIZE))
        self.descriptor = os.open(self.file, os.O_RDWR)
        self.memory = mmap.mmap(self.descriptor, SIZE)

    def environment(self, data_folder, binaries):
        preloaded = ":".join([*sanitizer_runtimes(binaries), library(binaries)])
        return {"LD_PRELOAD": preloaded, "TROUPE_FAULT_PAGE": str(self.file),
                "TROUPE_FAULT_DATA": str(data_folder)}

    def number(self, index):
        return struct.unpack_from("<q", self.memory, 8 * index)[0]

    def set_number(self, index, value):
        struct.pack_into("<q", self.memory, 8 * index, value)

    def set_clock(self, seconds):
        self.set_number(0, int(seconds * 1e9))

    def set_write_error(self, error):
        self.set_number(1, error)

    def refused(self):
        return self.number(2)

    def lose_unsynced(self, data_folder, draw):
        """What a power cut does to what was written and not synced: some of it is there, some is
        not, some is torn, and a file may be shorter. Returns how many writes were hit."""
        count = self.number(3)
        if count > MAX_UNSYNCED:
            raise RuntimeError("more unsynced writes than the page can note")
        hit = 0
        for i in range(count):
            file, offset, size = struct.unpack_from("<qqq", self.memory, 32 + 24 * i)
            path = pathlib.Path(data_folder) / FILES[file]
            fate = draw.choice(["kept", "zeros", "garbage", "torn", "cut"])
            if fate == "kept" or not path.exists() or offset >= path.stat().st_size:
                continue
            hit += 1
            if fate == "cut" and file == 2:
                os.truncate(path, offset)
                continue
            with open(path, "r+b") as damaged:
                start = draw.randrange(size) if fate == "torn" else 0
                damaged.seek(offset + start)
                lost = min(size, path.stat().st_size - offset) - start
                damaged.write(draw.randbytes(max(lost, 0)) if fate == "garbage" else bytes(max(lost, 0)))
        self.set_number(3, 0)
        return hit

    def close(self):
        self.memory.close()
        os.close(self.descriptor)
