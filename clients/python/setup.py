"""Generates the protocol's stubs while the package is built: they are in no source tree."""
import pathlib

from setuptools import setup
from setuptools.command.build_py import build_py

PROTOS = ("troupe/v1/attach.proto", "troupe/v1/tool_service.proto")


def proto_folder() -> pathlib.Path:
    """Beside this file in a copy of the package, else where Troupe's sources have it."""
    here = pathlib.Path(__file__).resolve().parent
    for folder in (here / "proto", here.parent.parent / "proto"):
        if (folder / PROTOS[0]).exists():
            return folder
    raise SystemExit("setup.py: the folder proto/ of Troupe's sources is missing")


def generate(target: pathlib.Path) -> None:
    import grpc_tools
    from grpc_tools import protoc
    protos = proto_folder()
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    failed = protoc.main(["protoc", f"-I{protos}", f"-I{well_known}", f"--python_out={target}",
                          f"--grpc_python_out={target}", *PROTOS])
    if failed:
        raise SystemExit("setup.py: protoc failed")
    (target / "troupe/v1/__init__.py").touch()


class BuildWithStubs(build_py):
    def run(self) -> None:
        super().run()
        target = pathlib.Path(self.build_lib)
        target.mkdir(parents=True, exist_ok=True)
        generate(target)


setup(cmdclass={"build_py": BuildWithStubs})
