"""A root key in the transit engine of OpenBao or Vault: its versions are that key's.

A wrapped key is what the engine's AES-256-GCM gives (``vault:vN:BASE64``, of which N is the version
and the rest is kept as bytes), with the context as associated data. The engine destroys oldest
versions first: `destroy` sets the least version that decrypts, then trims what lies before it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Container, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from domicile.custody.root import Destruction, RootWrapped, check_destroyable, no_version
from domicile.custody.transit_connection import TransitConnection
from domicile.custody.wrapping import KEY_BYTES, does_not_open
from domicile.errors import EvidenceError, SiteMissing, SiteRefused, UsageError

__all__ = ["TransitRoot"]

_TYPE: Final = "aes256-gcm96"
_BATCH: Final = 240
"""OpenBao refuses JSON of more than 1,000 strings; each key of a batch takes four."""
_MAX_VERSIONS: Final = 1 << 16
_PROVES: Final = (
    "the engine removed the version from its key and refuses what was wrapped under it; snapshots,"
    " replicas and backups of the engine's storage, and keys exported before, are not examined"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_CIPHERTEXT = re.compile(r"vault:v([1-9][0-9]{0,9}):([A-Za-z0-9+/]+={0,2})")
_Number = Annotated[int, Meta(ge=0, lt=_MAX_VERSIONS)]


class _Key(msgspec.Struct, frozen=True):
    """What the engine says of a key (of those settings that bear on it as a root)."""

    type: str
    latest_version: _Number
    min_decryption_version: _Number
    min_available_version: _Number
    min_encryption_version: _Number
    derived: bool
    exportable: bool
    allow_plaintext_backup: bool
    deletion_allowed: bool
    imported_key: bool = False

    @property
    def versions(self) -> tuple[int, ...]:
        oldest = max(1, self.min_decryption_version, self.min_available_version)
        return tuple(range(oldest, self.latest_version + 1))


class _Sealed(msgspec.Struct, frozen=True):
    ciphertext: str


class _Opened(msgspec.Struct, frozen=True):
    plaintext: str = ""
    error: str = ""


class _Batch(msgspec.Struct, frozen=True):
    batch_results: list[_Opened]


class TransitRoot:
    """The root key in a transit engine. Its settings are read each time: they may have changed."""

    def __init__(self, connection: TransitConnection, mount: str, name: str) -> None:
        for part in (*mount.split("/"), name):
            if not _NAME.fullmatch(part):
                raise UsageError(
                    f"{mount}/{name} is no transit key",
                    expected="the engine's mount and the key's name: transit/custodian",
                    next_step="name the key as the engine lists it",
                )
        self._connection, self._mount, self._name = connection, mount, name

    def __repr__(self) -> str:
        return f"TransitRoot({self.label!r})"

    @classmethod
    def create(cls, connection: TransitConnection, mount: str, name: str) -> TransitRoot:
        """Make a root key. Raises UsageError where the engine has one of that name."""
        root = cls(connection, mount, name)
        try:
            root._key()
        except SiteMissing:
            made = {"type": _TYPE, "exportable": False, "allow_plaintext_backup": False}
            connection.post(f"{mount}/keys/{name}", made)
            return cls.open(connection, mount, name)
        raise UsageError(
            f"{root.label} exists",
            expected="a new name: another root would orphan every key under this one",
            next_step="open the root that is there, or choose another name",
        )

    @classmethod
    def open(cls, connection: TransitConnection, mount: str, name: str) -> TransitRoot:
        """Open a root key. Raises SiteMissing where the engine has none of that name, SiteRefused
        where it is of a kind that binds no context."""
        root = cls(connection, mount, name)
        root._key()
        return root

    @property
    def label(self) -> str:
        """``transit:HOST/MOUNT/NAME``."""
        return f"transit:{self._connection.host}/{self._mount}/{self._name}"

    def versions(self) -> tuple[int, ...]:
        """The versions that decrypt, oldest first."""
        return self._key().versions

    def weaknesses(self) -> tuple[str, ...]:
        """Settings that let the key leave the engine or be deleted."""
        key = self._key()
        return tuple(
            f"{self.label} {what}"
            for holds, what in (
                (key.exportable, "can be exported, and that can't be undone"),
                (key.allow_plaintext_backup, "can be backed up in plaintext"),
                (key.deletion_allowed, "can be deleted as a whole by whoever may configure it"),
                (key.imported_key, "was not made in the engine"),
            )
            if holds
        )

    def wrap(self, key: bytes, context: bytes) -> RootWrapped:
        """A key under the newest version."""
        if len(key) != KEY_BYTES:
            raise ValueError(len(key))
        self._key()  # an engine that has no such key makes one when it is asked to encrypt
        asked = {"plaintext": _text(key), "associated_data": _text(context)}
        sealed = self._connection.ask(self._path("encrypt"), asked, answer=_Sealed)
        return self._parsed(sealed.ciphertext)

    def unwrap(self, wrapped: Sequence[tuple[RootWrapped, bytes]]) -> list[bytes]:
        """Keys, in order, some hundreds a request."""
        opened = list[bytes]()
        for start in range(0, len(wrapped), _BATCH):
            opened += self._unwrap(wrapped[start : start + _BATCH])
        return opened

    def rotate(self) -> int:
        """A new version."""
        self._key()
        self._connection.post(f"{self._path('keys')}/rotate", {})
        return self._key().latest_version

    def destroy(self, version: int) -> Destruction:
        """Trim a version, which must be the oldest. Cut off between its two steps it is finished
        by destroying the version again."""
        key = self._key()
        check_destroyable(self.label, version, key.versions)
        if key.min_available_version <= version:
            self._refuse_unless_oldest(key, version)
            self._trim(key, version + 1)
        return Destruction("; ".join([_PROVES, *self.weaknesses()]))

    def _refuse_unless_oldest(self, key: _Key, version: int) -> None:
        older = [each for each in key.versions if each < version]
        if older:
            raise UsageError(
                f"{self.label} has versions older than {version}: {', '.join(map(str, older))}",
                expected="a transit engine destroys its oldest versions first",
                next_step="wrap what is under those anew and destroy them before",
            )

    def _trim(self, key: _Key, oldest: int) -> None:
        path = self._path("keys")
        least = {
            "min_decryption_version": max(oldest, key.min_decryption_version),
            "min_encryption_version": max(oldest, key.min_encryption_version),
        }
        self._connection.post(f"{path}/config", least)
        self._connection.post(f"{path}/trim", {"min_available_version": oldest})
        if self._key().min_available_version < oldest:
            raise SiteRefused(
                f"{self.label} still has versions before {oldest}",
                expected="keys/NAME/trim removes them",
                next_step="check the engine's version and its log",
            )

    def _path(self, act: str) -> str:
        return f"{self._mount}/{act}/{self._name}"

    def _key(self) -> _Key:
        key = self._connection.get(self._path("keys"), answer=_Key)
        if key.type != _TYPE or key.derived:
            raise SiteRefused(
                f"{self.label} is of type {key.type}{', derived' if key.derived else ''}",
                expected=f"a key of type {_TYPE}, not derived: others bind no context",
                next_step="make one for this root alone",
            )
        return key

    def _unwrap(self, batch: Sequence[tuple[RootWrapped, bytes]]) -> list[bytes]:
        self._check_versions(batch, range(1, _MAX_VERSIONS))  # the engine takes v0 for v1
        items = [
            {"ciphertext": f"vault:v{each.version}:{_text(each.data)}", "associated_data": _text(c)}
            for each, c in batch
        ]
        answer = self._connection.ask(self._path("decrypt"), {"batch_input": items}, answer=_Batch)
        if len(answer.batch_results) != len(batch):
            raise _nonsense(self.label)
        if any(each.error for each in answer.batch_results):
            self._check_versions(batch, self.versions())
            raise does_not_open()
        opened = [self._bytes(each.plaintext) for each in answer.batch_results]
        if any(len(key) != KEY_BYTES for key in opened):
            raise does_not_open()
        return opened

    def _check_versions(
        self, batch: Sequence[tuple[RootWrapped, bytes]], versions: Container[int]
    ) -> None:
        for each, _ in batch:
            if each.version not in versions:
                raise no_version(self.label, each.version, self.versions())

    def _parsed(self, ciphertext: str) -> RootWrapped:
        match = _CIPHERTEXT.fullmatch(ciphertext)
        if match is None:
            raise _nonsense(self.label)
        return RootWrapped(int(match[1]), self._bytes(match[2]))

    def _bytes(self, text: str) -> bytes:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise _nonsense(self.label) from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _nonsense(label: str) -> EvidenceError:
    return EvidenceError(
        f"{label} answers what no transit engine does",
        expected="the API of OpenBao 2 or Vault 1",
        next_step="check what answers at that address",
    )
