"""Reading a log as it was published. Nothing is verified here: see `verify`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from domicile.errors import EvidenceError, SiteRefused
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.sources import Source
from domicile.ledger.store import CHECKPOINT, SIGNED, VKEY, Store

__all__ = ["LedgerReader", "publication_mark", "published_keys", "read_only"]

_LONGEST_KEYS_BYTES = 16_384


class LedgerReader:
    """A log as it was when it was opened, without the lock. Nothing is verified: see verify."""

    def __init__(self, directory: Path, checkpoint: Checkpoint) -> None:
        self._store = Store(directory)
        self.checkpoint = checkpoint

    @property
    def size(self) -> int:
        """How many entries the checkpoint covers."""
        return self.checkpoint.size

    def entries(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Entries from index ``start`` on, with their indices. Raises EvidenceError."""
        return self._store.entries(self.size, start)


def read_only(directory: Path) -> LedgerReader:
    """Open a log for reading. Raises EvidenceError where there is none, SiteRefused where nothing
    of it is published yet."""
    if (directory / SIGNED).exists() and not (directory / CHECKPOINT).exists():
        raise SiteRefused(
            "the ledger has published no checkpoint yet: too few of its witnesses co-signed the"
            " first one",
            expected="the cosignatures that the charter asks for",
            next_step="see why the witnesses are away, then repeat",
        )
    return LedgerReader(directory, Store(directory).checkpoint())


def publication_mark(directory: Path) -> tuple[int, ...]:
    """What differs as soon as a log has published more, at the price of a look at one file's
    attributes; empty where nothing is published. Of two publications within the tick of the file
    system's clock, milliseconds, the second may go unnoticed."""
    try:
        found = os.stat(f"{directory}/{CHECKPOINT}")  # noqa: PTH116 - half the time
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def published_keys(source: Path | Source) -> list[str]:
    """The public keys that the log publishes of itself, the Ed25519 key first. They say who it
    claims to be: a reader who must not trust it has them from elsewhere. Raises EvidenceError.
    """
    try:
        data = Store(source).source.read(VKEY, _LONGEST_KEYS_BYTES)
        keys = (data or b"").decode().split()
    except (EvidenceError, UnicodeDecodeError) as error:
        raise _no_keys() from error
    if not keys:
        raise _no_keys()
    return keys


def _no_keys() -> EvidenceError:
    return EvidenceError(
        "there is no ledger here: its public keys, log.vkey, cannot be read",
        expected="a log with its log.vkey, a line `name+hexid+base64` for each key",
        next_step="run `domicile scan`, restore the file, or name the log's keys with --key",
    )
