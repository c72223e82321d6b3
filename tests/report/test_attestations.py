"""What an attestation covers, and everything that keeps it from counting."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import structs

from domicile.charter import Charter, parse_charter
from domicile.errors import EvidenceError
from domicile.ledger import Entry, FileDigest
from domicile.report.attestations import cover, read_attestations
from domicile.report.model import AttestationView
from domicile.scan import Attestation
from domicile.scan.entries import Attested
from tests.charter.conftest import CHARTER
from tests.report.world import AFTER, holding

KEY, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
TODAY = date(2026, 3, 1)
STATEMENT = b"All tapes were shredded."


def charter(key: Ed25519PrivateKey = KEY, name: str = "backups") -> Charter:
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = (
        f'{CHARTER}\n[attesters.{name}]\nrole = "Head of backups"\n'
        f'key = "{base64.b64encode(info).decode()}"\n'
    )
    return parse_charter(text, "domicile.toml", today=TODAY).charter


@dataclass(frozen=True)
class Case:
    """An attestation as it lies in the records, and what it is read under."""

    signed: Attestation
    body: Attested
    files: dict[str, bytes]
    charter: Charter
    today: date = TODAY

    def read(self, records: Path) -> AttestationView:
        for path, data in self.files.items():
            (records / path).parent.mkdir(exist_ok=True)
            (records / path).write_bytes(data)
        entry = Entry(self.body, datetime(2026, 2, 1, tzinfo=UTC), "ab" * 32)
        (view,) = read_attestations(records, self.charter, [entry], self.today)
        return view


def case(
    signed: Attestation,
    *,
    key: Ed25519PrivateKey = KEY,
    text: bytes = b"",
    signature: bytes = b"",
) -> Case:
    text = text or signed.text()
    files = {
        "attestations/s.statement": STATEMENT,
        "attestations/t.json": text,
        "attestations/t.sig": signature or key.sign(text),
    }
    body = Attested(
        run="one",
        boundary="us",
        site=SIGNED.site,
        dataset=SIGNED.dataset,
        items=SIGNED.items,
        attester=SIGNED.attester,
        role="Head of backups",
        until="2026-12-31",
        statement_sha256=SIGNED.statement_sha256,
        files=tuple(
            FileDigest(path=path, sha256=sha256(data).hexdigest(), size_bytes=len(data))
            for path, data in files.items()
        ),
    )
    return Case(signed, body, files, charter())


SIGNED = Attestation(
    format="domicile attestation 1",
    ledger="domicile.invalid/us",
    boundary="us",
    site="old-db",
    dataset="view",
    items=3,
    until=date(2026, 12, 31),
    attester="backups",
    statement_sha256=sha256(STATEMENT).hexdigest(),
)
GOOD = case(SIGNED)


def with_file(path: str, data: bytes) -> Case:
    return replace(GOOD, files={**GOOD.files, path: data})


def test_a_good_one_counts_to_the_end_of_its_last_day(tmp_path: Path) -> None:
    assert replace(GOOD, today=date(2026, 12, 31)).read(tmp_path).problems == ()


BAD: dict[str, tuple[Case, str]] = {
    "expired": (replace(GOOD, today=date(2027, 1, 1)), "it counted until 2026-12-31"),
    "an attester whom the charter dropped": (
        replace(GOOD, charter=charter(name="others")),
        "the charter names no attester backups",
    ),
    "an attester with another key": (
        replace(GOOD, charter=charter(STRANGER)),
        "the key of backups did not sign it",
    ),
    "signed by somebody else": (case(SIGNED, key=STRANGER), "the key of backups did not sign it"),
    "another statement": (
        with_file("attestations/s.statement", b"No tape was shredded."),
        "its files are not those that the ledger names",
    ),
    "another signature": (
        with_file("attestations/t.sig", b"x" * 64),
        "its files are not those that the ledger names",
    ),
    "a signature that is none": (
        case(SIGNED, signature=b"x" * 63),
        "the key of backups did not sign it",
    ),
    "signed for another place": (
        case(structs.replace(SIGNED, site="old-media")),
        "what was signed says something else than the ledger",
    ),
    "signed for a shorter time": (
        case(structs.replace(SIGNED, until=date(2026, 6, 30))),
        "what was signed says something else than the ledger",
    ),
    "signed about fewer items": (
        case(structs.replace(SIGNED, items=2)),
        "what was signed says something else than the ledger",
    ),
    "signed for another ledger": (
        case(structs.replace(SIGNED, ledger="elsewhere.example/us")),
        "what was signed says something else than the ledger",
    ),
    "another thing signed": (case(SIGNED, text=b"[]"), "what was signed is no attestation"),
    "deep nonsense signed": (
        case(SIGNED, text=b"[" * 100_000),
        "what was signed is no attestation",
    ),
}


@pytest.mark.parametrize(("bad", "problem"), BAD.values(), ids=BAD)
def test_kept_from_counting_by(bad: Case, problem: str, tmp_path: Path) -> None:
    view = bad.read(tmp_path)
    assert problem in view.problems
    _, (weighed,) = cover(structs.replace(AFTER, holdings=(left(3),)), [view])
    assert weighed.covers == 0


def test_a_missing_file_is_not_what_the_ledger_names(tmp_path: Path) -> None:
    GOOD.read(tmp_path)
    (tmp_path / "attestations/s.statement").unlink()
    entry = Entry(GOOD.body, datetime(2026, 2, 1, tzinfo=UTC), "ab" * 32)
    (view,) = read_attestations(tmp_path, GOOD.charter, [entry], TODAY)
    assert view.problems == ("its files are not those that the ledger names",)


def test_an_entry_without_its_files_is_broken_evidence(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="names 1 files"):
        replace(GOOD, body=structs.replace(GOOD.body, files=GOOD.body.files[:1])).read(tmp_path)


def test_the_last_one_about_a_place_is_the_one_that_may_count(tmp_path: Path) -> None:
    GOOD.read(tmp_path)
    bodies = [GOOD.body, structs.replace(GOOD.body, until="2030-01-01")]
    entries = [Entry(body, datetime(2026, 2, 1, tzinfo=UTC), "ab" * 32) for body in bodies]
    (view,) = read_attestations(tmp_path, GOOD.charter, entries, TODAY)
    assert view.problems == ("what was signed says something else than the ledger",)


def left(number: int, dataset: str = "view") -> object:
    return holding("old-db", dataset, "rows", 0, unexamined=number)


@pytest.mark.parametrize(
    ("items", "found", "covers"),
    [(3, 3, 3), (3, 2, 2), (3, 4, 0), (3, -1, 0), (-1, -1, 1), (-1, 9, 9), (3, 0, 0)],
)
def test_it_covers_no_more_than_it_is_about(
    items: int, found: int, covers: int, tmp_path: Path
) -> None:
    view = structs.replace(GOOD.read(tmp_path), items=items)
    scan = structs.replace(AFTER, holdings=(left(found), left(7, "other")))
    covered, (weighed,) = cover(scan, [view])
    assert weighed.covers == covers
    assert covered.attested == covers
    assert covered.unexamined == 7 + (0 if covers else abs(found))
    assert bool(weighed.problems) == (not covers and found != 0)


def test_what_is_signed_is_one_line_of_canonical_json() -> None:
    text = SIGNED.text()
    assert text.count(b"\n") == 1
    assert msgspec.json.decode(text, type=Attestation) == SIGNED
    assert text.startswith(b'{"attester":"backups","boundary":"us","dataset":"view","format":')


@pytest.mark.parametrize(
    "name", ["site", "dataset", "items", "until", "statement_sha256", "ledger"]
)
def test_everything_that_matters_is_under_the_signature(name: str) -> None:
    changed: dict[str, Callable[[], object]] = {
        "items": lambda: 4,
        "until": lambda: date(2027, 1, 1),
    }
    other = structs.replace(SIGNED, **{name: changed.get(name, lambda: "another")()})
    assert other.text() != SIGNED.text()
