"""What somebody asks of the ledger, and which entries answer it. Pure.

An entry answers when it fits every filter that is given; a filter with several values takes any of
them. What an entry is about is told by its terms (`terms`).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from domicile.ledger.terms import Found

__all__ = ["Question"]

_PLANNED = "move.planned"
_Time = Annotated[str, Meta(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?\Z")]
_Texts = tuple[str, ...]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Filters; what is empty asks for everything.

    kinds are whole (``erase.shard-erased``) or up to a point (``erase``). tables and shards
    (``RUN/SHARD``) are what the asker found datasets to be called and to be cut into: an entry fits
    if it names one of datasets or tables, or is about one of shards (or planned them). since is
    included, until is not; so are first and end, which count entries. Times are spelled as entries
    spell them.
    """

    kinds: _Texts = ()
    runs: _Texts = ()
    sites: _Texts = ()
    datasets: _Texts = ()
    tables: _Texts = ()
    shards: _Texts = ()
    staff: _Texts = ()
    pseudonyms: _Texts = ()
    since: _Time = ""
    until: _Time = ""
    first: Annotated[int, Meta(ge=0)] = 0
    end: Annotated[int, Meta(ge=0)] | None = None

    def answers(self, found: Found) -> bool:
        """Whether an entry is asked for."""
        if not self.spans(found.number):
            return False
        if self.spans_all:
            return True
        within = found.is_within(self.kinds, self.since, self.until)
        return bool(found.kind) and within and self._is_about(found)

    def spans(self, number: int) -> bool:
        """Whether an entry of this number may be asked for."""
        return self.first <= number and (self.end is None or number < self.end)

    @property
    def spans_all(self) -> bool:
        """Whether entries are asked for by their number alone, whatever they say."""
        return self == Question(first=self.first, end=self.end)

    def _is_about(self, found: Found) -> bool:
        wanted = {
            "run": self.runs,
            "site": self.sites,
            "staff": self.staff,
            "pseudonym": self.pseudonyms,
        }
        named = all(_names(found, term, values) for term, values in wanted.items() if values)
        return named and self._is_about_dataset(found)

    def _is_about_dataset(self, found: Found) -> bool:
        names = (*self.datasets, *self.tables)
        if not names or _names(found, "dataset", names):
            return True
        for shard in self.shards:
            run, _, part = shard.partition("/")
            cut = found.kind == _PLANNED or ("shard", part) in found.terms
            if cut and ("run", run) in found.terms:
                return True
        return False


def _names(found: Found, term: str, values: _Texts) -> bool:
    return not found.terms.isdisjoint((term, value) for value in values)
