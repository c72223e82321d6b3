from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.errors import EvidenceError, UsageError
from domicile.ledger import Body, Log, bundle, decode
from domicile.ledger.bundle import Bundle, Keys, make_bundle
from domicile.ledger.keys import Verifier
from domicile.ledger.outside import verify_bundle
from domicile.ledger.question import Question
from domicile.ledger.store import Store
from domicile.ledger.terms import Found, read_found
from domicile.ledger.tlog_proof import TlogProof
from domicile.scan.entries import ScanStarted
from tests.ledger.bundles import make_bundles as made
from tests.ledger.world import fill, noted

KEYS = Keys(tuple(signer.vkey for signer in made.LOG))


def fill_log(directory: Path, bodies: Sequence[Body]) -> Path:
    made.append(directory, bodies)
    return directory


def ask(log: Path, **filters: Any) -> Bundle:  # noqa: ANN401 - whatever a question takes
    return make_bundle(log, Question(**filters), KEYS)


def verdict(answer: Bundle, directory: Path) -> int:
    path = directory / "answer.json"
    path.write_bytes(b"".join(answer.encode()))
    words = [word for key in KEYS.log for word in ("--key", key)]
    return verify_bundle.main([str(path), *words])


def indices(answer: Bundle, *, asked: bool) -> list[int]:
    return [row.index for row in answer.entries if row.asked is asked]


FAR = [made.verified("a"), *(ScanStarted("r", "us", "t", ()) for _ in range(600))]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An erasure 600 entries, and two bundles, after its verification."""
    directory = tmp_path_factory.mktemp("far") / "ledger"
    return fill_log(directory, [*FAR, made.begun("a"), made.erased("a"), made.verified("b")])


def test_an_answer_brings_what_it_rests_on_from_far_away(log: Path, tmp_path: Path) -> None:
    answer = ask(log, kinds=("erase.shard-erased",))
    assert (indices(answer, asked=True), indices(answer, asked=False)) == ([604], [0, 1, 2, 603])
    assert answer.broken == ()
    assert verdict(answer, tmp_path) == 0


def test_what_answers_is_not_also_what_is_rested_on(log: Path) -> None:
    answer = ask(log, runs=(made.RUN,))
    assert (indices(answer, asked=True), indices(answer, asked=False)) == (
        [2, 603, 604, 605],
        [0, 1],
    )


def test_every_entry_can_be_asked_for_and_proven(log: Path, tmp_path: Path) -> None:
    answer = ask(log)
    assert indices(answer, asked=True) == list(range(606))
    assert verdict(answer, tmp_path) == 0
    for index, data, proof in list(answer.proofs())[::150]:
        parsed = TlogProof.parse(proof)
        assert parsed.index == index
        assert parsed.verify(data, [Verifier.parse(key) for key in KEYS.log]).size == 606


def test_hashes_that_proofs_share_are_there_once(log: Path) -> None:
    answer = ask(log)
    assert len(set(answer.nodes)) == len(answer.nodes) <= 2 * 606
    assert sum(len(row.path) for row in answer.entries) > 5_000


@given(first=st.integers(0, 620), length=st.integers(1, 300))
@settings(max_examples=25)
def test_a_span_is_whole(log: Path, first: int, length: int) -> None:
    if first >= 606:
        with pytest.raises(UsageError, match="no entry answers"):
            ask(log, first=first, end=first + length)
        return
    answer = ask(log, first=first, end=first + length)
    assert indices(answer, asked=True) == list(range(first, min(first + length, 606)))


def test_only_what_a_question_spans_is_read(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = Store.bundle

    def counted(store: Store, index: int, width: int) -> list[bytes]:
        read.append(index)
        return real(store, index, width)

    monkeypatch.setattr(Store, "bundle", counted)
    ask(log, first=300, end=310)
    assert read == [1, 0]  # the charter is at the beginning
    read.clear()
    ask(log, first=0, end=2)
    assert read == [0]


def test_an_erasure_without_verification_is_exported_and_said_to_be_broken(tmp_path: Path) -> None:
    log = fill_log(tmp_path / "log", [made.begun("a"), made.verified("a"), made.erased("a")])
    answer = ask(log, kinds=("erase",))
    assert len(answer.broken) == 1
    assert answer.broken[0].startswith("entry 2 requires 'verified:")
    assert verdict(answer, tmp_path) == 1


def test_entries_of_unknown_form_are_counted_and_given_by_index_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter([b"{}", b'{"a":1}'])
    monkeypatch.setattr("domicile.ledger.log.encode", lambda _: next(written))
    fill(tmp_path, [noted("a"), noted("b")])
    with pytest.raises(UsageError, match="no entry answers"):
        ask(tmp_path, kinds=("erase",))
    answer = ask(tmp_path, first=1)
    assert [row.entry for row in answer.entries] == ['{"a":1}']
    assert answer.unreadable == 1


def test_bytes_that_are_no_text_cannot_be_bundled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domicile.ledger.log.encode", lambda _: b"\xff")
    fill(tmp_path, [noted("a")])
    with pytest.raises(EvidenceError, match="entry 0 is not UTF-8"):
        ask(tmp_path)


def test_kinds_that_are_unknown_here_answer_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"charter": "a" * 64, "clock": "system", "kind": "later.thing", "version": 1}
    later = json.dumps({**fields, "time": "2026-03-01T00:00:00.000Z", "body": {"site": "s"}})
    monkeypatch.setattr("domicile.ledger.log.encode", lambda _: later.encode())
    fill(tmp_path, [noted("a")])
    assert indices(ask(tmp_path, sites=("s",)), asked=True) == [0]


def test_an_answer_that_is_too_long_is_refused(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_ENTRIES", 100)
    with pytest.raises(UsageError, match="more than 100 entries"):
        ask(log)


def test_a_damaged_log_is_not_exported(tmp_path: Path) -> None:
    log = fill_log(tmp_path / "log", FAR)
    path = log / "tile/entries/000"
    path.write_bytes(path.read_bytes().replace(b"company", b"compani"))
    with pytest.raises(EvidenceError):
        ask(log, first=0, end=1)


def test_a_directory_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="holds no checkpoint"):
        ask(tmp_path)


def test_the_document_is_the_published_form(log: Path) -> None:
    document = json.loads(b"".join(ask(log, kinds=("erase",), sites=(made.SITE,)).encode()))
    assert list(document) == [
        "format",
        "question",
        "does_not_prove",
        "keys",
        "checkpoint",
        "entries",
        "nodes",
    ]
    assert document["question"] == {"kinds": ["erase"], "sites": [made.SITE]}
    assert [part.split(":")[0] for part in document["does_not_prove"]] == [
        "completeness",
        "who signed",
        "one history for everybody",
        "truth",
    ]
    assert document["keys"]["log"] == list(KEYS.log)
    assert document["checkpoint"] == (log / "checkpoint").read_text(encoding="utf-8")


def test_the_charter_in_force_is_in_the_answer_whole_however_it_is_cut(tmp_path: Path) -> None:
    log = fill_log(tmp_path / "log", [made.verified("a")])
    answer = ask(log, kinds=("move",))
    (first, second, _) = (json.loads(row.entry)["body"] for row in answer.entries)
    assert first["text"] + second["text"] == "".join(made.PARTS)
    last = ask(log, first=1, end=2)
    assert (indices(last, asked=True), indices(last, asked=False)) == ([1], [0])
    assert verdict(last, tmp_path) == 0


def test_an_entry_whose_charter_is_not_in_the_log_is_said_to_be_broken(tmp_path: Path) -> None:
    (lonely,) = made.spelled([made.verified("a")])
    with Log.open(tmp_path / "log", made.LOG, made.ORIGIN) as log:
        log.append([decode(lonely)])
    answer = ask(tmp_path / "log")
    assert answer.broken == (
        f"entry 0 requires 'charter:{made.CHARTER}', which no earlier entry established",
    )
    assert verdict(answer, tmp_path) == 1


# The question.

BODY = {
    "run": "r1",
    "shard": "s1",
    "site": "here",
    "sites": ["a", "b"],
    "tables": ["messages"],
    "staff": "jo",
    "pseudonym": "p1",
    "persons": 7,
}
TIME = "2026-03-01T00:00:00.000Z"


def found(kind: str = "x.happened", **body: object) -> Found:
    fields = {"charter": "a" * 64, "clock": "system", "kind": kind, "time": TIME, "version": 1}
    return read_found(5, json.dumps({**fields, "body": body or BODY}).encode())


@pytest.mark.parametrize(
    ("filters", "answers"),
    [
        ({}, True),
        ({"runs": ("r1",)}, True),
        ({"runs": ("r0", "r1")}, True),
        ({"runs": ("r",)}, False),
        ({"sites": ("here",)}, True),
        ({"sites": ("b",)}, True),
        ({"sites": ("there",)}, False),
        ({"runs": ("r1",), "sites": ("there",)}, False),
        ({"staff": ("jo",)}, True),
        ({"staff": ("al",)}, False),
        ({"pseudonyms": ("p1",)}, True),
        ({"pseudonyms": ("7",)}, False),
        ({"datasets": ("chat",)}, False),
        ({"datasets": ("messages",)}, True),
        ({"datasets": ("chat",), "tables": ("messages",)}, True),
        ({"datasets": ("chat",), "shards": ("r1/s1",)}, True),
        ({"datasets": ("chat",), "shards": ("r2/s1",)}, False),
        ({"datasets": ("chat",), "shards": ("r1/s1",), "runs": ("r2",)}, False),
        ({"kinds": ("x",)}, True),
        ({"kinds": ("x.happened",)}, True),
        ({"kinds": ("x.happen",)}, False),
        ({"kinds": ("move",)}, False),
        ({"since": "2026-03-01T00:00:00.000Z"}, True),
        ({"since": "2026-03-01T00:00:00.001Z"}, False),
        ({"until": "2026-03-01T00:00:00.000Z"}, False),
        ({"until": "2026-03-01T00:00:00.001Z"}, True),
        ({"first": 5}, True),
        ({"first": 6}, False),
        ({"end": 6}, True),
        ({"end": 5}, False),
        ({"end": 5, "kinds": ("x",)}, False),
    ],
)
def test_an_entry_answers_when_it_fits_every_filter(
    filters: dict[str, Any], *, answers: bool
) -> None:
    assert Question(**filters).answers(found()) is answers


def test_the_plan_that_cut_a_dataset_is_about_it() -> None:
    question = Question(datasets=("chat",), shards=("r1/s1",))
    assert question.answers(found("move.planned", run="r1"))
    assert not question.answers(found("move.planned", run="r2"))
