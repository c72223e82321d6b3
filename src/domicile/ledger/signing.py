"""What the ledger needs of whoever signs its checkpoints, and a development key in a file."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from domicile.errors import UsageError
from domicile.ledger.disk import Disk
from domicile.ledger.note import ED25519, Note, Signature, Verifier, check_key_name, open_checkpoint

__all__ = ["FileSigner", "Signer", "sign_note"]

_SEED_BYTES = 32
_PREFIX = "PRIVATE+KEY+"


class Signer(Protocol):
    """An Ed25519 key that somebody keeps. name is the log's origin; vkey its public key as
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
        """The 64-byte Ed25519 signature over ``message``. Raises DomicileError."""
        ...


class FileSigner:
    """A development key in a file only its owner can read, in the text form of Go's
    ``sumdb/note``: ``PRIVATE+KEY+name+hexid+base64``. The custodian's keys come from custody.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        check_key_name(name)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._verifier = Verifier(name, public)

    def __repr__(self) -> str:
        return f"FileSigner({self.vkey!r})"

    @property
    def name(self) -> str:
        """The key's name."""
        return self._verifier.name

    @property
    def vkey(self) -> str:
        """The public key as text."""
        return self._verifier.vkey

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature."""
        return self._key.sign(message)

    @classmethod
    def create_or_load(cls, path: Path, name: str) -> FileSigner:
        """Load the key at ``path``, or make one there (mode 0600, durable, never half-written,
        never over another's). Its directory is made where it is missing.

        Raises UsageError where the file is no key, is another name's, or others can read it.
        """
        check_key_name(name)
        if not path.exists():
            _create(path, name)
        return cls._load(path, name)

    @classmethod
    def _load(cls, path: Path, name: str) -> FileSigner:
        try:
            if path.stat().st_mode & 0o077:
                raise _unusable(path, "can be read by others", f"chmod 600 {path}")
            text = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(path, "cannot be read", "check the path and its owner") from error
        stored_name, _, rest = text.removeprefix(_PREFIX).partition("+")
        hex_id, _, encoded = rest.partition("+")  # base64 has plus signs of its own
        seed = _seed(encoded)
        if not text.startswith(_PREFIX) or seed is None:
            raise _unusable(path, "holds no Ed25519 signing key", "restore it from its backup")
        signer = cls(name, seed)
        if stored_name != name or Verifier.parse(signer.vkey).key_id.hex() != hex_id:
            raise _unusable(path, f"is not the key of {name}", "give the log its own key")
        return signer


def sign_note(text: str, signer: Signer) -> bytes:
    """Sign a checkpoint's text as a note, and check the signature before anyone sees it.

    Raises EvidenceError where the signer's signature does not verify under its own public key.
    """
    verifier = Verifier.parse(signer.vkey)
    signature = Signature(verifier.name, verifier.key_id, signer.sign(text.encode()))
    note = Note(text, (signature,)).encode()
    open_checkpoint(note, [verifier])
    return note


def _create(path: Path, name: str) -> None:
    """Write a fresh key beside ``path`` and link it into place: a link never replaces a file."""
    seed = os.urandom(_SEED_BYTES)
    hex_id = Verifier.parse(FileSigner(name, seed).vkey).key_id.hex()
    encoded = base64.b64encode(bytes([ED25519]) + seed).decode()
    text = f"{_PREFIX}{name}+{hex_id}+{encoded}\n"
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


def _seed(encoded: str) -> bytes | None:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw[1:] if len(raw) == 1 + _SEED_BYTES and raw[0] == ED25519 else None


def _unusable(path: Path, why: str, next_step: str) -> UsageError:
    return UsageError(
        f"the signing key {path} {why}",
        expected="a key file of mode 0600, made by Domicile or by Go's sumdb/note",
        next_step=next_step,
    )
