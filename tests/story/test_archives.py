"""Copies beside the primary, as archives in buckets: read row by row, brought home, erased whole or
rewritten without the members."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domicile.demo.servers import servers
from domicile.demo.workspace import DATABASE
from domicile.sites.objects import ObjectSite
from domicile.sites.postgres import copies_beside
from domicile.sites.postgres.dump import find_pg_dump
from tests.covering import Covers
from tests.services.objects import MakeBucket, TestBucket
from tests.sites.object_tools import listed, read, write
from tests.story.stage import Stage, confirmed
from tests.story.test_held import SITE

ONE = ("--workers", "1")
CHARTER = """
[objects.reports]
template = "reports/{name...}"
treatment = "rewrite"
person = ["user_id"]

[objects.dumps]
template = "dumps/{name...}"
treatment = "erase"
person = ["user_id"]
"""

Rows = list[tuple[int, str]]


def as_csv(rows: Rows) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerows([("user_id", "text"), *rows])
    return text.getvalue().encode()


def as_lines(rows: Rows) -> bytes:
    return b"".join(json.dumps({"user_id": a, "text": b}).encode() + b"\n" for a, b in rows)


def as_parquet(rows: Rows) -> bytes:
    out = io.BytesIO()
    table = pa.table({"user_id": [a for a, _ in rows], "text": [b for _, b in rows]})
    pq.write_table(table, out, row_group_size=7)
    return out.getvalue()


def as_zip(rows: Rows) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/a.csv", as_csv(rows))
        archive.writestr("b.parquet", as_parquet(rows))
    return out.getvalue()


def as_tar(rows: Rows) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in (("/a.jsonl", as_lines(rows)), ("b.zip", as_zip(rows))):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


REWRITTEN: dict[str, Callable[[Rows], bytes]] = {
    "reports/a.csv": as_csv,
    "reports/b.csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "reports/c.jsonl.bz2": lambda rows: bz2.compress(as_lines(rows)),
    "reports/d.jsonl.zst": lambda rows: pa.compress(as_lines(rows), "zstd", asbytes=True),
    "reports/e.parquet": as_parquet,
}


@pytest.fixture
def rows(stage: Stage) -> Rows:
    people = [int(n) for (n,) in stage.execute("virginia", "SELECT id FROM users ORDER BY id")]
    return [(person, f'of "{person}";\r\nö') for person in people]


@pytest.fixture
def archived(stage: Stage, rows: Rows) -> Stage:
    stage.charter.write_text(stage.charter.read_text() + CHARTER)
    for key, made in REWRITTEN.items():
        for place in ("singapore", "virginia"):
            stage.put(place, key, made(rows))
    stage.put("virginia", "reports/a.csv", as_csv(rows[::-1]))
    for place, name, data in _dumps(stage, rows):
        stage.put(place, f"dumps/{name}", data)
    return stage


def _dumps(stage: Stage, rows: Rows) -> Iterator[tuple[str, str, bytes]]:
    url = servers(stage.directory)["virginia"].url(DATABASE)
    for name, options in (("d.dump", "-Fc"), ("d.tar", "-Ft"), ("d.sql", "-Fp")):
        words = [str(find_pg_dump(18).path), options, url]
        data = subprocess.run(words, check=True, capture_output=True).stdout
        yield "virginia", name, data
    yield "singapore", "d.sql.gz", gzip.compress(data)
    for name, part in _folder(stage, "--compress=0").items():
        yield "singapore", f"f.dir/{name}", part
    for _ in range(2):  # written over one another: each file has two versions
        for name, part in _folder(stage).items():
            yield "virginia", f"g.dir/{name}", part
    yield "singapore", "e.zip", as_zip(rows)
    yield "singapore", "e.tar.gz", as_tar(rows)


def _folder(stage: Stage, *options: str) -> dict[str, bytes]:
    """The files of a dump in the directory format; of plain ones, one is packed as others would."""
    url = servers(stage.directory)["virginia"].url(DATABASE)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "dump"
        words = [str(find_pg_dump(18).path), "-Fd", "-f", str(path), *options, url]
        subprocess.run(words, check=True, capture_output=True)
        files = {file.name: file.read_bytes() for file in path.iterdir()}
    for number, packed, codec in ((1, "lz4", "lz4"), (2, "zst", "zstd")):
        for name in [name for name in files if name.endswith(f"{number}.dat")]:
            files[f"{name}.{packed}"] = compressed(files.pop(name), codec)
    return files


def compressed(data: bytes, codec: str) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(pa.PythonFile(out, mode="w"), codec) as stream:
        stream.write(data)
    return bytes(out.getvalue().to_pybytes())


def others_of(stage: Stage, rows: Rows) -> Rows:
    """Rows of whoever is no member."""
    return [row for row in rows if row[0] not in stage.before.members]


def _archives(stage: Stage, place: str) -> dict[str, bytes]:
    """The current archives of a place."""
    pages = stage.bucket(place).versions()
    found = [v.key for page in pages for v in page if v.is_latest and not v.is_marker]
    return {key: stage.get(place, key) for key in found if key.startswith(("reports/", "dumps/"))}


def _history(stage: Stage, place: str, key: str) -> list[bytes]:
    """Every version under a key, delete markers left out."""
    listed = [v for page in stage.bucket(place).versions(key) for v in page]
    found = [v for v in listed if v.key == key and not v.is_marker]
    return [stage.get(place, key, version.version_id) for version in found]


def test_archives_come_home_and_are_erased_or_rewritten(
    archived: Stage, rows: Rows, covers: Covers
) -> None:
    stage, others = archived, others_of(archived, rows)
    before = _archives(stage, "singapore") | _archives(stage, "virginia")
    stage.put("virginia", "reports/others.csv", as_csv(others))
    scan = stage.run("scan", *ONE, "--json").expect(1).json
    counts = {(each["site"], each["dataset"]): each for each in scan["archives"]}
    reports = counts["virginia-media", "reports"]
    assert (reports["archives"], reports["holding"]) == (7, 6)
    assert reports["members"] == 6 * (len(rows) - len(others))
    assert counts["virginia-media", "dumps"]["holding"] == 4
    assert counts["singapore-media", "dumps"]["holding"] == 4
    assert "rewritten without members' rows" in " ".join(stage.run("plan").expect(0).out.split())
    for words in (("move", *ONE), ("verify", *ONE)):
        stage.run(*words).expect(0)
    for key, data in before.items():
        assert data in _history(stage, "oracle", key)
    stage.put("singapore", "reports/b.csv.gz", gzip.compress(as_csv(others)))  # as if killed there
    stage.erase().expect(0)
    for place in ("virginia", "singapore"):
        left = _archives(stage, place)
        assert set(left) - {"reports/others.csv"} == set(REWRITTEN)
        for key, made in REWRITTEN.items():
            kept = others[::-1] if (place, key) == ("virginia", "reports/a.csv") else others
            assert unpacked(left[key]) == unpacked(made(kept))
            assert len(_history(stage, place, key)) == 1
    assert left.keys() == set(REWRITTEN)
    assert stage.get("virginia", "reports/others.csv") == as_csv(others)
    stage.run("scan", *ONE).expect(0)
    stage.run("ledger", "verify").expect(0)
    covers(
        "Copies",
        "CSV, JSON lines and Parquet exports, plain or gz, bz2, zst",
        note="rewritten without members' rows, row by row compared",
    )
    covers("Copies", "`pg_dump` archives: custom, tar, plain, gz", note="erased whole")
    covers(
        "Copies",
        "`pg_dump` directories: plain, gz, lz4, zst, written over one another",
        note="a folder is one archive; erased whole, its toc.dat last",
    )
    covers("Copies", "exports in zip and tar, one in another", note="erased whole")


def unpacked(data: bytes) -> object:
    """What is in an export."""
    if data.startswith(b"PAR1"):
        return pq.read_table(io.BytesIO(data))
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        return pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    return {b"\x1f\x8b": gzip.decompress, b"BZ": bz2.decompress}.get(data[:2], bytes)(data)


JUNK = {
    "dumps/j.age": (b"age-encryption.org/v1\n-> X25519", "encrypted (age)"),
    "dumps/j.bin": (b"\x00\x01" * 99, "not known here"),
    "dumps/j.gz": (gzip.compress(b"user_id\n")[:-6], "damaged or encrypted"),
    "dumps/j.csv": (b"id,name\n1,x\n", "no column user_id"),
    "reports/j.gz": (gzip.compress(b"user_id\n")[:-6], "damaged"),
    "reports/j.zip": (as_zip([]), "give such archives a dataset with treatment erase"),
    "reports/j.csv": (b"user_id,a\n987654321,x\n", "persons whom no site knows"),
}


WAL = (
    "dumps/000000010000000000000007",
    "wal/000000010000000000000008.gz",
    "wal/00000002.history",
    "wal/000000010000000000000009.partial",
)


def _physical(stage: Stage) -> dict[str, bytes]:
    """Base backups, as pg_basebackup writes them, a bare tar, and a log's archive."""
    url = servers(stage.directory)["virginia"].url(DATABASE)
    found = dict.fromkeys(WAL, b"\x16\xd1") | {"repo/backup/main/backup.info": b"[backup]"}
    with tempfile.TemporaryDirectory() as directory:
        for root, options in (("dumps/full", ("-Ft", "-z")), ("old", ("-Fp",))):
            path = Path(directory) / root
            program = str(find_pg_dump(18).path.with_name("pg_basebackup"))
            words = [program, "-d", url, "-c", "fast", "-X", "none", "-D", str(path), *options]
            subprocess.run(words, check=True, capture_output=True)
            names = ("PG_VERSION", "backup_*", "*.tar.gz", "global/pg_control", "base/1/1259")
            files = [file for name in names for file in path.glob(name)]
            found |= {f"{root}/{file.relative_to(path)}": file.read_bytes() for file in files}
    found["dumps/base.tar"] = gzip.decompress(found["dumps/full/base.tar.gz"])
    return found


def test_what_cannot_be_read_is_not_examined_and_says_why(archived: Stage, covers: Covers) -> None:
    stage = archived
    for key, (data, _) in JUNK.items():
        stage.put("virginia", key, data)
    for key, data in _physical(stage).items():
        stage.put("virginia", key, data)
    parts = _folder(stage)
    stage.put("virginia", "dumps/k.dir/toc.dat", parts["toc.dat"])
    stage.put("virginia", "dumps/l.dir/toc.dat", parts["toc.dat"][:-9])
    stage.put("virginia", "dumps/m.dir/1.dat", b"1\n\\.\n\n\n")
    stage.run("scan", *ONE).expect(1)
    (run,) = (stage.records / "runs").iterdir()
    found = pq.read_table(run / "found" / "virginia-media.parquet").to_pylist()
    reasons = {row["key"]: row["reason"] for row in found if row["state"] == "not examined"}
    assert "that its toc.dat names are not there" in reasons.pop("dumps/k.dir/toc.dat")
    assert "its table of contents is damaged" in reasons.pop("dumps/l.dir/toc.dat")
    assert "no toc.dat is beside it" in reasons.pop("dumps/m.dir/1.dat")
    with stage.database("virginia") as connection:
        ((system,),) = connection.execute("SELECT system_identifier FROM pg_control_system()")
    for key in [key for key in reasons if key.startswith(("dumps/full/", "old/"))]:
        why = reasons.pop(key)
        assert f"of system {system}, from " in why
        assert "tablespaces: 0" in why
        assert ("begun 20" in why) == key.startswith("old/")
        assert "name that as a site of role backup, attest it" in why
    assert "only a server can read it" in reasons.pop("dumps/base.tar")
    for key in WAL:
        assert "write-ahead log" in reasons.pop(key)
    assert "a backup by pgBackRest" in reasons.pop("repo/backup/main/backup.info")
    assert reasons.keys() == JUNK.keys()
    for key, (_, why) in JUNK.items():
        assert why in reasons[key]
    base = "base backups: pg_basebackup's tars and folders, pgBackRest, WAL-G, Barman"
    nothing = "not examined: only a server can read them; restore one and name it as a site"
    covers("Copies", base, steps="", note=nothing)
    covers("Copies", "archives of the write-ahead log", steps="", note="not examined")
    covers(
        "Copies",
        "`pg_dump` directories without their toc.dat or a data file",
        steps="",
        note="not examined, unless a member's row is in what is there",
    )
    covers(
        "Copies", "archives that are encrypted, damaged or unknown", steps="", note="not examined"
    )


def test_who_reads_or_keeps_the_write_ahead_log_is_not_examined_until_it_is_gone(
    stage: Stage, covers: Covers
) -> None:
    name = "left_behind"
    stage.execute("virginia", "CREATE SCHEMA domicile")
    stage.execute("virginia", "CREATE TABLE domicile.offices AS SELECT id FROM users")
    stage.execute("virginia", "SELECT pg_create_physical_replication_slot(%s, true)", name)
    try:
        scan = stage.run("scan", *ONE, "--json").expect(1).json
        with stage.database("virginia") as connection:
            (listed,) = copies_beside(connection)
    finally:
        stage.execute("virginia", "SELECT pg_drop_replication_slot(%s)", name)
    (ours,) = [each for each in scan["tables"] if each["table"] == "domicile.offices"]
    assert (ours["site"], ours["unexamined"]) == ("virginia-db", -1)
    assert "move it into a schema of another name" in ours["reason"]
    (found,) = [each for each in scan["tables"] if name in each["table"]]
    assert found["site"] == "virginia-db"
    assert found["unexamined"] == -1
    assert "rows that were erased since" in found["reason"]
    assert listed.sentence.endswith("attest what is there")
    with stage.database("virginia") as connection:
        assert copies_beside(connection) == []
    covers("Copies", "replication slots", steps="", note="not examined: drop or attest them")
    stage.execute("virginia", "DROP SCHEMA domicile CASCADE")


def test_archives_in_buckets_are_sealed_at_home_and_rewritten_with_and_without_versions(
    stage: Stage, rows: Rows, rgw_bucket: MakeBucket, covers: Covers
) -> None:
    places = {
        "virginia-media": rgw_bucket(versioned=True),
        "old-media": rgw_bucket(versioned=False),
        "oracle-media": rgw_bucket(versioned=True),
    }
    stores = {name: bucket.site(name) for name, bucket in places.items()}
    key, others = "reports/a.csv.gz", others_of(stage, rows)
    for name in ("virginia-media", "virginia-media", "old-media"):
        rows = rows[::-1]
        write(stores[name], key, gzip.compress(as_csv(rows)))
    use_buckets(stage, places)
    stage.seal()
    server = places["old-media"].server
    environ = {"STORY_KEY": server.access_key, "STORY_SECRET": server.secret_key}
    stage.run("scan", *ONE, environ=environ).expect(1)
    for words in (("plan",), ("move", *ONE), ("verify", *ONE)):
        stage.run(*words, environ=environ).expect(0)
    assert all(b"user_id" not in data for data in _bytes(stores["oracle-media"], key))
    erased = confirmed("virginia-media", "old-media")
    stage.run("erase", *ONE, *erased, environ=environ).expect(0)
    (kept,) = map(gzip.decompress, _bytes(stores["old-media"], key))
    assert kept == as_csv(others[::-1])
    (kept,) = map(gzip.decompress, _bytes(stores["virginia-media"], key))
    assert kept == as_csv(others)
    for store in stores.values():
        store.close()
    covers("Copies", "exports in S3 buckets, versioned or not", note="sealed at home; rewritten")


def _bytes(store: ObjectSite, key: str) -> list[bytes]:
    return [read(store, key, v.version_id)[1] for v in listed(store) if v.key == key]


def use_buckets(stage: Stage, places: Mapping[str, TestBucket]) -> None:
    """The demo's charter with these buckets; Singapore has none."""
    moved = ("sites.virginia-media", "sites.oracle-media", "sites.singapore")
    parts = stage.charter.read_text().split("\n[")
    text = "\n[".join(part for part in parts if not part.startswith(moved)) + CHARTER
    for name, bucket in places.items():
        provider = "oracle" if name.startswith("oracle") else "company"
        endpoint = bucket.server.endpoint
        text += SITE.format(name=name, bucket=bucket.name, endpoint=endpoint, provider=provider)
        text += 'role = "backup"\n' if name == "old-media" else ""
    stage.charter.write_text(text)
