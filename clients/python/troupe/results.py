"""What a tool may give back besides plain JSON values: pictures, files, and all of it together."""
from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

from .schema import to_json


@dataclasses.dataclass
class Image:
    """A picture for agents that can see."""
    data: bytes
    media_type: str = "image/png"


@dataclasses.dataclass
class File:
    """A file that becomes an artifact of the task: its bytes, or where to read them."""
    name: str
    data: bytes | str | pathlib.Path
    description: str = ""

    def read(self) -> bytes:
        if isinstance(self.data, pathlib.Path):
            return self.data.read_bytes()
        return self.data.encode() if isinstance(self.data, str) else self.data


@dataclasses.dataclass
class Result:
    """A result with all its parts. `content` is what agents see, in order; without it they see the value."""
    value: Any = None
    content: list[str | Image] = dataclasses.field(default_factory=list)
    files: list[File] = dataclasses.field(default_factory=list)


def result_of(returned: Any) -> Result:
    """What a tool's function returned, as a Result."""
    if isinstance(returned, Result):
        return returned
    if isinstance(returned, str):
        return Result(returned, [returned])
    parts = returned if isinstance(returned, (list, tuple)) else [returned]
    if not any(isinstance(part, (Image, File)) for part in parts):
        return Result(to_json(returned))
    result = Result()
    for part in parts:
        if isinstance(part, File):
            result.files.append(part)
        elif isinstance(part, (Image, str)):
            result.content.append(part)
        else:
            result.content.append(json.dumps(to_json(part), ensure_ascii=False))
    if not result.content:
        result.content.append("Files: " + ", ".join(file.name for file in result.files))
    return result
