"""Whose domicile is where: the register of members, and the path from data to its person."""

from domicile.people.entries import PeopleFrozen
from domicile.people.listed import bad_lines, listed_persons
from domicile.people.members import MEMBERS, UNKNOWN, belongs, has_person, key_columns, load_people
from domicile.people.paths import (
    EVERYBODY,
    Attribution,
    Hop,
    PersonPath,
    Undecided,
    attribute_tables,
    paths_to_people,
)
from domicile.people.register import (
    Membership,
    Register,
    RegisterBuilder,
    person_text,
    read_people,
    schema_for,
)

__all__ = [
    "EVERYBODY",
    "MEMBERS",
    "UNKNOWN",
    "Attribution",
    "Hop",
    "Membership",
    "PeopleFrozen",
    "PersonPath",
    "Register",
    "RegisterBuilder",
    "Undecided",
    "attribute_tables",
    "bad_lines",
    "belongs",
    "has_person",
    "key_columns",
    "listed_persons",
    "load_people",
    "paths_to_people",
    "person_text",
    "read_people",
    "schema_for",
]
