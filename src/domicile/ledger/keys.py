"""Public keys of notes: their names, ids, kinds of signature, and what each kind signs. Pure.

Three kinds (C2SP signed-note, tlog-cosignature): Ed25519 over a note's text (0x01), and the two
cosignatures, which are timestamped and speak of checkpoints alone: Ed25519 (0x04) and ML-DSA-44
(0x06). A log signs with 0x01 and, as the cosigner of its own name, with 0x06; a witness with 0x04
and 0x06.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from domicile.errors import EvidenceError, UsageError
from domicile.ledger.base64 import decode_base64, encode_base64
from domicile.ledger.checkpoint import Checkpoint

__all__ = [
    "COSIGN_ED25519",
    "COSIGN_MLDSA44",
    "ED25519",
    "KEY_ID_BYTES",
    "TIMESTAMP_BYTES",
    "Verifier",
    "check_key_name",
    "is_key_name",
    "key_id",
    "signed_message",
]

ED25519 = 0x01
COSIGN_ED25519 = 0x04
COSIGN_MLDSA44 = 0x06
KEY_ID_BYTES = 4
TIMESTAMP_BYTES = 8
_KEY_BYTES: Mapping[int, int] = {ED25519: 32, COSIGN_ED25519: 32, COSIGN_MLDSA44: 1312}
_MAX_TIMESTAMP_S = 2**63 - 1
_MAX_NAME_BYTES = 255
_LABEL = b"subtree/v1\n\x00"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name, for one kind of signature."""

    name: str
    public_key: bytes
    algorithm: int = ED25519

    @property
    def key_id(self) -> bytes:
        """The four bytes that a signature line starts with."""
        return key_id(self.name, self.algorithm, self.public_key)

    @property
    def vkey(self) -> str:
        """The key as text: ``name+hexid+base64``."""
        key = encode_base64(bytes([self.algorithm]) + self.public_key)
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """Read ``name+hexid+base64``. Raises UsageError: malformed, unknown algorithm, wrong id."""
        name, plus, rest = vkey.strip().partition("+")
        hex_id, _, encoded = rest.partition("+")
        key = decode_base64(encoded)
        if not plus or not key or not is_key_name(name):
            raise _bad_key("a verifier key is malformed")
        if len(key) - 1 != _KEY_BYTES.get(key[0]):
            raise _bad_key(f"the key of {name} is neither an Ed25519 nor an ML-DSA-44 key")
        verifier = cls(name, key[1:], key[0])
        if verifier.key_id.hex() != hex_id:
            raise _bad_key(f"the key of {name} does not fit its id {hex_id[:8]!r}")
        return verifier

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """Whether this key made this signature (behind its timestamp, where it is a cosignature)
        over a note's text."""
        stamp, bare = b"", signature
        if self.algorithm != ED25519:
            stamp, bare = signature[:TIMESTAMP_BYTES], signature[TIMESTAMP_BYTES:]
        try:
            signed = signed_message(self, message, int.from_bytes(stamp, "big"))
            if self.algorithm == COSIGN_MLDSA44:
                MLDSA44PublicKey.from_public_bytes(self.public_key).verify(bare, signed)
            else:
                Ed25519PublicKey.from_public_bytes(self.public_key).verify(bare, signed)
        except (InvalidSignature, ValueError, EvidenceError):
            return False
        return True


def signed_message(key: Verifier, text: bytes, timestamp_s: int) -> bytes:
    """What a key of this kind signs for a note's text. timestamp_s counts from the POSIX epoch; a
    plain signature has none.

    Raises ValueError where the time, or EvidenceError where the text, is none that it can sign.
    """
    if key.algorithm == ED25519:
        return text
    if not 0 < timestamp_s <= _MAX_TIMESTAMP_S:
        raise ValueError(timestamp_s)
    checkpoint = Checkpoint.parse(text.decode())
    if key.algorithm == COSIGN_ED25519:
        return b"cosignature/v1\ntime %d\n" % timestamp_s + text
    name, origin = _opaque(key.name), _opaque(checkpoint.origin)
    tree = struct.pack(">QQ", 0, checkpoint.size) + checkpoint.root
    return _LABEL + name + struct.pack(">Q", timestamp_s) + origin + tree


def key_id(name: str, algorithm: int, public_key: bytes) -> bytes:
    """``SHA-256(name || 0x0A || algorithm || public key)[:4]``."""
    message = name.encode() + b"\n" + bytes([algorithm]) + public_key
    return sha256(message).digest()[:KEY_ID_BYTES]


def check_key_name(name: str) -> None:
    """Raise UsageError unless a key may be called so: not empty, no space, no plus."""
    if not is_key_name(name):
        raise UsageError(
            f"{name!r} cannot name a key",
            expected="a name without spaces, control characters and plus signs",
            next_step="choose a name like `example.com/ledger`",
        )


def is_key_name(name: str) -> bool:
    """Whether a key may be called so."""
    if any(c.isspace() or c < " " or c == "+" for c in name):
        return False
    return 0 < len(name.encode(errors="replace")) <= _MAX_NAME_BYTES


def _opaque(text: str) -> bytes:
    """RFC 8446 section 3.4: ``opaque<1..2^8-1>``."""
    data = text.encode()
    if not 0 < len(data) <= _MAX_NAME_BYTES:
        raise ValueError(text)
    return bytes([len(data)]) + data


def _bad_key(failed: str) -> UsageError:
    return UsageError(
        failed,
        expected="`name+hexid+base64`, as in the log's log.vkey",
        next_step="copy the whole line from a source that you trust",
    )
