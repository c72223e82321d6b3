"""Somebody who was erased is given nothing again, whoever asks and whatever they hold."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from domicile.custody.condemned import Condemned, CondemnedKeys
from domicile.custody.erased import ErasedPersons
from domicile.custody.file_root import FileRoot
from domicile.custody.keyring import Keyring
from domicile.custody.pseudonyms import Pseudonyms
from domicile.errors import UsageError
from domicile.state import DATA_KEYS, ERASED_PERSONS, ERASED_SUBJECTS, PSEUDONYMS, State
from tests.services.postgres import PostgresServer, fresh_database

ANNA, BEN = "person-771000000001", '["person-772000000002","eu"]'
MANY = 25_000


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    if request.param == "sqlite":
        state = State.beside(tmp_path)
    else:
        server: PostgresServer = request.getfixturevalue("postgres18")
        url = fresh_database(server).config.url
        state = State(url.replace("postgresql:", "postgresql+psycopg:"))
    yield state
    state.close()


@pytest.fixture
def ring(state: State, tmp_path: Path) -> Keyring:
    root = FileRoot.create(tmp_path / "root", "correct horse battery staple")
    return Keyring(state, root, "us", lambda _: None)


def erase(state: State, erased: ErasedPersons, person: str) -> bytes:
    """As a shred does it; the subject."""
    subject = Pseudonyms(state).subjects([person])[person]
    with state.begin() as connection:
        connection.execute(ERASED_SUBJECTS.insert().values(boundary="us", subject=subject))
        connection.execute(DATA_KEYS.delete().where(DATA_KEYS.c.subject == subject))
        connection.execute(PSEUDONYMS.delete().where(PSEUDONYMS.c.person == person))
        digest = erased.digest(person)
        connection.execute(ERASED_PERSONS.insert().values(boundary="us", digest=digest))
    return subject


def test_an_erased_person_gets_no_pseudonym_and_no_key(state: State, ring: Keyring) -> None:
    keys = ring.open("move")
    erased = ErasedPersons(state, "us", keys)
    subject = erase(state, erased, ANNA)
    pseudonyms = Pseudonyms(state, erased)
    with pytest.raises(UsageError, match="1 of these persons were erased"):
        pseudonyms.of([BEN, ANNA])
    assert set(pseudonyms.of([BEN])) == {BEN}
    assert pseudonyms.known([ANNA]) == {}
    with pytest.raises(UsageError, match="were erased"):
        keys.of([subject, b"b" * 16])
    assert keys.known([subject, b"b" * 16]) == {}
    assert keys.of([b"b" * 16])


def test_who_cannot_look_at_the_list_makes_no_pseudonym_once_anybody_is_on_it(
    state: State, ring: Keyring
) -> None:
    before = Pseudonyms(state).of([BEN])
    erase(state, ErasedPersons(state, "us", ring.open("move")), ANNA)
    with pytest.raises(UsageError, match="it can't be told who"):
        Pseudonyms(state).of(["person-773000000003"])
    assert Pseudonyms(state).of([BEN]) == before


def test_who_was_erased_is_known_after_rotations_of_every_level(
    state: State, ring: Keyring
) -> None:
    erase(state, ErasedPersons(state, "us", ring.open("move")), ANNA)
    ring.replace()
    keys = ring.open("rotate")
    assert sum(keys.rewrap()) == 1
    ring.destroy(1)
    again = ErasedPersons(state, "us", ring.open("move"))
    assert again.among([BEN, ANNA]) == [ANNA]
    assert again.readmit([BEN, ANNA]) == 1
    assert set(Pseudonyms(state, again).of([ANNA])) == {ANNA}


def test_the_list_tells_nobody_who_is_on_it_without_the_root(tmp_path: Path) -> None:
    state = State.beside(tmp_path)
    root = FileRoot.create(tmp_path / "root", "correct horse battery staple")
    keys = Keyring(state, root, "us", lambda _: None).open("move")
    erase(state, ErasedPersons(state, "us", keys), ANNA)
    state.close()
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as database:
        ((digest,),) = database.execute("SELECT digest FROM erased_persons").fetchall()
    assert len(digest) == 32
    assert digest != sha256(ANNA.encode()).digest()
    assert ANNA.encode() not in (tmp_path / "state.sqlite").read_bytes()


def test_many_keys_are_made_and_rotated_in_bulk(state: State, ring: Keyring) -> None:
    subjects = [secrets.token_bytes(16) for _ in range(MANY)]
    keys = ring.open("move")
    before = keys.of(subjects[: MANY // 2])
    before |= keys.of(subjects)
    assert len(set(before.values())) == MANY
    assert ring.open("open").known(subjects) == before
    ring.rotate()
    assert sum(ring.open("rotate").rewrap()) == MANY
    with state.begin() as connection:
        versions = connection.scalars(sa.select(DATA_KEYS.c.version).distinct()).all()
    assert versions == [2]
    assert ring.open("open").known(subjects) == before


def test_a_key_of_a_boundary_is_not_condemned_over_one_that_was_just_put_under_it(
    state: State, ring: Keyring
) -> None:
    keys = ring.open("move")
    ring.rotate()
    before = ring.versions()
    keys.of([b"a" * 16])  # by somebody who opened the keys before the rotation
    with pytest.raises(UsageError, match="1 keys were made under version 1 meanwhile"):
        CondemnedKeys(state, "us").add(Condemned(1, "file:root", (1,)))
    assert ring.versions() == before
    assert ring.condemned() == ()


def test_a_key_that_an_erased_subject_still_has_is_found_and_deleted(
    state: State, ring: Keyring
) -> None:
    keys = ring.open("move")
    subject = erase(state, ErasedPersons(state, "us", keys), ANNA)
    with state.begin() as connection:
        row = {"boundary": "us", "subject": subject, "version": 1, "wrapped": b"w" * 60}
        connection.execute(DATA_KEYS.insert().values(row))
    assert keys.forget_erased() == 1
    assert keys.forget_erased() == 0
