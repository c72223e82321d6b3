"""What could not be examined, attested by signed statements, on real databases; and the page that
says how, executed."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.services import unavailable
from tests.story.stage import SOURCE, Done, Stage

PAGE = Path(__file__).parents[2] / "docs" / "attest.md"
ONE = ("--workers", "1")
KEY, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
UNTIL = "2099-12-31"
STATEMENT = b"%PDF-1.7 All tapes were shredded.\n"
CHARTER = """
[offline.vault]
country = "SG"
provider = "Iron Harbour"
about = "monthly backup tapes"

[attesters.backups]
role = "Head of backup operations"
key = "{key}"
"""


_DIGEST = """
CREATE TABLE digest (n bigint PRIMARY KEY);
INSERT INTO digest VALUES (1);
CREATE RULE never AS ON DELETE TO digest DO INSTEAD NOTHING;
"""


def public(key: Ed25519PrivateKey) -> str:
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(info).decode()


@pytest.fixture
def scanned(stage: Stage) -> Stage:
    """A world with a relation that cannot be examined and a place that cannot be reached."""
    stage.execute("virginia", _DIGEST)
    text = stage.charter.read_text()
    stage.charter.write_text(text + CHARTER.format(key=public(KEY)))
    stage.run("scan", *ONE).expect(1)
    (stage.directory / "statement.pdf").write_bytes(STATEMENT)
    return stage


def attest(stage: Stage, *words: str, until: str = UNTIL, attester: str = "backups") -> Done:
    statement = str(stage.directory / "statement.pdf")
    return stage.run("attest", statement, "--attester", attester, "--until", until, *words)


def signed(
    stage: Stage, *place: str, key: Ed25519PrivateKey = KEY, until: str = UNTIL
) -> tuple[str, str]:
    """The words that hand in a signature over what the command prints."""
    text = attest(stage, *place, until=until).expect(0).out.encode()
    path = stage.directory / "statement.sig"
    path.write_bytes(key.sign(text))
    return "--signature", str(path)


def status(stage: Stage) -> Any:  # noqa: ANN401 - a document
    return stage.run("status", "--json").expect(1).json


VAULT = ("--site", "vault")
HOME = ("--site", "oracle-db", "--dataset", "digest")  # it came home with the schema
VIEW = ("--site", "virginia-db", "--dataset", "digest")


def test_what_was_not_examined_is_attested_and_the_boundary_never_simply_home(
    scanned: Stage,
) -> None:
    at_first = status(scanned)
    scanned.run("plan").expect(0)
    scanned.run("move", *ONE).expect(0)
    scanned.run("verify", *ONE).expect(0)
    scanned.erase().expect(1)
    scanned.run("scan", *ONE).expect(1)
    assert "not examined: 3 items, at home or away" in status(scanned)["verdict"]["lacking"]

    attest(scanned, *VAULT, *signed(scanned, *VAULT)).expect(0)
    attest(scanned, *HOME, *signed(scanned, *HOME)).expect(0)
    two = status(scanned)["verdict"]
    assert two["word"] == "verified"
    assert "not examined: 1 item, at home or away" in two["lacking"]
    attest(scanned, *VIEW, *signed(scanned, *VIEW)).expect(0)
    both = status(scanned)
    assert both["verdict"]["word"] == "home, except for what is attested"
    assert both["verdict"]["lacking"] == []
    states = {(s["site"], s["dataset"]): s["state"] for s in both["states"] if s["items"] == 1}
    assert states["vault", ""] == states["virginia-db", "digest"] == "attested"
    assert "not examined" not in {s["state"] for s in both["states"]}
    assert [(a["site"], a["covers"], a["problems"]) for a in both["attestations"]] == [
        ("oracle-db", 1, []),
        ("vault", 1, []),
        ("virginia-db", 1, []),
    ]
    assert at_first["after"]["holdings"] != both["after"]["holdings"]
    assert "attested" in scanned.run("status").expect(1).out
    scanned.run("report").expect(1)
    page = (scanned.records / "report.html").read_text()
    for text in (
        "Home, except for what is attested",
        "Head of backup operations",
        "key backups",
        UNTIL,
        both["attestations"][0]["statement_sha256"],
    ):
        assert text in page
    assert "✓ Home" not in page
    assert 'class="verdict is-home"' not in page

    scanned.run("ledger", "verify").expect(0)
    statement = next((scanned.records / "attestations").glob("*.statement"))
    assert statement.read_bytes() == STATEMENT
    statement.write_bytes(STATEMENT.replace(b"All", b"No "))
    assert "was changed" in scanned.run("ledger", "verify").expect(4).out
    for one in scanned.run("status", "--json").expect(4).json["attestations"]:
        assert "its files are not those that the ledger names" in one["problems"]


def test_nothing_is_recorded_before_there_is_a_signature(scanned: Stage) -> None:
    text = attest(scanned, *VAULT).expect(0).out
    assert text.startswith('{"attester":"backups"')
    assert attest(scanned, *VAULT, "--json").expect(0).json == {"sign": text}
    assert not (scanned.records / "attestations").exists()
    assert status(scanned)["attestations"] == []


def another_key(stage: Stage) -> Done:
    return attest(stage, *VAULT, *signed(stage, *VAULT, key=STRANGER))


def another_place(stage: Stage) -> Done:
    return attest(stage, *VIEW, *signed(stage, *VAULT))


def another_end(stage: Stage) -> Done:
    return attest(stage, *VAULT, *signed(stage, *VAULT, until="2030-01-01"))


def a_changed_statement(stage: Stage) -> Done:
    words = signed(stage, *VAULT)
    (stage.directory / "statement.pdf").write_bytes(STATEMENT + b"or not")
    return attest(stage, *VAULT, *words)


def a_short_signature(stage: Stage) -> Done:
    (stage.directory / "short").write_bytes(b"x" * 63)
    return attest(stage, *VAULT, "--signature", str(stage.directory / "short"))


def no_signature(stage: Stage) -> Done:
    return attest(stage, *VAULT, "--signature", str(stage.directory / "none"))


def an_end_that_has_passed(stage: Stage) -> Done:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    return attest(stage, *VAULT, until=yesterday)


def an_end_that_is_none(stage: Stage) -> Done:
    return attest(stage, *VAULT, until="2030-02-30")


def an_unknown_site(stage: Stage) -> Done:
    return attest(stage, "--site", "moon")


def an_unknown_dataset(stage: Stage) -> Done:
    return attest(stage, "--site", "virginia-db", "--dataset", "nothing")


def what_was_examined(stage: Stage) -> Done:
    return attest(stage, "--site", "virginia-db", "--dataset", "users")


def an_unknown_attester(stage: Stage) -> Done:
    return attest(stage, *VAULT, attester="somebody")


def a_statement_too_large(stage: Stage) -> Done:
    with (stage.directory / "statement.pdf").open("wb") as file:
        file.truncate((16 << 20) + 1)
    return attest(stage, *VAULT)


def an_empty_statement(stage: Stage) -> Done:
    (stage.directory / "statement.pdf").write_bytes(b"")
    return attest(stage, *VAULT)


def no_statement(stage: Stage) -> Done:
    (stage.directory / "statement.pdf").unlink()
    return attest(stage, *VAULT)


def a_charter_that_changed(stage: Stage) -> Done:
    stage.charter.write_text(stage.charter.read_text() + "\n# changed\n")
    return attest(stage, *VAULT)


REFUSED: dict[Callable[[Stage], Done], str] = {
    another_key: "not the signature of backups",
    another_place: "not the signature of backups",
    another_end: "not the signature of backups",
    a_changed_statement: "not the signature of backups",
    a_short_signature: "the signature has 63 bytes",
    no_signature: "cannot be read",
    an_end_that_has_passed: "which has passed",
    an_end_that_is_none: "2030-02-30",
    an_unknown_site: "nothing unexamined of what fits no dataset at 'moon'",
    an_unknown_dataset: "--site virginia-db --dataset digest",
    what_was_examined: "nothing unexamined of dataset 'users'",
    an_unknown_attester: "no attester 'somebody'",
    a_statement_too_large: "the statement is too large",
    an_empty_statement: "the statement is empty",
    no_statement: "cannot be read",
    a_charter_that_changed: "the charter changed since the last scan",
}


def test_whatever_is_wrong_is_refused_and_nothing_kept(scanned: Stage) -> None:
    charter, scenes = scanned.charter.read_text(), scanned.directory / "statement.pdf"
    for attempt, words in REFUSED.items():
        scanned.charter.write_text(charter)
        scenes.write_bytes(STATEMENT)
        done = attempt(scanned).expect(2)
        assert words in " ".join(done.err.split()), attempt.__name__
    scanned.charter.write_text(charter)
    assert not (scanned.records / "attestations").exists()
    assert status(scanned)["attestations"] == []


def test_the_page_says_how_with_openssl_alone(stage: Stage) -> None:
    if missing := [tool for tool in ("openssl", "jq") if shutil.which(tool) is None]:
        unavailable(", ".join(missing), "apt-get install openssl jq")
    text = PAGE.read_text(encoding="utf-8")
    (charter,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    make, sign, check = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    key = bash(stage, make).stdout.split()[-1]
    ours = re.sub(r'(?<=key = ")[^"]*', lambda _: key, charter)
    stage.charter.write_text(f"{stage.charter.read_text()}\n{ours}")
    stage.run("scan", *ONE).expect(1)
    (stage.directory / "statement.pdf").write_bytes(STATEMENT)
    shown = bash(stage, sign, code=1)
    assert "attested until 2030-12-31 by backup_operations" in shown.stdout
    assert "Signature Verified Successfully" in bash(stage, check).stdout


def bash(stage: Stage, script: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a block of the page in the workspace, where ``domicile`` is ours."""
    ours = f'domicile() {{ "{sys.executable}" -m domicile "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", ours + script],
        cwd=stage.directory,
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done
