"""An outsider reads again what the checkpoint's hash chooses, with credentials of their own, on
real databases."""

from __future__ import annotations

import base64
import json
import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

import domicile.cli.kinds  # noqa: F401 - every kind of entry
from domicile.demo.servers import servers
from domicile.ledger import FileSigner, decode, read_only
from domicile.move import ShardVerified
from domicile.sites.objects import VersionRef
from tests.covering import Covers
from tests.story.stage import PLACES, Done, Stage

KEY = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
READS = "reads and signs; nothing is moved or erased"
ROLE = """
DO $$ BEGIN CREATE ROLE auditor LOGIN IN ROLE pg_read_all_data; EXCEPTION WHEN OTHERS THEN END $$;
"""


def public(key: Ed25519PrivateKey) -> str:
    info = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(info).decode()


@dataclass(frozen=True)
class Auditor:
    """Somebody with a copy of the records, a charter and a database user of their own."""

    stage: Stage
    home: Path

    @property
    def records(self) -> Path:
        return self.home / "records"

    def run(self, out: str, *words: str, key: str = "") -> Done:
        log = key or (self.stage.records / "ledger" / "log.vkey").read_text().split()[0]
        paths = ("--out", str(self.home / out), "--signing-key", str(self.home / "audit.pem"))
        charter = ("--charter", str(self.stage.directory / "auditor.toml"))
        forker = self.stage._forker
        named = ("audit", "run", "--key", log, *paths, *words, *charter)
        return Done(named, *forker.run(named, dict(os.environ)))

    def seen(self, out: str) -> dict[tuple[str, str, str], str]:
        """What is not as the records say: by shard, site and part, the outcome."""
        envelope = json.loads((self.home / out).read_bytes())
        said = json.loads(base64.b64decode(envelope["payload"]))
        return {
            (one["shard"], part["site"], part["part"]): part["reason"]
            for one in said["chosen"]
            for part in one["seen"]
            if part["unlike"] or part["unread"]
        }

    def statement(self, out: str) -> Any:  # noqa: ANN401 - a document
        envelope = json.loads((self.home / out).read_bytes())
        return json.loads(base64.b64decode(envelope["payload"]))


@pytest.fixture
def auditor(erased: Stage, tmp_path: Path) -> Auditor:
    shutil.copytree(erased.records, tmp_path / "records")
    shutil.rmtree(tmp_path / "records" / "cache")
    text = erased.charter.read_text().replace('".domicile"', f'"{tmp_path / "records"}"')
    for place in PLACES:
        url = servers(erased.directory)[place].url("loopreel")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(ROLE)
        assert "//postgres" in url, url
        text = text.replace(url, url.replace("//postgres", "//auditor"))
    (erased.directory / "auditor.toml").write_text(text)
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "audit.pem").write_bytes(pem)
    return Auditor(erased, tmp_path)


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def chosen_by_hand(records: Path, number: int) -> tuple[list[str], int]:
    """As the rule says, from the ledger alone."""
    reader = read_only(records / "ledger")
    bodies = [decode(data).body for _, data in reader.entries()]
    names = {f"{b.run}/{b.shard}" for b in bodies if isinstance(b, ShardVerified) and b.verified}
    names_in_order = sorted(names, key=str.encode)
    root, counter = reader.checkpoint.root, 0
    chosen: list[str] = []
    while len(chosen) < number:
        digest = sha256(root + counter.to_bytes(8, "big")).digest()
        name = names_in_order[int.from_bytes(digest, "big") % len(names_in_order)]
        chosen += [] if name in chosen else [name]
        counter += 1
    return chosen, len(names)


def test_an_outsider_reads_again_what_nobody_could_choose_and_signs_what_was_seen(
    auditor: Auditor, covers: Covers
) -> None:
    stage = auditor.stage
    records, copy = tree(stage.records), tree(auditor.records)
    done = auditor.run("few", "--shards", "5").expect(0)
    assert "everything chosen is as the records say" in done.out
    said = auditor.statement("few")
    chosen, shards = chosen_by_hand(auditor.records, 5)
    assert [f"{one['run']}/{one['shard']}" for one in said["chosen"]] == chosen
    assert (said["shards"], said["holds"], said["auditor"]) == (shards, True, public(KEY))
    auditor.run("all", "--shards", "1000").expect(0)
    assert len(auditor.statement("all")["chosen"]) == shards
    assert auditor.seen("all") == {}

    what_is_not_as_the_records_say_is_told(auditor)
    assert (tree(stage.records), tree(auditor.records)) == (records, copy)
    a_statement_is_worth_what_its_signature_is(auditor)
    nothing_is_signed_where_the_records_are_not_the_ledgers(auditor)
    covers("Later", "an outsider's audit of shards chosen by hash", "found verified", note=READS)


def what_is_not_as_the_records_say_is_told(auditor: Auditor) -> None:
    """A row at home is changed and one comes back, an object at home is gone and one comes back,
    and a database does not let the auditor in."""
    stage = auditor.stage
    (draft,) = stage.execute("oracle", "SELECT id FROM drafts ORDER BY id LIMIT 1")[0]
    stage.execute("oracle", "UPDATE drafts SET title = 'other' WHERE id = %s", draft)
    (member,) = stage.execute("virginia", "SELECT min(id) FROM users WHERE country = 'US'")[0]
    stage.execute("virginia", "INSERT INTO watch_events VALUES (%s, 1, 5, now())", member)
    home = stage.bucket("oracle")
    listed = [v for page in home.versions() for v in page if not v.is_marker]
    gone = next(v for v in listed if v.key.startswith("private/"))
    assert list(home.delete([VersionRef(gone.key, gone.version_id)])) == []
    stage.execute("singapore", "REVOKE CONNECT ON DATABASE loopreel FROM PUBLIC")
    auditor.run("wrong", "--shards", "1000").expect(1)
    wrong = auditor.seen("wrong")
    assert "of another digest" in wrong.pop(("rows-drafts-00000", "oracle-db", "home"))
    events = wrong.pop(("rows-watch_events-00000", "virginia-db", "source"))
    assert events == "1 rows of members are there"
    lost = wrong.pop(("objects-000000", "oracle-media", "home"))
    assert lost == "the version that was proven is not there"
    assert {(site, part) for _, site, part in wrong} == {("singapore-db", "source")}
    assert len(wrong) > 5
    assert all("permission denied" in why for why in wrong.values())
    assert auditor.statement("wrong")["holds"] is False


def a_statement_is_worth_what_its_signature_is(auditor: Auditor) -> None:
    def verify(name: str, key: str = public(KEY)) -> Done:
        words = ("audit", "verify", str(auditor.home / name), "--key", key)
        return Done(words, *auditor.stage._forker.run(words, dict(os.environ)))

    assert verify("all").expect(0).json == auditor.statement("all")
    verify("wrong").expect(1)
    other = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    assert "did not sign" in verify("all", public(other)).expect(4).err
    envelope = json.loads((auditor.home / "wrong").read_bytes())
    forged = {**auditor.statement("wrong"), "holds": True}
    envelope["payload"] = base64.b64encode(json.dumps(forged).encode()).decode()
    (auditor.home / "forged").write_text(json.dumps(envelope))
    verify("forged").expect(4)
    (auditor.home / "nothing").write_text("{}")
    verify("nothing").expect(4)
    verify("all", "MCow").expect(2)
    verify("missing").expect(2)


def nothing_is_signed_where_the_records_are_not_the_ledgers(auditor: Auditor) -> None:
    assert "is there already" in " ".join(auditor.run("all").expect(2).err.split())
    origin = auditor.statement("all")["ledger_origin"]
    stranger = FileSigner.create_or_load(auditor.home / "stranger.key", origin).vkey
    assert "the ledger is not sound" in auditor.run("one", key=stranger).expect(4).err
    for proof in auditor.records.glob("runs/*/verified/*.parquet"):
        proof.write_bytes(proof.read_bytes() + b"x")
    changed = " ".join(auditor.run("two").expect(4).err.split())
    assert "is not the one in the ledger" in changed
    for entries in auditor.records.glob("ledger/tile/entries/**/*"):
        if entries.is_file():
            entries.write_bytes(entries.read_bytes().replace(b"verified", b"veryfied"))
    assert "the ledger is not sound" in auditor.run("three").expect(4).err
    (auditor.home / "audit.pem").write_bytes(b"no key")
    assert "cannot be used" in auditor.run("four").expect(2).err
    assert not [n for n in ("one", "two", "three", "four") if (auditor.home / n).exists()]
