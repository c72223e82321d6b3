"""Drift: members' items lie again at a site that was erased.

Each is told by where it comes from, since each needs another answer: a backup that was restored, an
application that still writes there, persons who became members since, persons who were erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domicile.erase.drift_objects import Whose, object_origins, read_erased
from domicile.erase.drift_rows import RowOrigins, returned_rows, rows_of
from domicile.erase.past import Past
from domicile.inventory import Estate, Run, read_batches
from domicile.ledger import Entry, time_text
from domicile.people import Register, person_text
from domicile.scan import TableCount
from domicile.scan.entries import DriftFound

__all__ = ["Among", "Seen", "Watch", "origins_told"]

Among = Callable[[Collection[str]], Collection[str]]
"""Those of some persons who were erased."""

_NEXT_STEPS = {
    "shredded": "persons who were erased: destroy it at its source; nothing of theirs can be"
    " brought home, unless they are re-admitted",
    "newcomers": "of people who became members since: scan, plan and move them",
    "returned": "equal to what was erased: a backup was restored or a replica feeds it; stop that,"
    " then scan, plan, verify and erase again",
    "written": "not what was erased: an application still writes there; stop it, then scan, plan,"
    " move, verify and erase again",
    "other": "neither erased nor newer than the erasure, or not compared: see whose it is, then"
    " scan and plan",
}
"""What each origin means, and what to do about it."""
_TOLD = ("shredded", "newcomers", "returned", "written", "other")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found at one site, by the register of ``run``: its tables, and files that list
    members' objects."""

    site: str
    run: Run
    tables: Sequence[TableCount] = ()
    objects: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """Tells where what was found comes from. erased: who was erased, if the keys are open; None
    where it cannot be told."""

    estate: Estate
    entries: Sequence[Entry]
    erased: Among | None

    def drift(self, past: Past, seen: Seen) -> list[DriftFound]:
        """An alarm for each dataset of the site with members' items, none where there are none.
        Raises SiteError, EvidenceError."""
        return [*self._rows(past, seen), *self._objects(past, seen)]

    def _rows(self, past: Past, seen: Seen) -> Iterator[DriftFound]:
        found = {count.table: count for count in seen.tables if count.members}
        if not found:
            return
        rows = {name: count.members for name, count in found.items()}
        whose, keys = self._people(past, seen)
        mine = [keys[p] for p in whose.erased]
        erased = rows_of(self.estate, seen.run, mine, seen.site, rows)
        newer = [keys[p] for p in whose.newcomers - whose.erased]
        newcomers = rows_of(self.estate, seen.run, newer, seen.site, rows)
        returned = returned_rows(self.estate, past, self.entries, rows)
        for name, count in sorted(found.items()):
            parts = (erased.get(name, 0), newcomers.get(name, 0), returned.get(name, 0))
            split = RowOrigins.of(count.members, *parts)
            told = {what: getattr(split, what) for what in _TOLD[:4]}
            yield self._alarm(past, seen, count.dataset, Counter(told))

    def _people(self, past: Past, seen: Seen) -> tuple[Whose, dict[str, Sequence[str]]]:
        """Members who are told apart, and the keys of these."""
        with Register(seen.run.people, seen.run.people_index) as register:
            members = {person_text(key): key for key, member in register.persons() if member}
        whose = self._whose(past, list(members))
        return whose, {p: members[p] for p in whose.erased | whose.newcomers}

    def _whose(self, past: Past, persons: list[str]) -> Whose:
        known: set[str] = set()
        for run in (Run(self.estate.records, run) for run in past.runs):
            with Register(run.people, run.people_index) as register:
                before = register.membership(persons)
            known |= {person for person, member in before.items() if member}
        erased = self.erased(persons) if self.erased else ()
        return Whose(frozenset(erased), frozenset(persons) - known)

    def _objects(self, past: Past, seen: Seen) -> Iterator[DriftFound]:
        found = [row for path in seen.objects for row in _members(path)]
        if not found:
            return
        whose = self._whose(past, sorted({row["person"] for row in found if row["person"]}))
        erased = read_erased(self.estate.records, past, frozenset(row["key"] for row in found))
        origins = object_origins(self.estate.objects(seen.site), found, whose, erased)
        told: dict[str, Counter[str]] = {}
        for row, origin in zip(found, origins, strict=True):
            told.setdefault(row["dataset"], Counter())[origin] += 1
        for dataset, counts in sorted(told.items()):
            yield self._alarm(past, seen, dataset, counts)

    def _alarm(self, past: Past, seen: Seen, dataset: str, told: Counter[str]) -> DriftFound:
        return DriftFound(
            run=seen.run.id,
            boundary=self.estate.boundary_name,
            site=seen.site,
            dataset=dataset,
            items=told.total(),
            returned=told["returned"],
            written=told["written"],
            newcomers=told["newcomers"],
            shredded=told["shredded"] if self.erased else -1,
            other=told["other"],
            certified=time_text(past.certified) if past.certified else "",
            certificate_sha256=past.certificate.sha256 if past.certificate else "",
        )


def origins_told(alarm: DriftFound) -> Iterator[str]:
    """What an alarm's items are and what to do about them, a line for each origin."""
    for name in _TOLD:
        if (items := getattr(alarm, name)) > 0:
            yield f"{items:,} {_NEXT_STEPS[name]}"
    if alarm.shredded < 0:
        yield (
            "whether persons who were erased are among them could not be told: run it where the"
            " root of the boundary's keys is in reach"
        )


def _members(path: Path) -> Iterable[dict[str, Any]]:
    return (row for row in read_batches(path) if row["state"] == "member")
