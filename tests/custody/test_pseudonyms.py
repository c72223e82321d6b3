"""Whom the ledger mentions: one random name each, which nothing leads to once it is forgotten."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
import sqlalchemy as sa

from domicile.custody.pseudonyms import Named, Pseudonyms, new_pseudonym
from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.ledger import Body, Entry, Pseudonym, decode, encode, entry_kind
from domicile.state import State
from tests.ledger.world import BEGIN, CHARTER, check, noted, open_ledger
from tests.services.postgres import PostgresServer, fresh_database

ANNA, BEN = "person-771000000001", '["person-772000000002","eu"]'


@entry_kind("test.mentioned", version=1)
class Mentioned(Body, frozen=True):
    """An entry about a person."""

    pseudonym: Pseudonym


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State.beside(tmp_path)
    yield state
    state.close()


@pytest.fixture
def pseudonyms(state: State) -> Pseudonyms:
    return Pseudonyms(state)


def mentioned(name: str) -> Entry:
    return Entry(Mentioned(name), BEGIN, CHARTER)


def test_a_pseudonym_is_128_random_bits_in_base32() -> None:
    made = {new_pseudonym() for _ in range(1000)}
    assert len(made) == 1000
    for name in made:
        assert len(base64.b32decode(name.removeprefix("p-").upper() + "======")) == 16
        assert decode(encode(mentioned(name))).body == Mentioned(name)
    every_bit = [base64.b32decode(n.removeprefix("p-").upper() + "======") for n in made]
    ones = [sum(int.from_bytes(raw, "big") >> bit & 1 for raw in every_bit) for bit in range(128)]
    assert all(350 < count < 650 for count in ones)  # nine standard deviations


@pytest.mark.parametrize(
    "name",
    [
        "",
        "anna@reel.example",
        "+1 555 0100",
        "@anna",
        ANNA,
        "p-" + "a" * 25,
        "p-" + "a" * 27,
        "p-" + "A" * 26,
        "p-" + "1" * 26,
        "p-" + "a" * 25 + "b",  # two bits too many
        "p-" + "a" * 26 + "\n",
        "a" * 26,
    ],
)
def test_nothing_else_goes_where_an_entry_has_a_pseudonym(name: str) -> None:
    with pytest.raises(UsageError):
        encode(mentioned(name))
    good = "p-" + "a" * 26
    data = encode(mentioned(good)).replace(good.encode(), name.encode())
    with pytest.raises(EvidenceError):
        decode(data)


def test_a_person_keeps_the_pseudonym_of_the_first_mention(
    tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    first = pseudonyms.of([ANNA])
    both = pseudonyms.of([BEN, ANNA, BEN])
    assert set(both) == {ANNA, BEN}
    assert both[ANNA] == first[ANNA] != both[BEN]
    again = State.beside(tmp_path)
    assert Pseudonyms(again).of([ANNA, BEN]) == both
    again.close()


def test_looking_somebody_up_is_no_mention(pseudonyms: Pseudonyms) -> None:
    assert pseudonyms.known([ANNA]) == {}
    made = pseudonyms.of([ANNA])
    assert pseudonyms.known([ANNA, BEN]) == made
    assert pseudonyms.persons([made[ANNA], "p-" + "a" * 26]) == {made[ANNA]: ANNA}
    assert pseudonyms.of([]) == {}


def test_persons_are_mentioned_in_bulk(pseudonyms: Pseudonyms) -> None:
    persons = [f"person-{number}" for number in range(2_345)]
    made = pseudonyms.of(persons)
    assert set(made) == set(persons)
    assert len(set(made.values())) == len(persons)
    assert pseudonyms.persons(list(made.values())) == {name: who for who, name in made.items()}


def test_who_is_forgotten_can_be_linked_no_more_and_is_a_stranger_when_mentioned_again(
    pseudonyms: Pseudonyms,
) -> None:
    before = pseudonyms.of([ANNA, BEN])
    assert pseudonyms.forget(ANNA)
    assert not pseudonyms.forget(ANNA)
    assert pseudonyms.known([ANNA, BEN]) == {BEN: before[BEN]}
    assert pseudonyms.persons([before[ANNA]]) == {}
    assert pseudonyms.of([ANNA])[ANNA] != before[ANNA]
    assert pseudonyms.persons([before[ANNA]]) == {}


def test_who_is_forgotten_is_gone_from_the_files_too(
    tmp_path: Path, state: State, pseudonyms: Pseudonyms
) -> None:
    filler = [f"filler-{number}" for number in range(300)]
    made = pseudonyms.of([ANNA, *filler])
    marks = {ANNA.encode(), made[ANNA].encode()}
    assert _in_files(tmp_path, marks) == marks  # else the search proves nothing
    pseudonyms.forget(ANNA)
    state.close()
    assert _in_files(tmp_path, marks) == set()
    assert _in_files(tmp_path, {made[filler[0]].encode()})


def _in_files(directory: Path, marks: set[bytes]) -> set[bytes]:
    data = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    return {mark for mark in marks if mark in data}


def _mention(records: Path, persons: list[str]) -> dict[str, str]:
    state = State.beside(records)
    made = Pseudonyms(state).of(persons)
    state.close()
    return made


def test_processes_that_mention_the_same_people_at_once_agree(tmp_path: Path) -> None:
    State.beside(tmp_path).close()
    persons = [f"person-{number}" for number in range(3_000)]
    tasks = [(tmp_path, persons), (tmp_path, persons[::-1]), (tmp_path, persons[1_000:])]
    with get_context("spawn").Pool(3) as pool:
        one, two, three = pool.starmap(_mention, tasks, chunksize=1)
    assert one == two
    assert three.items() <= one.items()
    assert len(set(one.values())) == 3_000


def test_somebody_who_is_forgotten_before_every_answer_is_not_mentioned(
    pseudonyms: Pseudonyms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pseudonyms, "_make", lambda self, persons: self.forget(persons[0]))
    with pytest.raises(UsageError, match="forgotten while"):
        pseudonyms.of([ANNA])


def test_nobody_gets_a_pseudonym_that_could_not_be_kept(
    tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    with sa.create_engine(f"sqlite:///{tmp_path / 'state.sqlite'}").begin() as connection:
        connection.execute(sa.text("DROP TABLE pseudonyms"))
    with pytest.raises(SiteRefused):
        pseudonyms.of([ANNA])


def test_what_a_key_goes_by_in_stores_leads_to_no_mention_in_the_ledger(
    pseudonyms: Pseudonyms,
) -> None:
    names = pseudonyms.of([ANNA, BEN])
    subjects = pseudonyms.subjects([ANNA, BEN])
    assert pseudonyms.subjects([BEN, ANNA]) == subjects  # the same every time
    assert len({*subjects.values()}) == 2
    random = {base64.b32decode(name[2:].upper() + "======") for name in names.values()}
    assert random.isdisjoint(subjects.values())
    assert pseudonyms.behind([*subjects.values(), b"x" * 16]) == {
        subjects[person]: Named(person, names[person]) for person in (ANNA, BEN)
    }
    pseudonyms.forget(ANNA)
    assert pseudonyms.behind([subjects[ANNA]]) == {}


def test_only_the_owner_can_read_who_is_whom(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.sqlite"
    State.beside(path.parent).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)  # as an earlier version made it
    State.beside(path.parent).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_mapping_may_lie_in_postgresql(postgres18: PostgresServer) -> None:
    url = fresh_database(postgres18).config.url
    state = State(url.replace("postgresql:", "postgresql+psycopg:"))
    pseudonyms = Pseudonyms(state)
    made = pseudonyms.of([ANNA, BEN])
    assert pseudonyms.of([BEN, ANNA, "new"]).items() >= made.items()
    assert pseudonyms.forget(ANNA)
    assert pseudonyms.known([ANNA, BEN]) == {BEN: made[BEN]}
    assert pseudonyms.of([ANNA])[ANNA] != made[ANNA]
    state.close()


def test_entries_that_mention_a_person_hold_nothing_of_them(
    tmp_path: Path, pseudonyms: Pseudonyms
) -> None:
    name = pseudonyms.of([ANNA])[ANNA]
    with open_ledger(tmp_path / "ledger") as log:
        log.append([noted("the charter"), mentioned(name)])
    assert check(tmp_path / "ledger").sound
    assert _in_files(tmp_path / "ledger", {ANNA.encode(), name.encode()}) == {name.encode()}
