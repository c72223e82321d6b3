"""The desk of a charter in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy.precinct import Precinct, make_precinct


@pytest.fixture(scope="session")
def made_precinct(tmp_path_factory: pytest.TempPathFactory) -> Precinct:
    """As it was made."""
    return make_precinct(tmp_path_factory.mktemp("precinct"))


@pytest.fixture
def precinct(made_precinct: Precinct, tmp_path: Path) -> Precinct:
    """A copy to work with."""
    return made_precinct.copy(tmp_path / "p")
