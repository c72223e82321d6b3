"""A schema and rows that we did not write: the customers of one country go home, and nobody else.

The charter is the tutorial's. What must be true afterwards is asked in SQL, not of Domicile.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.covering import Covers
from tests.services.postgres import PostgresServer
from tests.strangers.conftest import Direction
from tests.strangers.story import Rows, Story, chinook_statements, differences, new_story
from tests.strangers.tutorial import charter_without_sites

IS_AMERICAN = "country = 'USA'"
AMERICANS = f"SELECT customer_id FROM public.customer WHERE {IS_AMERICAN}"
MEMBERS = {
    "customer": IS_AMERICAN,
    "invoice": f"customer_id IN ({AMERICANS})",
    "invoice_line": "invoice_id IN (SELECT invoice_id FROM public.invoice"
    f" WHERE customer_id IN ({AMERICANS}))",
}
CATALOGUE = ("album", "artist", "genre", "media_type", "playlist", "playlist_track", "track")
STAFF_AT_HOME = (
    "SELECT employee_id, last_name, first_name, title, reports_to, NULL::timestamp,"
    " NULL::timestamp, NULL::text, NULL::text, NULL::text, country, NULL::text, NULL::text,"
    " NULL::text, email FROM public.employee"
)


def chinook_story(direction: Direction, directory: Path) -> Story:
    """The charter of the tutorial over two databases elsewhere; with one worker where the versions
    differ, else with several."""
    source, home = direction
    workers = None if source is home else 1
    story = new_story(directory, source, home, chinook_statements(), workers)
    story.write_charter(
        charter_without_sites(), source="office-db", home="home-db", home_provider="Homeland Cloud"
    )
    return story


def split(story: Story) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Members' and others' rows at the source, by table."""
    mine = {
        f"public.{table}": story.source.rows(f"SELECT * FROM public.{table} WHERE {condition}")
        for table, condition in MEMBERS.items()
    }
    everything = story.source.tables()
    return mine, {table: rows - mine.get(table, Counter()) for table, rows in everything.items()}


def test_members_go_home_and_nobody_else_is_touched(
    direction: Direction, tmp_path: Path, covers: Covers
) -> None:
    chinook = chinook_story(direction, tmp_path)
    members, others = split(chinook)
    assert [rows.total() for rows in members.values()] == [13, 91, 494]
    staff = chinook.source.rows(STAFF_AT_HOME)

    chinook.bring_home("office-db")

    assert differences(others, chinook.source.tables()) == []
    at_home = members | {f"public.{table}": others[f"public.{table}"] for table in CATALOGUE}
    assert differences(at_home | {"public.employee": staff}, chinook.home.tables()) == []
    assert chinook.source.broken_foreign_keys() == []
    assert chinook.home.broken_foreign_keys() == []
    assert chinook.home.foreign_keys() == chinook.source.foreign_keys()
    _both_sides_can_go_on_without_meeting(chinook)
    covers("Rows", "between servers of one version, PostgreSQL 15 and 18")


def test_a_spelling_that_the_charter_does_not_know_is_not_examined(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    chinook = chinook_story((postgres18, postgres18), tmp_path)
    charter = chinook.directory / "domicile.toml"
    text = charter.read_text(encoding="utf-8")
    charter.write_text(text.replace('"USA" = "US"', '"U.S.A." = "US"'), encoding="utf-8")
    said = chinook.run("scan", expected=1)
    assert "0 of them members" in said
    assert "not examined: 13 rows of customer at office-db" in said.replace("\n", " ")


def _both_sides_can_go_on_without_meeting(chinook: Story) -> None:
    away, here = chinook.source.next_numbers(), chinook.home.next_numbers()
    assert len(away) == 10
    assert away.keys() == here.keys()
    assert not [name for name in away if away[name] & here[name]]
    highest = 59
    assert min(away["public.customer_customer_id_seq"]) == highest + 1
    assert min(here["public.customer_customer_id_seq"]) > highest
