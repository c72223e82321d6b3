"""A token takes the place of another: at once, or with both good for a time."""

from __future__ import annotations

import re

from tests.policy.office import issued, office, took
from tests.policy.precinct import Precinct


def rotated(precinct: Precinct, staff: str, *more: str) -> tuple[str, list[str], list[str]]:
    """The old one's name, and the words that show the old and the new."""
    old = precinct.json("staff", "credential", staff)
    new = precinct.json("staff", "credential", staff, "--rotate", old["credential"], *more)
    shown = []
    for name, given in (("old", old), ("new", new)):
        path = precinct.directory / f"{name}.token"
        path.touch(mode=0o600)
        path.write_text(given["token"])
        shown.append(["--token-file", str(path)])
    return (old["credential"], *shown)


def test_the_old_token_ends_at_once(precinct: Precinct) -> None:
    name, old, new = rotated(precinct, "kim")
    ask = ("access", "request", "--dataset", "drafts", "--purpose", "engineering")
    assert f"credential {name} was ended" in precinct.refused(*ask, *old)
    precinct.run(*ask, *new)


def test_both_are_good_for_a_time_and_its_end_is_in_the_ledger(precinct: Precinct) -> None:
    name, old, new = rotated(precinct, "kim", "--overlap", "30")
    ask = ("access", "request", "--dataset", "drafts", "--purpose", "engineering")
    precinct.run(*ask, *old)
    precinct.run(*ask, *new)
    found = precinct.run("ledger", "search", "--kind", "access.credential-issued", "--json").stdout
    ends = re.findall(rf'"credential":\s*"{name}".*?"until":\s*"([^"]+)"', found, re.DOTALL)
    assert len(ends) == 2
    assert ends[1] < ends[0]


def test_nobody_rotates_what_is_anothers_or_over(precinct: Precinct) -> None:
    name, *_ = rotated(precinct, "kim")
    assert "was ended" in precinct.refused("staff", "credential", "kim", "--rotate", name)
    other = precinct.json("staff", "credential", "boss")["credential"]
    words = ("staff", "credential", "kim", "--rotate", other)
    assert "no credential of kim" in precinct.refused(*words)
    precinct.refused("staff", "credential", "kim", "--overlap", "5")


def test_a_credential_issued_again_ends_earlier_and_never_later_or_as_anothers() -> None:
    standing = office()
    assert took(standing, (1, issued(1, "kim", 100))) == [None]
    assert took(standing, (2, issued(1, "kim", 50))) == [None]
    for body in (issued(1, "kim", 50), issued(1, "kim", 90), issued(1, "lee", 40)):
        (why,) = took(standing, (3, body))
        assert why is not None
        assert "is there already" in why
    assert standing.credentials[issued(1, "kim", 50).credential].issued == issued(1, "kim", 50)
