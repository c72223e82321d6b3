"""Kinds of relations beside ordinary tables, brought home in one story; truth by hand, as SQL."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.covering import Covers
from tests.services.postgres import PostgresServer
from tests.strangers.story import ROOT, Rows, Story, differences, new_story

CHARTER = """
[company]
name = "Kinds"

[boundaries.us]
members = ["US"]
custodian = "Trust"
provider = "Cloud"
home = ["home"]

[people]
table = "person"
key = ["id"]
country = "country"

[tables.people]
table = "person"
public = ["name"]

[tables.replies]
table = "reply"
person = ["author"]

[records]
shard_rows = 2
"""

MEMBERS = {
    "public.person": "id IN (2, 3)",
    "archive.post_old_en": "id = 2",
    "archive.post_old_rest": "id = 3",
    "public.post_rest": "id IN (5, 6)",
    "public.reply_0": "id IN (2, 3)",
    "public.reply_1": "id IN (2, 3)",
    "public.visit_us": "true",
    "public.login": "id = 2",
    "public.oddity": "who IN (2, 3)",
}
VIEWS = ("public.z_mottos", "archive.longest")


def kinds_story(directory: Path, *servers: PostgresServer, more: str = "") -> Story:
    statements = (ROOT / "tests" / "strangers" / "kinds.sql").read_text(encoding="utf-8")
    story = new_story(directory, servers[0], servers[-1], statements + more, 1)
    story.write_charter(CHARTER, source="old", home="home", home_provider="Cloud")
    return story


def united(*parts: dict[str, Rows]) -> dict[str, Rows]:
    tables = {table for part in parts for table in part}
    return {table: sum((p.get(table, Counter()) for p in parts), Counter()) for table in tables}


def test_kinds_of_relations_go_home_and_leave_nothing_behind(
    postgres15: PostgresServer, postgres18: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    story = kinds_story(tmp_path, postgres15, postgres18)
    rows = story.source.rows
    everything = story.source.tables()
    mine = {
        table: rows(f"SELECT * FROM {table} WHERE {condition}")
        for table, condition in MEMBERS.items()
    }
    others = {table: found - mine.get(table, Counter()) for table, found in everything.items()}
    # Kari's reply holds Ana's post and with it Ana; Ana's holds Dirk's.
    ana = rows("SELECT id, 'removed-' || id, name, NULL FROM public.person WHERE id = 2")
    dirk = rows("SELECT id, 'removed-' || id, name, NULL FROM public.person WHERE id = 4")
    away = united(others, {"public.person": ana})
    at_home = united(mine, {"public.person": dirk})

    story.run("scan", expected=1)
    story.run("plan")
    story.run("move")
    story.run("verify")
    story.run("erase", "--site", "old", "--confirm", "old")
    story.run("scan")
    story.run("ledger", "verify")

    there, here = story.source.tables(), story.home.tables()
    for tables in (away, there, here):  # what its heirs hold
        tables.pop("public.event")
    left = there.pop("archive.post_old_en") - others["archive.post_old_en"]
    brought = here.pop("public.post_rest") - mine["public.post_rest"]
    # Ana's post that Kari answered, and Dirk's that Ana answered, as their projections.
    assert list(left) == ['("removed-(2019-01-01,2,en)",2,2,2019-01-01,en)']
    assert list(brought) == ['(2021-01-01,4,4,de,"removed-(2021-01-01,4,de)")']
    away.pop("archive.post_old_en")
    at_home.pop("public.post_rest")
    assert differences(at_home, here) == []
    assert differences(away, there) == []
    assert story.source.broken_foreign_keys() == []
    assert story.home.foreign_keys() == story.source.foreign_keys()
    for view in VIEWS:
        assert "US" not in str(rows(f"SELECT * FROM {view}"))
        assert "-US" in str(story.home.rows(f"SELECT * FROM {view}"))
    assert not rows(
        "SELECT s.tablename FROM pg_catalog.pg_stats s WHERE s::text ~ 'body-US|motto-US|/us'"
    )
    kept = story.home.rows("SELECT pg_catalog.col_description('public.oddity'::regclass, 3)")
    assert "a comment" in str(kept)
    home_next, source_next = story.home.next_numbers(60), story.source.next_numbers(60)
    assert home_next.keys() == source_next.keys() == {"public.oddity_id_seq"}
    assert not home_next["public.oddity_id_seq"] & source_next["public.oddity_id_seq"]
    for kind in (
        "comments, money, ranges, composites, reg* and other unusual types",
        "materialised views",
        "partitioned tables",
        "tables that inherit",
        "unlogged tables",
    ):
        covers("Rows", kind)


HELD_BACK = """
CREATE TABLE public.ruled (who integer REFERENCES public.person ON DELETE CASCADE, note text);
INSERT INTO public.ruled VALUES (3, 'nobody copied this'), (1, 'nor this');
CREATE RULE r AS ON UPDATE TO public.ruled DO INSTEAD NOTHING;
CREATE FUNCTION public.now_and_then() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
CREATE MATERIALIZED VIEW public.calling AS SELECT public.now_and_then(), name FROM public.person;
DROP MATERIALIZED VIEW public.z_mottos CASCADE;
"""


def test_what_holds_rows_back_is_named_and_no_cascade_reaches_what_nobody_examined(
    postgres18: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    story = kinds_story(tmp_path, postgres18, more=HELD_BACK)
    ruled = story.source.rows("SELECT * FROM public.ruled")
    found = " ".join(story.run("scan", expected=1).split())
    assert "a rewrite rule changes" in found
    assert "now_and_then" in found
    for command in ("plan", "move", "verify"):
        story.run(command)
    erase = ("erase", "--site", "old", "--confirm", "old")
    with story.source.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        said = " ".join(story.run(*erase, expected=1).split())
        assert "still in the files of" in said
        assert f"held back by session {reader.info.backend_pid}" in said
    assert "held back" not in story.run(*erase, expected=1)
    assert story.source.rows("SELECT * FROM public.ruled") == ruled
    bob = story.source.rows("SELECT * FROM public.person WHERE id = 3")
    assert bob == Counter(["(3,removed-3,Bob,)"])
    covers(
        "Rows", "materialised views that call functions", "found", "not examined: may read anything"
    )
    covers(
        "Rows", "tables with rewrite rules", "found", "not examined: rules change what writes do"
    )
    covers("Later", "snapshots that hold back erased rows", "found erased", "named; erase again")
