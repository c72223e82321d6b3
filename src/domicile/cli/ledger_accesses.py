"""What `domicile ledger verify` says of accesses: every one is decided again."""

from __future__ import annotations

from dataclasses import replace

from domicile.errors import EvidenceError
from domicile.ledger import Source, Verification, decode
from domicile.ledger.merkle import leaf_hash
from domicile.ledger.store import Store
from domicile.ledger.tiles import TreeEdge

__all__ = ["decided_again"]

_MOST_KEPT = 1000


def decided_again(source: Source, found: Verification) -> Verification:
    """A verification, with what is wrong with the accesses of a log that has any. The entries are
    read a second time, and must lead to the same root."""
    if not found.root or not any(kind.startswith("access.") for kind in found.entries_by_kind):
        return found
    from domicile.policy.replay import MARKS, Replay

    replay, edge, problems = Replay(), TreeEdge(), list[str]()
    try:
        for index, data in Store(source).entries(found.size):
            edge.append(leaf_hash(data))
            if any(mark in data for mark in MARKS):
                problems += replay.take(index, decode(data))
    except EvidenceError as error:
        problems.append(f"accesses were not decided again: {error.failed}")
    else:
        if edge.root().hex() != found.root:
            problems.append("the log gave other entries when its accesses were decided again")
    notices = [*found.notices, *replay.notices, f"{replay.accesses:,} accesses were decided again"]
    return replace(
        found,
        problems=(*found.problems, *problems)[:_MOST_KEPT],
        problem_count=found.problem_count + len(problems),
        notices=tuple(notices[:_MOST_KEPT]),
    )
