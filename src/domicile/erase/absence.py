"""Looking again: a site is counted or listed anew after its erasure, and erased versions are
asked for by id."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from domicile.charter import PostgresSiteConfig
from domicile.erase.certificate import Check
from domicile.erase.entries import AbsenceChecked, ShardErased
from domicile.errors import SiteMissing
from domicile.inventory import (
    Estate,
    Run,
    RunEntries,
    digest_under,
    member_session,
    read_batches,
    replay_lacking,
    write_bytes,
)
from domicile.ledger import FileDigest
from domicile.scan import ObjectCount, TableCount, count_tables, list_objects
from domicile.scan.entries import Rechecked
from domicile.sites.objects import ObjectSite
from domicile.sites.postgres import remains, site_errors

__all__ = ["Absence", "Look", "check_absence", "look_at", "looks"]

READ_AGAIN = 200
"""How many erased versions per site are asked for by id, chosen by the digests of what was
erased, so that nobody can know them beforehand."""


@dataclass(frozen=True, slots=True)
class Absence:
    """What was seen: the ledger's entry, the checks made, and what is known to remain."""

    entry: AbsenceChecked
    checks: tuple[Check, ...]
    remains: tuple[str, ...]
    behind: str


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at a site: as `Rechecked` has it, the tables' counts, the checks made, and
    what is known to remain. behind: why a standby has not replayed all that its primary wrote; it
    counts as not examined then."""

    remaining: int
    unexamined: int
    asked: int
    files: tuple[FileDigest, ...]
    tables: tuple[TableCount, ...]
    checks: tuple[Check, ...]
    remains: tuple[str, ...]
    behind: str


_BEHIND = "changes of its primary not replayed"
Lister = Callable[[Estate, ObjectSite, Run], list[ObjectCount]]
"""What lists a store once."""


class _Seen(msgspec.Struct, frozen=True):
    site: str
    tables: tuple[TableCount, ...]
    objects: tuple[ObjectCount, ...]
    asked_again: int
    still_readable: int
    remains: tuple[str, ...]


def check_absence(estate: Estate, run: Run, site: str, entries: RunEntries) -> Absence:
    """Count (tables) or list (objects) the whole site again."""
    look = look_at(estate, run, site, entries, list_objects)
    entry = AbsenceChecked(
        run=run.id,
        site=site,
        remaining=look.remaining,
        unexamined=look.unexamined,
        files=look.files,
    )
    return Absence(entry, look.checks, look.remains, look.behind)


def look_at(estate: Estate, run: Run, site: str, entries: RunEntries, lister: Lister) -> Look:
    """Look at a site where the run erased, by its register, and write down what is seen."""
    if isinstance(estate.charter.sites[site], PostgresSiteConfig):
        seen, checks = _database(estate, run, site)
    else:
        seen, checks = _store(estate, run, site, entries, lister)
    path = run.absent(site, looks(entries, site) + 1, secrets.token_hex(3))
    write_bytes(path, msgspec.json.format(msgspec.json.encode(seen)))
    remaining = sum(count.members for count in seen.tables) + seen.still_readable
    remaining += sum(_number(count) for count in seen.objects if count.state == "member")
    unexamined = sum(abs(count.unexamined) for count in seen.tables)
    unexamined += sum(_number(count) for count in seen.objects if count.state == "not examined")
    files = (digest_under(path, estate.records),)
    behind = next((count.reason for count in seen.tables if count.table == _BEHIND), "")
    return Look(
        remaining, unexamined, seen.asked_again, files, seen.tables, checks, seen.remains, behind
    )


def looks(entries: RunEntries, site: str) -> int:
    """How often a site was looked at again."""
    checked = sum(body.site == site for body in entries.of(AbsenceChecked))
    return checked + sum(body.site == site for body in entries.of(Rechecked))


def _number(count: ObjectCount) -> int:
    return count.versions + count.markers + count.uploads


def _database(estate: Estate, run: Run, site: str) -> tuple[_Seen, tuple[Check, ...]]:
    standby = estate.database(site).is_standby()
    behind = replay_lacking(estate, site) if standby else ""
    with member_session(estate, run, site, read_only=True) as (connection, rules):
        counts = count_tables(connection, rules, site, at_home=False, replicas=estate.replicas)
        with site_errors(site):
            kept = tuple(remains(connection))
    left = sum(count.members for count in counts)
    shared = sum(count.shared for count in counts)
    unexamined = sum(abs(count.unexamined) for count in counts)
    checks: tuple[Check, ...] = (
        Check(
            "every table counted again for members' rows",
            f"{left:,} rows that are more than a public projection",
            passed=not left,
        ),
        *_others_too(shared),
        Check(
            "rows that no path attributes to a person",
            f"{unexamined:,} rows were not examined",
            passed=None if unexamined else True,
        ),
    )
    if standby:
        checks += (Check("all that its primary wrote replayed", behind or "yes", not behind),)
    if behind:
        counts.append(
            TableCount(site, _BEHIND, _BEHIND, "protected", -1, 0, 0, 0, -1, 0, "", behind)
        )
    return _Seen(site, tuple(counts), (), 0, 0, kept), checks


def _others_too(rows: int) -> tuple[Check, ...]:
    """Rows that stay by the charter are no failure, and no certificate is silent about them."""
    if not rows:
        return ()
    return (
        Check(
            "rows of members that are others' too",
            f"{rows:,} rows stay as they are: each names somebody who is no member as well, and the"
            ' charter says `persons = "copy"`',
            passed=True,
        ),
    )


def _store(
    estate: Estate, run: Run, site: str, entries: RunEntries, lister: Lister
) -> tuple[_Seen, tuple[Check, ...]]:
    store = estate.objects(site)
    counts = lister(estate, store, run)
    asked, readable = _ask_again(store, run, site, entries)
    left = sum(_number(count) for count in counts if count.state == "member")
    unexamined = sum(_number(count) for count in counts if count.state == "not examined")
    checks = (
        Check(
            "every version, delete marker and unfinished upload listed again",
            f"{left:,} of members",
            passed=not left,
        ),
        *_asked_again(asked, readable),
        Check(
            "keys that nothing attributes to a person",
            f"{unexamined:,} were not examined",
            passed=None if unexamined else True,
        ),
    )
    kept = (
        (
            "copies that the provider's storage keeps out of reach of its own interface"
            " (snapshots, replicas, media awaiting reuse) were not examined"
        ),
    )
    return _Seen(site, (), tuple(counts), asked, readable, kept), checks


def _asked_again(asked: int, readable: int) -> Iterator[Check]:
    """Nothing to say where no version with an id of its own was erased."""
    if asked:
        what = f"{asked:,} erased versions asked for by id"
        yield Check(what, f"{readable:,} could still be read", passed=not readable)


def _ask_again(store: ObjectSite, run: Run, site: str, entries: RunEntries) -> tuple[int, int]:
    """Ask for some erased versions by id; how many, and how many could be read."""
    bodies = [body for body in entries.of(ShardErased) if body.site == site]
    seed = "".join(sorted(file.sha256 for body in bodies for file in body.files))
    chooser = random.Random(seed)  # noqa: S311 - a sample anybody can choose again
    sample: list[tuple[str, str]] = []
    seen = 0
    for body in bodies:
        for row in read_batches(run.records / body.files[0].path):
            if row["kind"] != "version" or row["state"] != "erased" or row["version_id"] == "null":
                continue
            seen += 1
            place = (str(row["key"]), str(row["version_id"]))
            if len(sample) < READ_AGAIN:
                sample.append(place)
            elif (slot := chooser.randrange(seen)) < READ_AGAIN:
                sample[slot] = place
    return len(sample), asyncio.run(_readable(store, sample))


async def _readable(store: ObjectSite, sample: list[tuple[str, str]]) -> int:
    readable = 0
    for key, version_id in sample:
        try:
            read = await store.read(key, version_id)
        except SiteMissing:
            continue
        readable += 1
        async for _ in read.chunks:
            break
    return readable
