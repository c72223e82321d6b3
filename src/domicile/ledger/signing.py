"""What the ledger needs of whoever signs its checkpoints, and a development key in a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from domicile.errors import UsageError
from domicile.ledger.base64 import decode_base64, encode_base64
from domicile.ledger.disk import Disk
from domicile.ledger.keys import (
    COSIGN_MLDSA44,
    ED25519,
    TIMESTAMP_BYTES,
    Verifier,
    check_key_name,
    is_key_name,
    signed_message,
)
from domicile.ledger.note import Note, Signature, verify_note

__all__ = ["FileSigner", "Signer", "sign_note"]

_SEED_BYTES = 32
_PREFIX = "PRIVATE+KEY+"


class Signer(Protocol):
    """A key that somebody keeps, for one kind of signature. vkey is its public key as
    ``name+hexid+base64``.
    """

    @property
    def name(self) -> str:
        """The key's name."""
        ...

    @property
    def vkey(self) -> str:
        """The public key as text."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``: 64 bytes of Ed25519, 2,420 of ML-DSA-44. Raises
        DomicileError.
        """
        ...


class FileSigner:
    """A development key in a file only its owner can read, in the text form of Go's
    ``sumdb/note``: ``PRIVATE+KEY+name+hexid+base64``. The custodian's keys come from custody.
    """

    def __init__(self, name: str, seed: bytes, algorithm: int = ED25519) -> None:
        check_key_name(name)
        self._key: Ed25519PrivateKey | MLDSA44PrivateKey
        if algorithm == COSIGN_MLDSA44:
            self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        else:
            self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._verifier = Verifier(name, self._key.public_key().public_bytes_raw(), algorithm)

    def __repr__(self) -> str:
        return f"FileSigner({self.name!r}, {self._verifier.key_id.hex()})"

    @property
    def name(self) -> str:
        """The key's name."""
        return self._verifier.name

    @property
    def vkey(self) -> str:
        """The public key as text."""
        return self._verifier.vkey

    def sign(self, message: bytes) -> bytes:
        """The signature."""
        return self._key.sign(message)

    @classmethod
    def create_or_load(cls, path: Path, name: str, algorithm: int = ED25519) -> FileSigner:
        """Load the key of this kind at ``path``, or make one there (mode 0600, durable, never
        half-written, never over another's). Its directory is made where it is missing.

        Raises UsageError where the file is no key, is another name's, or others can read it.
        """
        check_key_name(name)
        if not path.exists():
            _create(path, name, algorithm)
        return cls._load(path, name, algorithm)

    @classmethod
    def load(cls, path: Path) -> FileSigner:
        """The key at ``path``, whatever its name and kind. Raises UsageError where the file is no
        key, or others can read it."""
        name, _, rest = _key_text(path).partition("+")
        raw = decode_base64(rest.partition("+")[2]) or b""
        return cls._load(path, name, raw[0] if raw[:1] == bytes([COSIGN_MLDSA44]) else ED25519)

    @classmethod
    def _load(cls, path: Path, name: str, algorithm: int) -> FileSigner:
        stored_name, _, rest = _key_text(path).partition("+")
        hex_id, _, encoded = rest.partition("+")  # base64 has plus signs of its own
        seed = _seed(encoded, algorithm)
        if seed is None or not is_key_name(name):
            raise _unusable(path, "holds no signing key of its kind", "restore it from its backup")
        signer = cls(name, seed, algorithm)
        if stored_name != name or Verifier.parse(signer.vkey).key_id.hex() != hex_id:
            raise _unusable(path, f"is not the key of {name}", "give the log its own key")
        return signer


def sign_note(text: str, signers: Sequence[Signer], timestamp_s: int) -> Note:
    """Sign a checkpoint's text with each key, and check the signatures before anyone sees them.
    timestamp_s is what cosignatures say of the time, in POSIX seconds.

    Raises EvidenceError where a signer's signature does not verify under its own public key.
    """
    lines = []
    for signer in signers:
        key = Verifier.parse(signer.vkey)
        signature = signer.sign(signed_message(key, text.encode(), timestamp_s))
        if key.algorithm != ED25519:
            signature = timestamp_s.to_bytes(TIMESTAMP_BYTES, "big") + signature
        lines.append(Signature(key.name, key.key_id, signature))
    note = Note(text, tuple(lines))
    verify_note(note, [Verifier.parse(signer.vkey) for signer in signers])
    return note


def _key_text(path: Path) -> str:
    """``name+hexid+base64``, as the file at ``path`` has it; empty where it holds no key."""
    try:
        if path.stat().st_mode & 0o077:
            raise _unusable(path, "can be read by others", f"chmod 600 {path}")
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, "cannot be read", "check the path and its owner") from error
    return text.removeprefix(_PREFIX) if text.startswith(_PREFIX) else ""


def _create(path: Path, name: str, algorithm: int) -> None:
    """Write a fresh key beside ``path`` and link it into place: a link never replaces a file."""
    seed = os.urandom(_SEED_BYTES)
    hex_id = Verifier.parse(FileSigner(name, seed, algorithm).vkey).key_id.hex()
    text = f"{_PREFIX}{name}+{hex_id}+{encode_base64(bytes([algorithm]) + seed)}\n"
    disk = Disk()
    try:
        disk.make_directories(path.parent)
        with tempfile.TemporaryDirectory(prefix=".key-", dir=path.parent) as private:
            fresh = Path(private) / "key"
            disk.write_synced(fresh, text.encode(), mode=0o600)
            _link(fresh, path)
        disk.sync_directory(path.parent)
    except OSError as error:
        raise _unusable(path, "cannot be created", "make its directory writable") from error


def _link(fresh: Path, path: Path) -> None:
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        return  # somebody else made the key meanwhile: theirs is loaded


def _seed(encoded: str, algorithm: int) -> bytes | None:
    raw = decode_base64(encoded)
    fits = raw is not None and len(raw) == 1 + _SEED_BYTES and raw[0] == algorithm
    return raw[1:] if raw is not None and fits else None


def _unusable(path: Path, why: str, next_step: str) -> UsageError:
    return UsageError(
        f"the signing key {path} {why}",
        expected="a key file of mode 0600, made by Domicile or by Go's sumdb/note",
        next_step=next_step,
    )
