"""What somebody asks of the ledger, and which entries answer it. Pure.

An entry answers when it fits every filter that is given; a filter with several values takes any of
them. What an entry is about is told by the names of its body's fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = ["Question"]

# The fields of a body that a filter looks into, whatever the kind: a text, or a list of texts.
_RUN = ("run",)
_SITE = ("site", "sites", "partly", "source", "home")
_DATASET = ("dataset", "datasets", "table", "tables", "kept")
_STAFF = ("staff", "approver", "approvers")
_PSEUDONYM = ("pseudonym", "pseudonyms", "person")
_PLANNED = "move.planned"

_Time = Annotated[str, Meta(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?\Z")]
_Texts = tuple[str, ...]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Filters; what is empty asks for everything.

    kinds are whole (``erase.shard-erased``) or the part of the system (``erase``). tables and
    shards (``RUN/SHARD``) are what the asker found datasets to be called and to be cut into: an
    entry fits if it names one of datasets or tables, or is about one of shards (or planned them).
    since is included, until is not; so are first and end, which count entries. Times are spelled
    as entries spell them.
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

    def spans(self, index: int) -> bool:
        """Whether an entry at this index may answer."""
        return self.first <= index and (self.end is None or index < self.end)

    @property
    def any_entry(self) -> bool:
        """Whether an entry answers by its index alone, whatever it says."""
        return self == Question(first=self.first, end=self.end)

    def fits(self, kind: str, time: str) -> bool:
        """Whether an entry of this kind and time may answer."""
        part = kind.partition(".")[0]
        return (
            (not self.kinds or kind in self.kinds or part in self.kinds)
            and self.since <= time
            and (not self.until or time < self.until)
        )

    def is_about(self, kind: str, body: Mapping[str, object]) -> bool:
        """Whether what the entry says is about what is asked."""
        wanted = (
            (self.runs, _RUN),
            (self.sites, _SITE),
            (self.staff, _STAFF),
            (self.pseudonyms, _PSEUDONYM),
        )
        named = all(_names(body, fields, values) for values, fields in wanted if values)
        return named and self._is_about_dataset(kind, body)

    def _is_about_dataset(self, kind: str, body: Mapping[str, object]) -> bool:
        names = (*self.datasets, *self.tables)
        if not names or _names(body, _DATASET, names):
            return True
        run = body.get("run")
        if kind == _PLANNED:
            return any(shard.partition("/")[0] == run for shard in self.shards)
        return f"{run}/{body.get('shard')}" in self.shards


def _names(body: Mapping[str, object], fields: Iterable[str], wanted: _Texts) -> bool:
    for field in fields:
        value = body.get(field)
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(text, str) and text in wanted for text in values):
            return True
    return False
