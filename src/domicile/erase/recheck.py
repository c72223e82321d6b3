"""Rechecking: what was erased is looked for again, later, and what scans find there is told apart.

Reads only. A recheck goes by the register of members of the run that erased, and reaches nothing
but the site (and home, where something must be compared): it can be run often. Who became a member
since is seen by a scan.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from domicile.custody.erased import ErasedPersons, is_anybody_erased
from domicile.erase.absence import Look, look_at, looks
from domicile.erase.drift import Among, Seen, Watch
from domicile.erase.past import Past, pasts
from domicile.errors import DomicileError, EvidenceError, UsageError
from domicile.inventory import Estate, Evidence, Run, RunEntries, digest_under, ledger_directory
from domicile.ledger import Entry, decode, read_only
from domicile.scan import ObjectCount, ScanSummary, TableCount, scan_objects
from domicile.scan.entries import DriftFound, Rechecked
from domicile.sites.objects import ObjectSite
from domicile.state import State

__all__ = ["Recheck", "record_drift", "run_recheck", "unnamed"]


@dataclass(frozen=True, slots=True)
class Recheck:
    """What a recheck of one site saw, and its alarms."""

    entry: Rechecked
    alarms: tuple[DriftFound, ...]

    @property
    def absent(self) -> bool:
        """Nothing of the members is there, and nothing was left unexamined."""
        return not (self.entry.remaining or self.entry.unexamined)


def run_recheck(
    estate: Estate, evidence: Evidence, state: State, sites: Sequence[str]
) -> list[Recheck]:
    """Look again at these sites, or at every one that was erased, and record what is seen.

    Raises UsageError where nothing was erased at a site; SiteError where one can't be reached.
    """
    entries = _entries(estate)
    past = pasts(entries, estate.boundary_name)
    if unknown := [site for site in sites if site not in past]:
        raise _never_erased(unknown[0], past)
    if gone := [site for site in sites if site not in estate.charter.sites]:
        raise _not_named(gone[0])
    chosen = [past[site] for site in dict.fromkeys(sites or past) if site in estate.charter.sites]
    for one in chosen:
        _reach(estate, one.site)
    return [_recheck(estate, evidence, state, one, entries) for one in chosen]


def record_drift(
    estate: Estate, evidence: Evidence, state: State, summary: ScanSummary
) -> list[DriftFound]:
    """Alarms for what a scan just found at sites that were erased, recorded. Raises SiteError."""
    entries = _entries(estate)
    run = Run(estate.records, summary.run)
    away = {site.name for site in summary.sites if not site.home}
    seen = [
        (past, Seen(site, run, _tables(summary, site), _files(summary, run, site)))
        for site, past in pasts(entries, estate.boundary_name).items()
        if site in away and run.id not in past.runs
    ]
    seen = [(past, one) for past, one in seen if one.tables or one.objects]
    return _alarms(estate, evidence, state, entries, seen)


def _tables(summary: ScanSummary, site: str) -> list[TableCount]:
    return [count for count in summary.tables if count.site == site and count.members]


def _files(summary: ScanSummary, run: Run, site: str) -> tuple[Path, ...]:
    members = any(count.site == site and count.state == "member" for count in summary.objects)
    return (run.found(site), run.found(f"{site}.uploads")) if members else ()


def _recheck(
    estate: Estate, evidence: Evidence, state: State, past: Past, entries: Sequence[Entry]
) -> Recheck:
    """By the last run that erased here."""
    run = Run(estate.records, past.runs[-1])
    mine = RunEntries(run.id, entries)
    number = looks(mine, past.site) + 1
    mark = secrets.token_hex(3)
    files = (run.back(past.site, number, mark), run.back(f"{past.site}.uploads", number, mark))
    look = look_at(estate, run, past.site, mine, partial(_counted, into=files))
    listed = files if files[0].exists() else ()
    body = _entry(estate, run, past, look, listed)
    evidence.record(body)
    tables = [count for count in look.tables if count.members]
    seen = Seen(past.site, run, tables, listed)
    pairs = [(past, seen)] if body.remaining else []
    return Recheck(body, tuple(_alarms(estate, evidence, state, entries, pairs)))


def _entry(estate: Estate, run: Run, past: Past, look: Look, listed: Sequence[Path]) -> Rechecked:
    return Rechecked(
        run=run.id,
        boundary=estate.boundary_name,
        site=past.site,
        remaining=look.remaining,
        unexamined=look.unexamined,
        asked=look.asked,
        files=(*look.files, *(digest_under(path, estate.records) for path in listed)),
    )


def _alarms(
    estate: Estate,
    evidence: Evidence,
    state: State,
    entries: Sequence[Entry],
    seen: Sequence[tuple[Past, Seen]],
) -> list[DriftFound]:
    if not seen:
        return []
    watch = Watch(estate, entries, _erased(estate, evidence, state))
    found = [alarm for past, one in seen for alarm in watch.drift(past, one)]
    evidence.record(*found)
    return found


def _erased(estate: Estate, evidence: Evidence, state: State) -> Among | None:
    """Who was erased; None where somebody was, and the keys that say who cannot be opened here and
    now. That they are opened is in the ledger first."""
    if not (estate.seals and is_anybody_erased(state, estate.boundary_name)):
        return lambda _: ()
    try:
        keys = estate.keyring(state, evidence.record).open("verify")
        return ErasedPersons(state, estate.boundary_name, keys).among
    except EvidenceError:
        raise
    except DomicileError:
        return None


def unnamed(estate: Estate) -> list[str]:
    """Sites that were erased and that the charter names no more: nobody can look there."""
    past = pasts(_entries(estate), estate.boundary_name)
    return [site for site in past if site not in estate.charter.sites]


def _not_named(site: str) -> UsageError:
    return UsageError(
        f"something was erased at {site!r}, and the charter names no such site any more",
        expected="a site of the charter",
        next_step="name it in the charter again, or have attested what became of it",
    )


def _reach(estate: Estate, site: str) -> None:
    if site in estate.postgres_names:
        estate.database(site).check(write=False)
    else:
        estate.objects(site).check(write=False)


def _entries(estate: Estate) -> list[Entry]:
    reader = read_only(ledger_directory(estate.records))
    return [decode(data) for _, data in reader.entries()]


def _never_erased(site: str, past: dict[str, Past]) -> UsageError:
    return UsageError(
        f"nothing was erased at {site!r}",
        expected="; ".join(past) or "a site where `domicile erase` erased",
        next_step="name such a site with --site, or none: then all of them are looked at",
    )


def _counted(
    estate: Estate, store: ObjectSite, run: Run, *, into: tuple[Path, Path]
) -> list[ObjectCount]:
    """A listing that is kept."""
    return scan_objects(estate, store, run, into)[0]
