"""A boundary whose members' objects came home sealed, for tests that shred some of them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

import domicile.cli.kinds  # noqa: F401 - every kind of entry
from domicile.charter import load_charter
from domicile.custody.file_root import FileRoot
from domicile.custody.sealing import SealedStore
from domicile.custody.waiting import Look
from domicile.erase.shred import Shredder
from domicile.errors import EvidenceError
from domicile.inventory import (
    FOUND,
    Estate,
    Evidence,
    Job,
    Workplace,
    announce,
    ledger_directory,
    write_parquet,
)
from domicile.ledger import Body, decode, read_only
from domicile.move import ObjectShard, Plan, ShardVerified
from domicile.move.steps import ShardTask, copy_shard, verify_shard
from domicile.people.register import SCHEMA as PEOPLE
from domicile.sites.objects import Attributes
from domicile.sites.objects.directory import DirectorySite
from domicile.state import State
from tests.move.test_objects import CHARTER, PLAN
from tests.story.forking import forker
from tests.story.stage import SOURCE
from tests.story.struck.sitecustomize import VARIABLE

__all__ = ["ANNA", "BEN", "CARL", "EVERYBODY", "NOON", "Boom", "ShredWorld", "data_of"]

ANNA, BEN, CARL = "person-771000000001", "person-772000000002", "person-773000000003"
EVERYBODY = (ANNA, BEN, CARL, *(f"person-78{number:010}" for number in range(9)))
RUN = "20260102T120000Z-abcdef"
NOON = Look("boot", 1_000, 1_767_355_200, "system, synchronised")
_PASSPHRASE = "correct horse battery staple"
_FILE = """
root = "file"
path = "custodian/root"
passphrase_file = "custodian/passphrase"
"""
_STRUCK = Path(__file__).parents[1] / "story" / "struck"


class Boom(Exception):
    """The power is cut."""


def data_of(person: str) -> bytes:
    """What a person's video holds."""
    return f"video of {person}".encode() * 20


class ShredWorld:
    """Members' videos, moved home and verified by run RUN; the state, the ledger and the root.

    keys: where the root is, as the charter says it; made beside it, as a file, by default.
    """

    def __init__(self, base: Path, *, days: int = 0, keys: str = "") -> None:
        self.base = base
        self.charter = base / "domicile.toml"
        self.records = base / ".domicile"
        self.now = NOON
        if not self.charter.exists():
            self._make(days, keys)

    def _make(self, days: int, keys: str) -> None:
        self.base.mkdir(parents=True, exist_ok=True)
        text = CHARTER.replace('"media/{person}"', '"media/{person}/{file}"')
        where = f"[boundaries.us.keys]\nshred_days = {days}\n{keys or _FILE}"
        self.charter.write_text(text + where)
        if not keys:
            self._make_root()
        for name in ("oracle", "virginia", "singapore"):
            DirectorySite(name, self.base / name, durable=False).create()
        for person in EVERYBODY:
            self._put(f"media/{person}/video", data_of(person))
        self._register()
        self.move_home()

    def _make_root(self) -> None:
        (self.base / "custodian").mkdir(mode=0o700)
        passphrase = self.base / "custodian" / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(_PASSPHRASE)
        FileRoot.create(self.base / "custodian" / "root", _PASSPHRASE)

    def _put(self, key: str, data: bytes) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield data

        site = DirectorySite("virginia", self.base / "virginia", durable=False)
        asyncio.run(site.write(key, chunks(), Attributes(), len(data)))

    def _register(self) -> None:
        rows = [
            {"person": person, "key": [person], "country": "US", "member": True}
            for person in (*EVERYBODY, "person-799999999999")  # the last one has no data
        ]
        rows.append({"person": "elsewhere", "key": ["elsewhere"], "country": "DE", "member": False})
        path = self.records / "runs" / RUN / "people.parquet"
        write_parquet(path, PEOPLE, [pa.Table.from_pylist(rows, schema=PEOPLE)])
        with self.opened() as (_, _, state):
            state.start_run(RUN, datetime(2026, 1, 2, 12, tzinfo=UTC), "ab" * 32)
            state.scanned(RUN, datetime(2026, 1, 2, 13, tzinfo=UTC))

    @contextmanager
    def opened(self) -> Iterator[tuple[Estate, Evidence, State]]:
        """What a command opens."""
        loaded = load_charter(self.charter)
        estate, state = Estate(loaded, {}), State.beside(self.records)
        try:
            with estate, Evidence(self.records, loaded) as evidence:
                yield estate, evidence, state
        finally:
            state.close()

    @contextmanager
    def shredder(self) -> Iterator[Shredder]:
        with self.opened() as (estate, evidence, state):
            yield Shredder(estate, evidence, state, look=lambda: self.now)

    def recorded(self) -> list[Body]:
        reader = read_only(ledger_directory(self.records))
        return [decode(data).body for _, data in reader.entries()]

    # --- moving

    def workplace(self, run: str = RUN, reason: str = "move") -> Workplace:
        """A worker's, with keys opened for it."""
        loaded = load_charter(self.charter)
        job = Job(str(self.charter), loaded.sha256, run, date(2026, 1, 2))
        with self.opened() as (estate, evidence, _):
            keys = estate.authorise_keys(reason, evidence.record)  # type: ignore[arg-type]
        return Workplace(replace(job, keys=keys))

    def move_home(self, run: str = RUN, persons: Collection[str] = EVERYBODY) -> int:
        """Copy and verify these persons' videos; how many are not proven."""
        here = self.workplace(run)
        rows = [row for row in self._found() if row["person"] in persons]
        table = pa.Table.from_pylist(rows, schema=FOUND)
        write_parquet(here.run.shard("objects-000000"), FOUND, [table])
        shard = ObjectShard("objects-000000", len(rows), len(rows), 0, 0, 1, ("virginia",))
        task = ShardTask(here.job, _plan(run), shard)
        copy_shard(task)
        failed = verify_shard(task)
        with self.opened() as (_, evidence, _):
            path = here.run.verified(shard.id, 1)
            evidence.record(announce(path, self.records, ShardVerified))
        return failed

    def _found(self) -> list[dict[str, Any]]:
        site = DirectorySite("virginia", self.base / "virginia", durable=False)
        return [
            {
                "site": "virginia",
                "kind": "version",
                "key": version.key,
                "version_id": version.version_id,
                "is_latest": version.is_latest,
                "size_bytes": version.size_bytes,
                "etag": version.etag,
                "modified": version.modified,
                "dataset": "media",
                "person": version.key.split("/")[1],
                "shared": False,
                "state": "member",
                "reason": "",
            }
            for page in site.versions()
            for version in page
        ]

    # --- looking

    def home(self, workplace: Workplace | None = None) -> SealedStore:
        """Home, with keys opened now, or by a worker before."""
        here = workplace or self.workplace(reason="open")
        owners = {f"media/{person}/video": ("media", "") for person in EVERYBODY}
        store = here.home_objects(owners)
        assert isinstance(store, SealedStore)
        return store

    def readable(self, workplace: Workplace | None = None) -> set[str]:
        """The persons whose videos at home open."""
        home, found = self.home(workplace), set()
        for person in EVERYBODY:
            try:
                assert asyncio.run(_read(home, f"media/{person}/video")) == data_of(person)
            except EvidenceError:
                continue
            found.add(person)
        return found

    def database_bytes(self) -> bytes:
        """The state database's files, whichever there are."""
        return b"".join(path.read_bytes() for path in self.records.glob("state.sqlite*"))

    def certificate(self, path: str) -> dict[str, Any]:
        document = json.loads((self.records / path).read_bytes())
        return dict(json.loads(base64.b64decode(document["payload"])))

    def back_up(self) -> Path:
        """Everything but the root, as it is today."""
        target = self.base.with_name(f"{self.base.name}-backup")
        shutil.copytree(self.base, target, symlinks=True)
        (target / "custodian" / "root").unlink()
        return target

    # --- commands

    def command(
        self, *words: str, stdin: str = "", environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, or to its being struck."""
        words = (*words, "--charter", str(self.charter))
        environ = {**_environ(), "XDG_STATE_HOME": str(self.base / "seen"), **(environ or {})}
        if VARIABLE not in environ:
            return subprocess.CompletedProcess(words, *forker().run(words, environ, stdin=stdin))
        return subprocess.run(
            [sys.executable, "-m", "domicile", *words],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            start_new_session=True,
            env=environ,
        )

    def struck(self, nth: int, delay_s: float, *words: str) -> int:
        """Run a command that is killed just before its nth change to files, or a moment later; its
        exit code."""
        counter = self.base.with_name("changes")
        counter.unlink(missing_ok=True)
        strike = f"{nth}:{delay_s}:9:{counter}:{self.base}"
        path = os.pathsep.join((str(_STRUCK), SOURCE))
        return self.command(*words, environ={VARIABLE: strike, "PYTHONPATH": path}).returncode


def _plan(run: str) -> Plan:
    return msgspec.structs.replace(PLAN, run=run)


async def _read(home: SealedStore, key: str) -> bytes:
    read = await home.read(key)
    return b"".join([chunk async for chunk in read.chunks])


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != VARIABLE}
