from __future__ import annotations

import hashlib
import tomllib
import zlib
from pathlib import Path

import psycopg
import pytest

from domicile.charter.load import load_charter
from domicile.demo import media
from domicile.demo.rows import TABLES, chunks
from domicile.demo.servers import servers, start_all, stop_all
from domicile.demo.truth import Truth
from domicile.demo.workspace import DATABASE, remove_workspace, write_workspace
from domicile.demo.world import World, build
from domicile.errors import UsageError


def _digests(world: World) -> dict[str, str]:
    found = {}
    for table in TABLES:
        digest = hashlib.sha256()
        for _, block in chunks(world, table):
            digest.update(block)
        found[table] = digest.hexdigest()
    return found


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    first = _digests(build(300, seed=1))
    assert _digests(build(300, seed=1)) == first
    other = _digests(build(300, seed=2))
    assert {table for table in TABLES if other[table] == first[table]} == {"countries", "languages"}


def test_a_sixth_of_the_people_are_american_and_all_forty_countries_occur() -> None:
    countries = [
        line.split("\t")[2]
        for _, block in chunks(build(20_000), "users")
        for line in block.decode().splitlines()
    ]
    assert len(countries) == 20_000
    assert 0.16 < countries.count("US") / 20_000 < 0.18
    assert len(set(countries)) == 40


def test_comments_stand_under_other_peoples_public_videos() -> None:
    world = build(500)
    for _, block in chunks(world, "comments"):
        for line in block.decode().splitlines():
            _, person, video, parent, *_ = line.split("\t")
            assert world.visibility(int(video)) == "public"
            assert parent != "\\N" or world.author(int(video)) != int(person)


def test_references_hold_and_the_standby_is_equal(workspace: Path, before: Truth) -> None:
    assert before.rows.broken_references == []
    query = "SELECT md5(string_agg(t::text, '' ORDER BY t::text COLLATE \"C\")) FROM {} t"
    urls = [servers(workspace)[place].url(DATABASE) for place in ("virginia", "singapore")]
    for table in TABLES:
        found = set()
        for url in urls:
            with psycopg.connect(url) as connection:
                found.add(connection.execute(query.format(table).encode()).fetchone())
        assert len(found) == 1


def test_the_backup_has_the_same_current_versions_and_more_old_ones(before: Truth) -> None:
    primary, backup = before.objects["virginia"], before.objects["singapore"]
    assert primary.versions.keys() == backup.versions.keys()
    for key, versions in primary.versions.items():
        assert versions[0].content == backup.versions[key][0].content
    count = [sum(map(len, objects.versions.values())) for objects in (primary, backup)]
    assert count[0] < count[1]


def test_the_charter_of_a_workspace_is_valid(workspace: Path) -> None:
    loaded = load_charter(workspace / "domicile.toml")
    assert loaded.warnings == ()
    assert loaded.charter.company.name == "Loopreel"
    assert tomllib.loads(loaded.text)["boundaries"]["us"]["members"] == ["US"]


def test_stopped_servers_start_again_under_the_same_urls(open_directory: Path) -> None:
    deep = open_directory / ("a long name, with a comma " * 6).strip() / "w"
    try:
        write_workspace(deep, build(20, objects=4))
        stop_all(deep)
        assert not any(server.running() for server in servers(deep).values())
        for server in start_all(deep).values():
            with psycopg.connect(server.url(DATABASE)) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        assert load_charter(deep / "domicile.toml").warnings == ()
    finally:
        remove_workspace(deep)
    assert not deep.exists()


def test_nothing_but_a_workspace_is_removed_or_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError):
        remove_workspace(tmp_path)
    with pytest.raises(UsageError):
        write_workspace(tmp_path, build(20))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("people", [-1, 0, 19, 10**9])
def test_a_world_of_an_impossible_size_is_refused(people: int) -> None:
    with pytest.raises(UsageError):
        build(people)


def test_media_files_are_well_formed_and_differ() -> None:
    world = build(20)
    first, second = (world.random(name) for name in "ab")
    for make in (media.mp4, media.png, media.jpeg):
        assert 2_000 < len(make(first)) < 41_000
        assert make(first) != make(second)
    picture = media.png(first)
    start = picture.index(b"IDAT") + 4
    size = int.from_bytes(picture[start - 8 : start - 4], "big")
    side = int.from_bytes(picture[16:20], "big")
    assert len(zlib.decompress(picture[start : start + size])) == side * (side * 3 + 1)
    video, boxes, at = media.mp4(first), [], 0
    while at < len(video):
        boxes.append(video[at + 4 : at + 8])
        at += int.from_bytes(video[at : at + 4], "big")
    assert (boxes, at) == ([b"ftyp", b"moov", b"mdat"], len(video))
