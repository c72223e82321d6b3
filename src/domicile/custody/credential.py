"""A passphrase, PIN or token: where it lies, read when it is needed and kept nowhere else.

It comes from the environment or from a file that nobody else can read, never from a command line,
which every process on the machine can see.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from domicile.errors import SiteRefused

__all__ = ["Credential", "EnvironmentCredential", "FileCredential"]

_MAX_BYTES = 64 << 10


class Credential(Protocol):
    """Something secret that is shown to a keeper. Its repr says where it lies, not what it is."""

    def read(self) -> str:
        """The secret as it is now. Raises SiteRefused where there is none, or others can read
        it."""
        ...


class EnvironmentCredential:
    """A variable of the environment."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self._name, self._environ = name, environ

    def __repr__(self) -> str:
        return f"the variable {self._name}"

    def read(self) -> str:
        """The variable's value."""
        secret = self._environ.get(self._name, "")
        if not secret:
            raise _refused(f"{self!r} is not set")
        return secret


class FileCredential:
    """A file of mode 0600 or less; a line's end behind the secret is not part of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"the file {self._path.name}"

    def read(self) -> str:
        """The file's content."""
        try:
            if self._path.stat().st_mode & 0o077:
                raise _refused(f"{self!r} can be read by others")
            with self._path.open("rb") as file:
                secret = file.read(_MAX_BYTES).decode().rstrip("\r\n")
        except OSError as error:
            raise _refused(f"{self!r} cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            secret = ""
        if not secret:
            raise _refused(f"{self!r} holds no secret")
        return secret


def _refused(why: str) -> SiteRefused:
    return SiteRefused(
        f"a secret cannot be read: {why}",
        expected="the passphrase, PIN, password or token, in a variable or in a file of mode 0600",
        next_step="put it there; never on a command line",
    )
