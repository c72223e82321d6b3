"""Persons' keys are destroyed, provably, resumably, and nobody else's."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from domicile.custody.entries import (
    BoundaryKeyDestroyed,
    ShredCancelled,
    ShredCondemned,
    ShredDone,
    ShredRequested,
    SurvivorsRewrapping,
)
from domicile.custody.file_root import FileRoot
from domicile.custody.pseudonyms import Pseudonyms
from domicile.custody.root import Destruction
from domicile.erase import pae, unsigned_shred
from domicile.erase.certificate import PAYLOAD_TYPE
from domicile.erase.shred import Shredder, ShredReport
from domicile.erase.shred_certificate import SHRED_TYPE
from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.inventory import Evidence
from domicile.ledger import Body
from domicile.ledger.keys import Verifier
from domicile.sites.objects import Attributes
from domicile.state import DATA_KEYS, PSEUDONYMS, State
from tests.erase.shredding import ANNA, BEN, CARL, EVERYBODY, NOON, Boom, ShredWorld, data_of

LONG = os.environ.get("DOMICILE_LONG_TESTS") == "1"
OTHERS = set(EVERYBODY) - {ANNA}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("shredding") / "made"
    base.mkdir()
    world = ShredWorld(base)
    assert world.readable() == set(EVERYBODY)
    return base


@pytest.fixture
def world(made: Path, tmp_path: Path) -> ShredWorld:
    """Everybody's videos are sealed at home; a request is due at once."""
    shutil.copytree(made, tmp_path / "reel")
    return ShredWorld(tmp_path / "reel")


def shred(world: ShredWorld, *persons: str) -> ShredReport:
    with world.shredder() as shredder:
        assert shredder.request(persons).request
        return shredder.run()


def planted(world: ShredWorld, person: str) -> dict[str, bytes]:
    """What the database must not hold any more once the person is erased."""
    state = State.beside(world.records)
    name = Pseudonyms(state).known([person])[person]
    subject = Pseudonyms(state).subjects([person])[person]
    with state.begin() as connection:
        rows = connection.execute(sa.select(DATA_KEYS.c.subject, DATA_KEYS.c.wrapped)).all()
    state.close()
    wrapped = {bytes(row[0]): bytes(row[1]) for row in rows}[subject]
    return {"pseudonym": name.encode(), "person": person.encode(), "wrapped": wrapped[12:44]}


def test_a_shredded_persons_objects_open_no_more_and_everybody_elses_do(world: ShredWorld) -> None:
    report = shred(world, ANNA)
    assert (len(report.done), report.pending, report.not_due) == (1, [], 0)
    assert world.readable() == OTHERS


def test_each_phase_is_in_the_ledger_in_its_order_and_names_nobody(world: ShredWorld) -> None:
    shred(world, ANNA, BEN)
    kinds = [type(body) for body in world.recorded()]
    mine = (
        ShredRequested,
        ShredCondemned,
        SurvivorsRewrapping,
        BoundaryKeyDestroyed,
        ShredDone,
    )
    assert [kind for kind in kinds if kind in mine] == list(mine)
    logs = [path for path in (world.records / "ledger").rglob("*") if path.is_file()]
    assert logs
    assert all(person.encode() not in path.read_bytes() for path in logs for person in (ANNA, BEN))
    verified = world.command("ledger", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_the_certificate_says_what_became_unreadable_and_claims_no_more_than_the_root(
    world: ShredWorld,
) -> None:
    (path,) = shred(world, ANNA, BEN).done.values()
    said = world.certificate(path)
    (unreadable,) = said["unreadable"]
    size = len(data_of(ANNA)) + len(data_of(BEN))
    assert unreadable == {
        "site": "oracle",
        "dataset": "media",
        "objects": 2,
        "persons": 2,
        "bytes": size,
        "not_sealed": 0,
    }
    assert (said["persons"], said["root"], said["root_versions"]) == (2, "file:root", [1])
    assert "snapshots and the medium that it lay on are not examined" in said["root_proves"][0]
    assert "whoever copied it" in said["root_weaknesses"][0]
    assert any("backups of the state database are not known" in one for one in said["known_copies"])
    assert any("rows in the home database" in one for one in said["not_covered"])
    assert ANNA not in (world.records / path).read_text() + str(said)


def test_the_ledgers_key_signed_the_certificate(world: ShredWorld) -> None:
    (path,) = shred(world, ANNA).done.values()
    document = json.loads((world.records / path).read_bytes())
    payload = base64.b64decode(document["payload"], validate=True)
    (signature,) = document["signatures"]
    key = Verifier.parse((world.records / "ledger" / "log.vkey").read_text().split()[0])
    signed = base64.b64decode(signature["sig"], validate=True)
    assert document["payloadType"] == SHRED_TYPE
    assert key.accepts(pae(SHRED_TYPE, payload), signed)
    assert not key.accepts(pae(PAYLOAD_TYPE, payload), signed)
    assert unsigned_shred((world.records / path).read_bytes()).persons == 1


def test_a_request_is_cancelled_while_the_root_is_away(world: ShredWorld) -> None:
    with world.shredder() as shredder:
        asked = shredder.request([ANNA])
    (world.base / "custodian" / "root").rename(world.base / "elsewhere")
    with world.shredder() as shredder:
        with pytest.raises(SiteRefused, match="cannot be read"):
            shredder.run()
        shredder.cancel(str(asked.request))
        assert shredder.run() == ShredReport()
    (world.base / "elsewhere").rename(world.base / "custodian" / "root")
    assert world.readable() == set(EVERYBODY)


def test_yesterdays_backup_of_everything_but_the_root_opens_nothing_of_theirs(
    world: ShredWorld,
) -> None:
    backup = world.back_up()
    shred(world, ANNA)
    assert world.readable() == OTHERS
    for path in ("custodian/root", "custodian/passphrase"):
        shutil.copy(world.base / path, backup / path)
    with pytest.raises(EvidenceError, match="has no version 1"):
        ShredWorld(backup).readable()
    shutil.rmtree(world.base / "oracle")
    shutil.copytree(backup / "oracle", world.base / "oracle")
    assert world.readable() == OTHERS  # yesterday's objects, today's state


def test_the_backup_would_open_as_long_as_the_root_had_its_old_version(world: ShredWorld) -> None:
    """The test above would else say nothing."""
    root = (world.base / "custodian" / "root").read_bytes()
    backup = world.back_up()
    shred(world, ANNA)
    (backup / "custodian" / "root").touch(mode=0o600)
    (backup / "custodian" / "root").write_bytes(root)
    assert ANNA in ShredWorld(backup).readable()


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_the_databases_files_hold_neither_the_wrapped_key_nor_whose_pseudonym_it_was(
    world: ShredWorld, journal: str
) -> None:
    with closing(sqlite3.connect(world.records / "state.sqlite")) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
    before = planted(world, ANNA)
    assert all(each in world.database_bytes() for each in before.values())
    shred(world, ANNA)
    after = world.database_bytes()
    assert [name for name, each in before.items() if each in after] == []


def test_what_a_tree_left_behind_when_it_moved_rows_is_gone_too(tmp_path: Path) -> None:
    state = State.beside(tmp_path)
    rows = [(f"person-{n * 7919 % 100_000_007:09}", f"p-{n:026}") for n in range(20_000)]
    with state.begin() as connection:
        connection.execute(
            PSEUDONYMS.insert(),
            [
                {"person": person, "pseudonym": name, "subject": name[-16:].encode()}
                for person, name in rows
            ],
        )
    for first in range(0, 15_000, 500):
        gone = [person for person, _ in rows[first : first + 500]]
        with state.begin() as connection:
            connection.execute(PSEUDONYMS.delete().where(PSEUDONYMS.c.person.in_(gone)))
    assert "written anew" in state.scrub()
    data = (tmp_path / "state.sqlite").read_bytes()
    assert [name for _, name in rows[:15_000:7] if name[2:].encode() in data] == []
    assert rows[-1][1].encode() in data
    state.close()


def test_an_open_reader_keeps_a_shred_pending_until_it_ends(world: ShredWorld) -> None:
    with closing(sqlite3.connect(world.records / "state.sqlite")) as reader:
        reader.execute("PRAGMA journal_mode = wal")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM data_keys").fetchone()
        before = planted(world, ANNA)
        report = shred(world, ANNA)
        assert report.done == {}
        assert "somebody reads it" in report.pending[0] or "locked" in report.pending[0]
        assert before["wrapped"] in world.database_bytes()
    assert ShredDone not in {type(body) for body in world.recorded()}
    with world.shredder() as shredder:
        assert len(shredder.run().done) == 1
    assert before["wrapped"] not in world.database_bytes()


def test_a_request_waits_and_can_be_cancelled(world: ShredWorld) -> None:
    text = world.charter.read_text().replace("shred_days = 0", "shred_days = 7")
    world.charter.write_text(text)
    with world.shredder() as shredder:
        asked = shredder.request([ANNA])
        assert shredder.run() == ShredReport(not_due=1)
        shredder.cancel(str(asked.request))
        with pytest.raises(UsageError, match="is cancelled"):
            shredder.cancel(str(asked.request))
        with pytest.raises(UsageError, match="there is no request"):
            shredder.cancel("20260101T000000Z-000000")
        world.now = replace(NOON, since_boot_s=NOON.since_boot_s + 8 * 86400)
        assert shredder.run() == ShredReport()
        assert shredder.request([ANNA]).request != asked.request
    assert world.readable() == set(EVERYBODY)
    assert ShredCancelled in {type(body) for body in world.recorded()}


def test_a_clock_that_was_set_forward_does_not_cut_the_wait_short(world: ShredWorld) -> None:
    text = world.charter.read_text().replace("shred_days = 0", "shred_days = 7")
    world.charter.write_text(text)
    with world.shredder() as shredder:
        shredder.request([ANNA])
        world.now = replace(NOON, wall_s=NOON.wall_s + 30 * 86400)
        assert shredder.run().not_due == 1
        world.now = replace(world.now, since_boot_s=NOON.since_boot_s + 7 * 86400 - 1)
        assert shredder.run().not_due == 1
        world.now = replace(world.now, since_boot_s=world.now.since_boot_s + 1)
        assert len(shredder.run().done) == 1


def test_asking_again_for_the_same_persons_changes_nothing(world: ShredWorld) -> None:
    with world.shredder() as shredder:
        assert shredder.request([ANNA, ANNA, BEN]).persons == 2
        again = shredder.request([BEN, ANNA])
        assert (again.request, again.waiting, again.erased) == (None, 2, 0)
        more = shredder.request([ANNA, CARL])
        assert (more.persons, more.waiting) == (1, 1)
        assert len(shredder.run().done) == 2
        after = shredder.request([ANNA, CARL])
        assert (after.request, after.erased) == (None, 2)
        assert shredder.run() == ShredReport()
    assert world.readable() == set(EVERYBODY) - {ANNA, BEN, CARL}


def test_whose_keys_are_destroyed_is_whom_the_ledger_says(world: ShredWorld) -> None:
    with world.shredder() as shredder:
        shredder.request([ANNA])
        with closing(sqlite3.connect(world.records / "state.sqlite")) as database:
            database.execute(
                "INSERT INTO shred_subjects SELECT boundary, subject, (SELECT id FROM shreds)"
                " FROM data_keys WHERE subject NOT IN (SELECT subject FROM shred_subjects)"
            )
            database.commit()
        with pytest.raises(EvidenceError, match="not about whom the ledger says"):
            shredder.run()
    assert world.readable() == set(EVERYBODY)


def test_an_erased_persons_move_fails_visibly_until_they_are_readmitted(world: ShredWorld) -> None:
    shred(world, ANNA)
    with pytest.raises(UsageError, match="erased") as refused:
        world.move_home("20260103T120000Z-aaaaaa", [ANNA, BEN])
    assert "domicile shred readmit" in refused.value.next_step
    assert world.readable() == OTHERS
    with world.shredder() as shredder:
        with pytest.raises(UsageError, match="1 of these persons are not erased"):
            shredder.readmit([ANNA, BEN])
        assert shredder.readmit([ANNA]) == 1
    shutil.rmtree(world.base / "oracle" / "media", ignore_errors=True)
    assert world.move_home("20260104T120000Z-bbbbbb", [CARL]) == 0


def test_a_worker_that_opened_keys_before_makes_nothing_readable_afterwards(
    world: ShredWorld,
) -> None:
    stale = world.workplace()
    owners = {f"media/{ANNA}/video": ("media", ANNA)}
    known = stale.home_objects(owners)  # it has looked her pseudonym up
    cached = stale.home_objects(owners)
    _write(cached, ANNA, b"before")  # and this one has her key in its memory
    shred(world, ANNA)
    with pytest.raises(UsageError, match="erased"):
        _write(known, ANNA, b"after")
    with pytest.raises(UsageError, match="erased"):
        stale.home_objects(owners)
    _write(cached, ANNA, b"after")
    assert ANNA not in world.readable()
    assert ANNA not in world.readable(stale)
    with pytest.raises(UsageError, match="erased"):
        world.move_home("20260103T120000Z-aaaaaa", [ANNA])  # so nothing of it is ever proven


def _write(store: Any, person: str, data: bytes) -> None:  # noqa: ANN401 - a store
    async def chunks() -> Any:  # noqa: ANN401 - bytes, once
        yield data

    asyncio.run(store.write(f"media/{person}/video", chunks(), Attributes(), len(data)))


def test_stale_keys_make_no_key_under_a_version_that_is_destroyed(world: ShredWorld) -> None:
    with world.opened() as (estate, evidence, state):
        stale = estate.keyring(state, evidence.record).open("move")
        shredder = Shredder(estate, evidence, state, look=lambda: NOON)
        shredder.request([ANNA])
        shredder.run()
        with pytest.raises(UsageError, match="is no more"):
            stale.of([b"s" * 16])
        assert estate.keyring(state, evidence.record).open("move").known([b"s" * 16]) == {}


def test_what_its_keeper_destroys_later_stays_pending_and_goes_on(
    world: ShredWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file destroys at once; here it is made to take its time, as a cloud's keeper does."""
    until = datetime(2026, 1, 9, tzinfo=UTC)
    with monkeypatch.context() as patched:
        later = Destruction("it is scheduled", until)
        patched.setattr(FileRoot, "destroy", lambda *_: later)
        report = shred(world, ANNA)
        assert report.done == {}
        assert "2026-01-09T00:00:00.000Z" in report.pending[0]
    with world.shredder() as shredder:
        assert shredder.request([BEN]).request
        assert len(shredder.run().done) == 2
    assert world.readable() == OTHERS - {BEN}
    assert world.command("ledger", "verify").returncode == 0


# --- broken off anywhere


@contextmanager
def breaking(at: int, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> Iterator[list[int]]:
    """Cut the power before (or right after) the nth transaction or ledger entry."""
    count = [0]
    begin, record = State.begin, Evidence.record

    def step() -> bool:
        count[0] += 1
        return count[0] == at

    @contextmanager
    def begun(self: State) -> Iterator[sa.Connection]:
        struck = step()
        if struck and not after:
            raise Boom
        with begin(self) as connection:
            yield connection
        if struck:
            raise Boom

    def recorded(self: Evidence, *bodies: Body, **more: Any) -> None:  # noqa: ANN401 - its own
        struck = step()
        if struck and not after:
            raise Boom
        record(self, *bodies, **more)
        if struck:
            raise Boom

    with monkeypatch.context() as patched:
        patched.setattr(State, "begin", begun)
        patched.setattr(Evidence, "record", recorded)
        yield count


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_broken_off_at_any_step_it_goes_on_and_is_done_once(
    world: ShredWorld, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    with world.shredder() as shredder:
        shredder.request([ANNA, BEN])
    whole = world.base.with_name("whole")
    shutil.copytree(world.base, whole)
    at = 1 if after else 2
    while _broken_at(at, whole, monkeypatch, after=after):
        at += 1 if LONG else 4
    assert at > 25


def _broken_at(at: int, whole: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> bool:
    """Whether a run has so many steps that this one broke it off; in any case it goes on."""
    here = whole.with_name("struck")
    shutil.copytree(whole, here)
    world, broken = ShredWorld(here), False
    with world.shredder() as shredder, breaking(at, monkeypatch, after=after):
        try:
            shredder.run()
        except Boom:
            broken = True
    _goes_on(world)
    shutil.rmtree(here)
    return broken


def _goes_on(world: ShredWorld) -> None:
    with world.shredder() as shredder:
        report = shredder.run()
        assert report.pending == []
        (shred,) = shredder.shreds.all()
        assert shred.phase == "done"
        done = shredder.evidence.of(ShredDone)
        assert [body.files[0].path for body in done] == [shred.certificate]
    assert world.readable() == OTHERS - {BEN}
    assert world.certificate(str(shred.certificate))["unreadable"][0]["objects"] == 2


def test_a_full_disk_breaks_nothing(world: ShredWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise SiteRefused("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(State, "scrub", refuse)
        assert "disk is full" in shred(world, ANNA).pending[0]
    with world.shredder() as shredder:
        assert len(shredder.run().done) == 1
