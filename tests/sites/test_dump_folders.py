"""A dump in the directory format, as each pg_dump writes it, is read as the same dump in SQL."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from domicile.sites.archives import (
    NOBODY_CAN_SAY,
    Key,
    Layout,
    Reader,
    Unreadable,
    dump_file,
    part_keys,
    read_blobs,
    read_toc,
)
from domicile.sites.postgres.dump import find_pg_dump
from tests.services.postgres import PostgresServer, fresh_database

SETUP = (
    "CREATE TABLE public.users (id int PRIMARY KEY, name text)",
    "INSERT INTO public.users SELECT n, E'\\\\.\\n\\t' || n FROM generate_series(1, 300) AS n",
    'CREATE SCHEMA "Of"',
    'CREATE TABLE "Of"."l"";\nine" ("u id" text, x int)',
    'INSERT INTO "Of"."l"";\nine" VALUES (E\'a\\tb\', 1), (NULL, 2)',
    "CREATE TABLE public.unnamed (x int)",
    "INSERT INTO public.unnamed VALUES (1)",
    "CREATE TABLE public.bare ()",
    "SELECT lo_from_bytea(0, 'secret')",
    "CREATE MATERIALIZED VIEW public.v AS SELECT 1",
)
TABLES = {"public.users": ("id",), 'Of.l";\nine': ("u id",), "public.bare": ()}
MINIMAL = b"PGDMP\x01\x0e\x00\x04\x08\x03"


@contextmanager
def opened(data: bytes) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        yield cast("BinaryIO", file)


def dump(server: PostgresServer, path: Path, *options: str) -> Path:
    site = fresh_database(server)
    with site.connect(read_only=False) as connection:
        for statement in SETUP:
            connection.execute(statement.encode())
        connection.commit()
        database = connection.info.dbname
    words = [str(find_pg_dump(server.version).path), "-f", str(path), "-h", server.host]
    words += ["-p", str(server.port), "-U", "postgres", *options, database]
    subprocess.run(words, check=True, env={**os.environ, "PGPASSWORD": server.password})
    return path


def keys_in(folder: Path) -> list[Key]:
    """By the toc and the lists of the folder; every file of it is named by one of them."""
    files = {path: part for path in folder.iterdir() if (part := dump_file(f"d/{path.name}"))}
    assert {part.folder for part in files.values()} == {"d/"}
    with opened((folder / "toc.dat").read_bytes()) as file:
        toc = read_toc(file, "unknown")
    assert toc is not None
    named, found = {"toc.dat", *toc.heads}, list[Key]()
    for path, part in files.items():
        with opened(path.read_bytes()) as file:
            if part.lists_blobs and not part.is_toc:
                named |= set(read_blobs(file, part.packed))
            elif not part.is_toc:
                found += part_keys(file, part, toc.heads.get(part.name, ""), TABLES)
    assert named == {part.name for part in files.values()}
    return found


@pytest.mark.parametrize("options", [(), ("--compress=0",), ("--inserts",)])
def test_every_row_is_read_as_in_the_same_dump_in_sql(
    postgres_server: PostgresServer, tmp_path: Path, options: tuple[str, ...]
) -> None:
    folder = dump(postgres_server, tmp_path / "folder", "-Fd", *options)
    plain = dump(postgres_server, tmp_path / "plain", "-Fp", "--encoding=UTF8", *options[1:])
    found = keys_in(folder)
    if options != ("--inserts",):
        with plain.open("rb") as file:
            expected = list(Reader(Layout((), TABLES), tmp_path).keys(file))
        assert sorted(found, key=repr) == sorted(expected, key=repr)
        assert ("300",) in found
        assert ("a\tb",) in found
        assert None in found
    assert found.count(NOBODY_CAN_SAY) == (303 + 1 if options == ("--inserts",) else 2)


def test_a_damaged_toc_is_told_wherever_it_ends(postgres18: PostgresServer, tmp_path: Path) -> None:
    data = (dump(postgres18, tmp_path / "folder", "-Fd") / "toc.dat").read_bytes()
    for end in range(5, len(data), 97):
        with opened(data[:end]) as file, pytest.raises(Unreadable):
            read_toc(file, "unknown")
    with opened(b"id,name\n") as file:
        assert read_toc(file, "unknown") is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (MINIMAL[:-1] + b"\x01", "another format"),
        (b"PGDMP\x01\x63\x00\x04\x08\x03", "not known here"),
        (MINIMAL + b"\x00" + struct.pack("<I", 1 << 31), "damaged"),
        (b"PGDMP", "damaged"),
    ],
)
def test_a_toc_that_nobody_wrote_is_refused(data: bytes, why: str) -> None:
    with opened(data) as file, pytest.raises(Unreadable, match=why):
        read_toc(file, "unknown")


def test_parts_are_known_by_name_alone_and_names_in_them_are_no_paths() -> None:
    for name in ("toc.dat", "12.dat", "12.dat.zst", "blobs.toc", "blobs_7.toc", "blob_9.dat.lz4"):
        assert dump_file(f"a/b/{name}") is not None
    for name in ("tic.dat", "x12.dat", "12.dat.xz", "12.dat\n", "\u0661.dat", "toc.dat/", "12"):
        assert dump_file(name) is None
    for line in (b"1 ../12.dat\n", b"1 /etc/passwd\n", b"blob_1.dat\n", b"\xff\n"):
        with opened(line) as file, pytest.raises(Unreadable):
            read_blobs(file, "unknown")


def test_what_follows_a_tables_end_is_not_passed_over() -> None:
    part = dump_file("3.dat")
    assert part is not None
    head = "COPY public.users (id) FROM stdin;\n"
    for data, fits in ((b"1\n\\.\n\n\n", True), (b"1\n\\.\n7\n", False), (b"1\n", False)):
        with opened(data) as file:
            if fits:
                assert list(part_keys(file, part, head, TABLES)) == [("1",)]
            else:
                with pytest.raises(Unreadable):
                    list(part_keys(file, part, head, TABLES))
