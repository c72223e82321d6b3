"""``domicile ledger verify`` and ``publish``, wherever the log lies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domicile.charter import load_charter
from domicile.cli.main import cli
from domicile.errors import EvidenceError, UsageError
from domicile.inventory import Evidence
from domicile.ledger import digest_file, published_keys
from domicile.scan.entries import ScanStarted
from tests.services.objects import MakeBucket, S3Server

CHARTER = """
[company]
name = "Company"

[boundaries.us]
members = ["US"]
custodian = "Custodian"
provider = "Trusted"
home = ["home"]

[people]
table = "users"
key = ["id"]
country = "country"

[sites.people]
kind = "postgres"
country = "SG"
provider = "Company"
url = "postgresql://127.0.0.1:1/none"

[sites.shelf]
kind = "objects"
country = "SG"
provider = "Company"
url = "file:shelf"

[sites.home]
kind = "objects"
country = "US"
provider = "Trusted"
url = "{home}"
{access}

[tables.users]
table = "users"
classification = "public"
"""
BUCKET = """endpoint = "{endpoint}"
access_key_env = "LEDGER_TEST_KEY"
secret_key_env = "LEDGER_TEST_SECRET"
"""


class Office:
    """A directory with a charter, its records and their ledger."""

    def __init__(self, directory: Path, home: str = "file:home", access: str = "") -> None:
        self.directory = directory
        self.charter = directory / "domicile.toml"
        self.charter.write_text(CHARTER.format(home=home, access=access))
        self.records = directory / ".domicile"
        (self.records / "runs").mkdir(parents=True)
        (directory / "shelf").mkdir()
        self.log = self.records / "ledger"
        self.record(1)

    def record(self, count: int) -> None:
        file = self.records / "runs" / "file"
        file.write_text("content")
        files = (digest_file(file, self.records),)
        with Evidence(self.records, load_charter(self.charter)) as evidence:
            started = ScanStarted(run="r", boundary="us", tool="t", files=files)
            evidence.record(*[started] * count)

    def ledger(self, *words: str) -> int:
        code: int = cli.main(
            ["ledger", *words, "--charter", str(self.charter)], standalone_mode=False
        )
        return code

    @property
    def keys(self) -> list[str]:
        return [word for key in published_keys(self.log) for word in ("--key", key)]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "office").mkdir()
    return Office(tmp_path / "office")


def test_the_charters_own_log_is_verified_with_its_files(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    assert office.ledger("verify") == 0
    said = capsys.readouterr().out
    assert "1 files checked" in said
    assert "held against the key that it publishes itself" in said
    assert office.ledger("verify", *office.keys) == 0
    assert "--key" not in capsys.readouterr().out


def test_a_directory_needs_no_charter_and_says_that_files_were_not_checked(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(office.log, tmp_path / "copy"))
    words = ["ledger", "verify", str(copy), "--charter", str(tmp_path / "none"), *office.keys]
    assert cli.main(words, standalone_mode=False) == 0
    assert "files: not checked (1 are named)" in capsys.readouterr().out
    assert cli.main([*words, "--records", str(office.records)], standalone_mode=False) == 0
    assert "1 files checked" in capsys.readouterr().out


def test_a_log_in_its_records_is_verified_with_its_files(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    (office.records / "runs" / "file").write_text("CONTENT")
    assert office.ledger("verify", str(office.log), *office.keys) == 4
    assert "was changed" in capsys.readouterr().out


def test_json_carries_the_checkpoint_and_what_was_not_checked(
    office: Office, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    copy = Path(shutil.copytree(office.log, tmp_path / "copy"))
    assert office.ledger("verify", str(copy), "--json") == 0
    captured = capfdbinary.readouterr()
    found = json.loads(captured.out)
    assert (found["files_checked"], found["files_unchecked"]) == (0, 1)
    assert found["checkpoint"].encode() == (office.log / "checkpoint").read_bytes()
    assert b"no --key" in captured.err


def test_a_rollback_is_noticed_by_a_reader_who_kept_nothing_himself(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = Path(shutil.copytree(office.log, tmp_path / "earlier"))
    office.record(2)
    assert office.ledger("verify", *office.keys) == 0
    assert office.ledger("verify", str(earlier), *office.keys) == 4
    assert "the log was rolled back" in capsys.readouterr().out
    assert office.ledger("verify", *office.keys) == 0


def test_a_fork_shown_to_another_reader_is_found_with_his_checkpoint(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fork = Path(shutil.copytree(office.records, tmp_path / "fork" / ".domicile"))
    office.record(2)
    with Evidence(fork, load_charter(office.charter)) as evidence:
        evidence.record(ScanStarted(run="x", boundary="us", tool="t", files=()))
    kept = tmp_path / "kept"
    assert office.ledger("verify", str(fork / "ledger"), "--seen", str(kept), *office.keys) == 0
    assert kept.read_bytes() == (fork / "ledger" / "checkpoint").read_bytes()
    assert office.ledger("verify", "--against", str(kept), *office.keys) == 4
    assert "do not lead to the root signed at size 3" in capsys.readouterr().out


def test_a_reader_who_cannot_remember_is_told_and_the_log_is_as_sound(
    office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("in the way")
    assert office.ledger("verify", *office.keys) == 0
    assert "a rollback after now would not be noticed" in capsys.readouterr().out


def test_a_log_published_to_a_directory_is_verified_through_a_web_server(
    office: Office, tmp_path: Path
) -> None:
    www = tmp_path / "www"
    assert office.ledger("publish", str(www)) == 0
    office.record(3)
    assert office.ledger("publish", str(www)) == 0
    with served(www) as url:
        assert office.ledger("verify", url, *office.keys) == 0
        replaced = (www / "checkpoint").read_bytes().replace(b"\n5\n", b"\n4\n")
        (www / "checkpoint").write_bytes(replaced)
        assert office.ledger("verify", url, *office.keys) == 4


@pytest.mark.parametrize("place", ["shelf", "shelf/evidence/us"])
def test_a_log_published_to_a_site_is_verified_there(
    office: Office, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for count in (0, 300, 1):
        office.record(count)
        assert office.ledger("publish", place) == 0
        assert office.ledger("verify", place, "--workers", "2", *office.keys) == 0
    assert "302 entries" in capsys.readouterr().out
    assert office.ledger("publish", place) == 0
    assert "0 files (0 bytes) were written" in capsys.readouterr().out


@pytest.mark.parametrize("versioned", [True, False])
def test_a_log_published_to_a_bucket_is_verified_there(
    tmp_path: Path,
    rgw: S3Server,
    rgw_bucket: MakeBucket,
    monkeypatch: pytest.MonkeyPatch,
    *,
    versioned: bool,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LEDGER_TEST_KEY", rgw.access_key)
    monkeypatch.setenv("LEDGER_TEST_SECRET", rgw.secret_key)
    bucket = rgw_bucket(versioned=versioned)
    access = BUCKET.format(endpoint=rgw.endpoint)
    office = Office(tmp_path, f"s3://{bucket.name}", access)
    for count in (0, 255, 60):
        office.record(count)
        assert office.ledger("publish", "home/log") == 0
        assert office.ledger("verify", "home/log", "--workers", "2", *office.keys) == 0
    client = bucket.client()
    keys = {each["Key"] for each in client.list_objects_v2(Bucket=bucket.name)["Contents"]}
    assert {f"log/{name}" for name in ("checkpoint", "log.vkey", "tile/0/000")} <= keys
    assert not [key for key in keys if "/000.p/" in key and "/1/" not in key], "superseded"
    client.put_object(Bucket=bucket.name, Key="log/tile/0/000", Body=bytes(8192))
    assert office.ledger("verify", "home/log", *office.keys) == 4
    client.close()


def test_a_location_that_is_none_is_refused(office: Office) -> None:
    for words in (("verify", "nowhere"), ("verify", "people"), ("publish", "s3://bucket")):
        with pytest.raises(UsageError, match="no place of a ledger"):
            office.ledger(*words)


def test_an_empty_directory_is_no_ledger(office: Office, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EvidenceError, match="no ledger here"):
        office.ledger("verify", str(tmp_path / "empty"))


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """The URL of a directory behind a web server on loopback."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--directory", directory],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = process.stdout.readline().split(" port ")[1].split()[0]
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
