from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from domicile.demo.servers import servers
from domicile.demo.truth import Truth, compare_truth
from domicile.demo.truth_objects import owner_of
from domicile.demo.workspace import DATABASE, bucket
from domicile.sites.objects.model import Attributes, VersionRef
from tests.demo.conftest import PRISTINE, copy_database


def test_the_truth_finds_nothing_wrong_after_a_move_without_fault(
    moved: Path, before: Truth
) -> None:
    assert compare_truth(moved, before) == []


def test_the_small_world_has_every_case_that_the_truth_compares(before: Truth) -> None:
    mine = before.members
    assert len(mine) > 30
    for table, rows in before.rows.tables.items():
        assert {row.owner in mine for row in rows.values()} == {True, False}, table
    for objects in before.objects.values():
        keys = {key for key in objects.versions if owner_of(key, before.senders) in mine}
        assert {key.partition("/")[0] for key in keys} >= {"private", "drafts", "attachments"}
        assert any(len(objects.versions[key]) > 1 for key in keys)
        assert any(objects.versions[key][0].is_marker for key in keys)
        assert {owner_of(key, before.senders) in mine for key, _ in objects.uploads} == {
            True,
            False,
        }


ROW_DAMAGES = {
    "home lost a row": ("oracle", "DELETE FROM likes WHERE ctid = (SELECT min(ctid) FROM likes)"),
    "home lost a duplicate": (
        "oracle",
        "DELETE FROM watch_events WHERE ctid = (SELECT min(ctid) FROM watch_events)",
    ),
    "home has another value": (
        "oracle",
        "UPDATE devices SET last_latitude = 1 WHERE id = (SELECT min(id) FROM devices)",
    ),
    "home holds a stranger's e-mail": (
        "oracle",
        (
            "UPDATE users SET email = 'a@example.org'"
            " WHERE id = (SELECT min(id) FROM users WHERE country <> 'US')"
        ),
    ),
    "home holds a stranger that nothing needs": (
        "oracle",
        (
            "INSERT INTO users (id, handle, country, email, display_name, created_at)"
            " VALUES (999999, 'x', 'FR', 'removed-1x', 'removed-1', now())"
        ),
    ),
    "home lacks a foreign key": (
        "oracle",
        "ALTER TABLE comments DROP CONSTRAINT comments_video_id_fkey",
    ),
    "home lacks a reference row": (
        "oracle",
        "SET session_replication_role = replica; DELETE FROM countries WHERE code = 'US'",
    ),
    "an e-mail stayed": (
        "virginia",
        (
            "UPDATE users SET email = 'a@example.org'"
            " WHERE id = (SELECT min(id) FROM users WHERE country = 'US')"
        ),
    ),
    "a watch event stayed": (
        "singapore",
        "INSERT INTO watch_events SELECT min(id), 1, 1, now() FROM users WHERE country = 'US'",
    ),
    "a stranger's comment went with a cascade": (
        "virginia",
        "DELETE FROM comments WHERE id = (SELECT min(id) FROM comments WHERE body !~ 'removed-')",
    ),
    "a reply lost its parent": (
        "singapore",
        (
            "UPDATE comments SET parent_id = NULL WHERE id ="
            " (SELECT min(id) FROM comments WHERE body !~ 'removed-' AND parent_id IS NOT NULL)"
        ),
    ),
    "a reference leads nowhere": (
        "virginia",
        (
            "SET session_replication_role = replica; UPDATE videos SET author_id = 10^9"
            " WHERE id = (SELECT min(id) FROM videos)"
        ),
    ),
    "a public column changed": (
        "virginia",
        (
            "UPDATE users SET handle = 'gone'"
            " WHERE id = (SELECT min(id) FROM users WHERE country = 'US')"
        ),
    ),
}


@pytest.fixture
def damaged(request: pytest.FixtureRequest, moved: Path) -> Iterator[str]:
    place, statement = request.param
    with psycopg.connect(servers(moved)[place].url(DATABASE)) as connection:
        connection.execute(statement)
    yield "home" if place == "oracle" else place
    copy_database(moved, place, PRISTINE, DATABASE)


@pytest.mark.parametrize("damaged", ROW_DAMAGES.values(), ids=list(ROW_DAMAGES), indirect=True)
def test_the_truth_finds_a_planted_damage_in_rows(damaged: str, moved: Path, before: Truth) -> None:
    problems = compare_truth(moved, before)
    assert problems
    assert all(problem.startswith(f"{damaged}:") for problem in problems)


def _key(before: Truth, *, of_member: bool, kind: str = "private") -> str:
    return next(
        key
        for key, versions in sorted(before.objects["virginia"].versions.items())
        if (owner_of(key, before.senders) in before.members) == of_member
        and key.startswith(kind)
        and not versions[0].is_marker
    )


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data


@pytest.mark.parametrize("place", ["virginia", "singapore", "oracle"])
@pytest.mark.parametrize(
    ("of_member", "kind"), [(True, "private"), (False, "drafts"), (False, "public")]
)
def test_the_truth_finds_a_planted_version(
    moved: Path, before: Truth, place: str, *, of_member: bool, kind: str
) -> None:
    key, site = _key(before, of_member=of_member, kind=kind), bucket(moved, place)
    version = asyncio.run(site.write(key, _bytes(b"planted"), Attributes(), 7))
    problems = compare_truth(moved, before)
    site.delete([VersionRef(key, version)])
    if place == "oracle" and kind == "public":
        assert problems == []  # what is public may be anywhere
    else:
        assert any(key in problem for problem in problems)
    assert compare_truth(moved, before) == []


@pytest.mark.parametrize("place", ["virginia", "singapore"])
@pytest.mark.parametrize("of_member", [True, False])
def test_the_truth_finds_a_planted_marker_and_upload(
    moved: Path, before: Truth, place: str, *, of_member: bool
) -> None:
    key, site = _key(before, of_member=of_member), bucket(moved, place)
    marker, upload = asyncio.run(site.put_marker(key)), site.begin_upload(key)
    problems = compare_truth(moved, before)
    site.delete([VersionRef(key, marker)])
    for page in site.uploads():
        for found in page:
            if found.upload_id == upload:
                site.abort(found)
    assert sum(key in problem for problem in problems) >= 2
    assert any("upload" in problem for problem in problems)
    assert compare_truth(moved, before) == []
