"""A sealed store whose keys lie in memory."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection

from domicile.custody.sealing import SealedStore
from domicile.sites.objects import ObjectSite

__all__ = ["ANNA", "BEN", "MemoryKeys", "seal_store"]

ANNA, BEN = (hashlib.sha256(name).digest()[:16] for name in (b"anna", b"ben"))


class MemoryKeys:
    """Keys that nobody wraps."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes] = {}

    def of(self, subjects: Collection[bytes]) -> dict[bytes, bytes]:
        return {s: self.keys.setdefault(s, secrets.token_bytes(32)) for s in subjects}

    def known(self, subjects: Collection[bytes]) -> dict[bytes, bytes]:
        return {s: self.keys[s] for s in subjects if s in self.keys}


class _Annas(dict[str, bytes]):
    """Every key is Anna's that is not said to be somebody else's."""

    def __missing__(self, key: str) -> bytes:
        return ANNA


def seal_store(store: ObjectSite, keys: MemoryKeys, **others: bytes) -> SealedStore:
    return SealedStore(store, keys, _Annas({ANNA.hex(): ANNA, **others}))
