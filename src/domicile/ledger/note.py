"""C2SP signed-note and tlog-checkpoint: texts that carry Ed25519 signatures. Pure.

A note is its text, an empty line, and lines ``— name base64(key id || signature)``. A key that we
know (name and id) with a bad signature refuses the whole note; a key that we do not know is
ignored; a note without one good signature of a known key is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domicile.errors import EvidenceError, UsageError
from domicile.ledger.merkle import HASH_BYTES

__all__ = [
    "ED25519",
    "MAX_NOTE_BYTES",
    "Checkpoint",
    "Note",
    "Signature",
    "Verifier",
    "check_key_name",
    "key_id",
    "open_checkpoint",
    "parse_note",
    "verify_note",
]

ED25519 = 0x01
MAX_NOTE_BYTES = 1_000_000
_MAX_SIGNATURES = 100
_KEY_ID_BYTES = 4
_PUBLIC_KEY_BYTES = 32
_MIN_LINES = 4  # origin, size, root, and what follows the last newline
_DASH = "— "
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose, and what it says."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line as a note carries it, with its newline."""
        return f"{_DASH}{self.name} {_b64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note taken apart, its signatures not yet verified. text ends with a newline."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The note's bytes."""
        return (self.text + "\n" + "".join(s.line for s in self.signatures)).encode()


@dataclass(frozen=True, slots=True)
class Verifier:
    """An Ed25519 public key under a name."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that a signature line starts with."""
        return key_id(self.name, ED25519, self.public_key)

    @property
    def vkey(self) -> str:
        """The key as text: ``name+hexid+base64``."""
        return f"{self.name}+{self.key_id.hex()}+{_b64(bytes([ED25519]) + self.public_key)}"

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """Read ``name+hexid+base64``. Raises UsageError: malformed, unknown algorithm, wrong id."""
        name, plus, rest = vkey.strip().partition("+")
        hex_id, _, encoded = rest.partition("+")
        key = _unb64(encoded)
        if not plus or key is None or not _valid_name(name):
            raise _bad_key("a verifier key is malformed")
        if len(key) != 1 + _PUBLIC_KEY_BYTES or key[0] != ED25519:
            raise _bad_key(f"the key of {name} is not an Ed25519 key")
        verifier = cls(name, key[1:])
        if verifier.key_id.hex() != hex_id:
            raise _bad_key(f"the key of {name} does not fit its id {hex_id[:8]!r}")
        return verifier

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made this signature over these bytes."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head. root has 32 bytes; extensions are further lines, none empty."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The note text."""
        return "\n".join([self.origin, str(self.size), _b64(self.root), *self.extensions]) + "\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text. Raises EvidenceError where it is no checkpoint."""
        lines = text.split("\n")
        if len(lines) < _MIN_LINES or lines.pop() or "" in lines or not _SIZE.match(lines[1]):
            raise _refused("the note is not a checkpoint")
        root = _unb64(lines[2])
        if root is None or len(root) != HASH_BYTES:
            raise _refused("the checkpoint's root is not a SHA-256 hash")
        return cls(lines[0], int(lines[1]), root, tuple(lines[3:]))


def key_id(name: str, algorithm: int, public_key: bytes) -> bytes:
    """``SHA-256(name || 0x0A || algorithm || public key)[:4]``."""
    message = name.encode() + b"\n" + bytes([algorithm]) + public_key
    return sha256(message).digest()[:_KEY_ID_BYTES]


def check_key_name(name: str) -> None:
    """Raise UsageError unless a key may be called so: not empty, no space, no plus."""
    if not _valid_name(name):
        raise UsageError(
            f"{name!r} cannot name a key",
            expected="a name without spaces, control characters and plus signs",
            next_step="choose a name like `example.com/ledger`",
        )


def parse_note(data: bytes) -> Note:
    """Take a note apart. Raises EvidenceError where it is malformed."""
    if len(data) > MAX_NOTE_BYTES:
        raise _refused(f"the note has more than {MAX_NOTE_BYTES:,} bytes")
    try:
        content = data.decode()
    except UnicodeDecodeError:
        raise _refused("the note is not UTF-8") from None
    text, blank, lines = content.rpartition("\n\n")
    if not blank or not lines.endswith("\n") or any(c < " " and c != "\n" for c in content):
        raise _refused("the note is malformed")
    rows = lines[:-1].split("\n")
    if len(rows) > _MAX_SIGNATURES:
        raise _refused(f"the note has more than {_MAX_SIGNATURES} signatures")
    return Note(text + "\n", tuple(_parse_line(row) for row in rows))


def verify_note(note: Note, verifiers: Sequence[Verifier]) -> tuple[Verifier, ...]:
    """The known keys that signed. Raises EvidenceError on a known key's bad signature, or when
    no known key signed.
    """
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    message = note.text.encode()
    signed: dict[Verifier, None] = {}
    for signature in note.signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None or verifier in signed:
            continue
        if not verifier.accepts(message, signature.signature):
            raise _refused(f"the signature of {verifier.name} is wrong")
        signed[verifier] = None
    if not signed:
        names = ", ".join(sorted({s.name for s in note.signatures})) or "nobody"
        raise _refused(f"no key that you trust signed the note (signed by: {names[:200]})")
    return tuple(signed)


def open_checkpoint(data: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Verify and read a checkpoint; the log's own key, named as its origin, must have signed.
    Raises EvidenceError.
    """
    note = parse_note(data)
    signed = verify_note(note, verifiers)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin not in {verifier.name for verifier in signed}:
        raise _refused(f"the log {checkpoint.origin} did not sign its checkpoint itself")
    return checkpoint


def _parse_line(row: str) -> Signature:
    name, space, encoded = row.removeprefix(_DASH).partition(" ")
    raw = _unb64(encoded)
    fits = row.startswith(_DASH) and space and _valid_name(name)
    if not fits or raw is None or len(raw) <= _KEY_ID_BYTES:
        raise _refused("a signature line of the note is malformed")
    return Signature(name, raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:])


def _valid_name(name: str) -> bool:
    return bool(name) and not any(c.isspace() or c < " " or c == "+" for c in name)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unb64(text: str) -> bytes | None:
    """Strict standard base64: only the one canonical spelling is accepted."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _b64(data) == text else None


def _bad_key(failed: str) -> UsageError:
    return UsageError(
        failed,
        expected="`name+hexid+base64`, as in the log's log.vkey",
        next_step="copy the whole line from a source that you trust",
    )


def _refused(failed: str) -> EvidenceError:
    return EvidenceError(
        failed,
        expected="a signed note (C2SP signed-note) under a key that you trust",
        next_step="check the key that you gave; if it is right, keep the note as evidence",
    )
