"""The register of disks and tapes: signed acts, who has what, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from tests.covering import Covers
from tests.story.stage import Done, Stage
from tests.story.test_attest import CHARTER, KEY, STRANGER, public

TAPE = "LTO-<b>8</b>/0017"
BY = ("--attester", "backups")


def act(stage: Stage, *words: str) -> Done:
    return stage.run("media", *words, *BY)


def signed(stage: Stage, *words: str, stranger: bool = False) -> Done:
    """The act as the attester signed what the command printed."""
    text = act(stage, *words).expect(0).out.encode()
    path = stage.directory / "act.sig"
    path.write_bytes((STRANGER if stranger else KEY).sign(text))
    return act(stage, *words, "--signature", str(path))


def test_a_tape_is_followed_from_hand_to_hand_until_it_is_destroyed(
    erased: Stage, covers: Covers
) -> None:
    erased.charter.write_text(erased.charter.read_text() + CHARTER.format(key=public(KEY)))
    paper = erased.directory / "slip.pdf"
    paper.write_bytes(b"%PDF handed over")
    on, shows = ("--on", "2026-01-05"), ("--evidence", str(paper))
    where = ("--place", "vault", "--kind", "LTO-8 tape", "--holder", "Iron Harbour")
    assert signed(erased, "add", TAPE, *where, *on, stranger=True).code == 2
    assert erased.run("media", "list", "--json").expect(0).json == {"media": []}
    signed(erased, "add", TAPE, *where, *on).expect(0)
    hand = ("--from", "Iron Harbour", "--to", "Shredders", *shows)
    what_breaks_a_rule_is_refused(erased, where, shows)
    signed(erased, "handover", TAPE, *hand, "--on", "2026-01-06").expect(0)
    gap = ("--from", "Iron Harbour", "--method", "destroy", "--by", "Shredders", *shows)
    assert "Shredders has it" in act(erased, "destroy", TAPE, *gap, *on).expect(2).err
    late = ("--on", "2026-01-07")
    signed(erased, "missing", TAPE, "--from", "Shredders", *late).expect(0)
    assert "missing" in erased.run("media", "list").expect(1).out
    found = ("--from", "Shredders", "--to", "Iron Harbour", *shows)
    signed(erased, "handover", TAPE, *found, *late).expect(0)
    erased.run("scan", "--workers", "1").expect(1)
    lacking = erased.run("status", "--json").expect(1).json["verdict"]["lacking"]
    assert (
        f"medium {TAPE} (LTO-8 tape) is in custody of Iron Harbour: nobody examined it" in lacking
    )

    signed(erased, "destroy", TAPE, *gap, *late).expect(0)
    assert "was destroyed on" in act(erased, "destroy", TAPE, *gap, *late).expect(2).err
    assert "was destroyed on" in act(erased, "handover", TAPE, *found, *late).expect(2).err
    shown = erased.run("status", "--json").expect(1).json
    (tape,) = shown["media"]
    assert (tape["state"], tape["method"], tape["holder"]) == ("destroyed", "destroy", "Shredders")
    assert tape["evidence"] == [sha256(paper.read_bytes()).hexdigest()]
    assert not [why for why in shown["verdict"]["lacking"] if "medium" in why]
    assert shown["verdict"]["word"] != "home"
    erased.run("report").expect(1)
    page = (erased.records / "report.html").read_text()
    assert "LTO-&lt;b&gt;8" in page
    assert "destroyed (destroy), attested" in page
    erased.run("ledger", "verify").expect(0)
    an_act_that_was_changed_does_not_count(erased)
    signed(erased, "destroy", TAPE, *gap, *late).expect(0)
    (tape,) = erased.run("media", "list", "--json").expect(0).json["media"]
    assert (tape["state"], tape["problems"]) == ("destroyed", [])
    acts_by_a_key_that_left_the_charter_are_stated_again(erased, where, hand)
    covers("Later", "disks and tapes, by serial number", "found", note="attested, never green")


def what_breaks_a_rule_is_refused(
    stage: Stage, where: tuple[str, ...], shows: tuple[str, ...]
) -> None:
    on = ("--on", "2026-01-06")
    tomorrow = ("--on", (datetime.now(UTC) + timedelta(days=1)).date().isoformat())
    hand = ("--from", "Iron Harbour", "--to", "Shredders")
    refused = {
        ("add", TAPE, *where, *on): "in the register already",
        ("add", "x\u202e1", *where, *on): "not plain text",
        ("add", " 1", *where, *on): "not plain text",
        ("add", "1", "--place", "moon", *where[2:], *on): "names no place 'moon'",
        ("handover", TAPE, *hand, *shows, *on, "--place", "moon"): "names no place 'moon'",
        ("handover", "unknown", *hand, *shows, *on): "not in the register",
        ("handover", TAPE, *hand, *on): "has no evidence",
        ("handover", TAPE, *hand, *shows, "--on", "2026-01-04"): "the last act about it was on",
        ("handover", TAPE, *hand, *shows, *tomorrow): "is still to come",
        ("handover", TAPE, "--from", "Me", "--to", "You", *shows, *on): "Iron Harbour has it",
        ("handover", TAPE, *hand, "--evidence", "/none", *on): "cannot be read",
    }
    for words, why in refused.items():
        said = " ".join(act(stage, *words).expect(2).err.split())
        assert why in said, (words, said)
        assert "\u202e" not in said


def an_act_that_was_changed_does_not_count(stage: Stage) -> None:
    """The signature over the destruction is another one now: the tape is where it was before."""
    latest = max((stage.records / "attestations").glob("*.sig"), key=lambda p: p.stat().st_mtime_ns)
    latest.write_bytes(bytes(64))
    (tape,) = stage.run("media", "list", "--json").expect(1).json["media"]
    assert (tape["state"], tape["holder"]) == ("in custody", "Iron Harbour")
    assert "its files are not those that the ledger names" in tape["problems"][0]


def acts_by_a_key_that_left_the_charter_are_stated_again(
    stage: Stage, where: tuple[str, ...], hand: tuple[str, ...]
) -> None:
    """And a medium lies where its last hand-over says: at home, or nobody knows where."""
    text = stage.charter.read_text()
    stage.charter.write_text(text.replace(public(KEY), public(STRANGER)))
    (tape,) = stage.run("media", "list", "--json").expect(1).json["media"]
    assert (tape["state"], len(tape["problems"])) == ("not attested", 6)
    signed(stage, "add", TAPE, *where, "--on", "2026-01-05", stranger=True).expect(0)
    there = ("--place", "oracle-media", "--on", "2026-01-06")
    signed(stage, "handover", TAPE, *hand, *there, stranger=True).expect(0)
    (tape,) = stage.run("media", "list", "--json").expect(1).json["media"]
    assert (tape["place"], tape["home"], tape["holder"]) == ("oracle-media", True, "Shredders")
    assert len(tape["problems"]) == 4
    back = ("--from", "Shredders", "--to", "Iron Harbour", *hand[4:], "--on", "2026-01-08")
    signed(stage, "handover", TAPE, *back, stranger=True).expect(0)
    (tape,) = stage.run("media", "list", "--json").expect(1).json["media"]
    assert (tape["place"], tape["home"]) == ("", False)
