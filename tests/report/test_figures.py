from __future__ import annotations

import pytest

from domicile.report.charts import charts
from domicile.report.figures import count, moment, short, shown, size
from tests.report.world import status


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (999_950, "1.0 MB"),
     (123_456_789, "123 MB"), (10**18, "1.0 EB"), (10**22, "10,000 EB")],
)  # fmt: skip
def test_sizes_are_written_for_people(number: int, text: str) -> None:
    assert size(number) == text


def test_numbers_have_separators_and_the_unknown_is_said() -> None:
    assert count(1234567) == "1,234,567"
    assert count(-1) == "unknown"


def test_times_are_written_in_utc() -> None:
    assert moment("2026-03-01T01:02:03+02:00") == "28 February 2026, 23:02:03 UTC"
    assert moment("yesterday\x07") == "yesterday\\u0007"


def test_the_invisible_is_made_visible() -> None:
    assert shown("a\u200bb\U000e0001") == "a\\u200bb\\U000e0001"
    assert short("abcdef", 4) == "abc…"


def test_bars_of_one_chart_share_a_scale_and_the_smallest_can_be_seen() -> None:
    rows, objects = charts(status())
    assert [band.name for band in rows.bands] == ["old-db", "home-db"]
    before, after = rows.bands[0].bars[0], rows.bands[1].bars[1]
    assert before.segments[0].width == after.segments[0].width
    assert before.segments[0].kind == "away"
    assert after.segments[0].kind == "home"
    assert rows.bands[0].bars[1].segments == ()
    assert "home-media" in objects.description
