"""A small ledger for the tests: one kind of entry, one key, a disk that fails on order."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from domicile.ledger import (
    Body,
    Entry,
    FileDigest,
    FileSigner,
    Log,
    Verification,
    entry_kind,
    verify_log,
)
from domicile.ledger.disk import Disk, SyncFailed

ORIGIN = "example.com/ledger"
CHARTER = "ab" * 32
SIGNER = FileSigner(ORIGIN, bytes(range(32)))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
Fault = Literal["failed", "done but reported failed"]


@entry_kind("test.noted", version=1)
class Noted(Body, frozen=True):
    """A test's own entry. It stands for the text of the charter that it names, too."""

    text: str
    files: tuple[FileDigest, ...] = ()
    claims: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def establishes(self) -> frozenset[str]:
        return frozenset({*self.claims, f"charter:{CHARTER}"})

    def requires(self) -> frozenset[str]:
        return frozenset(self.needs)


def noted(text: str, *, minute: int = 0) -> Entry:
    return Entry(Noted(text), BEGIN + timedelta(minutes=minute), CHARTER)


def entry(body: Body) -> Entry:
    return Entry(body, BEGIN, CHARTER)


def texts(prefix: str, count: int) -> list[Entry]:
    return [noted(f"{prefix}{number}") for number in range(count)]


def open_ledger(directory: Path, disk: Disk | None = None) -> Log:
    return Log.open(directory, [SIGNER], ORIGIN, disk=disk)


def fill(directory: Path, entries: Iterable[Entry]) -> None:
    with open_ledger(directory) as ledger:
        ledger.append(list(entries))


def check(directory: Path, records: Path | None = None, **kept: list[bytes]) -> Verification:
    return verify_log(directory, [SIGNER.vkey], records or directory, seen=kept.get("seen", []))


class FaultyDisk(Disk):
    """Fails at its ``at``-th call, before or after doing what was asked; counts its calls."""

    def __init__(self, at: int = -1, fault: Fault = "failed", code: int = errno.EIO) -> None:
        self.at, self.fault, self.code = at, fault, code
        self.calls: list[str] = []
        self.awaited = ""

    def fail_next(self, call: str) -> None:
        """Fail at the next call of this name."""
        self.awaited = call

    def _turn(self, call: str, kind: type[OSError] = OSError) -> OSError | None:
        self.calls.append(call)
        if call == self.awaited:
            self.awaited = ""
        elif len(self.calls) - 1 != self.at:
            return None
        error = kind(self.code, os.strerror(self.code))
        if self.fault == "failed":
            raise error
        return error

    def create(self, path: Path, mode: int = 0o644) -> int:
        error = self._turn("create")
        descriptor = super().create(path, mode)
        if error:
            os.close(descriptor)
            raise error
        return descriptor

    def write(self, descriptor: int, data: bytes) -> None:
        error = self._turn("write")
        super().write(descriptor, data[: len(data) // 2] if error else data)
        if error:
            raise error

    def sync(self, descriptor: int) -> None:
        error = self._turn("sync", SyncFailed)
        super().sync(descriptor)
        if error:
            raise error

    def open(self, path: Path) -> int:
        error = self._turn("open")
        descriptor = super().open(path)
        if error:
            os.close(descriptor)
            raise error
        return descriptor

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        error = self._turn("write at")
        super().write_at(descriptor, data[: len(data) // 2] if error else data, offset)
        if error:
            raise error

    def sync_data(self, descriptor: int) -> None:
        error = self._turn("sync data", SyncFailed)
        super().sync_data(descriptor)
        if error:
            raise error

    def truncate(self, descriptor: int, length: int) -> None:
        error = self._turn("truncate")
        super().truncate(descriptor, length)
        if error:
            raise error

    def rename(self, source: Path, target: Path) -> None:
        error = self._turn(f"rename {target.name}")
        super().rename(source, target)
        if error:
            raise error

    def make_directory(self, path: Path) -> None:
        error = self._turn("make directory")
        super().make_directory(path)
        if error:
            raise error

    def remove(self, path: Path) -> None:
        error = self._turn("remove")
        super().remove(path)
        if error:
            raise error

    def remove_directory(self, path: Path) -> None:
        error = self._turn("remove directory")
        super().remove_directory(path)
        if error:
            raise error
