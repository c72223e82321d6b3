"""S3 access keys: shown once, their secrets under the boundary's keys, over when they are ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from domicile.cli.desk import Counter, at_the_desk
from domicile.cli.session import Options
from domicile.custody.subjects import credential_subject
from domicile.errors import BadToken
from domicile.policy.credentials import s3_secret, signer_of
from tests.policy.precinct import Precinct


@pytest.fixture
def keyed(precinct: Precinct, monkeypatch: pytest.MonkeyPatch) -> Precinct:
    monkeypatch.setenv("PRECINCT_PASSPHRASE", "not guessed in a hundred years")
    precinct.run("custody", "create")
    return precinct


@pytest.fixture
def given(keyed: Precinct) -> dict[str, str]:
    made: dict[str, str] = keyed.json("staff", "credential", "kim", "--s3-key", "--second-factor")
    return made


@pytest.fixture
def counter(keyed: Precinct, given: dict[str, str]) -> Iterator[Counter]:
    assert given
    with at_the_desk(Options(keyed.charter, as_json=False)) as counter:
        yield counter


def test_the_secret_comes_from_custody_alone(counter: Counter, given: dict[str, str]) -> None:
    keys = counter.keys(())
    assert s3_secret(counter.desk, keys, given["credential"]) == given["secret"]
    caller, purpose = signer_of(counter.desk, given["credential"], "US")
    assert (caller.staff, caller.second_factor) == ("kim", True)
    assert purpose == ("", "")


def test_it_is_for_what_it_was_issued_for_also_when_its_end_is_moved(keyed: Precinct) -> None:
    words = ("staff", "credential", "kim", "--s3-key", "--purpose", "engineering")
    name = keyed.json(*words, "--ticket", "T-1")["credential"]
    keyed.json("staff", "credential", "kim", "--s3-key", "--rotate", name, "--overlap", "5")
    with at_the_desk(Options(keyed.charter, as_json=False)) as counter:
        assert signer_of(counter.desk, name, "US")[1] == ("engineering", "T-1")
    said = keyed.refused("staff", "credential", "kim", "--purpose", "engineering")
    assert "--s3-key" in said
    assert "not a purpose" in keyed.refused(*words[:-1], "no purpose!")


def test_nothing_that_is_kept_holds_the_secret(keyed: Precinct, given: dict[str, str]) -> None:
    for path in keyed.directory.rglob("*"):
        if path.is_file():
            assert given["secret"].encode() not in path.read_bytes(), path


def test_it_goes_with_the_boundarys_keys_when_they_are_wrapped_anew(
    keyed: Precinct, given: dict[str, str]
) -> None:
    with at_the_desk(Options(keyed.charter, as_json=False)) as counter:
        record = counter.desk.evidence.record
        keyring = counter.session.estate.keyring(counter.state, record)
        keyring.rotate()
        keys = keyring.open("rotate")
        assert sum(keys.rewrap()) == 1
    with at_the_desk(Options(keyed.charter, as_json=False)) as counter:
        keys = counter.keys(())
        assert s3_secret(counter.desk, keys, given["credential"]) == given["secret"]


def test_one_that_is_ended_or_over_a_holder_who_is_restricted_is_refused(
    keyed: Precinct, given: dict[str, str]
) -> None:
    other = keyed.json("staff", "credential", "app", "--s3-key")["credential"]
    keyed.run("staff", "revoke", given["credential"])
    keyed.run("staff", "restrict", "app")
    with at_the_desk(Options(keyed.charter, as_json=False)) as counter:
        for name in (given["credential"], other):
            with pytest.raises(BadToken):
                signer_of(counter.desk, name, "US")


def test_another_secret_in_its_place_is_none(keyed: Precinct, given: dict[str, str]) -> None:
    """Who writes to the database, with a key of the boundary even, makes no secret of anybody's."""
    found = next(keyed.directory.rglob("state.sqlite"))
    with at_the_desk(Options(keyed.charter, as_json=False)) as counter:
        keys = counter.keys(())
        with sqlite3.connect(found) as connection:
            connection.execute("DELETE FROM data_keys")
        with pytest.raises(BadToken):
            s3_secret(counter.desk, keys, given["credential"])
        subject = credential_subject(given["credential"])
        keys.of([subject])
        with pytest.raises(BadToken):
            s3_secret(counter.desk, keys, given["credential"])


def test_a_token_is_no_access_key_and_the_reverse(
    counter: Counter, keyed: Precinct, given: dict[str, str], tmp_path: Path
) -> None:
    token = keyed.json("staff", "credential", "kim")["credential"]
    with pytest.raises(BadToken):
        s3_secret(counter.desk, counter.keys(()), token)
    path = tmp_path / "shown"
    path.touch(mode=0o600)
    path.write_text(f"domicile_{given['credential']}_{given['secret']}")
    ask = ("access", "request", "--dataset", "drafts", "--purpose", "engineering")
    assert "not good" in keyed.refused(*ask, "--token-file", str(path))


def test_rotated_it_is_ended(keyed: Precinct, given: dict[str, str]) -> None:
    new = keyed.json("staff", "credential", "kim", "--s3-key", "--rotate", given["credential"])
    assert new["secret"] != given["secret"]
    assert "was ended" in keyed.refused(
        "staff", "credential", "kim", "--s3-key", "--rotate", given["credential"]
    )


def test_it_takes_the_boundarys_keys_and_is_one_thing(precinct: Precinct) -> None:
    refused = precinct.run("staff", "credential", "kim", "--s3-key", expect=3)
    assert "PRECINCT_PASSPHRASE" in str(refused.exception)
    words = ("staff", "credential", "kim", "--s3-key", "--certificate", str(precinct.charter))
    assert "one credential" in precinct.refused(*words)


def test_nobody_unknown_or_restricted_gets_one(keyed: Precinct) -> None:
    assert "no staff member" in keyed.refused("staff", "credential", "nobody", "--s3-key")
