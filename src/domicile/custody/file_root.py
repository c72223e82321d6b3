"""A root key in a file, under a passphrase: what works everywhere and proves least.

The file is JSON: each version's key wrapped under Argon2id(passphrase, salt), RFC 9106. Whoever
copied the file and learns the passphrase has every version that it held: destroying a version here
says nothing of copies, snapshots or the medium.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Meta

from domicile.custody.root import Destruction, RootWrapped, check_destroyable, no_version
from domicile.custody.wrapping import KEY_BYTES, unwrap_key, wrap_key
from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger.disk import Disk

__all__ = ["FileRoot", "check_new"]

_FORMAT = "domicile-root/1"
_SALT_BYTES = 16
_MAX_FILE_BYTES = 1 << 20
_LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_SHORTEST_PASSPHRASE = 15  # characters; NIST SP 800-63B-4, section 3.1.1.2
_PROVES = (
    "the version is no longer in the key file; copies of the file, snapshots and the medium that it"
    " lay on are not examined"
)
_COPIED = (
    "the root key lies in a file: whoever copied it and learns the passphrase has every version"
    " that it held"
)


class _Argon2(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RFC 9106, section 4: the second recommended choice. Bounds keep a hostile file from taking
    the machine's memory."""

    salt: bytes
    passes: Annotated[int, Meta(ge=1, le=100)] = 3
    lanes: Annotated[int, Meta(ge=1, le=64)] = 4
    memory_kib: Annotated[int, Meta(ge=8 * 64, le=1 << 20)] = 64 * 1024


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    argon2id: _Argon2
    keys: dict[int, bytes]


class FileRoot:
    """The root key in one file. A change is durable when it returns, and other processes that
    opened the file before see it: it is read again each time."""

    def __init__(self, path: Path, stored: _File, passphrase: str) -> None:
        self._path, self._argon2 = path, stored.argon2id
        self._secret = _stretch(stored.argon2id, passphrase)
        self._keys = _unwrapped(path, stored, self._secret)
        self._wrapped = stored.keys

    def __repr__(self) -> str:
        return f"FileRoot({self.label!r})"

    @classmethod
    def create(cls, path: Path, passphrase: str) -> FileRoot:
        """Make a root key. Raises UsageError for a short passphrase or where the file exists."""
        return cls.restore(path, passphrase, {1: secrets.token_bytes(KEY_BYTES)})

    @classmethod
    def restore(cls, path: Path, passphrase: str, keys: Mapping[int, bytes]) -> FileRoot:
        """Make a root of the keys that `unsafe_keys` gave, by version. Raises like `create`."""
        check_new(path, passphrase)
        argon2 = _new_argon2()
        secret = _stretch(argon2, passphrase)
        wrapped = {v: wrap_key(secret, key, _context(v)) for v, key in sorted(keys.items())}
        stored = _File(_FORMAT, argon2, wrapped)
        with _locked(path):
            check_new(path, passphrase)
            _write(path, stored)
        return cls(path, stored, passphrase)

    @classmethod
    def open(cls, path: Path, passphrase: str) -> FileRoot:
        """Open a root key. Raises SiteRefused where the passphrase is wrong or others can read the
        file, EvidenceError where it is no root key."""
        return cls(path, _read(path), passphrase)

    @property
    def label(self) -> str:
        """``file:NAME``."""
        return f"file:{self._path.name}"

    def versions(self) -> tuple[int, ...]:
        """The versions that exist, oldest first."""
        return tuple(self._current())

    def weaknesses(self) -> tuple[str, ...]:
        """What any file is."""
        return (_COPIED,)

    def wrap(self, key: bytes, context: bytes) -> RootWrapped:
        """A key under the newest version."""
        version, secret = max(self._current().items())
        return RootWrapped(version, wrap_key(secret, key, context))

    def unwrap(self, wrapped: Sequence[tuple[RootWrapped, bytes]]) -> list[bytes]:
        """Keys, in order."""
        keys = self._current()
        for each, _ in wrapped:
            if each.version not in keys:
                raise no_version(self.label, each.version, tuple(keys))
        return [unwrap_key(keys[each.version], each.data, context) for each, context in wrapped]

    def unsafe_keys(self) -> dict[int, bytes]:
        """The root keys themselves, by version: for shares, and for nothing else."""
        return dict(self._current())

    def rotate(self) -> int:
        """A new version."""
        with _locked(self._path):
            keys = self._current()
            version = max(keys) + 1
            self._store({**keys, version: secrets.token_bytes(KEY_BYTES)})
        return version

    def destroy(self, version: int) -> Destruction:
        """Take a version out of the file."""
        with _locked(self._path):
            keys = self._current()
            check_destroyable(self.label, version, tuple(keys))
            if version in keys:
                self._store({v: key for v, key in keys.items() if v != version})
        return Destruction(_PROVES)

    def _current(self) -> dict[int, bytes]:
        """The keys of each version, oldest first, as they are in the file now."""
        stored = _read(self._path)
        if stored.argon2id != self._argon2:
            raise _refused(self._path, "was put under another passphrase since it was opened")
        if stored.keys != self._wrapped:
            self._keys = _unwrapped(self._path, stored, self._secret)
            self._wrapped = stored.keys
        return self._keys

    def _store(self, keys: dict[int, bytes]) -> None:
        wrapped = {v: wrap_key(self._secret, key, _context(v)) for v, key in keys.items()}
        _write(self._path, _File(_FORMAT, self._argon2, wrapped))


def check_new(path: Path, passphrase: str) -> None:
    """Raise UsageError where no root can be made there: the passphrase is short, or one exists."""
    if len(passphrase) < _SHORTEST_PASSPHRASE:
        raise UsageError(
            "the passphrase is too short",
            expected=f"at least {_SHORTEST_PASSPHRASE} characters",
            next_step="choose a sentence",
        )
    if path.exists():
        raise UsageError(
            f"{path} exists",
            expected="a new file: another root would orphan every key under this one",
            next_step="open the root that is there, or name another file",
        )


def _read(path: Path) -> _File:
    """Raises SiteRefused where others can read the file, EvidenceError where it is no root key."""
    try:
        if path.stat().st_mode & 0o077:
            raise _refused(path, "can be read by others")
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror})") from error
    try:
        stored = msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, ValueError):
        stored = None
    if stored is None or stored.format != _FORMAT or not stored.keys:
        raise EvidenceError(
            f"{path} is no root key",
            expected=f"a file of format {_FORMAT}",
            next_step="restore it from its backup",
        )
    return stored


def _unwrapped(path: Path, stored: _File, secret: bytes) -> dict[int, bytes]:
    try:
        return {
            version: unwrap_key(secret, wrapped, _context(version))
            for version, wrapped in sorted(stored.keys.items())
        }
    except EvidenceError:
        raise _refused(path, "does not open with this passphrase") from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One at a time changes the file: the other would write back what it read before."""
    try:
        Disk().make_directories(path.parent)
        descriptor = os.open(path.with_name(f".{path.name}.lock"), _LOCK_FLAGS, 0o600)
    except OSError as error:
        raise _refused(path, f"cannot be locked ({error.strerror})") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _context(version: int) -> bytes:
    return b"%s version %d" % (_FORMAT.encode(), version)


def _new_argon2() -> _Argon2:
    return _Argon2(os.urandom(_SALT_BYTES))


def _stretch(argon2: _Argon2, passphrase: str) -> bytes:
    return Argon2id(
        salt=argon2.salt,
        length=KEY_BYTES,
        iterations=argon2.passes,
        lanes=argon2.lanes,
        memory_cost=argon2.memory_kib,
    ).derive(passphrase.encode())


def _write(path: Path, stored: _File) -> None:
    disk, fresh = Disk(), path.with_name(f".{path.name}.new")
    try:
        disk.make_directories(path.parent)
        disk.remove(fresh)
        disk.write_synced(fresh, msgspec.json.format(msgspec.json.encode(stored)), mode=0o600)
        disk.rename(fresh, path)
        disk.sync_directory(path.parent)
    except OSError as error:
        raise _refused(path, f"cannot be written ({error.strerror})") from error


def _refused(path: Path, why: str) -> SiteRefused:
    return SiteRefused(
        f"the root key {path.name} {why}",
        expected="the custodian's key file, of mode 0600, and its passphrase",
        next_step="check the file and the passphrase; without both nothing under it opens",
    )
