"""How well categories are recognised on columns that were labelled by hand."""

from __future__ import annotations

import pytest

from bench.categories import HELD_OUT, TUNING, measure


@pytest.mark.parametrize(
    ("labelled", "precision", "recall"), [(TUNING, 0.97, 0.97), (HELD_OUT, 0.95, 0.93)]
)
def test_labelled_columns_are_recognised_about_as_well_as_the_page_says(
    labelled: str, precision: float, recall: float
) -> None:
    found = measure(labelled)
    assert found.precision >= precision
    assert found.recall >= recall
    assert found.columns > 150
    assert found.wrong_among_others < 0.03
