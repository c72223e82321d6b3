"""What is kept of a table's sample once it has been judged: counts, and the few values that must
be looked up. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from domicile.scan.proposal.columns import (
    ColumnFacts,
    Finding,
    Sample,
    TableFacts,
    categorise,
    family,
)
from domicile.scan.proposal.detectors import mentions
from domicile.scan.proposal.naming import words
from domicile.scan.proposal.people import country_column
from domicile.sites.postgres import Database, Table

__all__ = ["Look", "look_at", "may_hold_object_keys"]

_MAY_REFER = re.compile(r"(?:^|_)(?:id|uid|userid|uuid|guid|key|by|ref|fk|number|owner|person"
                        r"|author|user|customer|member|account|sender|creator)$")  # fmt: skip
_MAY_NAME_OBJECTS = re.compile(r"(?:^|_)(?:key|path|file|filename|url|uri|avatar|photo|image"
                               r"|picture|attachment|object|blob|media|video|thumbnail|document|location"
                               r"|storage|s3)(?:_|$)")  # fmt: skip
_LEAST_LIKE_KEYS = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """One table. plain and personal: the findings where the table belongs to nobody, and where to
    somebody. kept: values that are looked up among persons' keys and objects, or spell a country.
    """

    table: Table
    rows: int
    plain: Mapping[str, Finding]
    personal: Mapping[str, Finding]
    mentions: Mapping[str, str]
    kept: Mapping[str, Sample]


def look_at(database: Database, table: Table, rows: Mapping[str, list[str]]) -> Look:
    """Judge a table's sample."""
    samples = {name: Sample(values) for name, values in rows.items()}
    references = {
        column for key in database.foreign_keys if key.child == table.name for column in key.columns
    }
    facts = tuple(
        ColumnFacts(c.name, c.base_type, c.name in references or c.name in table.primary_key)
        for c in table.columns
    )
    country = country_column(database, table, samples)
    keep = {country.name} if country else set()
    for column in table.columns:
        if _may_refer(column.name) or may_hold_object_keys(column.name, samples.get(column.name)):
            keep.add(column.name)
    return Look(
        table=table,
        rows=max(map(len, rows.values()), default=0),
        plain=categorise(TableFacts(table.name.name, facts), samples),
        personal=categorise(TableFacts(table.name.name, facts, leads_to_person=True), samples),
        mentions={
            c.name: told
            for c in table.columns
            if family(c.base_type) == "S" and (told := _mentioned(samples.get(c.name, Sample(()))))
        },
        kept={name: samples[name] for name in keep if name in samples},
    )


def may_hold_object_keys(column: str, sample: Sample | None) -> bool:
    """Whether a column's name speaks of files and its values have folders."""
    if not _MAY_NAME_OBJECTS.search(words(column)) or sample is None or not sample.values:
        return False
    like = sum("/" in value and "://" not in value for value in sample.values)
    return like >= _LEAST_LIKE_KEYS * len(sample.values)


def _may_refer(column: str) -> bool:
    return _MAY_REFER.search(words(column)) is not None


def _mentioned(sample: Sample) -> str:
    """What texts give away, in counts."""
    counts: dict[str, int] = {}
    texts = [value for value in sample.values if len(value) > 20 and " " in value]
    for value in texts:
        for kind in mentions(value):
            counts[kind] = counts.get(kind, 0) + 1
    told = ", ".join(f"{kind} in {count}" for kind, count in sorted(counts.items()))
    return f"of {len(texts)} sampled texts, {told}" if told else ""
