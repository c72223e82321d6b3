"""The evidence being written: the ledger open for appending, and what it holds of one run.

Appending goes through here so that every entry names the charter in force. What was appended is
durable and under a signed checkpoint before the caller goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

from domicile.ledger import (
    Body,
    Entry,
    FileSigner,
    Ledger,
    decode,
    files_of,
    read_only,
    stamp,
)
from domicile.ledger.keys import COSIGN_MLDSA44

__all__ = ["Evidence", "RunEntries", "ledger_directory", "log_origin", "read_run"]

B = TypeVar("B", bound=Body)


def ledger_directory(records: Path) -> Path:
    """Where the log lies: servable as it is, nothing private in its published names."""
    return records / "ledger"


def log_origin(boundary: str) -> str:
    """The log's name."""
    return f"domicile.invalid/{boundary}"


class RunEntries:
    """The entries of one run, in the order of the ledger."""

    def __init__(self, run: str, entries: Sequence[Entry]) -> None:
        self.run = run
        self._entries = [entry for entry in entries if getattr(entry.body, "run", None) == run]
        self._files = {
            (file.path, file.sha256) for entry in self._entries for file in files_of(entry.body)
        }

    def of(self, kind: type[B]) -> Iterator[B]:
        """The bodies of one kind."""
        for entry in self._entries:
            if isinstance(entry.body, kind):
                yield entry.body

    def entries(self) -> Sequence[Entry]:
        """All of them, with their times."""
        return tuple(self._entries)

    def has_file(self, path: str, sha256: str) -> bool:
        """Whether an entry holds this file's digest."""
        return (path, sha256) in self._files

    def add(self, entry: Entry) -> None:
        """Take in an entry just appended."""
        if getattr(entry.body, "run", None) == self.run:
            self._entries.append(entry)
            self._files |= {(file.path, file.sha256) for file in files_of(entry.body)}


class Evidence:
    """The ledger of a records directory, open for writing."""

    def __init__(self, records: Path, boundary: str, charter_sha256: str) -> None:
        self.records = records
        origin, keys = log_origin(boundary), records / "keys"
        self.signer = FileSigner.create_or_load(keys / "ledger.key", origin)
        lasting = FileSigner.create_or_load(keys / "ledger-mldsa44.key", origin, COSIGN_MLDSA44)
        self._ledger = Ledger.open(ledger_directory(records), [self.signer, lasting], origin)
        self._charter = charter_sha256

    def record(self, *bodies: Body, into: RunEntries | None = None) -> None:
        """Append entries, all or none. Raises SiteRefused where they cannot be recorded; what they
        announce must then not happen."""
        entries = [stamp(body, self._charter) for body in bodies]
        self._ledger.append(entries)
        if into is not None:
            for entry in entries:
                into.add(entry)

    def run(self, run: str) -> RunEntries:
        """What the ledger holds of a run."""
        return RunEntries(run, [decode(data) for _, data in self._ledger.entries()])

    def runs_with(self, kind: str) -> frozenset[str]:
        """The runs of which the ledger holds an entry of this kind."""
        entries = (decode(data) for _, data in self._ledger.entries())
        return frozenset(
            str(getattr(entry.body, "run", "")) for entry in entries if entry.kind == kind
        )

    def head(self) -> tuple[int, str]:
        """Size and root (hex) of the published tree."""
        return self._ledger.size, self._ledger.root.hex()

    def close(self) -> None:
        """Give the ledger back."""
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def read_run(records: Path, run: str) -> RunEntries:
    """What the ledger holds of a run, read without the writer's lock."""
    reader = read_only(ledger_directory(records))
    return RunEntries(run, [decode(data) for _, data in reader.entries()])
