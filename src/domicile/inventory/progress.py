"""How long work tells how far it is; ``cli`` shows it, everything else may ignore it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Quiet"]


class Progress(Protocol):
    """One stage at a time: its title and size, then what was done of it."""

    def stage(self, title: str, *, items: int, size_bytes: int = 0) -> None:
        """Begin a stage of so many items and, where known, bytes."""
        ...

    def advance(self, items: int = 1, size_bytes: int = 0) -> None:
        """So much more of the stage is done."""
        ...

    def note(self, message: str) -> None:
        """Something a person should see now."""
        ...


class Quiet:
    """Shows nothing."""

    def stage(self, title: str, *, items: int, size_bytes: int = 0) -> None:
        """Ignored."""

    def advance(self, items: int = 1, size_bytes: int = 0) -> None:
        """Ignored."""

    def note(self, message: str) -> None:
        """Ignored."""
