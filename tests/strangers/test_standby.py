"""A database with a physical standby, which no erasure can write to: it follows its primary."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.covering import Covers
from tests.services.postgres import PostgresServer, debian_15, standby_of
from tests.strangers.story import Place, Rows, Story, new_story
from tests.strangers.test_rugged import still_on_disk

CHARTER = """
[company]
name = "Followed"

[boundaries.us]
members = ["US"]
custodian = "Trust"
provider = "Cloud"
home = ["home"]

[people]
table = "person"
key = ["realm", "no"]
country = "country"

[tables.people]
table = "person"
public = ["nick"]
"""
SCHEMA = """
CREATE TYPE public.realm AS ENUM ('eu', 'a, "b" {c}');
CREATE TABLE public.person (
    realm public.realm, no integer, country text, nick text, secret text, PRIMARY KEY (no, realm)
);
INSERT INTO public.person
SELECT realm, no, CASE WHEN no % 3 = 0 THEN 'US' WHEN no <> 7 THEN 'NO' END, 'n' || no,
    'secret-' || country || no
FROM unnest(enum_range(NULL::public.realm)) AS realm, generate_series(1, 7) AS no,
    LATERAL (SELECT CASE WHEN no % 3 = 0 THEN 'US' ELSE 'NO' END AS country) AS c;
UPDATE public.person SET country = 'NO' WHERE country IS NULL;
CREATE TABLE public.letter (
    id integer PRIMARY KEY, realm public.realm NOT NULL, no integer NOT NULL, answers integer
        REFERENCES public.letter, words text NOT NULL,
    FOREIGN KEY (no, realm) REFERENCES public.person (no, realm) ON DELETE CASCADE
);
INSERT INTO public.letter
SELECT n, realm, no, nullif(n - 1, 0), replace(secret, 'secret', 'words')
FROM (SELECT row_number() OVER (ORDER BY no, realm) AS n, * FROM public.person) AS p;
CREATE UNLOGGED TABLE public.draft AS SELECT id, 'draft of ' || words AS words FROM public.letter;
ALTER TABLE public.draft ADD FOREIGN KEY (id) REFERENCES public.letter ON DELETE CASCADE;
CREATE MATERIALIZED VIEW public.copied AS SELECT words || '!' FROM public.letter;
ANALYZE;
"""
SECRETS = ("secret-US", "words-US")
TABLES = ("public.person", "public.letter", "public.copied")


def contents(place: Place) -> dict[str, Rows]:
    return {table: place.rows(f"SELECT * FROM {table}") for table in TABLES}


@contextmanager
def followed_story(
    directory: Path, home: PostgresServer, *settings: str
) -> Iterator[tuple[Story, Place]]:
    """A story whose source has a standby, the site ``follower``."""
    with debian_15(*settings) as primary:
        story = new_story(directory, primary, home, SCHEMA)
        with standby_of(primary, "follower") as server:
            follower = Place(server, story.source.database, story.source.variable)
            site = follower.table("follower", "company", "SG") + 'role = "backup"\n\n'
            story.write_charter(CHARTER + site, source="old", home="home", home_provider="Cloud")
            yield story, follower


def states(story: Story) -> dict[str, Counter[str]]:
    """How many items of each site are in each state, as the status says."""
    found: dict[str, Counter[str]] = {}
    for count in json.loads(story.run("status", "--json"))["states"]:
        found.setdefault(count["site"], Counter())[count["state"]] += count["items"]
    return found


def test_a_standby_is_erased_by_its_primary_and_absent_by_its_own_reading(
    postgres18: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    with followed_story(tmp_path, postgres18) as (story, follower):
        scanned = json.loads(story.run("scan", "--json", expected=1))
        members = {(count["site"], count["table"]): count["members"] for count in scanned["tables"]}
        assert members["follower", "person"] == members["old", "person"] == 4
        assert members["follower", "letter"] == members["old", "letter"] == 4
        follows = [count for count in scanned["tables"] if count["site"] == "follower"]
        (empty,) = [count for count in follows if count["table"] == "draft"]
        assert (empty["rows"], empty["unexamined"]) == (0, 0)
        assert "an unlogged table: a standby has none of its rows" in empty["reason"]
        for step in ("plan", "move", "verify"):
            story.run(step)
        before = contents(follower)
        with follower.connect() as connection:
            connection.execute("SELECT pg_wal_replay_pause()")
        erase = ("erase", "--site", "follower", "--site", "old", "--confirm", "old")
        with story.source.connect() as reader:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT FROM pg_catalog.pg_class LIMIT 1")
            said = " ".join(story.run(*erase, expected=1).split())
        assert "not gone from the files of follower yet: erased rows in draft (held back by" in said
        assert "follower is a standby, and not examined as long as it is behind" in said
        assert "its replay is paused" in said
        assert "SELECT pg_wal_replay_resume() there" in said
        assert contents(follower) == before

        with follower.connect() as connection:
            connection.execute("SELECT pg_wal_replay_resume()")
        story.run(*erase)

        assert contents(follower) == contents(story.source) != before
        assert still_on_disk(follower, SECRETS) == set()
        story.run("scan")
        gone = states(story)
        assert gone["old"] == {"absent": 8, "reduced": 4}
        assert gone["follower"] == {"absent": 4, "reduced": 4}
        with story.source.connect() as connection:
            connection.execute("UPDATE public.letter SET words = 'again' WHERE no = 3")
        said = " ".join(story.run("recheck", "--site", "follower", expected=1).split())
        assert "items of letter lie again at follower, certified" in said
        with follower.connect() as connection:
            connection.execute("SELECT pg_promote()")
        said = " ".join(story.complaint("erase", "--site", "follower", expected=2).split())
        assert "follower was a standby when the plan was made, and takes writes now" in said
    covers(
        "Copies",
        "physical standbys (hot, streaming)",
        note="erased by their primary; counted again once they replayed that",
    )


def test_statistics_that_a_slot_kept_are_written_anew_once_it_is_gone(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    """A logical slot keeps old rows of the catalogues alone, so those of the tables are gone."""
    erase = ("erase", "--site", "old", "--confirm", "old")
    with followed_story(tmp_path, postgres18, "wal_level=logical") as (story, _):
        story.run("scan", expected=1)
        for step in ("plan", "move", "verify"):
            story.run(step)
        with story.source.connect() as connection:
            connection.execute("SELECT pg_create_logical_replication_slot('left', 'test_decoding')")
        said = " ".join(story.run(*erase, expected=1).split())
        assert (
            "not gone from the files of old yet: erased rows in the planner's statistics (" in said
        )
        assert still_on_disk(story.source, SECRETS) == {"pg_statistic"}
        with story.source.connect() as connection:
            connection.execute("SELECT pg_drop_replication_slot('left')")
        story.run(*erase)
        assert still_on_disk(story.source, SECRETS) == set()
