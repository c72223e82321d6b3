"""Real servers for the tests. A missing one is a visible skip, or a failure in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

REQUIRED = "DOMICILE_REQUIRE_SERVICES"


def unavailable(service: str, install: str) -> NoReturn:
    """Skip for a newcomer, fail where the full set of services was promised."""
    reason = f"{service} is not installed: `{install}` brings it"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{reason} ({REQUIRED}=1 makes this a failure)")
    pytest.skip(reason)
