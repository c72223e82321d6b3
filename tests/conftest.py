from __future__ import annotations

import os

import pytest

pytest_plugins = ["tests.services.objects", "tests.services.postgres"]


@pytest.fixture(scope="session", autouse=True)
def _a_reader_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What commands remember of the ledgers they verified stays out of the user's own state."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
