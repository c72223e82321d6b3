"""A disk that remembers what a power loss would leave: kill -9 cannot show a missing fsync.

Every call is carried out and written down. `after_power_loss` lays out what the medium may hold
when the power fails after some call: everything that was synced, and of the rest any part: single
writes and single names, whichever the seed chooses.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import RLock

from domicile.ledger.disk import Disk

SECTOR = 512


@dataclass(slots=True)
class _File:
    """What is on the medium, and the writes that may not be: (offset, bytes); -1 cuts."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    length: int = 0

    def apply(self, writes: Iterable[tuple[int, bytes]]) -> None:
        for offset, data in writes:
            if data:
                self.durable.extend(bytes(max(0, offset + len(data) - len(self.durable))))
                self.durable[offset : offset + len(data)] = data
            else:
                del self.durable[offset:]


@dataclass(slots=True)
class _Directory:
    durable: dict[str, _Inode] = field(default_factory=dict)
    pending: list[tuple[str, _Inode | None]] = field(default_factory=list)
    now: dict[str, _Inode] = field(default_factory=dict)

    def put(self, name: str, inode: _Inode | None) -> None:
        self.pending.append((name, inode))
        _set(self.now, name, inode)

    def apply(self, changes: Iterable[tuple[str, _Inode | None]]) -> None:
        for name, inode in changes:
            _set(self.durable, name, inode)


_Inode = _File | _Directory


def _set(names: dict[str, _Inode], name: str, inode: _Inode | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


class RememberingDisk(Disk):
    """Its root must be empty when it begins. marks: what a test writes down between the calls."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        self._open: dict[int, Path] = {}
        self._turn = RLock()

    def _note(self, call: str, *what: object) -> None:
        self.calls.append((call, what))

    def create(self, path: Path, mode: int = 0o644) -> int:
        with self._turn:
            descriptor = super().create(path, mode)
            self._open[descriptor] = path
            self._note("create", path)
            return descriptor

    def open(self, path: Path) -> int:
        with self._turn:
            descriptor = super().open(path)
            self._open[descriptor] = path
            return descriptor

    def write(self, descriptor: int, data: bytes) -> None:
        with self._turn:
            super().write(descriptor, data)
            self._note("write", self._open[descriptor], None, data)

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:
        with self._turn:
            super().write_at(descriptor, data, offset)
            self._note("write", self._open[descriptor], offset, data)

    def truncate(self, descriptor: int, length: int) -> None:
        with self._turn:
            super().truncate(descriptor, length)
            self._note("write", self._open[descriptor], length, b"")

    def sync(self, descriptor: int) -> None:
        with self._turn:
            self._note("sync", self._open[descriptor])

    def sync_data(self, descriptor: int) -> None:
        self.sync(descriptor)

    def sync_directory(self, path: Path) -> None:
        with self._turn:
            self._note("sync", path)

    def rename(self, source: Path, target: Path) -> None:
        with self._turn:
            super().rename(source, target)
            self._note("rename", source, target)

    def make_directory(self, path: Path) -> None:
        with self._turn:
            super().make_directory(path)
            self._note("make", path)

    def remove(self, path: Path) -> None:
        with self._turn:
            super().remove(path)
            self._note("remove", path)

    def remove_directory(self, path: Path) -> None:
        with self._turn:
            super().remove_directory(path)
            self._note("remove", path)

    def after_power_loss(self, calls: int, seed: int, target: Path) -> None:
        """Lay out in ``target`` what the medium may hold after that many calls."""
        chance = random.Random(seed)  # noqa: S311 - seeded
        medium = self._replay(calls)
        _lose(medium, chance)
        _lay_out(medium, target)

    def _replay(self, calls: int) -> _Directory:
        root = _Directory()
        for call, what in self.calls[:calls]:
            path = what[0]
            assert isinstance(path, Path)
            above, name = self._find(root, path.parent), path.name
            if call == "create":
                above.put(name, _File())
            elif call == "make":
                if name not in above.now:
                    above.put(name, _Directory())
            elif call == "write":
                _write(above.now[name], *what[1:])
            elif call == "sync":
                _sync(root if path == self.root else above.now[name])
            elif call == "rename":
                target = what[1]
                assert isinstance(target, Path)
                self._find(root, target.parent).put(target.name, above.now[name])
                above.put(name, None)
            elif name in above.now:
                above.put(name, None)
        return root

    def _find(self, root: _Directory, path: Path) -> _Directory:
        if path != self.root and self.root not in path.parents:
            return _Directory()  # above the root: the root itself is there
        found = root
        for part in path.relative_to(self.root).parts:
            below = found.now[part]
            assert isinstance(below, _Directory)
            found = below
        return found


def _write(inode: _Inode, offset: object, data: object) -> None:
    assert isinstance(inode, _File)
    assert isinstance(data, bytes)
    at = inode.length if offset is None else offset
    assert isinstance(at, int)
    inode.pending.append((at, data))
    inode.length = max(inode.length, at + len(data)) if data else at


def _sync(inode: _Inode) -> None:
    inode.apply(inode.pending)  # type: ignore[arg-type]
    inode.pending.clear()


def _lose(directory: _Directory, chance: random.Random) -> None:
    """Keep any part of what was not synced."""
    directory.apply([change for change in directory.pending if chance.random() < chance.random()])
    for inode in directory.durable.values():
        if isinstance(inode, _Directory):
            _lose(inode, chance)
        else:
            sectors = [sector for write in inode.pending for sector in _sectors(*write)]
            inode.apply([sector for sector in sectors if chance.random() < chance.random()])


def _sectors(offset: int, data: bytes) -> list[tuple[int, bytes]]:
    if not data:
        return [(offset, data)]
    first = SECTOR - offset % SECTOR
    cuts = [0, *range(first, len(data), SECTOR), len(data)]
    return [(offset + a, data[a:b]) for a, b in pairwise(cuts) if b > a]


def _lay_out(directory: _Directory, target: Path) -> None:
    os.makedirs(target, exist_ok=True)  # noqa: PTH103 - the root may be there
    for name, inode in directory.durable.items():
        if isinstance(inode, _Directory):
            _lay_out(inode, target / name)
        else:
            (target / name).write_bytes(inode.durable)
