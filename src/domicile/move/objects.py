"""Copying a shard of objects home: key by key, version by version, repeatable at will."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Any

import pyarrow as pa

from domicile.errors import ObjectWithheld, SiteMissing
from domicile.inventory import Workplace, read_batches
from domicile.move.chains import key_groups, owners_of
from domicile.move.history import History, read_history
from domicile.move.order import Item, Step, continue_from, steps_home
from domicile.move.plan import ObjectShard, Plan
from domicile.move.transfer import (
    Budget,
    Content,
    copy_version,
    in_flight,
    read_content,
    read_home,
)
from domicile.sites.objects import ObjectSite, ObjectVersion, versions_of

__all__ = ["COPIED", "copy_objects"]

COPIED = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("version_id", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),  # copied, twin, gone or failed
        pa.field("home_version_id", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""What became of each version of a shard. ``gone``: the source had it no longer."""

Row = dict[str, Any]


def copy_objects(here: Workplace, plan: Plan, shard: ObjectShard, *, careful: bool) -> list[Row]:
    """Bring a shard's objects home. ``careful``: look at what home holds of each key first, as
    after an attempt that may have got halfway."""
    groups = list(key_groups(read_batches(here.run.shard(shard.id))))
    home = here.home_objects(owners_of(groups))
    stored: Mapping[str, Sequence[ObjectVersion]] = {}
    if careful:
        stored = versions_of(home, [str(group[0]["key"]) for group in groups])
    copier = _Copier(here, plan, home, stored, careful=careful)
    rows = asyncio.run(copier.copy_all(groups))
    return [row for group in rows for row in group]


@dataclass
class _Copier:
    here: Workplace
    plan: Plan
    home: ObjectSite
    stored: Mapping[str, Sequence[ObjectVersion]]
    careful: bool

    def __post_init__(self) -> None:
        self.home_site = str(self.plan.home_objects)
        self.order = [name for name in self.here.estate.object_names if name != self.home_site]
        self.primary = self.order[-1]
        self.history: History | None = None

    async def copy_all(self, groups: Sequence[Sequence[Row]]) -> list[list[Row]]:
        self.budget = Budget()
        self.first, self.last = (str(group[0]["key"]) for group in (groups[0], groups[-1]))
        return await in_flight(self.copy_key, groups)

    async def copy_key(self, group: Sequence[Row]) -> list[Row]:
        """Copy one key. Where a source withholds one of its versions none of them counts as
        copied, whatever has come home by then: the order of a history cannot be kept without it."""
        try:
            return await self._copy_all_of(group)
        except ObjectWithheld as error:
            items = [_item(row) for row in group if row["kind"] == "version"]
            away = [item for item in items if item.site != self.home_site]
            return [_row(item, "failed", reason=error.failed) for item in away]

    async def _copy_all_of(self, group: Sequence[Row]) -> list[Row]:
        """Copy one key; twins come first in the result, then the steps in order."""
        key = str(group[0]["key"])
        sites = [[_item(row) for row in group if _is(row, site)] for site in self.order]
        sites = [items for items in sites if items]
        primary = -1
        if any(_is(row, self.primary) for row in group):
            primary = len(sites) - 1
        steps, twins = steps_home(sites, primary=primary)
        rows = [_row(item, "twin") for item in twins]
        live = self._live(group)
        if primary < 0 and live is not None:
            return rows + await self._beneath(key, steps[:-1], live)
        planned, done = steps, 0
        if self.careful or any(row["site"] == self.home_site for row in group):
            steps, coming, gone = await self._present(key, steps)
            rows += gone
            there = await self._already(key, coming)
            if there is None:
                reason = "home holds something else under this key"
                return rows + [_row(s.item, "failed", reason=reason) for s in steps if s.item]
            done = there
            rows += [
                _row(step.item, "copied", content=content)
                for step, content in zip(steps[:done], coming, strict=False)
                if step.item
            ]
        for step in steps[done:]:
            rows += await self._take(key, step)
        doubtful = twins if self.careful and done == len(steps) else _bereft(twins, planned, rows)
        return rows + await self._untrusted(key, doubtful)

    async def _untrusted(self, key: str, twins: Sequence[Item]) -> list[Row]:
        """Look at twins instead of believing their ETags, and bring those whose content is not at
        home: the version they resemble has gone since, or carries other attributes."""
        if not twins:
            return []
        stored = versions_of(self.home, [key]).get(key, [])
        if not stored:
            steps = [*map(Step, twins), Step(None)]
            return [row for step in steps for row in await self._take(key, step)]
        self.stored = {**self.stored, key: stored}
        top = stored[0]
        live = Item(
            site=self.home_site,
            key=key,
            version_id=top.version_id,
            is_marker=top.is_marker,
            is_latest=True,
            size_bytes=top.size_bytes,
            etag=top.etag,
        )
        return await self._beneath(key, [Step(twin) for twin in twins], live)

    def _live(self, group: Sequence[Row]) -> Item | None:
        """The key's current version at home, when the run's scan looked."""
        found = (row for row in group if _is(row, self.home_site) and row["is_latest"])
        return next((_item(row) for row in found if row["kind"] == "version"), None)

    async def _beneath(self, key: str, steps: Sequence[Step], live: Item) -> list[Row]:
        """Bring what only copies hold of a key that is current at home, and put what was current
        there on top again. Nothing that home wrote meanwhile is covered."""
        stored = self._stored(key)
        there = [await self._content(self.home_site, key, version) for version in stored]
        rows: list[Row] = []
        ours: list[Content | None] = []
        for step in steps:
            if step.item is None:
                continue
            try:
                ours.append(await self._content(step.item.site, key, step.item))
            except SiteMissing:
                rows.append(_row(step.item, "gone"))
                continue
            if ours[-1] in there:
                rows.append(_row(step.item, "copied", content=ours[-1]))
            else:
                rows += await self._take(key, step)
        before = await self._content(self.home_site, key, live)
        interrupted = bool(stored) and there[0] != before and there[0] in ours
        current = live if interrupted or not stored else stored[0]
        if interrupted or any(content not in there for content in ours):
            if current.is_marker:
                await self.home.put_marker(key)
            else:
                lying = self.here.estate.objects(self.home_site)  # as it is, under its own seal
                await copy_version(lying, lying, key, current.version_id)
        return rows

    async def _take(self, key: str, step: Step) -> list[Row]:
        if step.item is None:
            await self.home.put_marker(key)
            return []
        async with self.budget.take(step.item.size_bytes):
            source = self.here.estate.objects(step.item.site)
            try:
                version, content = await copy_version(source, self.home, key, step.item.version_id)
            except SiteMissing:
                return [_row(step.item, "gone")]
        return [_row(step.item, "copied", home_version=version, content=content)]

    async def _present(
        self, key: str, steps: Sequence[Step]
    ) -> tuple[list[Step], list[Content | None], list[Row]]:
        """The steps whose versions are still there, with their contents, and what is gone."""
        present: list[Step] = []
        contents: list[Content | None] = []
        gone: list[Row] = []
        for step in steps:
            try:
                content = await self._content(step.item.site, key, step.item) if step.item else None
            except SiteMissing:
                gone += [_row(step.item, "gone")] if step.item else []
                continue
            present.append(step)
            contents.append(content)
        return present, contents, gone

    async def _already(self, key: str, coming: Sequence[Content | None]) -> int | None:
        """How many of what is coming home has behind it; None for a conflict."""
        stored = self._stored(key)
        if not stored:
            return 0
        there = [await self._content(self.home_site, key, version) for version in reversed(stored)]
        done = continue_from(coming, there)
        if done is None:
            done = continue_from(coming, there, known=self._known(key, there))
        return done

    def _stored(self, key: str) -> Sequence[ObjectVersion]:
        """What home holds of a key now, newest first."""
        stored = self.stored.get(key)
        return stored if stored is not None else versions_of(self.home, [key]).get(key, [])

    def _known(self, key: str, stored: Sequence[Content | None]) -> int:
        """How many of home's versions, from the oldest on, earlier runs brought."""
        if self.history is None:
            self.history = read_history(self.here.run, self.first, self.last)
        known = partial(self.history.knows, key)
        return sum(1 for _ in takewhile(known, stored))

    async def _content(self, site: str, key: str, version: ObjectVersion | Item) -> Content | None:
        if version.is_marker:
            return None
        async with self.budget.take(version.size_bytes):
            if site == self.home_site:
                return await read_home(self.home, key, version.version_id)
            return await read_content(self.here.estate.objects(site), key, version.version_id)


def _bereft(twins: Sequence[Item], steps: Sequence[Step], rows: Sequence[Row]) -> list[Item]:
    """The twins of which a version that they resemble was gone when it was to be brought."""
    gone = {(row["site"], row["version_id"]) for row in rows if row["state"] == "gone"}
    items = [step.item for step in steps if step.item]
    lost = {(i.size_bytes, i.etag) for i in items if (i.site, i.version_id) in gone}
    return [twin for twin in twins if (twin.size_bytes, twin.etag) in lost]


def _is(row: Row, site: str) -> bool:
    return bool(row["site"] == site and row["kind"] != "upload")


def _item(row: Row) -> Item:
    return Item(
        site=row["site"],
        key=row["key"],
        version_id=row["version_id"],
        is_marker=row["kind"] == "marker",
        is_latest=row["is_latest"],
        size_bytes=row["size_bytes"],
        etag=row["etag"],
    )


def _row(
    item: Item,
    state: str,
    *,
    home_version: str = "",
    content: Content | None = None,
    reason: str = "",
) -> Row:
    return {
        "site": item.site,
        "key": item.key,
        "version_id": item.version_id,
        "state": state,
        "home_version_id": home_version,
        "size_bytes": content.size_bytes if content else item.size_bytes,
        "sha256": content.sha256 if content else "",
        "reason": reason,
    }
