from __future__ import annotations

import json

import pytest

from domicile.sites.archives import (
    BackupFacts,
    backup_roots,
    facts_of_label,
    facts_of_manifest,
    known_by_name,
)

LABEL = """START WAL LOCATION: 0/2000028 (file 000000010000000000000002)
CHECKPOINT LOCATION: 0/2000080
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-30 20:58:01 UTC
LABEL: of "somebody"
START TIMELINE: 1
"""


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("w/00000001000000A900000065", "write-ahead log"),
        ("00000001000000A900000065.lz4", "write-ahead log"),
        ("w/00000001000000A900000065-9baedd24b61aa15305732ac678c4e2c102435a09.zst", "log"),
        ("w/00000001000000A900000065.00000028.backup", "write-ahead log"),
        ("w/00000001000000A900000065.partial", "write-ahead log"),
        ("w/0000000A.history", "write-ahead log"),
        ("r/backup/main/20261130-120000F/pg_data/base/1/1.gz", "pgBackRest"),
        ("backup/main/20261130-120000F_20261201-120000I/backup.manifest", "pgBackRest"),
        ("archive/main/17-1/0000000100000000/x", "pgBackRest"),
        ("x/basebackups_005/base_000000010000000000000002/tar_partitions/1.tar", "WAL-G"),
        ("wal_005/anything", "WAL-G"),
        ("main/base/20261130T120000/data.tar.gz", "Barman"),
        ("main/wals/0000000100000000/any", "Barman"),
        ("s/PG_18_202506291/5/1259", "tablespace"),
        ("w/00000001000000a900000065", ""),
        ("w/65f0a1b2c3d4e5f6a7b8c9d0.csv", ""),
        ("w/00000001000000A900000065.csv", ""),
        ("archive/reports/2026-11/a.csv", ""),
        ("backup/main/a.csv", ""),
        ("base/20261130T120000/report.csv", ""),
        ("exports/a.csv", ""),
    ],
)
def test_names_of_physical_backups_are_known_and_no_others(key: str, told: str) -> None:
    reason = known_by_name(key)
    assert told in reason
    assert bool(reason) == bool(told)


def test_folders_are_looked_at_where_a_base_backup_may_lie() -> None:
    assert list(backup_roots("a/base.tar.zst")) == ["a/"]
    assert list(backup_roots("PG_VERSION")) == [""]
    assert list(backup_roots("a/base/5/PG_VERSION")) == ["a/base/5/", "a/"]
    assert list(backup_roots("global/1")) == [""]
    assert list(backup_roots("a/b.csv")) == []


def test_facts_are_what_label_and_manifest_say_and_no_free_text_of_theirs() -> None:
    manifest = {
        "PostgreSQL-Backup-Manifest-Version": 2,
        "System-Identifier": 7423004155133219000,
        "Files": [{"Path": "pg_tblspc/16385/PG_18/5/1"}, {"Path": "base/1/1"}],
        "WAL-Ranges": [{"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000120"}],
    }
    facts = facts_of_manifest(json.dumps(manifest).encode())
    assert facts == BackupFacts("7423004155133219000", "0/2000028", "", 1)
    assert facts_of_label(LABEL) == BackupFacts("", "0/2000028", "2026-11-30 20:58:01 UTC")
    reason = facts.beside(facts_of_label(LABEL)).reason
    assert (
        "of system 7423004155133219000, from 0/2000028 on, begun 2026-11-30 20:58:01 UTC" in reason
    )
    assert "somebody" not in reason


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"Files": 1}', b'{"WAL-Ranges": {}}'])
def test_a_manifest_that_says_nothing_is_no_error(data: bytes) -> None:
    assert facts_of_manifest(data) in (BackupFacts(), BackupFacts(tablespaces=0))


def test_facts_of_another_kind_are_left_out() -> None:
    hostile = {"System-Identifier": "Jane\nDoe", "WAL-Ranges": [{"Start-LSN": "Jane"}]}
    assert facts_of_manifest(json.dumps(hostile).encode()) == BackupFacts(tablespaces=0)


def test_beside_tars_other_files_are_not_the_backups() -> None:
    assert BackupFacts().holds("a/", "a/pg_wal.tar", is_plain=False)
    assert not BackupFacts().holds("a/", "a/b.csv", is_plain=False)
    assert BackupFacts().holds("a/", "a/b", is_plain=True)
    assert not BackupFacts().holds("a/", "b", is_plain=True)
