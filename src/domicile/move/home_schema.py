"""Home's tables, indexes and constraints, made after a source's, and its sequences set apart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import psycopg
from psycopg import sql

from domicile.charter import Route
from domicile.errors import EvidenceError
from domicile.inventory import Estate, Evidence, Progress, RunEntries
from domicile.move.effects import reached
from domicile.move.entries import SchemaMade, SequencesSet
from domicile.move.plan import Plan
from domicile.move.rows import MARKERS_SQL
from domicile.move.views import fill_views
from domicile.sites.postgres import (
    Database,
    TableName,
    apply_sql,
    read_database,
    schema_sql,
    set_sequence,
    site_errors,
)

__all__ = ["HomeSchema"]


@dataclass(frozen=True, slots=True)
class HomeSchema:
    """The schema of the home database of one route, which a plan brings rows to."""

    estate: Estate
    evidence: Evidence
    entries: RunEntries
    plan: Plan
    route: Route
    progress: Progress

    @property
    def site(self) -> str:
        """The home database."""
        return str(self.route.home)

    def ranks(self) -> dict[TableName, int]:
        """How many references lie below each table at home; cycles count once."""
        home = self.site
        with site_errors(home), self.estate.database(home).connect(read_only=True) as connection:
            database = read_database(connection)
        ranks = dict.fromkeys(database.tables, 0)
        for _ in ranks:
            before = dict(ranks)
            for key in database.foreign_keys:
                if key.child != key.parent and {key.child, key.parent} <= ranks.keys():
                    ranks[key.child] = max(ranks[key.child], ranks[key.parent] + 1)
            if ranks == before or max(ranks.values()) > len(ranks):
                break
        return ranks

    def make(self) -> bool:
        """Make home's tables where it has none. True while home's constraints are still to come:
        it holds nothing then but what this run put there."""
        made = self._made()
        home = self.site
        with site_errors(home), self.estate.database(home).connect() as connection:
            applied = _applied_sections(connection, self.plan.run)
            finished = "post-data" in _applied_sections(connection)
            there = bool(read_database(connection).tables)
            if not there:
                self._apply(connection, "pre-data")
                applied = {"pre-data"}
            elif not applied:
                connection.execute(MARKERS_SQL)
                connection.commit()
        if "pre-data" in applied and "pre-data" not in made:
            self._announce_schema("pre-data")
        return "pre-data" in applied and not finished

    def finish(self) -> None:
        """Add indexes and constraints where they are to come, set sequences, fill views."""
        made = self._made()
        home = self.site
        with site_errors(home), self.estate.database(home).connect() as connection:
            ever = _applied_sections(connection)
            # An earlier run may have made the tables and not come to their constraints.
            if "pre-data" in ever and "post-data" not in ever:
                self.progress.stage("indexes and constraints", items=1)
                self._apply(connection, "post-data")
                self.progress.advance()
            mine = _applied_sections(connection, self.plan.run)
            if "post-data" in mine and "post-data" not in made:
                self._announce_schema("post-data")
            self._set_sequences(connection)
            connection.commit()
            connection.autocommit = True
            connection.execute("ANALYZE")
            for reason in fill_views(connection, self._source()):
                self.progress.note(reason)

    def _source(self) -> Database:
        source = str(self.route.source)
        with site_errors(source), self.estate.database(source).connect(read_only=True) as there:
            return read_database(there)

    def _apply(self, connection: psycopg.Connection, section: str) -> None:
        text = self._statements(section)
        if section == "pre-data":
            connection.execute(MARKERS_SQL)
        apply_sql(connection, text)
        connection.execute(
            "INSERT INTO domicile.shard_markers (run, shard, rows, sha256) VALUES (%s, %s, 0, %s)",
            (self.plan.run, f"schema {section}", hashlib.sha256(text.encode()).hexdigest()),
        )
        connection.commit()

    def _statements(self, section: str) -> str:
        source = self.estate.database(str(self.route.source))
        return schema_sql(source, "pre-data" if section == "pre-data" else "post-data")

    def _announce_schema(self, section: str) -> None:
        home = self.site
        with site_errors(home), self.estate.database(home).connect(read_only=True) as connection:
            row = connection.execute(
                "SELECT sha256 FROM domicile.shard_markers WHERE run = %s AND shard = %s",
                (self.plan.run, f"schema {section}"),
            ).fetchone()
        if row is None:
            raise EvidenceError(
                f"home lost the marker of its {section} schema",
                expected="the row that was written with the schema",
                next_step="see who changed domicile.shard_markers at home",
            )
        self.evidence.record(
            SchemaMade(run=self.plan.run, site=home, section=section, sha256=str(row[0])),
            into=self.entries,
        )

    def _set_sequences(self, connection: psycopg.Connection) -> None:
        if any(body.site == self.site for body in self.entries.of(SequencesSet)):
            return
        there = {sequence.name: sequence for sequence in read_database(connection).sequences}
        planned = [s for s in self.plan.sequences if s.home == self.site]
        for sequence in planned:
            name = TableName(sequence.schema, sequence.name)
            if name not in there or not reached(there[name], sequence.home_value):
                set_sequence(connection, name, sequence.home_value)
        connection.commit()
        self.evidence.record(
            SequencesSet(
                run=self.plan.run,
                site=self.site,
                sequences=len(planned),
            ),
            into=self.entries,
        )

    def _made(self) -> set[str]:
        """The sections that the ledger has."""
        return {body.section for body in self.entries.of(SchemaMade) if body.site == self.site}

    def wrong_sequences(self) -> int:
        """How many of home's sequences the source could collide with."""
        planned = [s for s in self.plan.sequences if s.home == self.site]
        if not planned:
            return 0
        home = self.site
        with site_errors(home), self.estate.database(home).connect(read_only=True) as connection:
            there = {s.name: s for s in read_database(connection).sequences}
        wrong = 0
        for sequence in planned:
            at_home = there.get(TableName(sequence.schema, sequence.name))
            if at_home is None or not reached(at_home, sequence.home_value):
                wrong += 1
                self.progress.note(f"sequence {sequence.name} at home is not where it was set")
        return wrong


def _applied_sections(connection: psycopg.Connection, run: str | None = None) -> set[str]:
    """The sections of the schema that a run made here, or any run."""
    row = connection.execute("SELECT to_regclass('domicile.shard_markers') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return set()
    query = sql.SQL(
        "SELECT shard FROM domicile.shard_markers WHERE (run = %s OR %s) AND shard LIKE %s"
    )
    return {
        str(shard).removeprefix("schema ")
        for (shard,) in connection.execute(query, (run, run is None, "schema %"))
    }
