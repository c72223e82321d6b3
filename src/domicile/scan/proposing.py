"""Look at sites and propose a charter: introspect, sample, judge. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from domicile.charter import ObjectSiteConfig, People, PostgresSiteConfig, TableDataset
from domicile.charter.countries import spelled_country
from domicile.scan.proposal.draft import Asked, SeenPeople, draft
from domicile.scan.proposal.keys import KeyColumn, KeyDataset, person_tokens, propose_datasets
from domicile.scan.proposal.looking import Look, look_at, may_hold_object_keys
from domicile.scan.proposal.model import Block, Line, Proposal
from domicile.scan.proposal.naming import words
from domicile.scan.proposal.people import (
    CountryColumn,
    PeopleChoice,
    choose_people,
    country_column,
    country_elsewhere,
    spellings,
)
from domicile.scan.proposal.persons import (
    Soft,
    Ways,
    find_ways,
    soft_candidates,
)
from domicile.scan.proposal.routes import Likeness, is_alike
from domicile.scan.proposal.sites import NamedSite, config_of
from domicile.scan.proposal.tables import Known, TableBlocks, about_nobody, table_blocks
from domicile.scan.sampling import Sampler, sample_keys
from domicile.sites.objects import open_object_site
from domicile.sites.postgres import (
    Database,
    Table,
    TableName,
    open_postgres_site,
    read_database,
    site_errors,
)

__all__ = ["Existing", "Looked", "Place", "propose"]

_MOST_KEY_COLUMNS = 30
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Existing:
    """What a charter that is there has decided: its people, with what is empty left out, and its
    datasets of tables."""

    people: Mapping[str, object] = field(default_factory=dict)
    tables: Sequence[TableDataset] = ()

    def at(self, sites: Collection[str]) -> dict[TableName, TableDataset]:
        """Its tables of one of these sites' databases."""
        names = set(sites)
        meant = (d for d in self.tables if not d.databases or names & set(d.databases))
        return {TableName.parse(dataset.table): dataset for dataset in meant}


@dataclass(frozen=True, slots=True)
class Place:
    """Where relative paths start, and the environment that holds the secrets."""

    base: Path
    environ: Mapping[str, str]


@dataclass(slots=True)
class Looked:
    """What it took and found. failed: tables that gave no sample, with the kind of error."""

    tables: int = 0
    columns: int = 0
    categories: int = 0
    keys: int = 0
    statements: int = 0
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One database and what was looked at in it. alike: those before it that have its tables."""

    site: NamedSite
    database: Database
    sampler: Sampler
    looks: Mapping[TableName, Look]
    alike: tuple[str, ...]

    @property
    def original(self) -> str:
        """The first of the databases that have its tables, itself if there is none before it."""
        return self.alike[0] if self.alike else self.site.name


def propose(
    asked: Asked, sites: Sequence[NamedSite], existing: Existing, place: Place, say: Say
) -> tuple[Proposal, Looked]:
    """Look at every site that is not home, and propose.

    Raises SiteError where a site can't be read, CharterError and UsageError where it can't be
    opened.
    """
    for site in sites:  # before anything is contacted
        config_of(site)
    looked = Looked()
    away = [site for site in sites if site.name not in asked.home]
    with ExitStack() as stack:
        seen: list[_Seen] = []
        for site in away:
            if site.is_database:
                say(f"looking at {site.name}")
                seen.append(_look(site, place, seen, stack, looked))
        people = _people(seen, existing)
        blocks, ways = _tables(seen, people.choice, existing)
        keys: set[str] = set()
        for site in away:
            if not site.is_database:
                say(f"looking at {site.name}")
                keys |= _keys(site, place)
        looked.keys = len(keys)
        objects = _objects(seen, people.choice, ways, keys)
        looked.statements = sum(each.sampler.statements for each in seen)
    likeness = Likeness(
        frozenset(each.site.name for each in seen if each.database.in_recovery),
        {each.site.name: each.alike for each in seen},
    )
    looked.categories = sum(
        len(lines) for block in blocks.blocks for lines in (block.groups or {}).values()
    )
    return draft(asked, sites, likeness, people, blocks, objects), looked


def _look(
    site: NamedSite, place: Place, seen: Sequence[_Seen], stack: ExitStack, looked: Looked
) -> _Seen:
    config = config_of(site)
    assert isinstance(config, PostgresSiteConfig)  # noqa: S101 - the URL said so
    opened = open_postgres_site(site.name, config, place.base, place.environ)
    connection = stack.enter_context(opened.connect(read_only=True))
    with site_errors(site.name):
        database = read_database(connection)
        connection.rollback()
        sampler = Sampler(connection)
        alike = [each for each in seen if is_alike(database.tables, each.database.tables)]
        known = {name for each in alike for name in each.database.tables}
        new = [table for name, table in sorted(database.tables.items()) if name not in known]
        looks = {table.name: look_at(database, table, rows) for table, rows in sampler.tables(new)}
    looked.tables += len(new)
    looked.columns += sum(len(table.columns) for table in new)
    looked.failed |= {str(name): why for name, why in sampler.failed.items()}
    return _Seen(site, database, sampler, looks, tuple(each.site.name for each in alike))


def _people(seen: Sequence[_Seen], existing: Existing) -> SeenPeople:
    """From the first database that has a likely people table."""
    named = existing.people.get("table")
    wanted = TableName.parse(named) if isinstance(named, str) else None
    for each in seen:
        choices = choose_people(
            each.database,
            {name: look.plain for name, look in each.looks.items()},
            {name: look.kept for name, look in each.looks.items()},
            wanted,
        )
        if choices:
            key = existing.people.get("key")
            chosen = replace(choices[0], key=tuple(key)) if isinstance(key, list) else choices[0]
            countries = {} if chosen.country else _countries(each)
            if countries:
                found = country_elsewhere(each.database, chosen, countries)
                chosen = replace(chosen, country=found)
            told, unknown = _spelled(each, chosen)
            elsewhere = tuple(f"{name}.{column.name}" for name, column in countries.items())
            databases = _databases(chosen.table, each, seen)
            return SeenPeople(chosen, tuple(choices[1:]), told, unknown, databases, elsewhere)
    return SeenPeople(None, (), {}, 0)


def _databases(table: TableName, mine: _Seen, seen: Sequence[_Seen]) -> tuple[str, ...]:
    """Which database is meant by a table's name: none need be said where no other has it."""
    having = {each.original for each in seen if table in each.database.tables}
    return (mine.original,) if len(having) > 1 else ()


def _countries(seen: _Seen) -> dict[TableName, CountryColumn]:
    """The country columns of all tables."""
    found = {
        name: country_column(seen.database, look.table, look.kept)
        for name, look in seen.looks.items()
    }
    return {name: column for name, column in found.items() if column is not None}


def _spelled(seen: _Seen, choice: PeopleChoice) -> tuple[Mapping[str, str], int]:
    if choice.country is None:
        return {}, 0
    through = choice.country.through
    if through is None:
        table = seen.database.tables[choice.country.table or choice.table]
        return spellings(seen.sampler.spelled(table, choice.country.column))
    countries = seen.database.tables[through.parent]
    told: dict[str, str] = {}
    for column in countries.column_names:
        pairs = seen.sampler.pairs(through.parent, through.parent_columns[0], column)
        codes = {key: code for key, text in pairs.items() if (code := spelled_country(text))}
        if len(codes) > len(told) and len(codes) >= len(pairs) * 0.6:
            told = codes
    return told, 0


def _tables(
    seen: Sequence[_Seen], choice: PeopleChoice | None, existing: Existing
) -> tuple[TableBlocks, Mapping[str, Ways]]:
    """The blocks of all databases, and the ways of each. Of those alike a table's first database
    speaks for it."""
    if choice is None:
        return TableBlocks((), ("Without a people table nothing can be said of the others.",)), {}
    holder = next(each for each in seen if choice.table in each.looks)
    blocks: list[Block] = []
    notes: list[str] = []
    names: set[str] = set()
    by_site: dict[str, Ways] = {}
    for each in seen:
        if not each.looks:
            continue
        ways = by_site[each.site.name] = _ways(each, holder, choice, existing)
        found = _blocks(each, ways, choice.table, existing, names)
        blocks += [_of_databases(block, each, seen) for block in found.blocks]
        notes += [note for note in found.notes if note not in notes]
    return TableBlocks(tuple(blocks), tuple(notes)), by_site


def _of_databases(block: Block, mine: _Seen, seen: Sequence[_Seen]) -> Block:
    """The block of a table, saying whose it is where another database has one of its name."""
    head, *rest = block.lines
    databases = _databases(TableName.parse(str(head.value)), mine, seen)
    if not databases:
        return block
    line = Line("databases", databases, "another has a table of this name")
    return replace(block, lines=(head, line, *rest))


def _blocks(
    seen: _Seen, ways: Ways, people: TableName, existing: Existing, names: set[str]
) -> TableBlocks:
    known = {
        name: Known(
            look.personal if name in ways.attribution.paths else look.plain,
            look.rows,
            look.mentions,
        )
        for name, look in seen.looks.items()
    }
    # Whether a table is about somebody is asked as if it were: the stricter rules.
    doubt = {n: Known(look.personal, look.rows, look.mentions) for n, look in seen.looks.items()}
    found = about_nobody(seen.database, ways, doubt, people)
    given = existing.at(_names(seen))
    nobody = {name: why for name, why in found.items() if name not in given}
    return table_blocks(ways, known, nobody, set(seen.looks), names)


def _names(seen: _Seen) -> set[str]:
    """What `databases` may name a database by."""
    return {seen.site.name, seen.original, seen.site.keys.get("home", "")}


def _ways(seen: _Seen, holder: _Seen, choice: PeopleChoice, existing: Existing) -> Ways:
    """How the tables of a database lead to persons; keys are looked up where people are held."""
    column = choice.country.name if choice.country else choice.key[0]
    people = People(table=_full(choice.table), key=choice.key, country=column)
    soft: dict[TableName, list[Soft]] = {}
    if len(choice.key) == 1:
        table = holder.database.tables[choice.table]
        candidates = _candidates(seen, table, choice)
        tokens = {v for _, _, sample in candidates for v in sample}
        persons = holder.sampler.persons(table, choice.key[0], tokens)
        for name, (column_name, by_name), values in candidates:
            hits = sum(value in persons for value in values)
            soft.setdefault(name, []).append(Soft(column_name, hits, len(values), by_name))
    register = () if _holds(seen, holder, choice) else _key_types(holder, choice)
    return find_ways(seen.database, people, soft, existing.at(_names(seen)), register)


def _holds(seen: _Seen, holder: _Seen, choice: PeopleChoice) -> bool:
    """Whether a database has the people table, and not another one of its name."""
    return seen.original == holder.original and choice.table in seen.database.tables


def _key_types(holder: _Seen, choice: PeopleChoice) -> tuple[str, ...]:
    table = holder.database.tables[choice.table]
    return tuple(table.column(name).base_type for name in choice.key)


def _candidates(
    seen: _Seen, people: Table, choice: PeopleChoice
) -> list[tuple[TableName, tuple[str, bool], Sequence[str]]]:
    kind = people.column(choice.key[0]).base_type
    others = {words(name.name) for name in seen.database.tables if name != choice.table}
    return [
        (name, candidate, look.kept[candidate[0]].values)
        for name, look in seen.looks.items()
        if name != choice.table
        for candidate in soft_candidates(look.table, kind, choice.table, others)
        if candidate[0] in look.kept
    ]


def _keys(site: NamedSite, place: Place) -> set[str]:
    config = config_of(site)
    assert isinstance(config, ObjectSiteConfig)  # noqa: S101 - the URL said so
    with closing(open_object_site(site.name, config, place.base, place.environ)) as opened:
        return sample_keys(opened)


def _objects(
    seen: Sequence[_Seen],
    choice: PeopleChoice | None,
    ways: Mapping[str, Ways],
    keys: set[str],
) -> list[KeyDataset]:
    if not keys or choice is None:
        return propose_datasets(keys, (), ())
    columns = list(_key_columns(seen, choice, ways))
    persons: set[str] = set()
    if len(choice.key) == 1:
        holder = next(each for each in seen if choice.table in each.looks)
        table = holder.database.tables[choice.table]
        persons = holder.sampler.persons(table, choice.key[0], person_tokens(keys))
    return propose_datasets(keys, persons, columns)


def _key_columns(
    seen: Sequence[_Seen], choice: PeopleChoice, ways: Mapping[str, Ways]
) -> list[KeyColumn]:
    found: list[KeyColumn] = []
    for each in seen:
        for name, look in each.looks.items():
            paths = ways[each.site.name].attribution.paths.get(name, ())
            for column, sample in look.kept.items() if paths else ():
                if may_hold_object_keys(column, sample) and len(found) < _MOST_KEY_COLUMNS:
                    pairs = each.sampler.keys_of_rows(paths[0], choice.key, column)
                    found.append(KeyColumn(f"{name}.{column}", pairs))
    return found


def _full(table: TableName) -> str:
    return f"{table.schema}.{table.name}"
