"""What is done over HTTP is told by the server, soon, and no slower for it."""

from __future__ import annotations

import time

import pytest

from tests.console.conftest import serving
from tests.policy.precinct import Precinct
from tests.policy.test_notices import SECRET, Hook, hook, name_hook

__all__ = ["hook"]


def test_what_is_asked_over_http_is_told_by_the_server_though_the_hook_hangs(
    own_precinct: Precinct, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_hook(own_precinct, hook)
    monkeypatch.setenv("NOTICE_SECRET", SECRET)
    token = own_precinct.token("kim")
    wanted = {"datasets": ["drafts"], "purpose": "engineering", "hours": 1}
    hook.meanwhile = lambda: time.sleep(4)
    with serving(own_precinct) as running:
        assert running.ask("POST", "/v1/requests", wanted, token=token).status == 201
        deadline = time.monotonic() + 30
        while not hook.taken:
            begun = time.monotonic()
            assert running.ask("GET", "/v1/requests", token=token).status == 200
            assert time.monotonic() - begun < 3
            assert time.monotonic() < deadline
            time.sleep(0.1)
    (told,) = hook.told
    assert (told["type"], told["data"]["staff"]) == ("request.made", "kim")
