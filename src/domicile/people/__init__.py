"""Whose domicile is where: the register of members, and the path from data to its person."""

from domicile.people.entries import PeopleFrozen
from domicile.people.hops import EVERYBODY, Hop
from domicile.people.listed import bad_lines, listed_persons
from domicile.people.members import (
    LISTED,
    MEMBERS,
    UNKNOWN,
    Listed,
    Lists,
    belongs,
    key_columns,
    known_columns,
    lists_of_standby,
    load_listed,
    load_people,
    orphaned,
    set_listed,
    set_people,
)
from domicile.people.ownerless import End, ownerless
from domicile.people.paths import (
    Attribution,
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
from domicile.people.several import alone, names_person, shared
from domicile.people.values import held_values, names_somebody, parent_rows, parent_values

__all__ = [
    "EVERYBODY",
    "LISTED",
    "MEMBERS",
    "UNKNOWN",
    "Attribution",
    "End",
    "Hop",
    "Listed",
    "Lists",
    "Membership",
    "PeopleFrozen",
    "PersonPath",
    "Register",
    "RegisterBuilder",
    "Undecided",
    "alone",
    "attribute_tables",
    "bad_lines",
    "belongs",
    "held_values",
    "key_columns",
    "known_columns",
    "listed_persons",
    "lists_of_standby",
    "load_listed",
    "load_people",
    "names_person",
    "names_somebody",
    "orphaned",
    "ownerless",
    "parent_rows",
    "parent_values",
    "paths_to_people",
    "person_text",
    "read_people",
    "schema_for",
    "set_listed",
    "set_people",
    "shared",
]
