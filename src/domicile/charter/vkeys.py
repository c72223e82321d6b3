"""Public keys of signed notes in a charter: `name+hexid+base64` (C2SP signed-note). Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

__all__ = ["COSIGNING_ED25519", "ED25519", "MLDSA44", "VKey", "VKeyFault", "is_name", "read_vkey"]

ED25519 = 0x01
COSIGNING_ED25519 = 0x04
MLDSA44 = 0x06
_KEY_BYTES: Mapping[int, int] = {ED25519: 32, COSIGNING_ED25519: 32, MLDSA44: 1312}
_LONGEST_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class VKey:
    """A key taken apart: whose, of which kind, and its material."""

    name: str
    kind: int
    material: bytes


class VKeyFault(ValueError):
    """What is wrong with a key, as a sentence without a subject."""


def read_vkey(vkey: str) -> VKey:
    """Read a key. Raises VKeyFault where it is none, of an unknown kind, or not of its id."""
    name, _, rest = vkey.partition("+")
    hex_id, _, encoded = rest.partition("+")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or not is_name(name) or base64.b64encode(data).decode() != encoded:
        raise VKeyFault("is no public key")
    if len(data) - 1 != _KEY_BYTES.get(data[0]):
        raise VKeyFault("is a key of an unknown kind")
    if sha256(name.encode() + b"\n" + data).hexdigest()[:8] != hex_id:
        raise VKeyFault("does not fit its id")
    return VKey(name, data[0], data[1:])


def is_name(name: str) -> bool:
    """Of a key or a log; the log's keys have its name."""
    if any(c.isspace() or c < " " or c in "+\x7f" for c in name) or "://" in name:
        return False
    return 0 < len(name.encode(errors="replace")) <= _LONGEST_NAME_BYTES
