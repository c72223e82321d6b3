from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domicile.sites.objects.s3_write import PART_BYTES, is_single_put, part_size

LARGEST_PART = 5 << 30
LARGEST_OBJECT = 10_000 * LARGEST_PART


@given(st.integers(0, LARGEST_OBJECT))
@example(10_000 * PART_BYTES)
@example(10_000 * PART_BYTES + 1)
@example(5 << 40)
@example(LARGEST_OBJECT)
def test_every_size_fits_ten_thousand_parts_that_s3_takes(size: int) -> None:
    part = part_size(size)
    assert PART_BYTES <= part <= LARGEST_PART
    assert part % (1 << 20) == 0
    assert -(-size // part) <= 10_000


@pytest.mark.parametrize("size", [5 << 30, (5 << 30) + 1, 5 << 40])
def test_what_no_single_put_takes_goes_in_parts(size: int) -> None:
    assert not is_single_put(size)


def test_parts_grow_only_where_they_must() -> None:
    assert part_size(10_000 * PART_BYTES) == PART_BYTES
    assert part_size(10_000 * PART_BYTES + 1) == PART_BYTES + (1 << 20)
