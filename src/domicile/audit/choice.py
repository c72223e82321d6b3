"""Which shards an audit reads: chosen by a checkpoint's hash, so that anybody can choose them again
and nobody could choose others once the checkpoint was signed. Pure.

Rules:
1. The list: the names ``RUN/SHARD`` of every shard that a `move.shard-verified` entry under the
   checkpoint names with something verified, each once, in the order of their UTF-8 bytes.
2. For counter = 0, 1, 2, …: SHA-256 of the checkpoint's root hash (32 bytes) and the counter (8
   bytes, big-endian), read as a big-endian number, modulo the list's length, is the place of the
   next shard; one that was chosen already is passed over.
3. That goes on until there are as many as were asked for, or the whole list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import count

from domicile.ledger import Entry
from domicile.move import ShardVerified

__all__ = ["RULE", "chosen_shards", "eligible_shards", "list_sha256"]

RULE = (
    "SHA-256(root hash || counter as 8 bytes, big-endian) modulo the length of the list of"
    " RUN/SHARD of all verified shards in byte order, counter from 0, each shard once"
)


def eligible_shards(entries: Iterable[Entry]) -> list[str]:
    """The list of rule 1."""
    named = {
        f"{entry.body.run}/{entry.body.shard}"
        for entry in entries
        if isinstance(entry.body, ShardVerified) and entry.body.verified
    }
    return sorted(named, key=str.encode)


def chosen_shards(shards: Sequence[str], root: bytes, number: int) -> list[str]:
    """So many of the list, in the order in which they are chosen."""
    chosen: dict[str, None] = {}
    for counter in count():
        if len(chosen) >= min(number, len(shards)):
            return list(chosen)
        digest = sha256(root + counter.to_bytes(8, "big")).digest()
        chosen[shards[int.from_bytes(digest, "big") % len(shards)]] = None
    raise AssertionError


def list_sha256(shards: Sequence[str]) -> str:
    """The list's SHA-256 in hex, a name a line."""
    return sha256("".join(f"{shard}\n" for shard in shards).encode()).hexdigest()
