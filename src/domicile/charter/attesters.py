"""What must hold of offline places and of who may attest (pure)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from domicile.charter.lines import KeyPath
from domicile.charter.model import Charter
from domicile.charter.problems import Problem

__all__ = ["attester_problems", "public_key"]

_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""How every Ed25519 SubjectPublicKeyInfo begins (RFC 8410, section 4); 32 bytes follow."""
_KEY_BYTES = 32
_EXPECTED = "an Ed25519 public key in base64, beginning with MCowBQYDK2VwAyEA"
_STEP = "copy the line between the first and the last of `openssl pkey -in key.pem -pubout`"


def attester_problems(charter: Charter) -> Iterator[Problem]:
    """Everything wrong with ``[offline]`` and ``[attesters]``."""
    for name in charter.offline.keys() & charter.sites.keys():
        yield Problem(
            ("offline", name),
            "is the name of a site as well",
            "a name of its own",
            "choose another name, or remove it: a site is scanned",
        )
    owners: dict[bytes, str] = {}
    for name, attester in charter.attesters.items():
        path: KeyPath = ("attesters", name, "key")
        key = public_key(attester.key)
        if key is None:
            yield Problem(path, "is no public key", _EXPECTED, _STEP)
        elif owners.setdefault(key, name) != name:
            there = f"is the same key as attesters.{owners[key]}"
            yield Problem(path, there, "a key of its own", "remove one of the two")


def public_key(text: str) -> bytes | None:
    """The 32 bytes of an attester's key; None where the text is none."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    fits = data.startswith(_ED25519) and len(data) == len(_ED25519) + _KEY_BYTES
    return data[len(_ED25519) :] if fits and base64.b64encode(data).decode() == text else None
