"""Root, boundary keys, a key per person: what opens what, and what no longer does."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa

from domicile.custody.entries import (
    BoundaryKeyCondemned,
    BoundaryKeyDestroyed,
    BoundaryKeyMade,
    KeysOpened,
)
from domicile.custody.file_root import FileRoot
from domicile.custody.keyring import Keyring
from domicile.custody.keys import Keys
from domicile.custody.root import RootKey
from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger import Body
from domicile.state import DATA_KEYS, State

PASSPHRASE = "correct horse battery staple"


def subject(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:16]


ANNA, BEN, MESSAGES = subject("anna"), subject("ben"), subject("messages")


class Custody:
    """A state database and a root in one directory, and what went into the ledger."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.recorded: list[Body] = []
        path = directory / "custodian.root"
        if not path.exists():
            FileRoot.create(path, PASSPHRASE)
        self.root = FileRoot.open(path, PASSPHRASE)
        self.state = State.beside(directory)
        self.ring = Keyring(self.state, self.root, "us", self.recorded.append)


@pytest.fixture
def custody(tmp_path: Path) -> Iterator[Custody]:
    custody = Custody(tmp_path)
    yield custody
    custody.state.close()


def test_each_has_a_random_key_of_their_own_that_stays(custody: Custody) -> None:
    keys = custody.ring.open("move").of([ANNA, BEN, MESSAGES])
    assert len(set(keys.values())) == 3
    assert {len(key) for key in keys.values()} == {32}
    assert custody.ring.open("verify").of([BEN]) == {BEN: keys[BEN]}
    assert Custody(custody.directory).ring.open("open").known([ANNA]) == {ANNA: keys[ANNA]}


def test_nobody_is_given_a_key_by_being_looked_up(custody: Custody) -> None:
    keys = custody.ring.open("open")
    assert keys.known([ANNA]) == {}
    assert keys.of([]) == {}


def test_every_opening_is_in_the_ledger_before_the_root_is_asked(custody: Custody) -> None:
    custody.ring.open("move")
    made = BoundaryKeyMade("us", 1, "file:custodian.root", 1)
    assert custody.recorded == [made, KeysOpened("us", (1,), "file:custodian.root", "move")]

    def refuse(_: Body) -> None:
        raise SiteRefused("the ledger is full")

    ring = Keyring(custody.state, cast("RootKey", Unasked(custody.root)), "us", refuse)
    with pytest.raises(SiteRefused, match="ledger is full"):
        ring.open("open")


class Unasked:
    """A root that must not be asked."""

    def __init__(self, root: FileRoot) -> None:
        self.label = root.label

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


def test_a_key_passed_off_as_anothers_does_not_open(custody: Custody) -> None:
    keys = custody.ring.open("move")
    keys.of([ANNA, BEN])
    with custody.state.begin() as connection:
        rows = dict(connection.execute(sa.select(DATA_KEYS.c.subject, DATA_KEYS.c.wrapped)).all())
        for one, other in ((ANNA, BEN), (BEN, ANNA)):
            update = DATA_KEYS.update().where(DATA_KEYS.c.subject == one)
            connection.execute(update.values(wrapped=rows[other]))
    with pytest.raises(EvidenceError, match="does not open in its place"):
        keys.known([ANNA])


def test_a_key_of_one_boundary_is_no_key_of_another(custody: Custody) -> None:
    keys = custody.ring.open("move")
    keys.of([ANNA])
    with custody.state.begin() as connection:
        connection.execute(DATA_KEYS.update().values(boundary="eu"))
    other = Keyring(custody.state, custody.root, "eu", custody.recorded.append).open("open")
    with pytest.raises(EvidenceError, match="does not open in its place"):
        other.known([ANNA])


def test_rotation_of_every_level_changes_no_key(custody: Custody) -> None:
    before = custody.ring.open("move").of([ANNA, BEN])
    assert custody.ring.rotate() == 2
    keys = custody.ring.open("rotate")
    assert custody.ring.rotate_root(keys) == 2
    assert list(keys.rewrap(1)) == [1, 1]
    assert list(keys.rewrap()) == []
    custody.ring.destroy(1)
    assert Custody(custody.directory).ring.open("open").known([ANNA, BEN]) == before
    assert custody.root.versions() == (2,)


def test_a_rotation_broken_off_goes_on_with_those_that_are_left(custody: Custody) -> None:
    subjects = [subject(str(n)) for n in range(25)]
    before = custody.ring.open("move").of(subjects)
    custody.ring.rotate()
    assert next(custody.ring.open("rotate").rewrap(10)) == 10
    assert list(Custody(custody.directory).ring.open("rotate").rewrap(10)) == [10, 5]
    assert custody.ring.open("open").known(subjects) == before


def test_a_version_in_use_is_not_destroyed(custody: Custody) -> None:
    custody.ring.open("move").of([ANNA])
    with pytest.raises(UsageError, match="1 keys are under it"):
        custody.ring.destroy(1)
    custody.ring.rotate()
    with pytest.raises(UsageError, match="1 keys are under it"):
        custody.ring.destroy(1)


def test_yesterdays_backup_of_all_but_the_root_does_not_open_who_was_shredded(
    custody: Custody, tmp_path: Path
) -> None:
    before = custody.ring.open("move").of([ANNA, BEN])
    backup = tmp_path / "backup"
    backup.mkdir()
    shutil.copy(custody.directory / "state.sqlite", backup)
    keys = custody.ring.open("shred")
    assert keys.forget([ANNA]) == 1
    custody.ring.rotate()
    keys = custody.ring.open("shred")
    custody.ring.rotate_root(keys)
    assert sum(keys.rewrap()) == 1
    assert "not examined" in custody.ring.destroy(1).proves
    assert custody.ring.open("open").known([ANNA, BEN]) == {BEN: before[BEN]}
    shutil.copy(custody.directory / "custodian.root", backup)
    with pytest.raises(EvidenceError, match="no version 1"):
        Custody(backup).ring.open("recover")


def test_the_destruction_says_what_was_destroyed(custody: Custody) -> None:
    custody.ring.open("move")
    custody.ring.rotate()
    custody.ring.rotate_root(custody.ring.open("rotate"))
    custody.ring.destroy(1)
    condemned, destroyed = custody.recorded[-2:]
    assert condemned == BoundaryKeyCondemned("us", 1, "file:custodian.root", (1,))
    assert isinstance(destroyed, BoundaryKeyDestroyed)
    assert (destroyed.boundary_version, destroyed.root_versions) == (1, (1,))
    assert "copies of the file" in destroyed.proves


def _make(directory: Path, results: object) -> None:
    keys = Custody(directory).ring.open("move").of([subject(str(n)) for n in range(200)])
    results.put(keys)  # type: ignore[attr-defined]


def test_two_processes_that_make_the_same_keys_at_once_agree(tmp_path: Path) -> None:
    Custody(tmp_path).ring.open("move")
    context = get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_make, args=(tmp_path, results)) for _ in range(3)]
    for process in processes:
        process.start()
    first, *others = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert others == [first, first]


def test_no_key_lies_open_in_the_database_or_is_shown(custody: Custody) -> None:
    keys = custody.ring.open("move")
    made = keys.of([subject(str(n)) for n in range(50)])
    data = b"".join(path.read_bytes() for path in custody.directory.iterdir() if path.is_file())
    for key in (*made.values(), *keys.boundary_keys.values()):
        assert key not in data
        assert key.hex() not in repr(keys) + repr(custody.recorded)
    assert isinstance(keys, Keys)
