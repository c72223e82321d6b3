from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from msgspec import structs

from domicile.erase import HeldItems
from domicile.report import Status, render_certificate, render_report, status_rows, verdict_lines
from domicile.report.model import AttestationView, Reduction
from domicile.report.terminal import state_rows
from domicile.scan import SiteInfo
from tests.report.world import AFTER, BEFORE, FOUND, LEDGER, PLAN, certificate, holding, status

VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = '<script>alert("x")</script>\u202e\x1b[31m\'"><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """Parses strictly: every element is closed where it was opened; ids are unique."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        ids = [value for _, name, value in self.attributes if name == "id"]
        assert len(ids) == len(set(ids))
        targets = {v[1:] for _, n, v in self.attributes if n == "href" and v and v[0] == "#"}
        assert targets <= set(ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def test_a_report_says_what_a_reduced_row_has_lost() -> None:
    reductions = (Reduction("users", ("email", "phone")), Reduction("sounds", ()))
    plan = structs.replace(PLAN, reductions=reductions)
    text = Page(render_report(status(replace(FOUND, plan=plan)))).text
    assert "What a reduced row has lost" in text
    assert "email, phone" in text
    assert "none: the charter calls all of it public" in text
    assert "What a reduced row has lost" not in Page(render_report(status())).text


def hostile_status() -> Status:
    site = structs.replace(AFTER.sites[0], provider=HOSTILE)
    bad = structs.replace(holding("old-db", HOSTILE, "rows", 3, unexamined=2), reasons=(HOSTILE,))
    after = structs.replace(AFTER, holdings=(bad,), sites=(site, *AFTER.sites[1:]))
    return status(replace(FOUND, after=after), company=HOSTILE, notices=(HOSTILE,))


def test_the_report_says_before_and_after_and_the_verdict() -> None:
    page = Page(render_report(status()))
    assert "Where the protected data of United States members lies" in page.text
    assert "✓ Home" in page.text
    assert "old-db, before: 1,200 away from home" in page.text
    assert "old-db, after: none" in page.text
    assert "home-db, after: 1,200 at home" in page.text
    assert {"svg", "table", "details", "title", "desc"} <= page.tags


def test_every_certificate_is_shown_in_full_with_lines_to_sign() -> None:
    paper = certificate("old-db")
    for page in (Page(render_certificate(paper)), Page(render_report(status()))):
        for text in (paper.id, paper.site_place, paper.ledger_root, paper.technique, paper.run):
            assert text in page.text
        assert "123 kB" in page.text
        assert "✓ passed" in page.text
        assert "? not checked" in page.text
        assert "the write-ahead log" in page.text
        assert "Signature" in page.text


def test_a_hostile_name_stays_text() -> None:
    text = render_report(hostile_status())
    page = Page(text)
    assert not page.tags & {"script", "img"}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "\\u202e" in page.text
    assert '<script>alert("x")</script>' in page.text


def test_a_hostile_certificate_stays_text() -> None:
    paper = structs.replace(certificate(HOSTILE), id=HOSTILE, remains=(HOSTILE,))
    page = Page(render_certificate(paper))
    assert not page.tags & {"script", "img"}


def test_a_lone_surrogate_in_a_name_can_still_be_written() -> None:
    render_report(status(company="a\udcff")).encode()


@pytest.mark.parametrize("text", [render_report(status()), render_certificate(certificate("x"))])
def test_the_page_asks_nobody_for_anything(text: str) -> None:
    page = Page(text)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not [name for _, name, _ in page.attributes if name in {"style", "src"}]
    (policy,) = [
        value
        for _, name, value in page.attributes
        if name == "content" and "default-src" in str(value)
    ]
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in str(policy)


def test_what_was_not_examined_is_named_with_its_reason_and_never_green() -> None:
    after = structs.replace(
        AFTER, holdings=(*AFTER.holdings, holding("home-media", "", "objects", 0, unexamined=4321))
    )
    page = Page(render_report(status(replace(FOUND, after=after))))
    assert "no template fits the key" in page.text
    assert "not examined: 4,321 items" in page.text
    assert "✓ Home" not in page.text
    assert "Nothing: the latest scan attributed" not in page.text
    rows = status_rows(status(replace(FOUND, after=after))).rows
    assert [row[-1] for row in rows] == ["clear", "clear", "home", "not examined", "not examined"]


HELD = (
    HeldItems("old-media", "m", 2, "governance retention", "2027-01-01T00:00:00.000Z"),
    HeldItems("old-media", "m", 1, "legal hold", ""),
)


def test_what_is_held_is_shown_with_its_reason_and_its_end() -> None:
    after = structs.replace(
        AFTER, holdings=(*AFTER.holdings, holding("old-media", "m", "objects", 3))
    )
    made = status(replace(FOUND, after=after, held=HELD))
    page = Page(render_report(made))
    assert "What is held" in page.text
    assert "governance retention" in page.text
    assert "1 January 2027, 00:00:00 UTC" in page.text
    assert "legal hold), until it is lifted" in page.text
    assert "✓ Home" not in page.text
    table = status_rows(made)
    at = table.header.index("held")
    assert [row[at] for row in table.rows if row[0] == "old-media"] == ["3"]
    assert [row[-1] for row in table.rows if row[0] == "old-media"] == ["held"]
    assert made.to_json()["held"][1]["reason"] == "legal hold"  # type: ignore[index]
    assert "held" not in status_rows(status()).header


def test_a_certificate_says_plainly_that_what_is_held_is_still_there_and_readable() -> None:
    paper = certificate("old-media", complete=False, lacking=("held", "remaining"), held=HELD)
    page = Page(render_certificate(paper))
    assert "not complete: held, remaining" in page.text
    assert "What is held: still there, and readable" in page.text
    assert "legal hold" in page.text


def attested_status(*, problems: tuple[str, ...] = ()) -> Status:
    place = structs.replace(
        holding("vault", "", "offline", 0), attested=0 if problems else -1, others=0
    )
    if problems:
        place = structs.replace(place, unexamined=-1, reasons=("no driver reaches it: tapes",))
    vault = SiteInfo("vault", "offline", "SG", "Iron", "offline", home=False, about="tapes")
    after = structs.replace(AFTER, holdings=(*AFTER.holdings, place), sites=(*AFTER.sites, vault))
    made = AttestationView(
        site="vault",
        dataset="",
        items=-1,
        attester="backups",
        role="Head of backups",
        until="2027-03-31",
        statement_sha256="cd" * 32,
        statement="attestations/x.statement",
        recorded="2026-01-02T04:00:00+00:00",
        covers=0 if problems else 1,
        problems=problems,
    )
    return status(replace(FOUND, after=after), attestations=(made,))


def test_what_is_attested_is_in_the_headline_and_never_green() -> None:
    made = attested_status()
    text = render_report(made)
    page = Page(text)
    assert "Home, except for what is attested" in page.text
    assert "✓ Home" not in page.text
    assert "is-home" not in text.partition("<body>")[2]
    for words in ("Head of backups", "key backups", "2027-03-31", "cd" * 32, "1 more attested"):
        assert words in page.text
    table = status_rows(made)
    rows = {row[0]: row for row in table.rows}
    assert rows["vault"][table.header.index("attested")] == "1"
    assert rows["vault"][-1] == rows["away from home, in all"][-1] == "attested"
    assert rows["vault"][2] == "offline"
    assert made.to_json()["attestations"][0]["covers"] == 1  # type: ignore[index]


def test_an_attestation_that_does_not_count_says_why_and_its_items_are_not_examined() -> None:
    made = attested_status(problems=("it counted until 2026-01-01",))
    page = Page(render_report(made))
    assert "does not count" in page.text
    assert "it counted until 2026-01-01" in page.text
    assert "no driver reaches it: tapes" in page.text
    assert made.verdict.word == "verified"
    assert [row[-1] for row in status_rows(made).rows if row[0] == "vault"] == ["not examined"]


def test_a_ledger_that_is_not_sound_is_said_so() -> None:
    ledger = structs.replace(LEDGER, problems=("entry 3: forged",), problem_count=1)
    page = Page(render_report(status(replace(FOUND, ledger=ledger))))
    assert "✗ not sound" in page.text
    assert "entry 3: forged" in page.text


def test_one_scan_alone_is_shown_as_now() -> None:
    found = replace(FOUND, after=BEFORE, plan=None, shards=(), certificates=())
    page = Page(render_report(status(found)))
    assert "old-db, now: 1,200 away from home" in page.text
    assert "None was issued" in page.text
    assert "There is no plan yet" in page.text
    assert "now" in status_rows(status(found)).header
    assert all(len(row) == 7 for row in status_rows(status(found)).rows)


def test_a_blocked_plan_says_what_blocks_it() -> None:
    plan = structs.replace(PLAN, blockers=("home has no users",))
    assert (
        "Blocked: home has no users" in Page(render_report(status(replace(FOUND, plan=plan)))).text
    )


def test_a_site_that_was_not_scanned_again_is_not_shown_as_empty() -> None:
    found = replace(FOUND, after=structs.replace(AFTER, sites=AFTER.sites[1:]))
    page = Page(render_report(status(found)))
    assert "old-db, after: not scanned" in page.text
    assert "the latest scan did not see this site" in page.text
    (row,) = (row for row in status_rows(status(found)).rows if row[0] == "old-db")
    assert row[4] == "not scanned"
    assert row[-1] == "not examined"


def test_the_terminal_is_shown_nothing_that_moves_its_cursor() -> None:
    made = hostile_status()
    texts = [cell for row in status_rows(made).rows for cell in row]
    texts += [cell for row in state_rows(made).rows for cell in row]
    texts += verdict_lines(made)
    assert not [text for text in texts if "\x1b" in text or "\u202e" in text]
