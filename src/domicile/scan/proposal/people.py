"""Which table says who a person is, and which of its columns where they belong. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domicile.charter import CountryWay
from domicile.charter.countries import COUNTRIES, spelled_country
from domicile.errors import CharterError
from domicile.scan.proposal.columns import Finding, Sample, family
from domicile.scan.proposal.naming import words
from domicile.sites.postgres import Database, ForeignKey, Table, TableName

__all__ = [
    "CountryColumn",
    "PeopleChoice",
    "choose_people",
    "country_column",
    "country_elsewhere",
    "spellings",
]

_FIRST = re.compile(r"(?:^|_)(?:users?|customers?|members?|people|persons?|patients?|clients?"
                    r"|kunden?|clientes?|usuarios?|utenti|subscribers?|citizens?)$")  # fmt: skip
_SECOND = re.compile(r"(?:^|_)(?:accounts?|profiles?|contacts?|employees?|drivers?|students?"
                     r"|guests?|passengers?|partners?|residents?|players?)$")  # fmt: skip
_ASIDE = re.compile(r"(?:^|_)(?:log|logs|audit|history|archive[ds]?|old|tmp|temp|backup|staging"
                    r"|deleted|versions?|import|export|groups?|roles?|types?)(?:_|$)")  # fmt: skip
_COUNTRY = re.compile(r"(?:^|_)(?:country|nation|residence|land|pais|paese|pays)(?:_|$)")
_RESIDENCE = ("country", "country_code", "country_of_residence", "residence_country", "country_id")
_NOT_RESIDENCE = re.compile(r"birth|billing|shipping|phone|origin|visited|ship|bill|calling|issu")
_TELLING = ("user.contact.email", "user.name", "user.demographic.date_of_birth",
            "user.contact.phone_number", "user.account.username")  # fmt: skip


@dataclass(frozen=True, slots=True)
class CountryColumn:
    """The column, as the charter names it, and why. through: the foreign key that leads to a table
    of countries, if any. table: the table in which it stands, if not the people table."""

    name: str
    why: str
    through: ForeignKey | None = None
    table: TableName | None = None

    @property
    def column(self) -> str:
        """Its name in its table."""
        return CountryWay.parse(self.name).column if self.table else self.name


@dataclass(frozen=True, slots=True)
class PeopleChoice:
    """The people table, its key, the country column (None where none was found), and why."""

    table: TableName
    key: tuple[str, ...]
    country: CountryColumn | None
    why: str


def choose_people(
    database: Database,
    findings: Mapping[TableName, Mapping[str, Finding]],
    samples: Mapping[TableName, Mapping[str, Sample]],
    named: TableName | None = None,
) -> list[PeopleChoice]:
    """The tables that could be the people table, the likeliest first; with ``named`` that one."""
    children: dict[TableName, set[TableName]] = {}
    for reference in database.foreign_keys:
        children.setdefault(reference.parent, set()).add(reference.child)
    most = max(map(len, children.values()), default=1)
    ranked: list[tuple[float, TableName, PeopleChoice]] = []
    for name, table in database.tables.items():
        key = table.primary_key or _unique_key(table)
        if not key or (named is not None and name != named):
            continue
        referring = len(children.get(name, set()))
        told = {f.category for f in findings.get(name, {}).values()} & set(_TELLING)
        country = country_column(database, table, samples.get(name, {}))
        score = _score(name, told, country) + 4 * referring / most
        if named is not None or (score >= 4 and (told or _is_named(name))):
            why = _why(name, referring, told)
            ranked.append((-score, name, PeopleChoice(name, key, country, why)))
    return [choice for _, _, choice in sorted(ranked, key=lambda entry: entry[:2])]


def country_column(
    database: Database, table: Table, samples: Mapping[str, Sample]
) -> CountryColumn | None:
    """The column that says which country a person belongs to."""
    found: list[tuple[int, int, CountryColumn]] = []
    for at, column in enumerate(table.columns):
        name = words(column.name)
        if not _COUNTRY.search(name):
            continue
        rank = (name not in _RESIDENCE) + 2 * bool(_NOT_RESIDENCE.search(name))
        through = _to_countries(database, table.name, column.name)
        sample = samples.get(column.name, Sample(()))
        if through is not None and not _are_codes(sample):
            why = f"its name; it refers to {through.parent}"
            found.append((rank, at, CountryColumn(column.name, why, through)))
        elif family(column.base_type) in "SE":
            if not sample.values:
                found.append((rank, at, CountryColumn(column.name, "its name; it has no values")))
            elif sample.count("country") >= 0.6 * len(sample.values):
                why = f"its name, and {sample.said('country')}"
                found.append((rank, at, CountryColumn(column.name, why)))
    return min(found, key=lambda entry: entry[:2])[2] if found else None


def country_elsewhere(
    database: Database, people: PeopleChoice, found: Mapping[TableName, CountryColumn]
) -> CountryColumn | None:
    """The country column of the one table that refers to the people table and has one. found:
    tables' country columns."""
    ways = [
        (key, found[key.child])
        for key in database.foreign_keys
        if key.parent == people.table and key.child in found and key.child != people.table
    ]
    ways = [(key, there) for key, there in ways if set(key.parent_columns) == set(people.key)]
    if len(ways) != 1 or ways[0][1].through is not None:
        return None
    key, there = ways[0]
    place = f"{key.child}.{','.join(key.columns)}"
    entry = f"{','.join(key.parent_columns)} -> {place} -> {there.name}"
    why = f"{there.why}; persons with several countries there will not be examined"
    try:
        same = CountryWay.parse(entry)
    except CharterError:
        return None
    if same.way is None or TableName.parse(same.way.table) != key.child:
        return None  # a name that the charter would read as others
    if (same.way.there, same.column) != (key.columns, there.name):
        return None
    return CountryColumn(entry, why, table=key.child)


def spellings(values: Iterable[str]) -> tuple[dict[str, str], int]:
    """How a column spells countries, where it is not their code; and how many other spellings are
    no country that we know. Nothing but names of countries is returned."""
    told: dict[str, str] = {}
    unknown = 0
    for text in sorted({value.strip() for value in values} - set(COUNTRIES) - {""}):
        code = spelled_country(text)
        if code is not None:
            told[text] = code
        else:
            unknown += 1
    return told, unknown


def _are_codes(sample: Sample) -> bool:
    return bool(sample.values) and sample.count("country") >= 0.9 * len(sample.values)


def _to_countries(database: Database, table: TableName, column: str) -> ForeignKey | None:
    for key in database.foreign_keys:
        if key.child == table and key.columns == (column,) and "countr" in words(key.parent.name):
            return key
    return None


def _unique_key(table: Table) -> tuple[str, ...]:
    for columns in table.unique:
        if all(table.column(name).not_null for name in columns):
            return columns
    return ()


def _is_named(name: TableName) -> bool:
    return bool(_FIRST.search(words(name.name)))


def _score(name: TableName, told: set[str], country: CountryColumn | None) -> float:
    text = words(name.name)
    score = 4.0 if _FIRST.search(text) else 2.0 if _SECOND.search(text) else 0.0
    score += min(len(told), 3) + 3 * (country is not None)
    return score - 4 * bool(_ASIDE.search(text)) - 0.5 * text.count("_")


def _why(name: TableName, referring: int, told: set[str]) -> str:
    parts = [f"{referring} tables refer to it"] if referring else []
    if _is_named(name):
        parts.insert(0, "its name")
    if told:
        parts.append(f"it holds {', '.join(sorted(told))}")
    return "; ".join(parts) or "it was named"
