"""Objects, Ceph RGW to the same Ceph RGW: copying and proving, against rclone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.measure import Command, Ratios, timed
from bench.services import Bucket, Database, Rgw, rclone

__all__ = ["Figures", "ObjectWorld", "fill", "measure"]

SMALL = (5_000, 16 << 10)
LARGE = (60, 8 << 20)
_PEOPLE = 100
_CHARTER = """
[company]
name = "Bench"

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
provider = "Bench"
url = "{people}"

[sites.away]
kind = "objects"
country = "SG"
provider = "Bench"
url = "s3://{away}"
endpoint = "{endpoint}"
access_key_env = "BENCH_ACCESS_KEY"
secret_key_env = "BENCH_SECRET_KEY"

[sites.home]
kind = "objects"
country = "US"
provider = "Trusted"
url = "s3://{home}"
endpoint = "{endpoint}"
access_key_env = "BENCH_ACCESS_KEY"
secret_key_env = "BENCH_SECRET_KEY"

[tables.users]
table = "users"
classification = "public"

[objects.media]
template = "media/{{person}}/{{file...}}"
"""


@dataclass
class Figures:
    """What the pairs said. ``copy``: our copy and proof against rclone's copy alone."""

    both: Ratios = field(default_factory=Ratios)
    copy: Ratios = field(default_factory=Ratios)
    copying: Ratios = field(default_factory=Ratios)
    proving: Ratios = field(default_factory=Ratios)
    our_cpu_share: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class ObjectWorld:
    """A server, its people and a bucket whose objects all belong to members."""

    server: Rgw
    people: str
    source: Bucket
    directory: Path

    @property
    def environ(self) -> dict[str, str]:
        """What `domicile` needs in its environment."""
        return {"BENCH_ACCESS_KEY": Rgw.ACCESS_KEY, "BENCH_SECRET_KEY": Rgw.SECRET_KEY}

    def charter(self, home: Bucket) -> Path:
        """A new charter with this bucket as home, scanned and planned."""
        directory = self.directory / home.name
        directory.mkdir(parents=True)
        path = directory / "domicile.toml"
        path.write_text(
            _CHARTER.format(
                people=self.people,
                away=self.source.name,
                home=home.name,
                endpoint=self.server.endpoint,
            )
        )
        for step in ("scan", "plan"):
            domicile(step, path, self.environ, allowed=(0, 1))
        return path


def domicile(
    step: str, charter: Path, environ: dict[str, str], *, allowed: tuple[int, ...] = (0,)
) -> None:
    """An untimed step."""
    done = subprocess.run(
        [sys.executable, "-m", "domicile", step, "--charter", charter],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in allowed:
        raise RuntimeError(f"domicile {step}: {done.returncode}\n{done.stdout}{done.stderr}")


def ours(world: ObjectWorld, charter: Path, step: str, workers: int = 2, **watch: bool) -> Command:
    """One timed command of ours, start-up included."""
    return timed(
        [sys.executable, "-m", "domicile", step, "--charter", charter, "--workers", str(workers)],
        world.environ,
        **watch,
    )


def theirs(world: ObjectWorld, home: Bucket, step: str, flags: tuple[str, ...]) -> Command:
    """One timed command of rclone."""
    remote = {
        "RCLONE_CONFIG": str(world.directory / "no-rclone.conf"),
        "RCLONE_CONFIG_RGW_TYPE": "s3",
        "RCLONE_CONFIG_RGW_PROVIDER": "Ceph",
        "RCLONE_CONFIG_RGW_ENDPOINT": world.server.endpoint,
        "RCLONE_CONFIG_RGW_ACCESS_KEY_ID": Rgw.ACCESS_KEY,
        "RCLONE_CONFIG_RGW_SECRET_ACCESS_KEY": Rgw.SECRET_KEY,
        # Another remote of the same name would let the server copy by itself: bytes must pass.
        "RCLONE_DISABLE": "Copy",
    }
    environ = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
    words = [rclone(), *step.split(), *flags, f"rgw:{world.source.name}", f"rgw:{home.name}"]
    return timed(["env", "-i", *(f"{k}={v}" for k, v in {**environ, **remote}.items()), *words], {})
