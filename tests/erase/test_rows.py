from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from domicile.charter import Charter, People, TableDataset
from domicile.erase.foreseen import RowErasure
from domicile.erase.rows import erase_rows
from domicile.errors import EvidenceError, ShardError, SourceChanged
from domicile.move import RowShard, site_digest
from domicile.move.cutting import Cut, cut_members
from tests.inventory.databases import Session, column, member_database
from tests.people.catalogues import charter
from tests.services.postgres import PostgresServer

USERS = """
CREATE TABLE users (id bigint PRIMARY KEY, country text);
INSERT INTO users VALUES (1, 'US'), (2, 'DE');
"""


def shards_of(session: Session, *tables: str) -> list[RowShard]:
    connection, rules = session
    return [
        shard for shard in cut_members(connection, rules, Cut("old", 100)) if shard.table in tables
    ]


@pytest.fixture(autouse=True)
def _foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each test's erasures foresee what they do: `FORESEEN`, in the present directory."""
    monkeypatch.chdir(tmp_path)


FORESEEN = Path("foreseen")


def erase(session: Session, shards: Sequence[RowShard]) -> list[RowErasure]:
    """Erase what is there now, as if it had been verified."""
    connection, rules = session
    FORESEEN.unlink(missing_ok=True)
    found = {shard.id: site_digest(session, shard) for shard in shards}
    connection.rollback()
    verified = {shard: (one.rows, one.sha256) for shard, one in found.items()}
    return erase_rows(connection, rules, "old", shards, verified, FORESEEN)


# A member's album stays for a stranger's mark, reduced, without its owner: the photo in it was
# found through that. The album has a cover: a circle.
CIRCLE = """
CREATE TABLE album (id int PRIMARY KEY, owner bigint REFERENCES users, cover int, title text);
CREATE TABLE photo (id int PRIMARY KEY, album int NOT NULL REFERENCES album, secret text);
ALTER TABLE album ADD FOREIGN KEY (cover) REFERENCES photo;
CREATE TABLE mark (id int PRIMARY KEY, who bigint NOT NULL REFERENCES users,
    album int REFERENCES album);
INSERT INTO album VALUES (1, 1, NULL, 'ours'), (2, 2, NULL, 'theirs');
INSERT INTO photo VALUES (10, 1, 'ours'), (11, 1, 'ours'), (20, 2, 'theirs');
UPDATE album SET cover = id * 10;
INSERT INTO mark VALUES (1, 2, 1);
"""


def test_what_is_found_through_a_row_that_is_reduced_goes_with_it(
    postgres18: PostgresServer,
) -> None:
    world: Charter = charter({"marks": TableDataset(table="mark", person=("who",))})
    with member_database(postgres18, USERS + CIRCLE, world, ["1"]) as session:
        shards = shards_of(session, "album", "photo")
        done = {
            one.shard.split("-")[1]: (one.erased, one.reduced) for one in erase(session, shards)
        }
        assert done == {"album": (0, 1), "photo": (2, 0)}
        assert column(session[0], "SELECT id FROM public.photo") == [20]
        rows = session[0].execute("SELECT * FROM public.album ORDER BY id").fetchall()
        assert rows == [(1, None, None, None), (2, 2, 20, "theirs")]


def test_what_was_erased_and_not_told_is_told_as_it_was_foreseen(
    postgres18: PostgresServer,
) -> None:
    """A reduced row names nobody any more: that it is there can't be asked of it."""
    world = charter({"marks": TableDataset(table="mark", person=("who",))})
    with member_database(postgres18, USERS + CIRCLE, world, ["1"]) as session:
        shards = shards_of(session, "album", "photo")
        done = erase(session, shards)
        verified = {one.shard: (one.before, "as it was") for one in done}
        again = erase_rows(*session, "old", shards, verified, FORESEEN)
        assert again == [replace(one, before=0) for one in done]
        assert {(one.erased, one.reduced) for one in again} == {(0, 1), (2, 0)}
        # What never took effect, and was proven anew when somebody else had deleted it.
        none = dict.fromkeys(verified, (0, "nothing"))
        later = erase_rows(*session, "old", shards, none, FORESEEN)
        assert {(one.erased, one.reduced) for one in later} == {(0, 0)}
        FORESEEN.write_text("[{")
        with pytest.raises(EvidenceError, match="foresaw cannot be read"):
            erase_rows(*session, "old", shards, verified, FORESEEN)


def test_a_delete_in_a_circle_that_a_trigger_undoes_is_told(postgres18: PostgresServer) -> None:
    refusing = """
    CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER no BEFORE DELETE ON photo FOR EACH ROW EXECUTE FUNCTION no();
    """
    world = charter({"marks": TableDataset(table="mark", person=("who",))})
    with member_database(postgres18, USERS + CIRCLE + refusing, world, ["1"]) as session:
        with pytest.raises(SourceChanged, match="still there"):
            erase(session, shards_of(session, "album", "photo"))
        assert len(column(session[0], "SELECT id FROM public.photo")) == 3


SHOP = """
CREATE TABLE orders (id int PRIMARY KEY, number text, buyer bigint REFERENCES users, gift text);
CREATE TABLE lines (id int PRIMARY KEY, order_no text, secret text);
INSERT INTO orders VALUES (1, 'A', 1, 'ours'), (2, 'B', 2, 'theirs'), (3, 'C', 1, 'ours');
INSERT INTO lines VALUES (1, 'A', 'ours'), (2, 'B', 'theirs'), (3, NULL, 'nobodys');
"""
SOFT = charter({"lines": TableDataset(table="lines", person=("order_no -> orders.number",))})


def test_no_row_is_erased_through_which_another_is_found(postgres18: PostgresServer) -> None:
    with member_database(postgres18, USERS + SHOP, SOFT, ["1"]) as session:
        orders, lines = shards_of(session, "orders"), shards_of(session, "lines")
        with pytest.raises(ShardError, match="find their person through rows of orders"):
            erase(session, orders)
        assert len(column(session[0], "SELECT id FROM public.orders")) == 3
        assert [one.erased for one in erase(session, lines)] == [1]
        assert [one.erased for one in erase(session, orders)] == [2]
        assert column(session[0], "SELECT id FROM public.orders") == [2]
        assert column(session[0], "SELECT id FROM public.lines ORDER BY 1") == [2, 3]


# The album's owner may be null: reduced, it leads to nobody.
FOUND = """
CREATE TABLE album (id int PRIMARY KEY, owner bigint REFERENCES users, title text);
CREATE TABLE photo (id int PRIMARY KEY, album int NOT NULL REFERENCES album, secret text);
INSERT INTO album VALUES (1, 1, 'ours'); INSERT INTO photo VALUES (10, 1, 'ours');
"""


def test_no_row_is_reduced_through_which_another_is_found(postgres18: PostgresServer) -> None:
    with member_database(postgres18, USERS + FOUND, charter(), ["1"]) as session:
        with pytest.raises(ShardError, match="find their person through rows of album"):
            erase(session, shards_of(session, "album"))
        erase(session, shards_of(session, "photo"))
        erase(session, shards_of(session, "album"))
        assert column(session[0], "SELECT id FROM public.album") == []


# The way from a comment breaks two tables up: the post keeps its blog, the blog not its owner.
BLOG = """
CREATE TABLE blog (id int PRIMARY KEY, owner bigint REFERENCES users, title text);
CREATE TABLE post (id int PRIMARY KEY, blog int NOT NULL REFERENCES blog, body text);
CREATE TABLE comment (id int PRIMARY KEY, post int NOT NULL REFERENCES post, secret text);
INSERT INTO blog VALUES (1, 1, 'ours'), (2, 2, 'theirs');
INSERT INTO post VALUES (1, 1, 'ours'), (2, 2, 'theirs');
INSERT INTO comment VALUES (1, 1, 'ours'), (2, 2, 'theirs');
"""
SOFT_POSTS = "ALTER TABLE post DROP CONSTRAINT post_blog_fkey;"


@pytest.mark.parametrize("more", ["", SOFT_POSTS], ids=["foreign keys", "a soft hop"])
def test_no_row_is_reduced_through_which_another_is_found_over_several(
    postgres18: PostgresServer, more: str
) -> None:
    posts = TableDataset(table="post", person=("blog -> blog.id",))
    world = charter({"posts": posts} if more else {})
    with member_database(postgres18, USERS + BLOG + more, world, ["1"]) as session:
        shards = {table: shards_of(session, table) for table in ("comment", "post", "blog")}
        erase(session, shards["comment"])
        session[0].execute("INSERT INTO public.comment VALUES (3, 1, 'ours, written since')")
        session[0].commit()
        assert [one.reduced for one in erase(session, shards["post"])] == [1]
        with pytest.raises(ShardError, match="find their person through rows of blog"):
            erase(session, shards["blog"])
        assert [shard.rows for shard in shards_of(session, "comment")] == [1]
        erase(session, shards_of(session, "comment"))
        assert [one.reduced for one in erase(session, shards["blog"])] == [1]


# A person goes by what is not the primary key.
KEYED = """
CREATE TABLE users (id bigint PRIMARY KEY, uid text NOT NULL UNIQUE, country text);
CREATE TABLE posts (id int PRIMARY KEY, author bigint NOT NULL REFERENCES users, secret text);
CREATE TABLE likes (id int PRIMARY KEY, who bigint NOT NULL REFERENCES users,
    liked bigint NOT NULL REFERENCES users);
INSERT INTO users VALUES (1, 'u1', 'US'), (2, 'u2', 'DE');
INSERT INTO posts VALUES (1, 1, 'ours');
INSERT INTO likes VALUES (1, 2, 1);
"""


def test_a_reduced_person_is_known_by_the_key_that_is_not_the_primary_key(
    postgres18: PostgresServer,
) -> None:
    """What is written to it since is a member's."""
    likes = TableDataset(table="likes", person=("who",))
    world = charter({"likes": likes}, people=People(table="users", key=("uid",), country="country"))
    with member_database(postgres18, KEYED, world, ["u1"]) as session:
        erase(session, shards_of(session, "posts"))
        assert [one.reduced for one in erase(session, shards_of(session, "users"))] == [1]
        rows = session[0].execute("SELECT * FROM public.users ORDER BY id").fetchall()
        assert rows == [(1, "u1", None), (2, "u2", "DE")]
        session[0].execute("INSERT INTO public.posts VALUES (2, 1, 'ours, written since')")
        session[0].commit()
        assert [shard.rows for shard in shards_of(session, "posts")] == [1]
