"""What is known of a database's tables, as ``[tables.*]`` of a charter. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from domicile.people import PersonPath
from domicile.scan.proposal.columns import Finding
from domicile.scan.proposal.model import Block, Line
from domicile.scan.proposal.naming import is_about_people, words
from domicile.scan.proposal.persons import Ways, may_name_somebody
from domicile.scan.proposal.sites import slug, unused
from domicile.sites.postgres import Database, Table, TableName

__all__ = ["Known", "TableBlocks", "about_nobody", "table_blocks"]

_REFERENCE = re.compile(r"(?:^|_)(?:id|uuid|guid|fk|by|ref|owner|user|key)$")
_LISTED = 40
_LONGEST_NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class Known:
    """One table's findings. sampled: rows; mentions: columns in which personal data was mentioned,
    with how often."""

    findings: Mapping[str, Finding]
    sampled: int
    mentions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TableBlocks:
    """The blocks, and what there is to say of the tables that have none."""

    blocks: tuple[Block, ...]
    notes: tuple[str, ...]


def about_nobody(
    database: Database, ways: Ways, known: Mapping[TableName, Known], people: TableName
) -> dict[TableName, str]:
    """The tables that are about nobody, with why: no way to a person, no column that looks
    personal, no documents, and no reference but to others of the kind."""
    found: dict[TableName, str] = {}
    undecided = set(ways.attribution.undecided)
    while True:
        new = {
            table: _why_nobody(database.tables[table], known[table])
            for table in undecided - set(found)
            if table in known and _is_nobodys(database, table, known[table], set(found), people)
        }
        if not new:
            return found
        found |= new


def table_blocks(
    ways: Ways,
    known: Mapping[TableName, Known],
    nobody: Mapping[TableName, str],
    mine: Collection[TableName],
    names: set[str],
) -> TableBlocks:
    """A block for each table of ``mine`` of which there is something to say. ``names``: those that
    blocks have already; the new ones' come to them."""
    blocks: list[Block] = []
    silent, unnamed = 0, []
    for table in sorted(mine):
        if not _can_be_named(table):
            unnamed.append(table)
            continue
        block = _block(table, ways, known.get(table), nobody, names)
        if block is not None:
            names.add(block.path[1])
            blocks.append(block)
        elif table in ways.attribution.paths:
            silent += 1
    notes = list(_notes(ways, known, nobody, (set(mine), silent)))
    notes += [f"{table} has a name that no charter can hold." for table in unnamed]
    return TableBlocks(tuple(blocks), tuple(notes))


def _block(
    table: TableName,
    ways: Ways,
    known: Known | None,
    nobody: Mapping[TableName, str],
    names: Collection[str],
) -> Block | None:
    findings = known.findings if known else {}
    head = Line("table", str(table))
    lines: tuple[Line, ...]
    if table in nobody:
        lines = (head, Line("classification", "public", nobody[table]))
    elif table in ways.person:
        columns, why = ways.person[table]
        lines = (head, Line("person", columns, why))
    elif findings:
        lines = (head,)
    else:
        return None
    categories = tuple(
        Line(column, finding.category, finding.why)
        for column, finding in findings.items()
        if _is_name(column)
    )
    if table not in nobody:
        lines += (Line("classification", "protected", _protected(table, ways)),)
    return Block(
        ("tables", unused(slug(str(table)), names)),
        lines,
        tuple(_above(known)),
        same="table",
        groups={"categories": categories} if categories else None,
    )


def _protected(table: TableName, ways: Ways) -> str:
    if paths := ways.attribution.paths.get(table):
        return " or ".join(_told(path) for path in paths)
    return "not decided whose: `domicile scan` lists it as not examined"


def _told(path: PersonPath) -> str:
    return str(path) if path.hops else "these are the people"


def _above(known: Known | None) -> Iterator[str]:
    for column, told in (known.mentions if known else {}).items():
        if _is_name(column):
            yield f"{column}: {told}"


def _notes(
    ways: Ways,
    known: Mapping[TableName, Known],
    nobody: Mapping[TableName, str],
    rest: tuple[set[TableName], int],
) -> Iterator[str]:
    mine, silent = rest
    yield (
        "`public` names the columns that may stay abroad of a member's row while others refer to"
        " it: none, unless you say so."
    )
    if silent:
        yield (
            "Tables that need no line, for foreign keys lead to their person and none of their"
            f" columns was recognised: {silent}."
        )
    left = [t for t in sorted(ways.attribution.undecided) if t in mine and t not in nobody]
    if left:
        yield (
            f"{DECIDE_LATER} nothing says whose rows these tables hold ({len(left)}). They are"
            " protected, and `domicile scan` lists them as not examined, until you name the"
            ' column of the person (person = ["..."]) or write classification = "public":'
        )
        for table in left[:_LISTED]:
            yield f"  {table}: {_why_left(ways, table, known.get(table))}"
        if len(left) > _LISTED:
            yield f"  and {len(left) - _LISTED} more."


DECIDE_LATER = "DECIDE when you can:"


def _why_left(ways: Ways, table: TableName, known: Known | None) -> str:
    reason = ways.attribution.undecided[table].reason
    if known is None:
        return f"{reason}; it could not be sampled"
    if known.findings:
        return f"{reason}; {', '.join(list(known.findings)[:4])} look personal"
    if not known.sampled:
        return f"{reason}; it is empty"
    return reason


def _is_nobodys(
    database: Database, name: TableName, known: Known, others: set[TableName], people: TableName
) -> bool:
    table = database.tables[name]
    if known.findings or known.mentions or not known.sampled or name == people:
        return False
    if is_about_people(name.name):
        return False
    keys = [key for key in database.foreign_keys if key.child == name and key.parent != name]
    if any(key.parent not in others for key in keys):
        return False
    explained = {
        column for key in database.foreign_keys if key.child == name for column in key.columns
    }
    if len(table.primary_key) == 1 and not _names_somebody(table.primary_key[0]):
        explained |= set(table.primary_key)
    return not any(_is_doubtful(table, column, explained) for column in table.column_names)


def _is_doubtful(table: Table, column: str, explained: set[str]) -> bool:
    """A document, or what may refer to somebody without a foreign key."""
    facts = table.column(column)
    refers = _REFERENCE.search(words(column)) or _names_somebody(column)
    if column not in explained and refers:
        return True
    return facts.base_type.rpartition(".")[2] in {"json", "jsonb", "hstore", "xml", "bytea"}


def _names_somebody(column: str) -> bool:
    return is_about_people(column) or may_name_somebody(column)


def _why_nobody(table: Table, known: Known) -> str:
    return (
        f"about nobody: nothing leads to a person, and none of its {len(table.columns)} columns"
        f" looks personal in {known.sampled} sampled rows"
    )


def _can_be_named(table: TableName) -> bool:
    return all("." not in part and _is_name(part) for part in (table.schema, table.name))


def _is_name(text: str) -> bool:
    """As the charter's rules have it."""
    short = 0 < len(text.encode()) <= _LONGEST_NAME_BYTES
    return short and text == text.strip() and text.isprintable() and '"' not in text
