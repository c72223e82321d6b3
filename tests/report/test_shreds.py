"""What is shown of requests to destroy persons' keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domicile.custody.entries import ShredCancelled, ShredCondemned, ShredDone, ShredRequested
from domicile.ledger import Body, Entry, FileDigest
from domicile.report import render_report, shred_lines
from domicile.report.shreds import shred_views
from tests.report.test_html import Page
from tests.report.world import status

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNTIL = "2026-03-08T12:00:00.000Z"
LIST = (FileDigest("shreds/x/pseudonyms.txt", "ab" * 32, 1),)
CERTIFICATE = (FileDigest("shreds/c/certificate.dsse.json", "cd" * 32, 1),)


def entries(*bodies: Body) -> list[Entry]:
    return [Entry(b, NOON + timedelta(hours=at), "ab" * 32) for at, b in enumerate(bodies)]


def asked(name: str) -> ShredRequested:
    return ShredRequested("us", name, 2, UNTIL, LIST)


STORY = entries(
    asked("a"),
    asked("b"),
    ShredCancelled("us", "b"),
    asked("c"),
    ShredCondemned("us", "c", 2, 1, "file:root", LIST),
    asked("d"),
    ShredCondemned("us", "d", 2, 1, "file:root", LIST),
    ShredDone("us", "c", 2, CERTIFICATE),
)


def test_each_request_is_where_its_last_entry_left_it() -> None:
    views = {view.request: view for view in shred_views(STORY)}
    states = {request: view.state for request, view in views.items()}
    assert states == {"a": "requested", "b": "cancelled", "c": "destroyed", "d": "pending"}
    assert views["c"].certificate == CERTIFICATE[0].path
    assert views["b"].since == "2026-03-01T14:00:00+00:00"


def test_an_entry_about_a_request_that_nobody_made_shows_nothing() -> None:
    assert shred_views(entries(ShredDone("us", "x", 2, CERTIFICATE))) == ()


def test_terminal_and_report_tell_what_waits_from_what_is_destroyed() -> None:
    shown = status(shreds=shred_views(STORY))
    lines = shred_lines(shown)
    assert "will be destroyed, not before 8 March 2026, 12:00:00 UTC" in lines[0]
    assert "cancelled at 1 March 2026, 14:00:00 UTC" in lines[1]
    assert lines[2].startswith("keys of 2 persons were destroyed at 1 March 2026, 19:00:00 UTC")
    assert "what opens backups of them is not yet" in lines[3]
    text = Page(render_report(shown)).text
    assert "Persons whose keys are destroyed" in text
    assert "requested, waits until 8 March 2026, 12:00:00 UTC" in text
    assert "Persons whose keys" not in Page(render_report(status())).text
