"""Archives at a site, as the charter treats them: fetched, and read row by row."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

from domicile.charter import ObjectDataset
from domicile.inventory.estate import Estate
from domicile.inventory.runs import Run
from domicile.inventory.sessions import read_rules
from domicile.inventory.tables import DatabaseRules, TableRules
from domicile.people import Membership, Register, person_text
from domicile.sites.archives import NOBODY_CAN_SAY, Key, Layout, Reader
from domicile.sites.objects import Attributes, ObjectSite
from domicile.sites.postgres import find_pg_restores, site_errors

__all__ = ["Archives", "memberships", "writing"]

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Archives:
    """Reads the archives of an estate's object sites. What is fetched lies in files without a
    name, in the records, while it is read."""

    estate: Estate
    run: Run

    def reader(self, dataset: ObjectDataset) -> Reader:
        """How to read a dataset's archives."""
        layout = Layout(dataset.person, self.tables)
        return Reader(layout, self._spool, find_pg_restores())

    @contextmanager
    def fetched(
        self, site: ObjectSite, key: str, version_id: str
    ) -> Iterator[tuple[BinaryIO, Attributes]]:
        """A version's bytes as a file, and its attributes. Raises SiteMissing where it is gone."""
        with self.scratch() as file:
            attributes = asyncio.run(_fetch(site, key, version_id, file))
            file.seek(0)
            yield file, attributes

    @contextmanager
    def scratch(self) -> Iterator[BinaryIO]:
        """An empty file without a name."""
        with tempfile.TemporaryFile(dir=self._spool) as file:
            yield cast("BinaryIO", file)

    @property
    def _spool(self) -> Path:
        path = self.run.people_index.parent
        path.mkdir(parents=True, exist_ok=True)
        return path

    @cached_property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """The columns of the primary databases' tables that hold a person's key themselves. Of a
        table that two databases have, with other columns, an archive doesn't tell which it is."""
        found: dict[str, tuple[str, ...] | None] = {}
        for route in self.estate.routes:
            if site := route.source or route.home:
                for name, columns in self._tables_at(site).items():
                    found[name] = columns if found.get(name, columns) == columns else None
        return {name: columns for name, columns in found.items() if columns is not None}

    def _tables_at(self, site: str) -> dict[str, tuple[str, ...] | None]:
        with (
            Register(self.run.people, self.run.people_index) as register,
            site_errors(site),
            self.estate.database(site).connect(read_only=True) as connection,
        ):
            rules = read_rules(connection, self.estate, site, register)
        named = rules.tables.items()
        return {f"{name.schema}.{name.name}": _holders(rules, table) for name, table in named}


def memberships(register: Register, keys: Sequence[Key]) -> list[Membership | str]:
    """Whose each row is: a member's (True) or nobody's or somebody else's (False); nobody knows
    (None). Rows of which the archive does not tell are ``untold``."""
    persons = {person_text(key) for key in keys if key}
    known = register.membership(sorted(persons))
    return [
        "untold" if key == NOBODY_CAN_SAY else known.get(person_text(key)) if key else False
        for key in keys
    ]


def writing(file: BinaryIO) -> Iterator[bytes]:
    """A file's bytes from its beginning."""
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


async def _fetch(site: ObjectSite, key: str, version_id: str, file: BinaryIO) -> Attributes:
    read = await site.read(key, version_id)
    async for chunk in read.chunks:
        file.write(chunk)
    file.flush()
    return read.attributes


def _holders(rules: DatabaseRules, table: TableRules) -> tuple[str, ...] | None:
    """The columns of a table that hold the person's key; none where its rows are about nobody or
    need no protection; None where only other tables tell."""
    if not table.protected:
        return ()
    if len(table.paths) != 1:
        return None
    hops = table.paths[0].hops
    if not hops:
        return rules.key
    if len(hops) > 1 or hops[0].pointer or set(hops[0].parent_columns) != set(rules.key):
        return None
    places = dict(zip(hops[0].parent_columns, hops[0].columns, strict=True))
    return tuple(places[column] for column in rules.key)
