from __future__ import annotations

import bz2
import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.sites.archives import (
    NOBODY_CAN_SAY,
    Key,
    Layout,
    Reader,
    Unreadable,
    columns,
    is_rewritable,
    rewrite,
    same_but_for,
)

PERSON = ("id",)
DUMP = b"""--
-- PostgreSQL database dump
--
SELECT 'COPY';
COPY public.users (name, "i d") FROM stdin;
a\\tb\t7
x\t\\N
y\t8\\\\9
\\.
COPY "Of fice"."l""ines" (n) FROM stdin;
1
\\.
COPY public.countries (code) FROM stdin;
DE
\\.
"""
TABLES = {"public.users": ("i d",), "public.countries": ()}


def stored(data: bytes) -> BinaryIO:
    file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - gone with its last reference
    file.write(data)
    file.flush()
    return file


def keys(data: bytes, layout: Layout | None = None) -> list[Key]:
    reader = Reader(layout or Layout(PERSON, TABLES), Path(tempfile.gettempdir()))
    with stored(data) as file:
        return list(reader.keys(file))


def refusal(data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        keys(data)
    return str(caught.value)


def keep(rows: Sequence[Key]) -> list[bool]:
    return [row != ("7",) for row in rows]


def contents(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def rewritten(data: bytes) -> bytes:
    """Without the rows of 7; and whatever else would be put in its place is found to be wrong."""
    with stored(data) as before, stored(b"") as after:
        rewrite(before, after, PERSON, keep)
        assert same_but_for(before, after, PERSON, keep)
        return contents(after)


def is_same(data: bytes, other: bytes) -> bool:
    with stored(data) as before, stored(other) as after:
        return same_but_for(before, after, PERSON, keep)


def parquet(*ids: int | None, value: float = 0.5) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(ids, pa.int64()), "v": [value] * len(ids)}), out)
    return out.getvalue()


def tarred(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(data: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("../x", data)
        data = out.getvalue()
    return data


TWO_IN_A_TAR = tarred(("a", b"id\n7\n"), ("b", b"id\n8\n"))


def test_a_row_group_that_no_rewriting_could_hold_is_told_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with stored(parquet(7, 8)) as file:
        assert is_rewritable(file)
        monkeypatch.setattr(columns, "_LARGEST_GROUP", 10)
        with pytest.raises(Unreadable, match="row group"):
            is_rewritable(file)


def test_each_record_tells_its_person() -> None:
    assert keys(b'\xef\xbb\xbfx;id\r\n"a\r\n;""";7\r\nb;\r\n') == [("7",), None]
    assert keys(b"id\tx\n7\n8\ty") == [("7",), ("8",)]
    assert keys(b"x,id\n1\n") == [NOBODY_CAN_SAY]
    assert keys(b'{"id": 7}\n\n{"id": "8"}\n{"id": null}\n{}\n{"id": [7]}\n{"id": true}') == [
        ("7",),
        None,
        ("8",),
        None,
        NOBODY_CAN_SAY,
        NOBODY_CAN_SAY,
        NOBODY_CAN_SAY,
    ]
    assert keys(b"x,id\na,8,7\nb,9\n") == [NOBODY_CAN_SAY, ("9",)]
    assert keys(parquet(7, None, 8)) == [("7",), None, ("8",)]
    assert keys(b"a,b\n1,2\n,2\n", Layout(("b", "a"))) == [("2", "1"), None]


def test_a_dump_tells_by_its_tables() -> None:
    assert keys(DUMP) == [("7",), None, ("8\\9",), NOBODY_CAN_SAY, None]
    assert keys(DUMP.replace(b'"i d"', b"id")) == [NOBODY_CAN_SAY] * 4 + [None]
    inserted = (
        DUMP + b"INSERT INTO public.users VALUES (1);\nSELECT pg_catalog.lowrite(0, '\\x');\n"
    )
    assert keys(inserted)[-2:] == [NOBODY_CAN_SAY] * 2


def test_containers_are_read_through_and_their_names_are_no_paths() -> None:
    inner = tarred(("/etc/passwd", b"id\n7\n"), ("../b", gzip.compress(parquet(8))))
    assert keys(bz2.compress(zipped(inner))) == [("7",), ("8",)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"name\nx\n", "no column id"),
        (b"id,id\n1,2\n", "twice"),
        (b"id\n\xff\n", "UTF-8"),
        (b'id,x\n1,"a\n', "no CSV"),
        (b"id\n" + b"7" * (17 << 20), "16 MiB"),
        (b'{"id": 7, "id": 8}\n', "a name twice"),
        (b'{"id": 7\n', "no JSON object"),
        (b'{"a":' + b"[" * 100_000 + b"\n", "no JSON object"),
        (b'[{"id": 7}]', "one JSON document"),
        (parquet(7)[:-9], "damaged Parquet"),
        (gzip.compress(b"id\n7\n")[:-4], "damaged"),
        (zipped(b"id\n")[:-9], "damaged"),
        (DUMP[: DUMP.index(b"\\.")], "middle of a table"),
        (DUMP.replace(b'("', b'(1, "', 1).replace(b"public.users (", b"public.users"), "COPY"),
        (b"PGDMP\x01\x0e\x00\x04\x08\x03" + b"\x00" * 9, "directory format"),
        (b"PGDMP\x01\x0e\x00\x04\x08\x01" + b"\x00" * 9, "no pg_restore here"),
        (tarred(("backup_label", b"")), "only a server"),
        (tarred(("x", b"\x00\x01")), "not known here"),
        (zipped(b"id\n7\n", 7), "packed more than"),
        (
            pa.compress(b"id\n" + (b" " * 99_999 + b"\n") * 300, "zstd", asbytes=True),
            "unpacks to more",
        ),
        (b"", "no column id"),
        (TWO_IN_A_TAR[:2048], "its end is cut off"),
        (TWO_IN_A_TAR[:1024] + b"x" + TWO_IN_A_TAR[1025:], "something follows its end"),
        (tarred(("a", b"id\n7\n")) * 2, "something follows its end"),
        (zipped(b"id\n7\n") + zipped(b"id\n8\n"), "lies before it"),
        (bz2.compress(b"id\n7\n") + b"id\n8\n", "damaged"),
        (bz2.compress(b"id\n7\n")[:-4], "damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_relied_on_is_refused_with_the_reason(data: bytes, why: str) -> None:
    assert why in refusal(data)


def test_an_encrypted_member_of_a_zip_is_refused() -> None:
    data = bytearray(zipped(b"id\n7\n"))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        data[data.index(mark) + (6 if mark.endswith(b"\x04") else 8)] |= 1
    assert "encrypted" in refusal(bytes(data))


def test_rows_before_the_damage_were_read() -> None:
    packed = gzip.compress(b"id\n" + b"7\n8\n" * 90_000, 0)[:-90]
    reader = Reader(Layout(PERSON), Path(tempfile.gettempdir()))

    def until_it_breaks() -> Iterator[Key]:
        with stored(packed) as file, pytest.raises(Unreadable):
            yield from reader.keys(file)

    assert ("7",) in set(until_it_breaks())


def test_rewriting_keeps_every_other_byte() -> None:
    data = b'\xef\xbb\xbfid;x\r\n7;a\r\n8;"b\r\n"\r\n;""\r\n7;c'
    assert rewritten(data) == b'\xef\xbb\xbfid;x\r\n8;"b\r\n"\r\n;""\r\n'
    assert rewritten(b'{"id":7}\n {"id" : 8} \r\n\n{"id":"7"}') == b' {"id" : 8} \r\n\n'
    assert gzip.decompress(rewritten(gzip.compress(data))) == rewritten(data)
    assert bz2.decompress(rewritten(bz2.compress(data))) == rewritten(data)
    packed = rewritten(pa.compress(data, "zstd", asbytes=True))
    assert pa.CompressedInputStream(pa.BufferReader(packed), "zstd").read() == rewritten(data)
    table = pq.read_table(io.BytesIO(rewritten(parquet(7, 8, None, 7, value=float("nan")))))
    assert table.column("id").to_pylist() == [8, None]


@pytest.mark.parametrize(
    "other",
    [
        b"id,x\n8,b\n",
        b"id,x\n8,b\n9,c",
        b"id,x\n9,c\n8,b\n",
        b"id,x\n8,b\n9,c\n9,c\n",
        b"id\n",
        b"",
    ],
)
def test_a_rewriting_that_is_not_exact_is_found_out(other: bytes) -> None:
    assert is_same(b"id,x\n7,a\n8,b\n9,c\n", b"id,x\n8,b\n9,c\n")
    assert not is_same(b"id,x\n7,a\n8,b\n9,c\n", other)


def test_a_rewritten_table_with_another_row_value_or_schema_is_found_out() -> None:
    assert is_same(parquet(7, 8), parquet(8))
    for other in (parquet(8, 8), parquet(), parquet(9), parquet(8, value=1), parquet(7, 8)):
        assert not is_same(parquet(7, 8), other)


def test_streams_of_bzip2_one_after_the_other_are_one_file() -> None:
    assert keys(bz2.compress(b"id\n7\n") + bz2.compress(b"8\n")) == [("7",), ("8",)]


def test_a_damaged_export_is_told_of_before_it_is_rewritten() -> None:
    for data in (gzip.compress(b"id\n7\n")[:-6], b"BZh9" + b"\0" * 20, b"\x1f\x8b\x08" + b"x" * 9):
        with stored(data) as file, pytest.raises(Unreadable, match="damaged"):
            is_rewritable(file)


def test_dumps_and_containers_are_not_rewritable() -> None:
    files = {
        DUMP: False,
        zipped(b"id\n"): False,
        parquet(7): True,
        gzip.compress(parquet(7)): False,
    }
    for data, expected in files.items():
        with stored(data) as file:
            assert is_rewritable(file) is expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["7", "8", ""]), st.text(max_size=9)), max_size=9),
    st.sampled_from([bytes, gzip.compress, bz2.compress]),
)
def test_whatever_rows_say_only_the_persons_own_are_left_out(
    rows: list[tuple[str, str]], pack: type[bytes]
) -> None:
    def lines(chosen: list[tuple[str, str]]) -> bytes:
        return b"".join(json.dumps({"id": a, "x": b}).encode() + b"\n" for a, b in chosen)

    data = pack(lines([("8", ""), *rows]))
    kept = lines([("8", ""), *(row for row in rows if row[0] != "7")])
    with stored(data) as before, stored(b"") as after:
        rewrite(before, after, PERSON, keep)
        assert same_but_for(before, after, PERSON, keep)
        after.seek(0)
        opened = {b"\x1f\x8b": gzip.decompress, b"BZ": bz2.decompress}.get(data[:2], bytes)
        assert opened(after.read()) == kept
