"""Objects, Ceph RGW to the same Ceph RGW: copying and proving, against rclone."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.measure import Command, Ratios, busy_seconds, timed
from bench.services import Bucket, Database, Rgw, rclone

__all__ = [
    "Figures",
    "ObjectWorld",
    "Sealed",
    "Shares",
    "domicile",
    "fill",
    "measure",
    "ours",
    "people",
]

SMALL = (5_000, 16 << 10)
LARGE = (60, 8 << 20)
PEOPLE = 100
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


_KEYS = """
[boundaries.us.keys]
root = "file"
path = "custodian/root"
passphrase_file = "custodian/passphrase"
"""
TUNED = ("--transfers", "32", "--checkers", "32")
PEERS = {"tuned": TUNED, "defaults": ()}


@dataclass
class Figures:
    """What the pairs said against rclone with some flags. against_copy: our move and verify
    against rclone's copy alone."""

    flags: str
    both: Ratios = field(default_factory=Ratios)
    moving: Ratios = field(default_factory=Ratios)
    verifying: Ratios = field(default_factory=Ratios)
    against_copy: Ratios = field(default_factory=Ratios)


@dataclass
class Sealed:
    """The speed of our commands where home lies sealed, over theirs where it does not."""

    moving: Ratios = field(default_factory=Ratios)
    verifying: Ratios = field(default_factory=Ratios)


@dataclass
class Shares:
    """Where the processors' time went, as medians of shares of one run's whole."""

    ours: Ratios = field(default_factory=Ratios)
    server: Ratios = field(default_factory=Ratios)
    others: Ratios = field(default_factory=Ratios)


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

    def charter(self, home: Bucket, *, sealed: bool = False) -> Path:
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
        if sealed:
            _give_keys(path)
            domicile("custody create", path, self.environ)
        for step in ("scan", "plan"):
            domicile(step, path, self.environ, allowed=(0, 1))
        return path


def _give_keys(charter: Path) -> None:
    passphrase = charter.parent / "custodian" / "passphrase"
    passphrase.parent.mkdir(mode=0o700)
    passphrase.touch(mode=0o600)
    passphrase.write_text("a passphrase of the benchmark's own")
    with charter.open("a") as file:
        file.write(_KEYS)


def domicile(
    step: str, charter: Path, environ: dict[str, str], *, allowed: tuple[int, ...] = (0,)
) -> None:
    """An untimed step."""
    done = subprocess.run(
        [sys.executable, "-m", "domicile", *step.split(), "--charter", str(charter)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in allowed:
        raise RuntimeError(f"domicile {step}: {done.returncode}\n{done.stdout}{done.stderr}")


def ours(
    world: ObjectWorld, charter: Path, step: str, workers: int = 2, *, memory: bool = False
) -> Command:
    """One timed command of ours, start-up included."""
    command = [sys.executable, "-m", "domicile", step, "--charter", str(charter)]
    return timed([*command, "--workers", str(workers)], world.environ, memory=memory)


def theirs(world: ObjectWorld, home: Bucket, step: str, flags: Sequence[str]) -> Command:
    """One timed command of rclone, between two remotes: through one and the same it would have
    the server copy by itself, which two stores cannot."""
    environ = {"RCLONE_CONFIG": str(world.directory / "no-rclone.conf")}
    for remote in ("AWAY", "HOME"):
        environ |= {
            f"RCLONE_CONFIG_{remote}_TYPE": "s3",
            f"RCLONE_CONFIG_{remote}_PROVIDER": "Ceph",
            f"RCLONE_CONFIG_{remote}_ENDPOINT": world.server.endpoint,
            f"RCLONE_CONFIG_{remote}_ACCESS_KEY_ID": Rgw.ACCESS_KEY,
            f"RCLONE_CONFIG_{remote}_SECRET_ACCESS_KEY": Rgw.SECRET_KEY,
        }
    places = (f"away:{world.source.name}", f"home:{home.name}")
    command = ["env", "-u", "AWS_CA_BUNDLE", rclone(), *step.split(), *flags, *places]
    return timed(command, environ)


def fill(world: ObjectWorld, kinds: Sequence[tuple[int, int]]) -> None:
    """Put random objects into the source: (how many, of how many bytes) each. Every person has
    some of each kind."""

    def put(kind: int, number: int, size_bytes: int) -> None:
        key = f"media/{number % PEOPLE + 1}/{kind}-{number:05}.bin"
        body = random.Random(f"{kind}/{number}").randbytes(size_bytes)  # noqa: S311 - data
        world.server.client.put_object(Bucket=world.source.name, Key=key, Body=body)

    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda task: put(*task),
                [(kind, n, size) for kind, (many, size) in enumerate(kinds) for n in range(many)],
            )
        )


def fill_huge(world: ObjectWorld, size_bytes: int) -> None:
    """Add one large object."""
    noise = random.Random(1).randbytes(8 << 20)  # noqa: S311 - data
    key = "media/1/huge.bin"
    with tempfile.TemporaryFile() as file:
        for _ in range(size_bytes // len(noise)):
            file.write(noise)
        file.seek(0)
        world.server.client.upload_fileobj(file, world.source.name, key)


def people(database: Database) -> str:
    """The URL of a database in which everybody is a member."""
    url = database.fresh()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE users (id bigint PRIMARY KEY, country text NOT NULL)")
        connection.execute(
            "INSERT INTO users SELECT n, 'US' FROM generate_series(1, %s) n", [PEOPLE]
        )
    return url


def measure(world: ObjectWorld, pairs: int) -> tuple[list[Figures], Shares, Sealed]:
    """Run ours, plain and sealed, and each peer in turns, every run into a fresh bucket."""
    figures = {name: Figures(" ".join(flags) or "defaults") for name, flags in PEERS.items()}
    shares, sealed = Shares(), Sealed()
    for _ in range(pairs):
        moved, verified = _ours(world, shares)
        for name, flags in PEERS.items():
            _weigh(figures[name], moved, verified, *_theirs(world, flags))
        sealing, opening = _ours(world, Shares(), sealed=True)
        sealed.moving.add(moved.seconds, sealing.seconds)
        sealed.verifying.add(verified.seconds, opening.seconds)
        print(f"  objects, sealed: {sealed.moving.values[-1]:.2f}", flush=True)
    return list(figures.values()), shares, sealed


def _weigh(
    figures: Figures, moved: Command, verified: Command, copied: Command, checked: Command
) -> None:
    both = moved.seconds + verified.seconds
    figures.both.add(both, copied.seconds + checked.seconds)
    figures.moving.add(moved.seconds, copied.seconds)
    figures.verifying.add(verified.seconds, checked.seconds)
    figures.against_copy.add(both, copied.seconds)
    print(f"  objects, rclone {figures.flags}: {figures.both.values[-1]:.2f}", flush=True)


def _ours(world: ObjectWorld, shares: Shares, *, sealed: bool = False) -> tuple[Command, Command]:
    home = world.server.bucket()
    charter = world.charter(home, sealed=sealed)
    busy, server = busy_seconds(), world.server.cpu_seconds()
    moved, verified = ours(world, charter, "move"), ours(world, charter, "verify")
    whole = (moved.seconds + verified.seconds) * (os.cpu_count() or 1)
    server = world.server.cpu_seconds() - server
    client = moved.cpu_seconds + verified.cpu_seconds
    shares.ours.add(client, whole)
    shares.server.add(server, whole)
    shares.others.add(max(busy_seconds() - busy - server - client, 0), whole)
    world.server.remove(home)
    shutil.rmtree(charter.parent)
    return moved, verified


def _theirs(world: ObjectWorld, flags: Sequence[str]) -> tuple[Command, Command]:
    home = world.server.bucket()
    copied = theirs(world, home, "copy", flags)
    checked = theirs(world, home, "check --download", flags)
    world.server.remove(home)
    return copied, checked
