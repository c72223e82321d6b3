"""An approver's word counts with their signature alone, for what they signed, and once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from domicile.cli.desk import at_the_desk
from domicile.cli.session import Options
from domicile.errors import AccessForbidden, EvidenceError
from domicile.ledger import Body, FileSigner
from domicile.ledger.note import Note, Signature
from domicile.ledger.signing import sign_note
from domicile.policy.agreements import (
    Agreement,
    agreement_note,
    agreement_on,
    read_agreement,
    signature_in,
)
from domicile.policy.entries import Agreed, GrantChanged, KeylessRulesSet, RequestAnswered, RulesSet
from domicile.policy.grants import status
from domicile.policy.standing import Standing
from tests.policy.office import (
    LOG,
    US,
    answered,
    asked_for,
    at,
    changed,
    key,
    name,
    office,
    rules,
    signature,
    took,
)
from tests.policy.precinct import Precinct
from tests.policy.test_desk import ASK

BAD = "ann did not sign this: the signature is not good"


def asked() -> Standing:
    """Kim asked to read videos."""
    standing = office()
    assert took(standing, (1, asked_for(1, "kim", 1, 600))) == [None]
    return standing


def agreement(standing: Standing, by: str = "ann", number: int = 1) -> Agreement:
    assert standing.rules is not None
    return agreement_on(standing.requests[name("r", number)], by, standing.rules)


def agreed(standing: Standing, signed: Agreement, by: str = "ann", signer: str = "") -> str | None:
    """Why an agreement does not count, whose entry has the signature of what was signed."""
    body = Agreed(US, name("r", 1), by, "approved", signature(signed, signer or by))
    return took(standing, (2, body))[0]


def test_two_signed_agreements_make_a_grant() -> None:
    standing = asked()
    for by in ("ann", "bo"):
        assert agreed(standing, agreement(standing, by), by) is None
    assert status(standing.requests[name("r", 1)], at(3)) == "active"


def test_a_signature_is_for_one_agreement_alone() -> None:
    standing = asked()
    right = agreement(standing)
    wider = replace(right.request, datasets=("videos", "messages"))
    for wrong in (
        replace(right, log="another.example/ledger"),
        replace(right, by="bo"),
        replace(right, what="reviewed"),
        replace(right, until=at(601)),
        replace(right, request=replace(right.request, request=name("r", 2))),
        replace(right, request=replace(right.request, ends=at(10_000))),
        replace(right, request=wider),
    ):
        assert agreed(standing, wrong) == BAD
    assert agreed(standing, right, signer="bo") == BAD
    assert agreed(standing, agreement(standing, "kim"), "kim") is not None
    assert standing.requests[name("r", 1)].approved_by == []


def test_a_bare_word_does_not_count_of_who_has_a_key() -> None:
    standing = asked()
    (why,) = took(standing, (2, RequestAnswered(US, name("r", 1), "ann", "approved")))
    assert why == "ann agrees with a signature"
    assert took(standing, (2, RequestAnswered(US, name("r", 1), "ann", "denied"))) == [None]


def test_it_counts_of_who_had_none_when_it_was_said() -> None:
    """A ledger that was begun before approvers signed is read as it was meant."""
    standing = asked()
    ids = tuple(rules("ann", "bo").approvers)
    old = KeylessRulesSet(US, ids, 2, 5, 10, 4)
    words = [(3, RequestAnswered(US, name("r", 1), by, "approved")) for by in ids]
    assert took(standing, (2, old), *words) == [None] * 3
    assert status(standing.requests[name("r", 1)], at(4)) == "active"
    (why,) = took(standing, (5, Agreed(US, name("r", 1), "ann", "reviewed", f"{'A' * 86}==")))
    assert why is not None


def test_a_review_serves_once() -> None:
    standing = office()
    made = asked_for(1, "kim", 1, 14_000, form="standing")
    assert took(standing, (1, made), *((2, answered(1, by)) for by in ("ann", "bo"))) == [None] * 3
    assert took(standing, (3, GrantChanged(US, name("r", 1), "cy", "reviewed"))) != [None]
    first = Agreed(US, name("r", 1), "cy", "reviewed", signature(agreement(standing, "cy"), "cy"))
    assert took(standing, (3, first)) == [None]
    until = standing.requests[name("r", 1)].until
    assert until > at(14_000)
    assert took(standing, (4, first)) == ["cy did not sign this: the signature is not good"]
    assert standing.requests[name("r", 1)].until == until
    assert took(standing, (5, changed(1, "cy", "reviewed"))) == [None]


def test_a_note_says_what_is_agreed_to_and_nothing_else() -> None:
    right = agreement(asked())
    note = agreement_note(right)
    assert note.text.startswith(f"domicile/access/v1/approved/{US}\n1\n")
    assert read_agreement(note) == right
    for text in (
        note.text.replace("approved", "reviewed", 1),
        note.text.replace('"log"', '"lag"'),
        note.text.replace(LOG, "another.example/ledger"),
        note.text.replace('","', '", "', 1),
        "",
        "x\n1\n" + "A" * 43 + "=\n",
    ):
        with pytest.raises(EvidenceError):
            read_agreement(Note(text, ()))


def test_what_was_signed_is_taken_as_one_note() -> None:
    right = agreement(asked())
    text, vkey = agreement_note(right).text, key("ann").vkey
    signed = sign_note(text, [key("bo"), key("ann")], 0)
    assert signature_in(signed, right, vkey) == signature(right, "ann")
    with pytest.raises(AccessForbidden, match="ann did not sign it"):
        signature_in(sign_note(text, [key("bo")], 0), right, vkey)
    with pytest.raises(AccessForbidden, match="is not what ann would agree to now"):
        signature_in(signed, replace(right, until=at(9)), vkey)
    forged = Note(text, (replace_signature(signed),))
    with pytest.raises(AccessForbidden, match="the signature is not good"):
        signature_in(forged, right, vkey)


def replace_signature(note: Note) -> Signature:
    """Ann's line, with bo's signature."""
    bo, ann = note.signatures
    return Signature(ann.name, ann.key_id, bo.signature)


# Whoever runs commands where the records lie


def forged(precinct: Precinct, request: str, *bodies: Body) -> str:
    """How a request stands after entries that were written past the desk."""
    with at_the_desk(Options(precinct.charter, as_json=False)) as counter:
        counter.desk.evidence.record(*bodies)
    return str(precinct.json("access", "show", request)["status"])


def problems(precinct: Precinct) -> str:
    done = precinct.run("ledger", "verify", "--seen", str(precinct.directory / "seen"), expect=4)
    return done.output


def test_who_runs_the_records_can_agree_in_nobodys_place(precinct: Precinct) -> None:
    """Though they can give themselves every token."""
    request = precinct.json(*ASK, *precinct.showing("kim"))["request"]
    mine = precinct.directory / "mine.key"
    FileSigner.create_or_load(mine, "custodian.example/ann")
    ann = precinct.showing("ann", "--second-factor")
    said = precinct.refused("access", "approve", request, *ann, "--key", str(mine))
    assert "ann did not sign it" in said
    bare = [RequestAnswered(US, request, by, "approved") for by in ("ann", "bo")]
    assert forged(precinct, request, *bare) == "open"


@pytest.mark.parametrize("keyless", [False, True])
def test_who_runs_the_records_can_make_no_rules(precinct: Precinct, *, keyless: bool) -> None:
    """Other rules than those of a charter that custodians signed count for nobody."""
    request = precinct.json(*ASK, *precinct.showing("kim"))["request"]
    with at_the_desk(Options(precinct.charter, as_json=False)) as counter:
        standing = counter.desk.standing
        assert standing.rules is not None
        mine = FileSigner("custodian.example/ann", b"1" * 32)
        weak: RulesSet = replace(
            standing.rules, approvals=1, approvers={**standing.rules.approvers, "ann": mine.vkey}
        )
        said = agreement_on(standing.requests[request], "ann", weak)
    bodies: tuple[Body, ...] = (
        KeylessRulesSet(US, ("ann", "bo"), 1, 30, 90, 4),
        RequestAnswered(US, request, "ann", "approved"),
    )
    if not keyless:
        note = sign_note(agreement_note(said).text, [mine], 0)
        signed = signature_in(note, said, mine.vkey)
        bodies = (weak, Agreed(US, request, "ann", "approved", signed))
    assert forged(precinct, request, *bodies) == "open"
    assert "the rules of grants are not those of charter" in problems(precinct)


def test_a_charter_that_no_custodian_signed_makes_no_rules(
    precinct: Precinct, tmp_path: Path
) -> None:
    """Its text can be written into the ledger; rules under it count for nobody."""
    request = precinct.json(*ASK, *precinct.showing("kim"))["request"]
    text = precinct.charter.read_text()
    weak = tmp_path / "weak.toml"
    weak.write_text(text.replace("[boundaries.us.access]", "[boundaries.us.access]\napprovals = 1"))
    code = f"""
from pathlib import Path
from domicile.charter import load_charter
from domicile.inventory.evidence import Evidence
from domicile.policy.questions import rules_of
loaded = load_charter(Path({str(weak)!r}))
with Evidence(Path({str(precinct.directory / ".domicile")!r}), loaded) as evidence:
    evidence._is_approved = True  # as if it had not looked
    evidence.record(rules_of(loaded.charter, "us"))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    precinct.run("access", "approve", request, *precinct.agreeing("ann"))
    assert precinct.json("access", "show", request)["status"] == "open"
    assert "which its custodians did not approve" in problems(precinct)


def test_what_is_to_be_signed_is_nobody_elses_to_get(precinct: Precinct) -> None:
    request = precinct.json(*ASK, *precinct.showing("kim"))["request"]
    out = precinct.directory / "note"
    words = ("access", "agreement", request, "--out", str(out))
    assert "denied by" in precinct.refused(*words, *precinct.showing("kim"))
    assert not out.exists()
    ann = precinct.showing("ann", "--second-factor")
    precinct.run(*words, *ann)
    assert "(File exists)" in precinct.refused(*words, *ann)
