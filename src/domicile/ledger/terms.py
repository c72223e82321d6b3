"""What an entry can be found by, and what is asked for. Pure.

The terms of an entry follow from the names of its body's fields, whatever its kind: a kind that is
new, or unknown here, needs no code. A value is a text, or a list of texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from domicile.ledger.entries import Envelope

__all__ = ["TERMS", "Found", "Query", "read_found"]

TERMS: Mapping[str, str] = {
    "boundary": "boundary",
    "dataset": "dataset",
    "datasets": "dataset",
    "home": "site",
    "partly": "site",
    "pseudonym": "pseudonym",
    "pseudonyms": "pseudonym",
    "purpose": "purpose",
    "run": "run",
    "shard": "shard",
    "shards": "shard",
    "site": "site",
    "sites": "site",
    "source": "site",
    "staff": "staff",
    "table": "dataset",
    "tables": "dataset",
}
"""A body's field, and the term that its values are found under."""


_ENVELOPE = msgspec.json.Decoder(Envelope)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry as far as finding goes. kind and time are empty, and terms too, where it is not an
    entry of this ledger's form."""

    number: int
    data: bytes
    kind: str
    time: str
    terms: frozenset[tuple[str, str]]

    def is_within(self, kinds: Sequence[str], since: str, until: str) -> bool:
        """Whether it is of one of these kinds (or of any, where there are none), and of the time
        from ``since`` until before ``until`` (where that is given)."""
        of_kind = not kinds or any(_is_of(self.kind, kind) for kind in kinds)
        return of_kind and since <= self.time and (not until or self.time < until)


def read_found(number: int, data: bytes) -> Found:
    """Read an entry for finding; its kind may be unknown. Whether it is canonical JSON is for
    verification to say."""
    try:
        envelope = _ENVELOPE.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Found(number, data, "", "", frozenset())
    return Found(number, data, envelope.kind, envelope.time, _terms(envelope))


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; all of it must hold.

    kinds: any of these, whole (``move.planned``) or up to a point (``move``). terms: by the names
    in `TERMS`. since (inclusive) and until (exclusive): times as entries spell them. text: stands
    in the entry as it is written, in this case.
    """

    kinds: tuple[str, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)
    since: str = ""
    until: str = ""
    text: str = ""

    def fits(self, found: Found) -> bool:
        """Whether an entry is asked for, but for its text."""
        named = found.terms >= set(self.terms.items())
        return named and found.is_within(self.kinds, self.since, self.until)

    def reads(self, found: Found) -> bool:
        """Whether the text that is asked for stands in it."""
        return self.text in found.data.decode(errors="replace")


def _is_of(kind: str, asked: str) -> bool:
    """Whether a kind is the one that is asked for, or one of its part's."""
    return kind == asked or kind.startswith(f"{asked}.")


def _terms(envelope: Envelope) -> frozenset[tuple[str, str]]:
    body = msgspec.json.decode(envelope.body)
    if not isinstance(body, dict):
        return frozenset()
    terms: set[tuple[str, str]] = set()
    for name, value in body.items():
        if name in TERMS:
            values = value if isinstance(value, list) else [value]
            terms |= {(TERMS[name], one) for one in values if isinstance(one, str)}
    return frozenset(terms)
