"""Texts in force: whole, in order, with the hash they claim, and before they are named."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.errors import EvidenceError, UsageError
from domicile.ledger import Body, Entry, TextPart, decode, encode, entry_kind, split_text
from domicile.ledger.texts import Role
from tests.ledger.world import BEGIN, CHARTER, Noted, check, fill, noted

TEXT = "".join(f'line {number}: \t"é" 😀\n' for number in range(1_500))


@entry_kind("test.charter-in-force", version=1)
class ACharter(TextPart, frozen=True):
    """A charter of the tests."""

    role: ClassVar[Role] = "charter"


@entry_kind("test.policy-in-force", version=1)
class APolicy(TextPart, frozen=True):
    """A policy of the tests."""

    role: ClassVar[Role] = "policy"


@entry_kind("test.said", version=1)
class Said(Body, frozen=True):
    """An entry that stands for no text."""

    text: str


def said(charter: str, policy: str | None = None) -> Entry:
    return Entry(Said("a"), BEGIN, charter, policy=policy)


def in_force(text: str, kind: type[TextPart] = ACharter) -> list[Entry]:
    """The entries of a text; those of a policy under the tests' charter."""
    digest, parts = split_text(text)
    charter = digest if kind is ACharter else CHARTER
    return [
        Entry(kind(sha256=digest, part=at, parts=len(parts), text=part), BEGIN, charter)
        for at, part in enumerate(parts)
    ]


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def problems(directory: Path, entries: list[Entry]) -> list[str]:
    fill(directory, entries)
    return list(check(directory).problems)


@given(st.text(max_size=60))
def test_a_text_of_any_characters_splits_into_itself(text: str) -> None:
    digest, parts = split_text(text * 400)
    assert "".join(parts) == text * 400
    assert parts
    assert digest == hash_of(text * 400)


@pytest.mark.parametrize("character", ["\x00", '"', "\n", "😀", "\x7f", "\u2028"])
def test_every_part_fits_into_an_entry_whatever_its_characters(character: str) -> None:
    entries = in_force(character * 25_000)
    assert len(entries) == 3
    assert all(decode(encode(entry)) == entry for entry in entries)


def test_a_text_in_parts_puts_the_charter_in_force(tmp_path: Path) -> None:
    entries = in_force(TEXT)
    assert len(entries) > 2
    assert problems(tmp_path, [*entries, said(hash_of(TEXT))]) == []


def test_a_text_that_is_not_there_is_reported_where_it_is_named_first(
    tmp_path: Path,
) -> None:
    absent, here = "cd" * 32, hash_of("b")
    found = problems(
        tmp_path,
        [said(absent), said(absent), *in_force("b"), said(here), said(absent)],
    )
    assert found == [f"entry 0: it names charter:{absent}, which no earlier entry put in force"]


def test_a_text_put_in_force_too_late_does_not_help_the_entry_before_it(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, [said(hash_of("a")), *in_force("a"), said(hash_of("a"))])
    assert problem.startswith("entry 0: it names charter:")


def test_a_changed_charter_is_put_in_force_too(tmp_path: Path) -> None:
    entries = [*in_force("a"), said(hash_of("a")), *in_force("b"), said(hash_of("b"))]
    assert problems(tmp_path, [*entries, said(hash_of("a"))]) == []


def test_a_policy_must_be_in_force_like_a_charter_and_a_charter_is_none(tmp_path: Path) -> None:
    policy = hash_of("policy")
    start = [noted("the charter"), *in_force("b")]
    whole = [*start, *in_force("policy", APolicy), said(CHARTER, policy), said(CHARTER)]
    assert problems(tmp_path / "whole", whole) == []
    (problem,) = problems(tmp_path / "none", [*start, said(CHARTER, policy)])
    assert problem == f"entry 2: it names policy:{policy}, which no earlier entry put in force"
    (problem,) = problems(tmp_path / "charter", [*start, said(CHARTER, hash_of("b"))])
    assert "it names policy:" in problem


def test_a_text_with_another_hash_is_reported(tmp_path: Path) -> None:
    first, *rest = in_force(TEXT)
    assert isinstance(first.body, ACharter)
    forged = Entry(
        ACharter(sha256=first.body.sha256, part=0, parts=first.body.parts, text="forged"),
        BEGIN,
        first.charter,
    )
    (problem,) = problems(tmp_path, [forged, *rest])
    assert f"the text of charter:{hash_of(TEXT)} has another SHA-256" in problem


def test_parts_that_are_missing_or_out_of_order_are_reported(tmp_path: Path) -> None:
    first, second, third, *rest = in_force(TEXT)
    digest = hash_of(TEXT)
    (due, *_) = problems(tmp_path / "missing", [first, third, *rest])
    assert (
        due == f"entry 1: it is part 2 of charter:{digest}, where part 1 of {3 + len(rest)} is due"
    )
    (due, *_) = problems(tmp_path / "order", [second, first, third, *rest])
    assert due.startswith("entry 0: it is part 1 of")
    (twice, *_) = problems(tmp_path / "twice", [first, second, second, third, *rest])
    assert twice.startswith("entry 2: it is part 1 of")


def test_a_text_that_is_not_whole_is_not_in_force(tmp_path: Path) -> None:
    first, second, *_ = in_force(TEXT)
    (problem,) = problems(tmp_path, [first, second, said(hash_of(TEXT))])
    named = f"charter:{hash_of(TEXT)}"
    assert problem == f"entry 2: it names {named}, which no earlier entry put in force"


def test_a_text_that_was_broken_off_may_be_begun_anew_among_other_entries(tmp_path: Path) -> None:
    first, second, *rest = in_force(TEXT)
    entries = [first, noted("between"), first, noted("between"), second, *rest]
    assert problems(tmp_path, [*entries, said(hash_of(TEXT))]) == []


def test_texts_that_are_begun_and_never_ended_do_not_fill_the_verifiers_memory(
    tmp_path: Path,
) -> None:
    begun = [in_force(f"{number}" + "x" * 10_000)[0] for number in range(20)]
    found = problems(tmp_path, begun)
    assert [p for p in found if p.endswith("it begins a text while 16 others are unfinished")]
    assert len(found) == 4


def test_the_policy_is_left_out_of_an_entry_while_there_is_none() -> None:
    assert b"policy" not in encode(noted("a"))
    named = Entry(Noted("a"), BEGIN, CHARTER, policy="cd" * 32)
    assert b'"policy":"' + b"cd" * 32 + b'"' in encode(named)
    assert decode(encode(named)) == named


@pytest.mark.parametrize("policy", [None, "", "CD" * 32, 1])
def test_a_policy_that_is_no_digest_is_unreadable(policy: object) -> None:
    raw = json.loads(encode(noted("a"))) | {"policy": policy}
    with pytest.raises(EvidenceError):
        decode(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize("policy", ["", "CD" * 32, "cd" * 32 + "\n"])
def test_a_policy_that_is_no_digest_cannot_be_written(policy: str) -> None:
    with pytest.raises(UsageError, match="policy"):
        Entry(Noted("a"), BEGIN, CHARTER, policy=policy)
