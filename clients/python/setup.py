"""Generates the protocol's stubs while the package is built: they are in no source tree."""
import pathlib
import re
import shutil
import subprocess

from setuptools import setup
from setuptools.command.build_py import build_py

# With what they import.
PROTOS = ("troupe/v1/attach.proto", "troupe/v1/tool_service.proto", "troupe/v1/optimizer_service.proto",
          "troupe/v1/task_service.proto")
# google.rpc is a package of its own elsewhere, and none of Debian's: it is used if it is there.
STATUS = '''"""google.rpc.status_pb2 of whoever has it."""
try:
    from google.rpc import status_pb2
except ImportError:
    from . import own_status_pb2 as status_pb2

__all__ = ["status_pb2"]
'''


def proto_folder() -> pathlib.Path:
    """Beside this file in a copy of the package, else where Troupe's sources have it."""
    here = pathlib.Path(__file__).resolve().parent
    for folder in (here / "proto", here.parent.parent / "proto"):
        if (folder / PROTOS[0]).exists():
            return folder
    raise SystemExit("setup.py: the folder proto/ of Troupe's sources is missing")


def with_imports(folder: pathlib.Path) -> list[str]:
    found, waiting = set(), list(PROTOS)
    while waiting:
        each = waiting.pop()
        if each in found or each.startswith("google/protobuf/"):
            continue
        found.add(each)
        waiting += re.findall(r'^import "([^"]+)";', (folder / each).read_text(), re.MULTILINE)
    return sorted(found)


def compile_protos(*arguments: str) -> bool:
    """By protoc and its plugin where they are installed: Debian's grpc_tools is too old for `optional`."""
    plugin = shutil.which("grpc_python_plugin")
    if plugin and shutil.which("protoc"):
        done = subprocess.run(["protoc", f"--plugin=protoc-gen-grpc_python={plugin}", *arguments], check=False)
        return done.returncode == 0
    import grpc_tools
    from grpc_tools import protoc
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    return protoc.main(["protoc", f"-I{well_known}", *arguments]) == 0


def generate(target: pathlib.Path) -> None:
    protos = proto_folder()
    if not compile_protos(f"-I{protos}", f"--python_out={target}", f"--grpc_python_out={target}",
                          *with_imports(protos)):
        raise SystemExit("setup.py: protoc failed")
    made = target / "troupe/v1"
    (made / "__init__.py").touch()
    for each in made.glob("*_pb2.py"):
        each.write_text(each.read_text().replace("from google.rpc import", "from troupe.v1.status import"))
    (target / "google/rpc/status_pb2.py").replace(made / "own_status_pb2.py")
    (made / "status.py").write_text(STATUS)
    for each in [*(target / "google/rpc").iterdir(), target / "google/rpc", target / "google"]:
        each.rmdir() if each.is_dir() else each.unlink()


class BuildWithStubs(build_py):
    def run(self) -> None:
        super().run()
        target = pathlib.Path(self.build_lib)
        target.mkdir(parents=True, exist_ok=True)
        generate(target)


setup(cmdclass={"build_py": BuildWithStubs})
