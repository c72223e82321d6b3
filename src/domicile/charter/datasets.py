"""The rules of datasets and of the people table: can each say whose its items are? (pure)"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from domicile.charter.countries import COUNTRIES
from domicile.charter.lines import KeyPath
from domicile.charter.model import Charter, ObjectDataset, TableDataset
from domicile.charter.problems import Problem
from domicile.charter.routes import Route, routes_of
from domicile.charter.template import Template
from domicile.charter.ways import CountryWay, Way, is_name
from domicile.errors import CharterError

__all__ = ["dataset_doubts", "dataset_problems"]

_SOON = timedelta(days=30)
_TABLE = "`name` or `schema.name`"


def dataset_problems(charter: Charter, today: date) -> Iterator[Problem]:
    """Everything wrong with the people table and the datasets."""
    yield from _people_problems(charter)
    for name, table in charter.tables.items():
        path: KeyPath = ("tables", name)
        yield from _exception_problems(path, table, today)
        yield from _table_problems(path, table)
    yield from _twice(charter)
    for name, objects in charter.objects.items():
        path = ("objects", name)
        yield from _exception_problems(path, objects, today)
        yield from _object_problems(path, objects, composite=len(charter.people.key) > 1)
        yield from _archive_problems(path, objects, len(charter.people.key))


def _people_problems(charter: Charter) -> Iterator[Problem]:
    people = charter.people
    if not _is_dotted(people.table, most=2):
        yield _not_a_table(("people", "table"))
    yield from _column_problems(("people", "key"), people.key)
    try:
        CountryWay.parse(people.country)
    except CharterError as error:
        yield _as_problem(("people", "country"), error)


def _table_problems(path: KeyPath, table: TableDataset) -> Iterator[Problem]:
    if not _is_dotted(table.table, most=2):
        yield _not_a_table((*path, "table"))
    for position, entry in enumerate(table.person):
        try:
            Way.parse(entry)
        except CharterError as error:
            yield _as_problem((*path, "person", position), error)
    yield from _doubled((*path, "person"), table.person)
    yield from _column_problems((*path, "public"), table.public)
    yield from _column_problems((*path, "categories"), tuple(table.categories))
    yield from _column_problems((*path, "large_objects"), table.large_objects)


def _twice(charter: Charter) -> Iterator[Problem]:
    seen: dict[tuple[str, Route], str] = {}
    for name, table in charter.tables.items():
        full = table.table if "." in table.table else f"public.{table.table}"
        meant = [route for route in routes_of(charter) if route.is_meant(table.databases)]
        firsts = [seen.setdefault((full, route), name) for route in meant]
        if first := next((first for first in firsts if first != name), ""):
            yield Problem(
                ("tables", name, "table"),
                f"is already the dataset tables.{first}",
                "one dataset per table of a database",
                "join the two, or name the `databases` of each",
            )


def _object_problems(
    path: KeyPath, dataset: ObjectDataset, *, composite: bool
) -> Iterator[Problem]:
    if (dataset.template is None) == (dataset.key_column is None):
        yield Problem(
            path,
            "has neither a way to the person" if dataset.template is None else "has two ways",
            "exactly one of `template` and `key_column`",
            "add `template`" if dataset.template is None else "remove one of the two",
        )
    if dataset.template is not None:
        yield from _template_problems((*path, "template"), dataset, composite=composite)
    if dataset.key_column is not None and not _is_dotted(dataset.key_column, least=2, most=3):
        yield Problem(
            (*path, "key_column"),
            "is not a column",
            "`table.column` or `schema.table.column`",
            "name the column that holds the keys",
        )


def _template_problems(
    path: KeyPath, dataset: ObjectDataset, *, composite: bool
) -> Iterator[Problem]:
    try:
        template = Template.parse(dataset.template or "")
    except CharterError as error:
        yield _as_problem(path, error)
        return
    if not (template.has_person or dataset.is_archive or dataset.classification == "public"):
        yield Problem(
            path,
            "has no {person}, so its keys do not say whose they are",
            "`{person}` in the template of what is not public",
            "add {person}, name a key_column instead, classify it public, or, where they are"
            " archives of many persons' rows, add a `treatment`",
        )
    if template.has_person and composite:
        yield Problem(
            path,
            "{person} is one text, but people have a key of several columns",
            "a key_column",
            "name the column that holds the keys",
        )


def _archive_problems(path: KeyPath, dataset: ObjectDataset, key_columns: int) -> Iterator[Problem]:
    if dataset.person and not dataset.is_archive:
        yield Problem(
            (*path, "person"),
            "is for archives alone",
            'a `treatment`, "erase" or "rewrite"',
            "add `treatment`, or remove `person`",
        )
    if not dataset.is_archive:
        return
    yield from _doubled((*path, "person"), dataset.person)
    if len(dataset.person) not in {0, key_columns}:
        yield Problem(
            (*path, "person"),
            f"names {len(dataset.person)} columns",
            f"the {key_columns} that hold a person's key",
            "name as many as [people] key has",
        )
    if dataset.treatment == "rewrite" and not dataset.person:
        yield Problem(
            (*path, "person"),
            "is missing: nothing can be left out of these archives",
            "the column that holds the person's key",
            'add `person = ["..."]`, or write treatment = "erase"',
        )
    if dataset.template is None or dataset.classification != "protected" or _names_person(dataset):
        yield Problem(
            (*path, "treatment"),
            "is for archives of many persons' protected rows",
            "a `template` without {person}, of what is protected",
            "correct the template, or remove `treatment`",
        )


def _names_person(dataset: ObjectDataset) -> bool:
    return "{person}" in (dataset.template or "")


def _exception_problems(
    path: KeyPath, dataset: TableDataset | ObjectDataset, today: date
) -> Iterator[Problem]:
    if dataset.classification != "excepted":
        return
    if not (dataset.reason or "").strip():
        yield Problem(
            (*path, "reason"), "is missing: an exception needs one", "why", "add `reason = ...`"
        )
    if dataset.until is None:
        yield Problem(
            (*path, "until"), "is missing: an exception ends", "a date", "add `until = ...`"
        )
    elif dataset.until < today:
        yield Problem(
            (*path, "until"),
            f"the exception expired on {dataset.until.isoformat()}",
            "a date that has not passed",
            'renew it with a new date, or write classification = "protected"',
        )


def _column_problems(path: KeyPath, columns: tuple[str, ...]) -> Iterator[Problem]:
    for column in columns:
        if not is_name(column):
            yield Problem(path, "holds what is no column", "a column's name", "correct it")
    yield from _doubled(path, columns)


def _doubled(path: KeyPath, entries: tuple[str, ...]) -> Iterator[Problem]:
    if len(set(entries)) < len(entries):
        yield Problem(path, "names something twice", "each once", "remove the repetition")


def _not_a_table(path: KeyPath) -> Problem:
    return Problem(path, "is not a table's name", _TABLE, "correct the name")


def _is_dotted(text: str, *, least: int = 1, most: int) -> bool:
    parts = text.split(".")
    return least <= len(parts) <= most and all(map(is_name, parts))


def _as_problem(path: KeyPath, error: CharterError) -> Problem:
    return Problem(path, error.failed, error.expected, error.next_step)


def dataset_doubts(charter: Charter, today: date) -> Iterator[tuple[KeyPath, str]]:
    """What is legal in the datasets and may not be meant."""
    for spelling, code in charter.people.spellings.items():
        if spelling in COUNTRIES and spelling != code:
            text = f"reads the code of {COUNTRIES[spelling]} as {COUNTRIES[code]}"
            yield ("people", "spellings", spelling), text
    for name, table in charter.tables.items():
        path: KeyPath = ("tables", name)
        yield from _exception_doubts(path, table, today)
        if table.persons != "owner" and len(table.person) == 1:
            yield (*path, "persons"), f"`{table.persons}` means something only with several persons"
    for name, objects in charter.objects.items():
        yield from _exception_doubts(("objects", name), objects, today)
    if not charter.objects and any(site.kind == "objects" for site in charter.sites.values()):
        yield ("objects",), "no dataset of objects: every object will stay not examined"


def _exception_doubts(
    path: KeyPath, dataset: TableDataset | ObjectDataset, today: date
) -> Iterator[tuple[KeyPath, str]]:
    if dataset.classification != "excepted":
        if dataset.reason is not None or dataset.until is not None:
            yield path, "has a reason or an end, but is not excepted"
    elif dataset.until is not None and dataset.until - today <= _SOON:
        yield (*path, "until"), f"the exception ends on {dataset.until.isoformat()}"
