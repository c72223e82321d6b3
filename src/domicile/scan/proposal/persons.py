"""Whose rows a table holds: the ``person`` that a charter must name, and why. Pure.

The rules are the scan's own (`people.paths`): what they decide needs no line. Where several
foreign keys lead to a person, the owner is told by names; where none does, by a column that is
named as one that holds the person's key and whose values are such keys.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from domicile.charter import Charter, Company, People, TableDataset, Way
from domicile.errors import CharterError
from domicile.people import Attribution, attribute_tables
from domicile.scan.proposal.naming import words
from domicile.sites.postgres import Database, ForeignKey, Table, TableName

__all__ = [
    "Soft",
    "Ways",
    "find_ways",
    "holds_a_key_by_name",
    "may_name_somebody",
    "same_kind",
    "soft_candidates",
]

_OWNER = re.compile(
    r"(?:^|_)(?:owner|author|user|usr|uid|userid|customer|client|member|person|people|patient"
    r"|account|creator|created_by|sender|from|buyer|payer|follower|subscriber|student|holder"
    r"|profile|driver|rider|guest|passenger|employee|contact|poster|submitter|reporter|whodunnit)"
    r"(?:_|$)"
)
_OTHER = re.compile(
    r"(?:^|_)(?:recipient|receiver|to|target|followed|followee|friend|parent|reply|replied"
    r"|invited|inviter|referrer|referred|approved|approver|updated|modified|deleted|assigned"
    r"|assignee|moderator|reviewer|manager|blocked|mentioned|last|closed|merged|rep|agent|partner)"
    r"(?:_|$)"
)
_INTEGERS = {"pg_catalog.int2", "pg_catalog.int4", "pg_catalog.int8"}
_TEXTS = {"pg_catalog.text", "pg_catalog.varchar", "pg_catalog.bpchar"}
_MOST_CANDIDATES = 4
_LEAST_SHARE = 0.9
_LEAST_SHARE_NAMED = 0.5  # persons go, and their rows without references stay
_FEWEST = 5


def may_name_somebody(column: str) -> bool:
    """Whether a column's name is one of those that say whose a row is, or who else is in it."""
    text = words(column)
    return bool(_OWNER.search(text) or _OTHER.search(text))


@dataclass(frozen=True, slots=True)
class Soft:
    """A column whose values were looked up among the people's keys."""

    column: str
    hits: int
    values: int
    by_name: bool

    @property
    def holds(self) -> bool:
        """Whether it holds the person's key: enough of its values are, or there are none and its
        name says so."""
        if self.values < _FEWEST:
            return self.by_name and self.hits == self.values
        return self.hits >= (_LEAST_SHARE_NAMED if self.by_name else _LEAST_SHARE) * self.values


@dataclass(frozen=True, slots=True)
class Ways:
    """person: what each table's ``person`` must be, with why; attribution: what follows."""

    person: Mapping[TableName, tuple[tuple[str, ...], str]]
    attribution: Attribution


def holds_a_key_by_name(column: str, people: TableName, others: Collection[str] = ()) -> bool:
    """Whether a column is named as one that refers to a person, and not to one of ``others``, the
    other tables by their words."""
    text = words(column)
    bare = re.sub(r"_(?:id|uuid|guid|key|fk|no|number|ref)$", "", text)
    if _forms(bare) & _forms(words(people.name)):
        return True
    return bool(_OWNER.search(text)) and _forms(bare).isdisjoint(others)


def _forms(name: str) -> set[str]:
    """One and many of it."""
    return {name, name.removesuffix("s"), f"{name}s"}


def same_kind(one: str, other: str) -> bool:
    """Whether values of two base types can be compared as they are."""
    return one == other or {one, other} <= _INTEGERS or {one, other} <= _TEXTS


def _is_text_of(one: str, other: str) -> bool:
    """Whether one of two base types is text that may hold the other's keys."""
    keys = {*_INTEGERS, "pg_catalog.uuid"}
    return bool({one, other} & _TEXTS and {one, other} & keys)


def _can_be_named(column: str) -> bool:
    """Whether a charter reads a column's name as nothing but that."""
    try:
        return Way.parse(column) == Way((column,))
    except CharterError:
        return False


def soft_candidates(
    table: Table, key_type: str, people: TableName, others: Collection[str]
) -> list[tuple[str, bool]]:
    """The columns that could hold a person's key, and whether their name says so: by name where
    keys are numbers, which join with anything; also by an id's name where they are not. Of text
    that may be a key's the values must say so too. others: names of the other tables."""
    found = []
    for column in table.columns:
        named = holds_a_key_by_name(column.name, people, others)
        as_text = named and _is_text_of(column.base_type, key_type)
        if not (as_text or same_kind(column.base_type, key_type)) or not _can_be_named(column.name):
            continue
        if named or (
            key_type not in _INTEGERS and re.search(r"(?:id|key|by|ref)$", words(column.name))
        ):
            found.append(
                (not named or as_text, bool(_OTHER.search(words(column.name))), column.name)
            )
    order = {column.name: at for at, column in enumerate(table.columns)}
    found.sort(key=lambda entry: (entry[0], entry[1], order[entry[2]]))
    return [(name, not unnamed) for unnamed, _, name in found[:_MOST_CANDIDATES]]


def find_ways(
    database: Database,
    people: People,
    soft: Mapping[TableName, Sequence[Soft]],
    given: Mapping[TableName, TableDataset],
    register: Sequence[str] = (),
) -> Ways:
    """Decide table by table until nothing new can be decided. ``given``: the datasets that a
    charter has already; they stay. ``register``: as `attribute_tables`."""
    person: dict[TableName, tuple[tuple[str, ...], str]] = {}
    while True:
        attribution = attribute_tables(_charter(people, person, given), database, register)
        new: dict[TableName, tuple[tuple[str, ...], str]] = {}
        for table in attribution.undecided:
            if table in person or (table in given and given[table].person):
                continue
            if way := _by_keys(database, attribution, table) or _by_soft(soft.get(table, ())):
                new[table] = way
        if not new:
            return Ways(person, attribution)
        person |= new


def _charter(
    people: People,
    person: Mapping[TableName, tuple[tuple[str, ...], str]],
    given: Mapping[TableName, TableDataset],
) -> Charter:
    """As much of a charter as attribution reads."""
    tables = {f"given-{at}": dataset for at, dataset in enumerate(given.values())}
    for at, (table, (columns, _)) in enumerate(person.items()):
        full = f"{table.schema}.{table.name}"
        tables[f"new-{at}"] = TableDataset(table=full, person=columns)
    return Charter(company=Company(name="-"), boundaries={}, people=people, sites={}, tables=tables)


def _by_keys(
    database: Database, attribution: Attribution, table: TableName
) -> tuple[tuple[str, ...], str] | None:
    keys = [
        key
        for key in database.foreign_keys
        if key.child == table and key.parent in attribution.paths and key.parent != table
    ]
    columns = [",".join(key.columns) for key in keys]
    keys = [key for key in keys if columns.count(",".join(key.columns)) == 1]
    if not all(map(_can_be_named, (column for key in keys for column in key.columns))) or not keys:
        return None
    nearest = min(_length(attribution, key) for key in keys)
    near = sorted(
        (key for key in keys if _length(attribution, key) == nearest),
        key=lambda key: _rank(database.tables[table], key),
    )
    names = [",".join(key.columns) for key in near]
    if len(near) == 1:
        return (names[0],), "of its ways to a person the shortest one that is decided"
    told = f"{' and '.join(names)} lead to persons; {names[0]} is taken for the owner"
    why = (
        f"{told}, by its name"
        if _is_owner(near[0]) and not _is_owner(near[1])
        else f"CHECK: {told}"
    )
    return (tuple(names) if nearest == 0 else (names[0],)), why


def _is_owner(key: ForeignKey) -> bool:
    text = words("_".join(key.columns))
    return bool(_OWNER.search(text)) and not _OTHER.search(text)


def _length(attribution: Attribution, key: ForeignKey) -> int:
    return min(len(path.hops) for path in attribution.paths[key.parent])


def _rank(table: Table, key: ForeignKey) -> tuple[bool, bool, bool, bool, int]:
    text = words("_".join(key.columns))
    column = key.columns[0]
    return (
        bool(_OTHER.search(text)),
        not _OWNER.search(text),
        not table.column(column).not_null,
        key.on_delete != "cascade",
        table.column_names.index(column),
    )


def _by_soft(found: Sequence[Soft]) -> tuple[tuple[str, ...], str] | None:
    for soft in found:
        if soft.holds:
            told = (
                f"{soft.hits} of {soft.values} sampled values are keys of persons"
                if soft.values
                else "its name; it has no values yet"
            )
            return (soft.column,), f"no foreign key, but {told}"
    return None
