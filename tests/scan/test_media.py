"""The rules of the register of media."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from msgspec import structs

from domicile.report.model import MediumView
from domicile.report.verdict import judge
from domicile.scan.media import Medium, MediumText, after, fault
from tests.report.world import FOUND

SHOWS = ("ab" * 32,)
TODAY = date(2026, 1, 5)


def text(act: str, known: Medium | None = None, **more: object) -> MediumText:
    first = MediumText(
        ledger="log.example/us",
        boundary="us",
        act=act,
        serial="0017",
        medium="tape",
        where="vault",
        from_holder=known.holder if known else "",
        to_holder="Harbour" if act == "added" else "Shredders",
        method="purge" if act == "destroyed" else "",
        day=date(2026, 1, 5),
        evidence=SHOWS,
        previous=known.last.sha256 if known else "",
        attester="backups",
    )
    return structs.replace(first, **more)


ADDED = after(text("added"), None)
HANDED = after(text("handed-over", ADDED), ADDED)
MISSED = after(text("missing", HANDED), HANDED)
DESTROYED = after(text("destroyed", HANDED), HANDED)


def test_each_act_leaves_the_medium_in_a_state_and_a_hand() -> None:
    said = [(m.state, m.holder) for m in (ADDED, HANDED, MISSED, DESTROYED)]
    assert said == [
        ("in custody", "Harbour"),
        ("in custody", "Shredders"),
        ("missing", "Shredders"),
        ("destroyed", "Shredders"),
    ]
    for act, known in (("handed-over", ADDED), ("missing", ADDED), ("destroyed", MISSED)):
        assert fault(text(act, known), known, TODAY) == ""


@pytest.mark.parametrize(
    ("made", "known", "why"),
    [
        (text("added"), ADDED, "in the register already"),
        (text("added", previous="ab" * 32), None, "nothing can come before"),
        (text("handed-over", ADDED), None, "not in the register"),
        (text("handed-over", ADDED), HANDED, "a hand-over is missing between"),
        (text("handed-over", HANDED, previous=ADDED.last.sha256), HANDED, "does not follow"),
        (text("destroyed", DESTROYED), DESTROYED, "was destroyed on 2026-01-05"),
        (text("handed-over", DESTROYED), DESTROYED, "was destroyed on"),
        (text("destroyed", HANDED, day=date(2026, 1, 4)), HANDED, "the last act"),
        (text("destroyed", HANDED, method=""), HANDED, "a destruction has a method"),
        (text("destroyed", HANDED, method="melt"), HANDED, "a destruction has a method"),
        (text("handed-over", HANDED, method="purge"), HANDED, "a destruction has a method"),
        (text("lent", HANDED), HANDED, "a destruction has a method"),
        (text("handed-over", HANDED, evidence=()), HANDED, "no evidence"),
        (text("handed-over", HANDED, medium="disk"), HANDED, "registered as tape"),
        (text("handed-over", HANDED, day=date(2026, 1, 6)), HANDED, "still to come"),
        (text("added", day=date(2026, 1, 6)), None, "still to come"),
        (text("added", where=""), None, "not plain text"),
        (text("handed-over", HANDED, where="a\nb"), HANDED, "not plain text"),
        (text("added", serial=""), None, "not plain text"),
        (text("added", serial="1\u202e2"), None, "not plain text"),
        (text("added", serial="1\n2"), None, "not plain text"),
        (text("added", to_holder="x" * 201), None, "not plain text"),
    ],
)
def test_what_breaks_a_rule_says_which(made: MediumText, known: Medium | None, why: str) -> None:
    assert why in fault(made, known, TODAY)


def test_a_medium_lies_where_its_last_hand_over_says_and_other_acts_do_not_move_it() -> None:
    away = after(text("handed-over", ADDED, where="depot"), ADDED)
    nowhere = after(text("handed-over", away, where=""), away)
    missed = after(text("missing", away, where="vault"), away)
    assert [m.place for m in (ADDED, away, nowhere, missed)] == ["vault", "depot", "", "depot"]
    assert fault(text("handed-over", ADDED, where=""), ADDED, TODAY) == ""
    assert fault(text("destroyed", nowhere, where=""), nowhere, TODAY) == ""


def test_no_medium_is_ever_green() -> None:
    destroyed = MediumView(
        "1", "tape", "vault", "destroyed", "S", "2026-01-05", "purge", "b", home=False,
        evidence=SHOWS, problems=(),
    )  # fmt: skip
    held = structs.replace(destroyed, state="in custody")
    missing = structs.replace(destroyed, state="missing")
    doubtful = structs.replace(destroyed, problems=("destroyed on 2026-01-05: it has no evidence",))
    at_home = structs.replace(held, home=True)
    words = [
        judge(replace(FOUND, media=(medium,))).word
        for medium in (destroyed, held, missing, doubtful, at_home)
    ]
    attested = "home, except for what is attested"
    assert words == [attested, "verified", "verified", "verified", "home"]
