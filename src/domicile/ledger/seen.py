"""What a reader remembers of logs: the last checkpoint of each that it verified, in small files of
its own. With them a log that was rolled back or forked gives itself away to whoever looks twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from domicile.errors import SiteRefused, UsageError
from domicile.ledger.disk import Disk
from domicile.ledger.note import MAX_NOTE_BYTES

__all__ = ["Seen", "read_seen", "seen_directory"]


@dataclass(frozen=True, slots=True)
class Seen:
    """The files that remember one log: one for each key that the reader trusts, so that it is
    recognised by any of them; or the one file that the reader named."""

    paths: tuple[Path, ...]

    @classmethod
    def under(cls, directory: Path, vkeys: Sequence[str]) -> Seen:
        """In a directory, by the keys; a key names its log."""
        names = (sha256(vkey.strip().encode()).hexdigest()[:32] for vkey in vkeys)
        return cls(tuple(dict.fromkeys(directory / name for name in names)))

    def notes(self) -> list[bytes]:
        """The checkpoints remembered, each once. Raises UsageError where one cannot be read."""
        found = (read_seen(path) for path in self.paths if os.path.lexists(path))
        return list(dict.fromkeys(found))

    def remember(self, note: bytes) -> None:
        """Keep a checkpoint that was verified, and that extends those remembered; durable, never
        half-written. Raises SiteRefused where it cannot be kept."""
        disk = Disk()
        try:
            for path in self.paths:
                disk.make_directories(path.parent)
                fresh = path.with_name(f".{path.name}.{os.getpid()}")
                disk.remove(fresh)
                disk.write_synced(fresh, note, mode=0o600)
                disk.rename(fresh, path)
                disk.sync_directory(path.parent)
        except OSError as error:
            raise SiteRefused(
                f"the checkpoint just verified cannot be remembered in {path.parent}"
                f" ({error.strerror})",
                expected="a directory of the reader's that can be written",
                next_step="name another file with --seen, or set XDG_STATE_HOME",
            ) from error


def read_seen(path: Path) -> bytes:
    """A checkpoint kept in a file. Raises UsageError where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"the checkpoint {path} cannot be read ({error.strerror})",
            expected="a file that holds a log's checkpoint as it was served",
            next_step="check the path; without what was seen a rollback cannot be told",
        ) from error


def seen_directory(environ: Mapping[str, str]) -> Path:
    """``domicile/seen`` under the user's state directory (XDG Base Directory Specification)."""
    state = environ.get("XDG_STATE_HOME", "")
    if not Path(state).is_absolute():
        home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - never raises
        state = f"{home}/.local/state"
    return Path(state) / "domicile" / "seen"
