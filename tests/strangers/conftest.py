"""The directions that data may take: from one version of PostgreSQL home to another."""

from __future__ import annotations

import pytest

from tests.services.postgres import PostgresServer
from tests.story.test_kills import LONG

Direction = tuple[PostgresServer, PostgresServer]


@pytest.fixture(params=["15-15", "15-18", "18-15", "18-18"] if LONG else ["18-18"])
def direction(request: pytest.FixtureRequest) -> Direction:
    """Source and home: every way in the long form, else one that `upgrade` leaves out."""
    return _servers(request)


@pytest.fixture(params=["15-18", "18-15"])
def upgrade(request: pytest.FixtureRequest) -> Direction:
    """Source and home, of two versions."""
    return _servers(request)


def _servers(request: pytest.FixtureRequest) -> Direction:
    versions = str(request.param).split("-")
    source, home = (request.getfixturevalue(f"postgres{version}") for version in versions)
    assert isinstance(source, PostgresServer)
    assert isinstance(home, PostgresServer)
    return source, home
