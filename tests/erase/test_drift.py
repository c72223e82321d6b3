"""Where items come from that lie again where they were erased."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domicile.erase.drift import origins_told
from domicile.erase.drift_objects import Erased, Origin, Whose, origin_of
from domicile.erase.drift_rows import RowOrigins
from domicile.scan.entries import DriftFound

ENDED = datetime(2026, 1, 1, tzinfo=UTC)
ERASED = Erased(
    ids=frozenset({("k", "v1"), ("k", "upload")}),
    contents={"k": frozenset({(5, "aa" * 32)})},
    ended=ENDED,
)
WHOSE = Whose(erased=frozenset({"shredded"}), newcomers=frozenset({"new", "shredded"}))


def item(**more: object) -> dict[str, Any]:
    plain = {"kind": "version", "key": "k", "version_id": "v9", "size_bytes": 5, "person": "p"}
    return {**plain, "modified": ENDED + timedelta(days=1), **more}


@pytest.mark.parametrize(
    ("row", "sha256", "origin"),
    [
        (item(version_id="v1"), None, "returned"),
        (item(version_id="upload", kind="upload"), None, "returned"),
        (item(), "aa" * 32, "returned"),
        (item(modified=ENDED - timedelta(days=1)), "aa" * 32, "returned"),
        (item(), "bb" * 32, "written"),
        (item(), None, "other"),
        (item(), "", "written"),
        (item(key="another"), "aa" * 32, "written"),
        (item(size_bytes=6), None, "written"),
        (item(size_bytes=6, modified=ENDED), None, "other"),
        (item(kind="marker"), None, "written"),
        (item(person="new"), "aa" * 32, "newcomers"),
        (item(person="shredded"), "aa" * 32, "shredded"),
    ],
)
def test_an_object_is_told_by_its_person_its_id_its_bytes_and_its_time(
    row: dict[str, Any], sha256: str | None, origin: Origin
) -> None:
    assert origin_of(row, WHOSE, ERASED, sha256) == origin


def test_only_what_may_have_come_back_is_read() -> None:
    assert ERASED.may_be(item())
    assert not ERASED.may_be(item(version_id="v1"))
    assert not ERASED.may_be(item(size_bytes=6))
    assert not ERASED.may_be(item(key="another"))
    assert not ERASED.may_be(item(kind="marker"))


@pytest.mark.parametrize(
    ("given", "split"),
    [
        ((10, 1, 2, 3), (1, 2, 2, 5)),
        ((10, 2, 0, 8), (2, 0, 6, 2)),
        ((10, 0, 0, 10), (0, 0, 10, 0)),
        ((10, 4, 0, 10), (4, 0, 6, 0)),
        ((3, 5, 5, 5), (3, 0, 0, 0)),
    ],
)
def test_each_row_counts_once(given: tuple[int, int, int, int], split: tuple[int, ...]) -> None:
    found = RowOrigins.of(*given)
    assert (found.shredded, found.newcomers, found.returned, found.written) == split


def test_an_alarm_says_of_each_origin_what_to_do_and_what_it_could_not_tell() -> None:
    alarm = DriftFound("r", "us", "s", "d", 6, 1, 2, 0, -1, 3, "", "")
    backup, writer, other, untold = origins_told(alarm)
    assert backup.startswith("1 equal to what was erased: a backup was restored")
    assert writer.startswith("2 not what was erased: an application still writes")
    assert other.startswith("3 ")
    assert "could not be told" in untold
