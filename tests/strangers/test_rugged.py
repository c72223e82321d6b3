"""What databases that have lived a while contain, on its way home between two versions.

What must be true afterwards is written here by hand, as SQL over the source before the move.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg import sql

from tests.covering import Covers
from tests.services.postgres import PostgresServer
from tests.sites.test_postgres_connect import pooler_before
from tests.strangers.conftest import Direction
from tests.strangers.story import ROOT, Place, Rows, Story, differences, new_story
from tests.strangers.test_nasty import united

CHARTER = """
[company]
name = "Rugged"

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
public = ["handle"]

[tables.posts]
table = "post"
person = ["author"]
public = ["title"]

[tables.events]
table = "event"
person = ["who"]

[tables.old_phones]
table = "archive.old phone"
person = ["owner"]

[tables.voices]
table = "voice"
large_objects = ["note"]

[tables.seen]
table = "seen_at"
classification = "public"

[tables.places]
table = "place"
classification = "public"

[records]
shard_rows = 3
"""

_AMERICANS = "(1, 4, 7, 10)"
MEMBERS = {
    "public.person": f"id IN {_AMERICANS}",
    "public.post": f"author IN {_AMERICANS}",
    "public.draft": f"post IN (SELECT id FROM public.post WHERE author IN {_AMERICANS})",
    "public.event": f"who IN {_AMERICANS}",
    "public.oddity": f"who IN {_AMERICANS}",
    "public.place": "false",
    "public.spelled": f"who IN {_AMERICANS}",
    "ONLY public.device": f"owner IN {_AMERICANS}",
    "ONLY public.phone": f"owner IN {_AMERICANS}",
    'archive."old phone"': f"owner IN {_AMERICANS}",
    "archive.tablet": f"owner IN {_AMERICANS}",
    "public.call": f"who IN {_AMERICANS}",
    "ONLY public.seen_at": "false",
    "public.voice": f"who IN {_AMERICANS}",
}
COUNTS = {
    "public.person": 4,
    "public.post": 8,
    "public.draft": 16,
    "public.event": 20,
    "public.oddity": 4,
    "public.place": 0,
    "public.spelled": 8,
    "ONLY public.device": 4,
    "ONLY public.phone": 4,
    'archive."old phone"': 8,
    "archive.tablet": 4,
    "public.call": 2,
    "ONLY public.seen_at": 0,
    "public.voice": 4,
}
# Where home has them in another order: pg_dump writes a child's own columns last.
COLUMNS = {
    "ONLY public.phone": "id, owner, label, seen, number, system",
    'archive."old phone"': "id, owner, label, seen, number, system, reason",
    "archive.tablet": "id, owner, label, system, size",
}
PROJECTED = {
    "public.person": "id, 'removed-' || id, handle, 'removed-' || id",
    "public.post": "id, at, author, title, 'removed-' || (id, at)::text, NULL, NULL",
    "ONLY public.device": "id, owner, NULL, NULL",
}
# What foreigners' rows, or projections that stay, still refer to.
LEFT_BEHIND = {
    "public.person": "id = 4",
    "public.post": "id IN (3, 15)",
    "ONLY public.device": "id = 4",
}
# What members' rows, or projections at home, refer to.
BROUGHT_ALONG = {
    "public.person": "id = 8",
    "public.post": "id IN (11, 23)",
    "ONLY public.device": "id = 8",
}
SECRETS: tuple[str, ...] = ("body-US", "event-US", "mail-7@", "mail-10@", "lb-US", "label-US")
SECRETS += ("voice-US", "note-US")


ROLE = """
DO $$ BEGIN CREATE ROLE rugged_clerk LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$
"""


def held(place: Place, table: str, condition: str = "true", columns: str = "*") -> Rows:
    """Rows with the partition that they lie in."""
    return place.rows(f"SELECT tableoid::regclass, {columns} FROM {table} WHERE {condition}")


def contents(place: Place) -> dict[str, Rows]:
    return {table: held(place, table, columns=COLUMNS.get(table, "*")) for table in MEMBERS}


def rugged_story(
    directory: Path, servers: Direction, *, more: str = "", workers: int | None = 1
) -> Story:
    statements = (ROOT / "tests" / "strangers" / "rugged.sql").read_text(encoding="utf-8")
    directory.mkdir(exist_ok=True)
    for server in servers:
        server.execute(sql.SQL(ROLE).format())
    sampled = f"{statements}{more}; ANALYZE;"  # by chance the server does it meanwhile
    story = new_story(directory, *servers, sampled, workers)
    story.write_charter(CHARTER, source="old", home="home", home_provider="Cloud")
    return story


def projections(place: Place, which: dict[str, str]) -> dict[str, Rows]:
    return {
        table: held(place, table, condition, PROJECTED[table]) for table, condition in which.items()
    }


def still_on_disk(place: Place, words: tuple[str, ...]) -> set[str]:
    """Relations of the database whose files hold one of the words, and statistics that do."""
    with place.connect() as connection:
        connection.execute("CHECKPOINT")
        files = connection.execute(
            "SELECT c.oid::regclass::text, pg_relation_filepath(c.oid) FROM pg_class c"
            " WHERE relkind IN ('r', 'i', 't', 'm') AND relpersistence <> 't'"
        ).fetchall()
        sampled = connection.execute(
            "SELECT tablename FROM pg_stats WHERE concat(most_common_vals, histogram_bounds) ~ %s",
            ("|".join(words),),
        ).fetchall()
    found = {str(name) for (name,) in sampled}
    for name, path in files:
        file = place.server.data / path if path else None
        # On a standby an unlogged table has no file.
        data = file.read_bytes() if file and file.exists() else b""
        if any(word.encode() in data for word in words):
            found.add(str(name))
    return found


VIEWS = {
    "public.top": "SELECT p.id, p.mail, count(*) FROM public.person AS p JOIN public.post AS q"
    " ON q.author = p.id GROUP BY p.id, p.mail",
    "public.addresses": "SELECT mail || '!' FROM public.top",
    "public.places": "SELECT upper(name) FROM public.place",
    "archive.behind": "SELECT what FROM public.event WHERE kind IS NULL",
    "public.devices": "SELECT owner, label FROM public.device",
}
TREES = {
    "tables that inherit (INHERITS)": "each on its own (ONLY): its own keys, or the charter's",
    "children of several parents, in other schemas, made so later": "",
    "materialised views over a tree of tables": "refreshed after the erasure",
}


def policies(place: Place) -> Rows:
    return place.rows(
        "SELECT p.*, relrowsecurity, relforcerowsecurity FROM pg_policies AS p JOIN pg_class"
        " ON relname = tablename"
    )


def rules(place: Place) -> Rows:
    return place.rows(
        "SELECT r.*, ev_enabled FROM pg_rules AS r JOIN pg_rewrite USING (rulename)"
        " WHERE schemaname = 'public'"
    )


def comments(place: Place) -> Rows:
    return place.rows(
        "SELECT objoid::regclass, objsubid, description FROM pg_description"
        " WHERE classoid = 'pg_class'::regclass AND objoid >= 16384"
    )


_NEXT = "SELECT nextval('public.in_advance') FROM generate_series(1, 20)"


def large_objects(place: Place, which: str = "true") -> Rows:
    """Oid and contents of the large objects that rows of `voice` refer to."""
    return place.rows(
        "SELECT oid, lomowner::regrole, md5(lo_get(oid)) FROM pg_largeobject_metadata WHERE oid IN"
        f" (SELECT unnest(ARRAY[sound, note]::oid[]) FROM public.voice WHERE {which})"
    )


def triggers(place: Place) -> Rows:
    return place.rows(
        "SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal"
    )


def inheritance(place: Place) -> Rows:
    """Who inherits from whom, and what of each column and check is a table's own."""
    return place.rows(
        "SELECT inhrelid::regclass::text, inhparent::regclass::text, inhseqno::text"
        " FROM pg_inherits"
        " WHERE NOT (SELECT relispartition FROM pg_class WHERE oid = inhrelid)"
        " UNION ALL SELECT attrelid::regclass::text, attname, concat(attislocal, attinhcount)"
        " FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attrelid >= 16384"
        " AND attnum > 0 AND NOT attisdropped AND relkind = 'r' AND NOT relispartition"
        " AND relnamespace::regnamespace::text <> 'domicile'"
        " UNION ALL SELECT conrelid::regclass::text, conname, concat(conislocal, connoinherit)"
        " FROM pg_constraint WHERE contype = 'c' AND conrelid >= 16384"
    )


LARGE = {
    "large objects": "with the rows that refer to them, under the same oid; streamed in pieces",
}
PARTITIONED = {
    "partitioned tables (range, list, hash)": "as one table, through the root",
    "partitions of several levels, attached, default": "",
    "foreign keys to and from partitioned tables": "",
    "materialised views": "refreshed after the erasure, filled at home from home's rows",
    "composites, ranges, multiranges, reg*, tsvector, bit, money, comments": "",
    "unlogged tables": "a crash of home would empty them: the plan warns",
    "sequences with a cache": "home goes on past what sessions hold in theirs",
    "tables under row-level security": "the site's user bypasses it; policies come home",
    "tables with a rewrite rule for INSERT": "it comes home, and does not see the rows that come",
    "text under libc collations, also in keys": "ordered by its bytes",
}


@dataclass(frozen=True)
class Expected:
    """What must be at home and away at the end, from the source before the move."""

    at_home: dict[str, Rows]
    away: dict[str, Rows]
    large_at_home: Rows
    large_away: Rows

    @classmethod
    def of(cls, story: Story) -> Expected:
        mine = {
            table: held(story.source, table, which, COLUMNS.get(table, "*"))
            for table, which in MEMBERS.items()
        }
        assert {table: rows.total() for table, rows in mine.items()} == COUNTS
        everything = contents(story.source)
        others = {table: rows - mine[table] for table, rows in everything.items()}
        public = ("public.place", "ONLY public.seen_at")
        places = {table: everything[table] for table in public}
        large = large_objects(story.source, MEMBERS["public.voice"])
        large_others = large_objects(story.source, f"who NOT IN {_AMERICANS}")
        assert (large.total(), large_others.total()) == (5, 9)
        return cls(
            united(mine, projections(story.source, BROUGHT_ALONG), places),
            united(others, projections(story.source, LEFT_BEHIND)),
            large,
            large_others,
        )

    def check(self, story: Story) -> None:
        assert differences(self.at_home, contents(story.home)) == []
        assert differences(self.away, contents(story.source)) == []
        every = "SELECT oid, lomowner::regrole, md5(lo_get(oid)) FROM pg_largeobject_metadata"
        assert story.home.rows(every) == self.large_at_home
        assert story.source.rows(every) == self.large_away
        assert inheritance(story.home) == inheritance(story.source)
        assert story.source.broken_foreign_keys() == []
        assert story.home.broken_foreign_keys() == []
        assert story.home.foreign_keys() == story.source.foreign_keys()
        assert still_on_disk(story.source, SECRETS) == set()
        for place in (story.source, story.home):
            for view, query in VIEWS.items():
                assert place.rows(f"SELECT * FROM {view}") == place.rows(query), view
            assert place.rows("SELECT relispopulated FROM pg_class WHERE relname = 'unfilled'") == {
                "(f)": 1
            }
        assert comments(story.home) == comments(story.source)
        here, there = story.home.next_numbers(), story.source.next_numbers()
        assert {"public.in_advance", "public.post_id_seq"} == here.keys()
        assert not [name for name in here if here[name] & there[name]]


def test_partitioned_and_unlogged_tables_go_home_as_they_are(
    upgrade: Direction, tmp_path: Path, covers: Covers
) -> None:
    story = rugged_story(tmp_path, upgrade, workers=None)
    expected = Expected.of(story)
    assert still_on_disk(story.source, SECRETS)
    scanned = " ".join(story.run("scan", expected=1).split())
    assert "top" in scanned
    assert "it holds copies of rows of person, post; `erase` refreshes it" in scanned
    with story.source.connect() as holder:  # of numbers that the sequence gave out in advance
        holder.autocommit = True
        holder.execute(_NEXT)
        story.bring_home("old")
        held_numbers = {number for (number,) in holder.execute(_NEXT)}
    expected.check(story)
    assert triggers(story.home) == triggers(story.source)
    assert triggers(story.home).total() > 0
    assert policies(story.home) == policies(story.source)
    assert rules(story.home) == rules(story.source)
    assert (policies(story.home).total(), rules(story.home).total()) == (2, 2)
    here, there = story.home.next_numbers(), story.source.next_numbers()
    assert held_numbers.isdisjoint(here["public.in_advance"] | there["public.in_advance"])
    fired = "they come home; the plan names those that an erasure sets off"
    covers("Rows", "triggers", note=fired)
    for kind, note in (PARTITIONED | TREES | LARGE).items():
        covers("Rows", kind, note=note)


_LATER = """
INSERT INTO public.person VALUES (13, 'US', 'h13', 'mail-13');
INSERT INTO public.post (id, at, author, body, answers, answers_at) VALUES
    (100, '2024-03-03', 13, 'body-US: new', 15, '2024-12-02'),
    (101, '2024-03-03', 7, 'body-US: new', NULL, NULL);
INSERT INTO public.event VALUES ('odd', 13, 'event-US');
COPY public.draft FROM PROGRAM 'printf "1000\\t100\\t2024-03-03\\twords\\n"';
"""


def test_what_comes_later_goes_into_the_partitions_that_home_has(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    story = rugged_story(tmp_path, (postgres18, postgres18))
    story.bring_home("old")
    with story.source.connect() as connection:
        connection.execute("INSERT INTO public.person VALUES (7, 'US', 'h7', 'mail-7@example')")
        connection.execute(_LATER.encode())
    new = {
        table: held(story.source, table, which)
        for table, which in (
            ("public.person", "id = 13"),
            ("public.post", "author IN (7, 13)"),
            ("public.event", "who = 13"),
            ("public.draft", "post = 100"),
        )
    }
    before = contents(story.home)
    story.run("scan", expected=1)
    said = " ".join(story.run("plan", expected=1).split())
    assert "home's draft has a rewrite rule (unsaid) that changes what INSERT does to it" in said
    with story.home.connect() as connection:
        connection.execute("ALTER TABLE public.draft DISABLE RULE unsaid")

    story.bring_home("old")

    assert differences(united(before, new), contents(story.home)) == []
    assert story.home.broken_foreign_keys() == []


def test_a_partition_that_home_lacks_blocks_the_plan(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    story = rugged_story(tmp_path, (postgres18, postgres18))
    story.bring_home("old")
    with story.source.connect() as connection:
        connection.execute(
            "CREATE TABLE public.event_new PARTITION OF public.event FOR VALUES IN ('new')"
        )
        connection.execute("INSERT INTO public.event VALUES ('new', 4, 'event-US')")
    story.run("scan", expected=1)
    said = " ".join(story.run("plan", expected=1).split())
    assert "home's event lacks the source's partitions event_new" in said


WITH_EXTENSIONS = """
CREATE EXTENSION hstore SCHEMA public;
CREATE EXTENSION citext SCHEMA public;
CREATE EXTENSION pgcrypto SCHEMA public;
CREATE COLLATION public.nocase (
    provider = icu, locale = 'und-u-ks-level2', deterministic = false
);
CREATE TABLE public.account (
    login citext PRIMARY KEY, who bigint NOT NULL REFERENCES public.person, more hstore NOT NULL,
    logins citext[], doc xml
);
INSERT INTO public.account
SELECT CASE WHEN id % 2 = 0 THEN 'Login' ELSE 'lOGIN' END || id, id,
    hstore(ARRAY['b', 'a"', 'c'], ARRAY[id::text, NULL, '=>']), ARRAY['A', NULL],
    xml '<a b="c">&lt;ü</a>'
FROM public.person;
CREATE TABLE public.nick (
    nick text COLLATE public.nocase PRIMARY KEY, who bigint NOT NULL REFERENCES public.person,
    sorted text COLLATE "de-x-icu" UNIQUE, sealed bytea DEFAULT public.gen_random_bytes(9)
);
INSERT INTO public.nick
SELECT CASE WHEN id % 2 = 0 THEN 'Äb' ELSE 'äB' END || id, id,
    (ARRAY['z', 'Z', 'ö', 'o'])[id % 4 + 1] || id, public.pgp_sym_encrypt('nick-US', 'secret')
FROM public.person;
CREATE TABLE public.film (who bigint PRIMARY KEY REFERENCES public.person, pixels bytea);
ALTER TABLE public.film ALTER COLUMN pixels SET STORAGE EXTERNAL;
INSERT INTO public.film
SELECT id, convert_to(repeat(md5(id::text), CASE id WHEN 4 THEN 3276800 ELSE 10 END), 'UTF8')
FROM public.person;
"""
MORE = """
CREATE TABLE public.session (login citext REFERENCES public.account ON DELETE CASCADE, since date);
INSERT INTO public.session SELECT upper(login), '2020-01-01' FROM public.account;
CREATE TABLE public.alias (nick text COLLATE public.nocase REFERENCES public.nick);
DO $$ BEGIN CREATE ROLE rugged_absent; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE POLICY seldom ON public.session TO rugged_absent;
CREATE TABLE public.localised (words text COLLATE "C.utf8", who bigint REFERENCES public.person);
"""


# What databases show of other places: a database that is a site, one that isn't, a file.
SHOWING = """
CREATE EXTENSION postgres_fdw SCHEMA public;
CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host '{host}', port '{port}', dbname '{database}');
CREATE USER MAPPING FOR postgres SERVER there OPTIONS (user 'postgres', password 'no-business');
CREATE FOREIGN TABLE public.shown (id bigint) SERVER there OPTIONS (table_name 'person');
CREATE FUNCTION public.noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION public.noted();
"""
ABROAD = """
CREATE EXTENSION file_fdw SCHEMA public;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE public.listed (line text) SERVER files OPTIONS (filename '/data/list.csv');
CREATE SERVER "far away" FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host 'db.example', port '6543', dbname 'people');
CREATE FOREIGN TABLE public.far (id bigint) SERVER "far away" OPTIONS (table_name 'person');
SELECT lo_from_bytea(0, 'nobody''s');
CREATE FOREIGN TABLE public.device_far () INHERITS (public.device) SERVER "far away";
"""


def showing(place: Place) -> str:
    """Statements after which a database shows another's rows."""
    server = place.server
    return SHOWING.format(host=server.host, port=server.port, database=place.database)


def test_types_of_extensions_go_home_where_home_has_them(
    postgres15: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    story = rugged_story(tmp_path, (postgres15, postgres15), more=WITH_EXTENSIONS)
    chosen = {"account": "*", "nick": "*", "film": "who, length(pixels), md5(pixels)"}

    def rows(place: Place, which: str = "true") -> dict[str, Rows]:
        return {name: held(place, f"public.{name}", which, chosen[name]) for name in chosen}

    mine = rows(story.source, f"who IN {_AMERICANS}")
    others = {name: found - mine[name] for name, found in rows(story.source).items()}
    assert held(story.source, "public.film", "who = 4", "length(pixels)").total() == 1
    with story.source.connect() as connection:
        connection.execute(showing(story.home).encode())
    story.bring_home("old")
    assert rows(story.home) == mine
    assert rows(story.source) == others
    scanned = " ".join(story.run("scan").split())
    assert "shown at old: a foreign table: its rows are examined where they lie, at home" in scanned
    assert story.home.rows("SELECT srvname FROM pg_user_mappings") == {}
    covers(
        "Rows",
        "foreign tables that show a site of the charter",
        "found",
        note="examined at that site; the user mapping, with its password, stays where it is",
    )
    for kind, note in (
        (
            "hstore, citext, arrays of them, xml, pgcrypto",
            "not a foreign key by citext's equality: the plan is blocked",
        ),
        (
            "text under ICU collations, nondeterministic ones too, also in keys",
            "not a foreign key under one: the plan is blocked",
        ),
        ("values of 100 MiB (TOAST)", ""),
    ):
        covers("Rows", kind, note=note)


def test_what_homes_server_lacks_blocks_the_plan(
    postgres15: PostgresServer, postgres18: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    story = rugged_story(tmp_path, (postgres15, postgres18), more=WITH_EXTENSIONS + MORE)
    with story.source.connect() as connection:
        connection.execute((showing(story.home) + ABROAD).encode())
    with story.home.connect() as connection:
        connection.execute("DELETE FROM pg_collation WHERE collname = 'C.utf8'")
    scanned = " ".join(story.run("scan", expected=1).split())
    away = "its rows lie on another server (host db.example, port 6543, database people)"
    for table in ("far", "device_far"):
        assert f"all rows of {table} at old: a foreign table of far away" in scanned
    assert f"a foreign table of far away (postgres_fdw): {away}: name that place" in scanned
    assert "of listed at old: a foreign table of files (file_fdw): its rows lie in the" in scanned
    assert "1 rows of pg_catalog.pg_largeobject at old: large objects: no column known" in scanned
    assert "at old: a foreign table: its rows are examined where they lie, at home" in scanned
    said = " ".join(story.run("plan", expected=1).split())
    assert "home's server has no extension hstore: install its package there" in said
    assert "home's server has no extension citext" in said
    assert (
        "session refers to account and is not examined (its foreign key session_login_fkey takes"
        " for equal what isn't the same (as citext does))"
    ) in said
    assert (
        "alias refers to nick and is not examined (its foreign key alias_nick_fkey takes for equal"
    ) in said
    assert "home's server has no extension pgcrypto" in said
    assert "home's server has no collation de-x-icu" in said
    assert "home's server has no role rugged_absent, which the policy seldom on session" in said
    assert "home's server was built without libxml, and account.doc is of type xml" in said
    assert "home's server has no collation C.utf8: generate the locale there" in said
    assert "event trigger at old: noted (ddl_command_end) at any command" in said
    assert "large objects at old: voice(sound, note): they go with the last row" in said
    story.run("move", expected=2)
    assert story.home.tables() == {}
    covers(
        "Rows",
        "extensions, collations, roles and types that home's server lacks",
        "found",
        note="the plan is blocked before anything moves",
    )
    covers(
        "Rows",
        "event triggers",
        "found",
        note="carried home with the schema; the plan names those that run at our own commands",
    )
    covers(
        "Rows",
        "large objects to which no known column refers",
        "",
        note="not examined: counted; name the column, unlink or attest them",
    )
    covers(
        "Rows",
        "foreign tables (postgres_fdw, file_fdw) of other places",
        "",
        note="not examined: host, database or file is told; name it as a site, or attest it",
    )


def test_a_schema_that_home_refuses_blocks_the_plan_and_leaves_nothing(
    postgres18: PostgresServer, tmp_path: Path
) -> None:
    story = rugged_story(tmp_path, (postgres18, postgres18))
    with story.home.connect() as connection:
        connection.execute("CREATE TYPE public.grade AS ENUM ('mine')")
    story.run("scan", expected=1)
    said = " ".join(story.run("plan", expected=1).split())
    assert "home does not take the source's schema" in said
    assert 'type "grade" already exists' in said
    assert story.home.tables() == {}


UNEXAMINED = """
CREATE TABLE public.ruled (who bigint REFERENCES public.person, note text);
CREATE RULE "keeps, all" AS ON DELETE TO public.ruled DO INSTEAD NOTHING;
CREATE TABLE public.changed (who bigint REFERENCES public.person, note text);
CREATE RULE log AS ON UPDATE TO public.changed DO ALSO NOTIFY changes;
GRANT USAGE ON SCHEMA archive TO rugged_clerk;
GRANT SELECT ON ALL TABLES IN SCHEMA public, archive TO rugged_clerk;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO rugged_clerk;
GRANT UPDATE (handle, mail) ON public.person TO PUBLIC;
GRANT SELECT ON public.seen TO rugged_clerk WITH GRANT OPTION;
"""


def test_what_row_security_rules_and_sessions_hide_is_not_examined(
    postgres18: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    story = rugged_story(tmp_path, (postgres18, postgres18), more=UNEXAMINED)
    charter = tmp_path / "domicile.toml"
    text = charter.read_text(encoding="utf-8")
    charter.write_text(text.replace("//postgres@", "//rugged_clerk@", 1), encoding="utf-8")
    with story.source.connect() as other:
        other.execute("CREATE TEMP TABLE domicile_scratch AS SELECT * FROM public.person")
        other.commit()
        scanned = json.loads(story.run("scan", "--json", expected=1))
    found = {count["table"]: count for count in scanned["tables"] if count["site"] == "old"}
    for table, reason in (
        ("oddity", "row-level security hides rows from the site's user: give that user BYPASSRLS"),
        ("ruled", "a rewrite rule (keeps, all) changes what UPDATE or DELETE does to it: disable"),
        ("changed", "a rewrite rule (log) changes what UPDATE or DELETE does to it: disable"),
        ("temporary tables of other sessions", "1 tables that their sessions alone can read"),
    ):
        assert found[table]["reason"].startswith(reason)
        assert (found[table]["rows"], found[table]["unexamined"]) == (-1, -1)
    assert found["person"]["members"] == COUNTS["public.person"]
    said = " ".join(story.run("plan", expected=1).split())
    assert "ruled refers to person and is not examined (a rewrite rule" in said
    assert "to PUBLIC, rugged_clerk): run what home's application needs of runs/" in said
    (grants,) = tmp_path.glob(".domicile/runs/*/grants.sql")
    statements = grants.read_text(encoding="utf-8").splitlines()
    assert {
        "GRANT USAGE ON SCHEMA archive TO rugged_clerk;",
        "GRANT SELECT ON TABLE public.person TO rugged_clerk;",
        "GRANT UPDATE (mail) ON TABLE public.person TO PUBLIC;",
        "GRANT SELECT ON TABLE public.seen TO rugged_clerk WITH GRANT OPTION;",
        "GRANT SELECT ON SEQUENCE public.in_advance TO rugged_clerk;",
    } <= set(statements)
    with story.source.connect() as connection:
        connection.execute("\n".join(statements).encode())
    covers(
        "Rows",
        "roles and grants",
        "found",
        note="not carried: the plan writes the statements that home's application may need",
    )
    covers(
        "Rows",
        "tables under row-level security that applies to the site's user",
        steps="",
        note="not examined: give that user BYPASSRLS",
    )
    covers(
        "Rows",
        "tables with a rewrite rule for UPDATE or DELETE",
        steps="",
        note="not examined, and the plan is blocked: disable or drop the rule",
    )
    covers(
        "Copies",
        "temporary tables of other sessions",
        steps="",
        note="not examined: end these sessions",
    )


PUBLISHED = """
CREATE PUBLICATION all_events FOR TABLE public.event;
CREATE PUBLICATION posts FOR TABLE public.post WHERE (title <> 'x')
    WITH (publish_via_partition_root);
CREATE PUBLICATION people FOR TABLE public.person;
"""


def test_what_a_publication_would_refuse_blocks_the_plan(
    postgres18: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    story = rugged_story(tmp_path, (postgres18, postgres18), more=PUBLISHED)
    story.run("scan", expected=1)
    said = " ".join(story.run("plan", expected=1).split())
    assert "old: rows of event cannot be deleted" in said
    assert "does not have a replica identity" in said
    assert "ALTER TABLE event REPLICA IDENTITY FULL" in said
    assert "old: rows of post cannot be deleted" in said
    assert "rows of person cannot" not in said
    covers(
        "Rows",
        "published tables without a replica identity",
        steps="found",
        note="the plan is blocked: REPLICA IDENTITY FULL",
    )


def test_an_old_snapshot_is_told_of_and_nothing_is_called_gone_until_it_ends(
    postgres18: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    story = rugged_story(tmp_path, (postgres18, postgres18))
    for step, expected in (("scan", 1), ("plan", 0), ("move", 0), ("verify", 0)):
        story.run(step, expected=expected)
    erase = ("erase", "--site", "old", "--confirm", "old")
    with story.source.connect() as reader:
        reader.execute("SET application_name = 'a long report'")
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT FROM public.place")
        pid = reader.info.backend_pid
        said = " ".join(story.run(*erase, expected=1).split())
    assert "not gone from the files of old yet: erased rows in event" in said
    assert f"held back by session {pid} (a long report) since" in said
    assert still_on_disk(story.source, SECRETS)

    story.run(*erase)

    assert still_on_disk(story.source, SECRETS) == set()
    covers(
        "Rows",
        "rows that an old snapshot holds back",
        note="held back by …, until it ends and the site is erased at again",
    )


def test_a_plan_leaves_nothing_at_home(postgres18: PostgresServer, tmp_path: Path) -> None:
    story = rugged_story(tmp_path, (postgres18, postgres18))
    everything = (
        "SELECT relname::text FROM pg_class WHERE oid >= 16384"
        " UNION ALL SELECT typname FROM pg_type WHERE oid >= 16384"
        " UNION ALL SELECT proname FROM pg_proc WHERE oid >= 16384"
        " UNION ALL SELECT nspname FROM pg_namespace WHERE oid >= 16384"
    )
    before = story.home.rows(everything)
    story.run("scan", expected=1)
    story.run("plan")
    assert story.home.rows(everything) == before


def test_a_database_behind_a_pooler_is_not_scanned(
    postgres15: PostgresServer, tmp_path: Path, covers: Covers
) -> None:
    story = rugged_story(tmp_path, (postgres15, postgres15))
    with pooler_before(postgres15) as port:
        pooled = replace(story.source, server=replace(postgres15, port=port))
        pooled_story = replace(story, source=pooled)
        pooled_story.write_charter(CHARTER, source="old", home="home", home_provider="Cloud")
        said = " ".join(pooled_story.complaint("scan", expected=3).split())
    assert "site old: not the server itself answers but a connection pooler" in said
    assert "name the server's own host and port" in said
    covers(
        "Rows",
        "databases behind a connection pooler",
        steps="",
        note="refused at the login: name the server itself",
    )
