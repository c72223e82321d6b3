"""A stage for the story: a small world on real servers, which can be put back to earlier scenes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

import domicile
from domicile.charter import load_charter
from domicile.custody.sealing import SealedStore
from domicile.demo.servers import servers
from domicile.demo.truth import Truth, compare_truth, snapshot_truth
from domicile.demo.truth_objects import Objects, compare_objects, owner_of, read_objects
from domicile.demo.truth_rows import compare_rows, read_rows
from domicile.demo.workspace import DATABASE, bucket, give_keys
from domicile.errors import SiteMissing
from domicile.inventory import Estate
from domicile.sites.objects import ObjectSite
from domicile.sites.objects.directory import DirectorySite
from domicile.sites.objects.model import Attributes, ObjectVersion, Upload
from domicile.state import State
from tests.story.forking import Forker
from tests.story.struck.sitecustomize import VARIABLE

__all__ = [
    "AWAY",
    "PLACES",
    "SITES",
    "SOURCE",
    "Done",
    "Stage",
    "confirmed",
    "group_ended",
    "wait_until_stopped",
]

PLACES = ("virginia", "singapore", "oracle")
AWAY = ("virginia", "singapore")
SITES = ("virginia-media", "singapore-media", "virginia-db", "singapore-db")
_STRUCK = Path(__file__).with_name("struck")
SOURCE = str(Path(domicile.__file__).parents[1])
_PATIENCE_S = 120
_PROBES = ".domicile-probe/"
_LIMITED = """
import resource, runpy, signal, sys
size = int(sys.argv.pop(1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
runpy.run_module("domicile", run_name="__main__", alter_sys=True)
"""


def confirmed(*sites: str) -> list[str]:
    """The words that name and confirm sites to erase at."""
    return [word for site in sites for word in ("--site", site, "--confirm", site)]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the command printed
        return json.loads(self.out)

    def expect(self, *codes: int) -> Done:
        """Insist on the exit code."""
        assert self.code in codes, f"{self.words} ended with {self.code}\n{self.out}\n{self.err}"
        return self


@dataclass
class Stage:
    """A workspace whose servers run. before: the truth that `problems` compares with;
    origin: that of the world as it was made."""

    directory: Path
    before: Truth
    origin: Truth = field(init=False)
    _scenes: Path = field(init=False)
    _forker: Forker = field(init=False)

    def __post_init__(self) -> None:
        self.origin = self.before
        self._forker = Forker(_environ())
        self._scenes = self.directory.with_name(f"{self.directory.name}-scenes")

    @property
    def charter(self) -> Path:
        return self.directory / "domicile.toml"

    @property
    def records(self) -> Path:
        return self.directory / ".domicile"

    # --- commands

    def run(self, *words: str, environ: Mapping[str, str] | None = None) -> Done:
        """Run one command to its end."""
        here = ("--charter", str(self.charter))
        return Done(
            words,
            *self._forker.run((*words, *here), {**_environ(), **self._reader, **(environ or {})}),
        )

    def run_afresh(self, *words: str) -> Done:
        """Run one command to its end in an interpreter of its own."""
        process = self.start(*words)
        try:
            out, err = process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Done(words, process.returncode, out, err)

    def start(
        self,
        *words: str,
        environ: Mapping[str, str] | None = None,
        largest_file: int | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group of its own. largest_file: no file may
        grow beyond so many bytes, as where a disk is full."""
        module = ["-m", "domicile"] if largest_file is None else ["-c", _LIMITED, str(largest_file)]
        return subprocess.Popen(
            [sys.executable, *module, *words, "--charter", str(self.charter)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**_environ(), **self._reader, **(environ or {})},
            start_new_session=True,
        )

    @property
    def _reader(self) -> dict[str, str]:
        """What was seen of the ledger is put back with everything else: a scene is no rollback."""
        return {"XDG_STATE_HOME": str(self.directory / "reader")}

    def start_struck(
        self, by: signal.Signals, nth: int, *words: str, delay_s: float = 0.0
    ) -> subprocess.Popen[str]:
        """Start a command whose process group gets a signal just before the nth change to the
        stage's files, or a moment after it was due (see `tests.story.struck.sitecustomize`)."""
        counter = self.directory.with_name("changes")
        counter.unlink(missing_ok=True)
        strike = f"{nth}:{delay_s}:{by}:{counter}:{self.directory}"
        path = os.pathsep.join((str(_STRUCK), SOURCE))
        return self.start(*words, environ={VARIABLE: strike, "PYTHONPATH": path})

    def erase(self, *sites: str, workers: int = 1) -> Done:
        """Erase at these sites, or at all."""
        return self.run("erase", "--workers", str(workers), *confirmed(*(sites or SITES)))

    def tell(self, *, workers: int = 1) -> None:
        """The story to its end, without fault; nothing may be wrong after it."""
        many = ("--workers", str(workers))
        self.run("scan", *many).expect(1)
        self.run("plan").expect(0)
        self.run("move", *many).expect(0)
        self.run("verify", *many).expect(0)
        self.erase(workers=workers).expect(0)
        self.run("scan", *many).expect(0)
        self.run("ledger", "verify").expect(0)

    # --- what there is

    @contextmanager
    def database(self, place: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A session at a place, as the application has it; committed at the end."""
        with psycopg.connect(servers(self.directory)[place].url(DATABASE)) as connection:
            yield connection

    def execute(self, place: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement of the application's; its rows, if it has any."""
        with self.database(place) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def everywhere_away(self, statement: str, *values: object) -> None:
        """What the application does in Virginia also reaches the standby."""
        for place in AWAY:
            self.execute(place, statement, *values)

    def bucket(self, place: str) -> DirectorySite:
        return bucket(self.directory, place)

    def put(self, place: str, key: str, data: bytes) -> str:
        """Write an object; its version."""
        attributes = Attributes(content_type="application/octet-stream")
        return asyncio.run(self.bucket(place).write(key, _once(data), attributes, len(data)))

    def get(self, place: str, key: str, version: str | None = None) -> bytes:
        """Read an object."""
        return asyncio.run(_read(self.bucket(place), key, version))

    def keys(self, place: str) -> set[str]:
        """The keys of which a place has any version or marker."""
        return {v.key for page in self.bucket(place).versions() for v in page}

    # --- the truth

    def remember(self) -> None:
        """Take what there is now for the truth."""
        self.before = snapshot_truth(self.directory)

    def problems(self) -> list[str]:
        """What is not as it must be after the story's end."""
        with self._opened(self.bucket("oracle")) as home:
            return compare_truth(self.directory, self.before, home)

    def home_problems(self) -> list[str]:
        """What is not as it must be at home after the move, whatever is still elsewhere."""
        rows = read_rows(self._url("oracle"))
        with self._opened(self.bucket("oracle")) as store:
            objects = read_objects(store)
        return compare_rows(self.before.rows, self.before.members, rows, {}) + compare_objects(
            self.before.objects, self.before.members, self.before.senders, objects, {}
        )

    @contextmanager
    def _opened(self, store: ObjectSite) -> Iterator[ObjectSite]:
        """Home's objects as whoever has the keys reads them, if they lie sealed."""
        estate = Estate(load_charter(self.charter), os.environ)
        if not estate.seals:
            yield store
            return
        with closing(State.beside(self.records)) as state:
            keys = estate.keyring(state, lambda _: None).open("open")
            yield SealedStore(store, keys, {})

    def seal(self) -> None:
        """Give the boundary keys: from now on what comes home is sealed."""
        give_keys(self.directory)
        self.run("custody", "create").expect(0)

    def source_changes(self) -> list[str]:
        """What is no longer as it was away from home (nothing may be, before the erasure)."""
        return self._changes(self.bucket)

    def source_changes_but_probes(self) -> list[str]:
        """The same after a kill: the probes that it left are removed by the next command."""
        return self._changes(self._without_probes)

    def _without_probes(self, place: str) -> DirectorySite:
        return _WithoutProbes(place, self.directory / place / "media")

    def _changes(self, bucket: Callable[[str], DirectorySite]) -> list[str]:
        changes = []
        for place in AWAY:
            if read_rows(self._url(place)).tables != self.before.rows.tables:
                changes.append(f"{place}: rows")
            if read_objects(bucket(place)) != self.before.objects[place]:
                changes.append(f"{place}: objects")
        return changes

    def lost(self) -> list[str]:
        """What is neither where it was nor, equal, at home. Must be empty at every instant."""
        # Away from home first: what is found there may be erased before home is read.
        away = {place: read_rows(self._url(place)).tables for place in AWAY}
        stores = {place: asyncio.run(_readable(self.bucket(place))) for place in AWAY}
        home = read_rows(self._url("oracle")).tables
        lost = []
        for place, tables in away.items():
            for table, old in self.before.rows.tables.items():
                for key, row in old.items():
                    if tables[table].get(key) == row:
                        continue
                    is_mine = row.owner in self.before.members
                    if not is_mine or home[table].get(key) != row:
                        lost.append(f"{place}: {table} {key}")
        with self._opened(self._without_probes("oracle")) as store:
            return lost + self._lost_objects(stores, read_objects(store))

    def _lost_objects(self, stores: Mapping[str, set[tuple[str, str]]], home: Objects) -> list[str]:
        lost = []
        for place, there in stores.items():
            for key, versions in self.before.objects[place].versions.items():
                is_mine = owner_of(key, self.before.senders) in self.before.members
                safe = {one.content for one in home.versions.get(key, []) if is_mine}
                lost += [
                    f"{place}: {key!r} {one.version_id}"
                    for one in versions
                    if (key, one.version_id) not in there
                    and one.content not in safe
                    and not (is_mine and one.is_marker)
                ]
        return lost

    def _url(self, place: str) -> str:
        return servers(self.directory)[place].url(DATABASE)

    # --- scenes

    def save(self, scene: str) -> None:
        """Keep everything as it is now under a name."""
        for place in PLACES:
            self._copy_database(place, DATABASE, f"scene_{scene}")
        for part in self._parts():
            target = self._scenes / scene / part
            if (self.directory / part).exists():
                shutil.copytree(self.directory / part, target, symlinks=True)
        shutil.copy(self.charter, self._scenes / scene / "domicile.toml")

    def restore(self, scene: str) -> None:
        """Put everything back as it was."""
        for place in PLACES:
            self._copy_database(place, f"scene_{scene}", DATABASE)
        for part in self._parts():
            shutil.rmtree(self.directory / part, ignore_errors=True)
            if (self._scenes / scene / part).exists():
                shutil.copytree(self._scenes / scene / part, self.directory / part, symlinks=True)
        shutil.copy(self._scenes / scene / "domicile.toml", self.charter)

    def has(self, scene: str) -> bool:
        """Whether a scene was saved."""
        return (self._scenes / scene).exists()

    def close(self) -> None:
        """Remove the scenes."""
        self._forker.close()
        shutil.rmtree(self._scenes, ignore_errors=True)

    @staticmethod
    def _parts() -> list[str]:
        return [".domicile", "custodian", "reader", *(f"{place}/media" for place in PLACES)]

    def _copy_database(self, place: str, source: str, target: str) -> None:
        url = servers(self.directory)[place].url("postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)".encode())
            _end_sessions(connection, source)
            connection.execute(f"CREATE DATABASE {target} TEMPLATE {source}".encode())


class _WithoutProbes(DirectorySite):
    """A bucket as if no command had tried whether it may write there."""

    def versions(
        self, prefix: str = "", after: str = "", until: str = ""
    ) -> Iterator[list[ObjectVersion]]:
        for page in super().versions(prefix, after, until):
            yield [version for version in page if not version.key.startswith(_PROBES)]

    def uploads(self, prefix: str = "") -> Iterator[list[Upload]]:
        for page in super().uploads(prefix):
            yield [upload for upload in page if not upload.key.startswith(_PROBES)]


def _environ() -> dict[str, str]:
    """What a command sees: the source that is under test."""
    return {**os.environ, "PYTHONPATH": SOURCE}


def _end_sessions(connection: psycopg.Connection[tuple[Any, ...]], database: str) -> None:
    """A killed command's session may go on for an instant; a template must have none."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    deadline = time.monotonic() + 10
    while connection.execute(query, [database]).fetchall() and time.monotonic() < deadline:
        time.sleep(0.02)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


async def _readable(site: DirectorySite) -> set[tuple[str, str]]:
    """Key and id of every marker and of every version whose bytes are there: of one whose deletion
    was interrupted they are gone, though it is listed."""
    found = set()
    for version in (version for page in site.versions() for version in page):
        with suppress(SiteMissing):
            if not version.is_marker:
                await _read(site, version.key, version.version_id)
            found.add((version.key, version.version_id))
    return found


async def _read(site: DirectorySite, key: str, version: str | None) -> bytes:
    opened = await site.read(key, version)
    return b"".join([chunk async for chunk in opened.chunks])


def wait_until_stopped(process: subprocess.Popen[str]) -> None:
    """Wait for SIGSTOP to have struck; a command that ended instead is an error."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), status


def group_ended(group: int, within_s: float = 10.0) -> bool:
    """Whether no process of a group is left."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with suppress(ProcessLookupError):
            os.killpg(group, 0)
            time.sleep(0.02)
            continue
        return True
    return False
