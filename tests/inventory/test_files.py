from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domicile.errors import EvidenceError, SiteRefused, SourceChanged
from domicile.inventory import (
    announce,
    announced_body,
    digest_under,
    read_batches,
    write_bytes,
    write_parquet,
)
from domicile.move.entries import ShardVerified
from domicile.people import PeopleFrozen

SCHEMA = pa.schema([pa.field("n", pa.int64(), nullable=False), pa.field("t", pa.string())])
BODY = PeopleFrozen(run="one", boundary="us", persons=3, members=2, unknown=1, files=())


def rows(count: int) -> list[dict[str, object]]:
    return [{"n": n, "t": None if n % 3 == 0 else f"ü{n}"} for n in range(count)]


def tables(count: int, each: int = 100) -> Iterator[pa.Table]:
    every = rows(count)
    for start in range(0, count, each):
        yield pa.Table.from_pylist(every[start : start + each], schema=SCHEMA)


def test_bytes_are_put_in_place_whole_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.json"
    write_bytes(path, b"first")
    with path.open("rb") as before:
        write_bytes(path, b"second, longer")
        assert before.read() == b"first"  # who reads meanwhile sees the one or the other
    assert path.read_bytes() == b"second, longer"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("count", [0, 1, 250, 10_000])
def test_parquet_comes_back_as_it_was_written(tmp_path: Path, count: int) -> None:
    path = tmp_path / "found" / "site.parquet"
    write_parquet(path, SCHEMA, tables(count))
    assert list(read_batches(path)) == rows(count)
    assert list(read_batches(path, ["n"])) == [{"n": n} for n in range(count)]


def test_nothing_of_a_write_that_failed_is_left_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "shard.parquet"
    write_parquet(path, SCHEMA, tables(3))

    def failing(error: BaseException) -> Iterator[pa.Table]:
        yield from tables(200)
        raise error

    for error in (SourceChanged("it changed"), KeyboardInterrupt(), ValueError("odd")):
        with pytest.raises(type(error)):
            write_parquet(path, SCHEMA, failing(error))
        assert list(tmp_path.iterdir()) == [path]
    assert list(read_batches(path)) == rows(3)


@pytest.mark.parametrize(
    "write", [lambda p: write_bytes(p, b""), lambda p: write_parquet(p, SCHEMA, ())]
)
def test_records_that_take_no_file_refuse_it_with_a_next_step(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "below.parquet", tmp_path / ("x" * 300)):
        with pytest.raises(SiteRefused, match="make room"):
            write(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_bytes_are_on_disk_before_the_name_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.json"
    seen: list[tuple[str, bool]] = []
    sync = os.fsync

    def watch(descriptor: int) -> None:
        kind = "directory" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"  # noqa: PTH112
        seen.append((kind, path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    write_bytes(path, b"x")
    write_parquet(path.with_suffix(".parquet"), SCHEMA, tables(1))
    assert seen == [("file", False), ("directory", True), ("file", True), ("directory", True)]


def test_a_body_travels_in_its_file_and_is_announced_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "one" / "people.parquet"
    write_parquet(path, SCHEMA, tables(2), BODY)
    assert announced_body(path, PeopleFrozen) == BODY
    announced = announce(path, tmp_path, PeopleFrozen)
    assert announced.files == (digest_under(path, tmp_path),)
    assert announced.files[0].path == "runs/one/people.parquet"
    assert announced.files[0].size_bytes == path.stat().st_size
    assert announced_body(path, PeopleFrozen) == BODY  # the file itself stays as it was


def test_a_file_without_our_body_or_with_anothers_is_no_evidence(tmp_path: Path) -> None:
    bare, people = tmp_path / "bare.parquet", tmp_path / "people.parquet"
    write_parquet(bare, SCHEMA, tables(2))
    write_parquet(people, SCHEMA, tables(2), BODY)
    for path, kind in ((bare, PeopleFrozen), (people, ShardVerified)):
        with pytest.raises(EvidenceError, match=path.name):
            announced_body(path, kind)


@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"PAR1" * 30, b"{}"])
def test_what_is_no_parquet_file_is_broken_evidence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "shard.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EvidenceError, match=r"shard\.parquet"):
        list(read_batches(path))
    with pytest.raises(EvidenceError, match=r"shard\.parquet"):
        announced_body(path, PeopleFrozen)


@pytest.fixture(scope="module")
def written() -> bytes:
    """A Parquet file's bytes."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "shard.parquet"
        write_parquet(path, SCHEMA, tables(300), BODY)
        return path.read_bytes()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_cut_file_is_broken_evidence_wherever_it_was_cut(
    written: bytes, data: st.DataObject
) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "shard.parquet"
        path.write_bytes(written[: data.draw(st.integers(0, len(written) - 1))])
        with pytest.raises(EvidenceError):
            list(read_batches(path))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_damaged_file_is_read_or_is_broken_evidence_and_never_anything_else(
    written: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(written)
    for at in data.draw(st.lists(st.integers(0, len(written) - 1), min_size=1, max_size=4)):
        damaged[at] ^= data.draw(st.integers(1, 255))
    with TemporaryDirectory() as directory:
        path = Path(directory) / "shard.parquet"
        path.write_bytes(damaged)
        try:
            list(read_batches(path))
            announced_body(path, PeopleFrozen)
        except EvidenceError:
            pass


@pytest.mark.parametrize("has_links", [True, False])
def test_a_result_file_never_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    if not has_links:

        def refuse(_path: Path, _target: Path) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "verified" / "shard.001.parquet"
    write_parquet(path, SCHEMA, tables(3), BODY)
    with pytest.raises(SiteRefused, match="by another worker"):
        write_parquet(path, SCHEMA, tables(5), BODY)
    assert list(read_batches(path)) == rows(3)
    assert list(path.parent.iterdir()) == [path]
    assert announced_body(path, PeopleFrozen) == BODY


def test_a_link_whose_answer_was_lost_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Path.hardlink_to

    def twice(self: Path, target: Path) -> None:
        link(self, target)
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", twice)
    path = tmp_path / "shard.parquet"
    write_parquet(path, SCHEMA, tables(3), BODY)
    assert list(tmp_path.iterdir()) == [path]
