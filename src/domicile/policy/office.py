"""The desk that a server's requests share."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from domicile.charter import Charter
from domicile.policy.desk import Desk
from domicile.policy.logins import Logins
from domicile.policy.questions import Caller

__all__ = ["Office"]

T = TypeVar("T")


class Office:
    """A desk that several requests share, one at a time."""

    def __init__(self, charter: Charter, desk: Desk) -> None:
        self.charter = charter
        self._desk, self._turn = desk, Lock()
        self._logins = Logins(charter, desk, self._turn)

    def caller(self, token: str, address: str, certificate: bytes | None) -> Caller:
        """Who calls, as `Logins.caller`. Raises AccessForbidden."""
        return self._logins.caller(token, address, certificate)

    def country(self, address: str, certificate: bytes | None) -> str:
        """Where a connection comes from, as `Logins.country`."""
        return self._logins.country(address, certificate)

    def do(self, act: Callable[[Desk], T]) -> T:
        """One act at the desk."""
        with self._turn:
            return act(self._desk)
