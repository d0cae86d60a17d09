"""Worlds in which agents act. Subclass Environment; the provider makes an object for each instance."""
from __future__ import annotations

import dataclasses
from typing import Any, ClassVar


@dataclasses.dataclass
class State:
    """What an agent finds after an operation."""
    observation: Any
    reward: float = 0.0
    done: bool = False


class Environment:
    """One world with one state. Override what the world can do; snapshot and restore come together."""
    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    description: ClassVar[str] = ""
    action_schema: ClassVar[dict[str, Any]] = {}
    observation_schema: ClassVar[dict[str, Any]] = {}
    max_instances: ClassVar[int] = 0
    timeout: ClassVar[float] = 120

    def reset(self, settings: Any) -> State:
        """Begins an episode."""
        raise NotImplementedError

    def observe(self) -> State:
        """Looks without acting."""
        raise NotImplementedError

    def step(self, action: Any) -> State:
        """Acts."""
        raise NotImplementedError

    def snapshot(self) -> Any:
        """The state, to be given to `restore` later. It stays in this process."""
        raise NotImplementedError

    def restore(self, snapshot: Any) -> State:
        """Goes back to a state."""
        raise NotImplementedError

    def close(self) -> None:
        """The world is not needed any more."""

    @classmethod
    def can_snapshot(cls) -> bool:
        return cls.snapshot is not Environment.snapshot and cls.restore is not Environment.restore
