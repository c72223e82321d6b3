"""Which shards an audit reads: anybody chooses the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domicile.audit.choice import chosen_shards, eligible_shards, list_sha256
from domicile.ledger import Entry
from domicile.move import ShardVerified

SHARDS = [f"run/shard-{number:03}" for number in range(100)]


def test_the_root_alone_chooses() -> None:
    root = bytes(range(32))
    chosen = chosen_shards(SHARDS, root, 10)
    assert chosen == chosen_shards(SHARDS, root, 10)
    assert chosen == chosen_shards(SHARDS, root, 20)[:10]
    assert len(set(chosen)) == 10
    assert chosen != chosen_shards(SHARDS, bytes(32), 10)
    # sha256sum of 40 zero bytes is 2c34ce1d…51eb, which leaves 19 when divided by 100.
    assert chosen_shards(SHARDS, bytes(32), 1) == ["run/shard-019"]


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (100, 100), (1000, 100)])
def test_never_more_than_there_are_and_none_twice(asked: int, given: int) -> None:
    assert len(set(chosen_shards(SHARDS, b"\1" * 32, asked))) == given


def test_of_nothing_nothing_is_chosen() -> None:
    assert chosen_shards([], b"\1" * 32, 5) == []


def test_every_shard_is_as_likely_as_another() -> None:
    first = [chosen_shards(SHARDS, n.to_bytes(32, "big"), 1)[0] for n in range(2000)]
    counts = [first.count(shard) for shard in SHARDS]
    assert max(counts) < 50
    assert min(counts) > 3


def test_the_list_is_of_what_was_verified_in_the_order_of_bytes() -> None:
    def proof(run: str, shard: str, verified: int) -> Entry:
        body = ShardVerified(run, shard, "home", (), (), verified, 0, ())
        return Entry(body, datetime(2026, 1, 1, tzinfo=UTC), "ab" * 32)

    entries = [proof("b", "z", 1), proof("b", "é", 1), proof("a", "x", 0), proof("b", "z", 2)]
    assert eligible_shards(entries) == ["b/z", "b/é"]
    assert list_sha256(["b/z"]) == list_sha256(eligible_shards(entries[:1]))
