"""Archives that are being erased or rewritten, whatever is killed: what is in them is read here
from the very files that they lie in."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.services.objects import MakeBucket, TestBucket
from tests.story import test_archives
from tests.story.proxy import Fault, S3Proxy, serving
from tests.story.stage import AWAY, Done, Stage, confirmed, group_ended
from tests.story.test_archives import (
    ONE,
    REWRITTEN,
    Rows,
    as_csv,
    others_of,
    unpacked,
    use_buckets,
)
from tests.story.test_kills import LONG

_KILLS = 4
_CHANGES = 300
"""How many changes to files the erasure makes here, at least."""
_MEDIA = ("virginia-media", "singapore-media")

rows, archived = test_archives.rows, test_archives.archived


def _lying(stage: Stage, place: str) -> dict[str, list[bytes]]:
    """Every archive of a place: its versions' bytes, oldest first. Of a version whose deletion was
    killed only the sidecar is left."""
    media = stage.directory / place / "media"
    found: dict[str, list[bytes]] = {}
    for sidecar in sorted(media.rglob("*.json")):
        key = str(sidecar.parent.relative_to(media)).removesuffix("@")
        if not json.loads(sidecar.read_text())["is_marker"] and key.startswith(
            ("reports", "dumps")
        ):
            data = sidecar.with_suffix(".data")
            found.setdefault(key, []).extend([data.read_bytes()] if data.exists() else [])
    return found


@dataclass(frozen=True)
class Truth:
    """The archives before, by place and key, and others' rows in each one that is rewritten."""

    before: dict[str, dict[str, list[bytes]]]
    kept: dict[str, dict[str, object]]

    @classmethod
    def of(cls, stage: Stage, rows: Rows) -> Truth:
        others = others_of(stage, rows)
        kept = {
            place: {k: unpacked(made(others)) for k, made in REWRITTEN.items()} for place in AWAY
        }
        kept["virginia"]["reports/a.csv"] = unpacked(as_csv(others[::-1]))
        return cls({place: _lying(stage, place) for place in AWAY}, kept)

    def lost(self, stage: Stage) -> list[str]:
        """What is not at home whole, and rows of others that an archive lost where it lay. Must be
        empty at every instant."""
        home, lost = _lying(stage, "oracle"), []
        for place, archives in self.before.items():
            now = _lying(stage, place)
            for key, versions in archives.items():
                lost += [f"{key}: not at home" for data in versions if data not in home[key]]
                kept = self.kept[place].get(key)
                left = now.get(key, [])
                foreign = [d for d in left if d not in versions and unpacked(d) != kept]
                lost += [f"{place}: {key} has a version that nobody wrote" for _ in foreign]
                if kept is not None and not left:
                    lost.append(f"{place}: {key} is gone")
        return lost

    def left_over(self, stage: Stage) -> list[str]:
        """What is not as it must be at the end."""
        wrong = []
        for place, kept in self.kept.items():
            now = _lying(stage, place)
            wrong += [f"{place}: {key} is still there" for key in now.keys() - kept.keys()]
            for key, value in kept.items():
                if [unpacked(data) for data in now.get(key, [])] != [value]:
                    wrong.append(f"{place}: {key}: {len(now.get(key, []))} versions")
        return wrong


@pytest.fixture
def verified_archives(archived: Stage) -> Stage:
    """At home and proven there, not erased yet."""
    if not archived.has("archives"):
        archived.run("scan", *ONE).expect(1)
        for words in (("plan",), ("move", *ONE), ("verify", *ONE)):
            archived.run(*words).expect(0)
        archived.save("archives")
    archived.restore("archives")
    return archived


def test_a_deletion_that_was_killed_when_the_bytes_had_gone_is_repeated(
    verified_archives: Stage, rows: Rows
) -> None:
    stage, truth = verified_archives, Truth.of(verified_archives, rows)
    words = ("erase", "--workers", "1", *confirmed(*_MEDIA))
    folders = [stage.directory / "virginia" / "media" / f"{key}@" for key in REWRITTEN]
    gone = {max(folder.glob("*.data")) for folder in folders}
    stage.run(*words).expect(0)
    after = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
    stage.restore("archives")
    for path, data in after.items():
        path.write_bytes(data)
    for path in gone:
        path.unlink()
    stage.run(*words).expect(0)
    assert truth.lost(stage) == []
    assert truth.left_over(stage) == []


@pytest.mark.parametrize("seed", range(12) if LONG else range(1))
def test_archives_are_whole_or_without_members_whatever_is_killed(
    verified_archives: Stage, rows: Rows, seed: int
) -> None:
    stage, truth = verified_archives, Truth.of(verified_archives, rows)
    rng = random.Random(f"archives/{seed}")  # noqa: S311 - seeded
    words = ("erase", "--workers", str(2 - seed % 2), *confirmed(*_MEDIA))
    kills = 0
    for _ in range(_KILLS):
        delay_s = rng.choice((0.0, 0.0, 0.003, 0.02))
        nth = rng.randint(1, _CHANGES // _KILLS)
        process = stage.start_struck(signal.SIGKILL, nth, *words, delay_s=delay_s)
        out, err = process.communicate(timeout=120)
        assert group_ended(process.pid)
        assert process.returncode in (0, -signal.SIGKILL), f"{out}\n{err}"
        kills += process.returncode != 0
        assert truth.lost(stage) == []
    assert kills >= _KILLS - 1
    stage.run(*words).expect(0)
    assert truth.lost(stage) == []
    assert truth.left_over(stage) == []
    stage.erase().expect(0)
    stage.run("scan", *ONE).expect(0)
    stage.run("ledger", "verify").expect(0)


# --- on S3, where the deed is a request


_KEY = "reports/a.csv.gz"
_CHANGING = ("PUT", "POST", "DELETE")


@dataclass
class Shop:
    """The stage with its buckets on a real S3 server, reached through a proxy: ``old-media`` keeps
    no versions. An archive lies verified at home."""

    stage: Stage
    proxy: S3Proxy
    buckets: dict[str, TestBucket]
    before: dict[str, list[bytes]]
    process: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        server = self.buckets["old-media"].server
        return {"STORY_KEY": server.access_key, "STORY_SECRET": server.secret_key}

    def run(self, *words: str) -> Done:
        return self.stage.run(*words, environ=self.environ)

    def lying(self, name: str) -> list[bytes]:
        """The archive's versions in a bucket, oldest first, as boto3 gives them."""
        bucket = self.buckets[name]
        client = bucket.client()
        found = client.list_object_versions(Bucket=bucket.name, Prefix=_KEY).get("Versions", [])
        where = [{"Bucket": bucket.name, "Key": _KEY, "VersionId": v["VersionId"]} for v in found]
        versions = [client.get_object(**each)["Body"].read() for each in where]
        client.close()
        return versions[::-1]

    def killed(self, strikes: Callable[[str], bool], fault: Fault) -> bool:
        """Run an erasure that is killed at the first request that this says; what becomes of the
        request is the fault. Whether it came to that."""

        def choose(method: str, _number: int) -> Fault:
            if method not in _CHANGING or not strikes(self.proxy.latest):
                return "pass"
            os.killpg(self.process[-1].pid, signal.SIGKILL)
            return fault

        self.proxy.choose = choose
        self.process.append(self.stage.start(*_ERASE, environ=self.environ))
        out, err = self.process[-1].communicate(timeout=120)
        assert group_ended(self.process[-1].pid)
        self.proxy.choose = lambda _method, _number: "pass"
        assert self.process[-1].returncode in (0, 1, -signal.SIGKILL), f"{out}\n{err}"
        return self.process[-1].returncode == -signal.SIGKILL


_ERASE = ("erase", *ONE, *confirmed("virginia-media", "old-media"))


@pytest.fixture
def shop(stage: Stage, rows: Rows, rgw_bucket: MakeBucket) -> Iterator[Shop]:
    names = {"virginia-media": True, "old-media": False, "oracle-media": True}
    buckets = {name: rgw_bucket(versioned=versioned) for name, versioned in names.items()}
    for name in ("virginia-media", "virginia-media", "old-media"):
        rows = rows[::-1]
        client = buckets[name].client()
        data = gzip.compress(as_csv(rows))
        client.put_object(Bucket=buckets[name].name, Key=_KEY, Body=data)
        client.close()
    use_buckets(stage, buckets)
    url = urlsplit(buckets["old-media"].server.endpoint)
    with serving(str(url.hostname), url.port or 80) as proxy:
        text = stage.charter.read_text()
        stage.charter.write_text(text.replace(url.geturl(), proxy.endpoint))
        shop = Shop(stage, proxy, buckets, {})
        shop.before = {name: shop.lying(name) for name in buckets}
        shop.run("scan", *ONE).expect(1)
        for words in (("plan",), ("move", *ONE), ("verify", *ONE)):
            shop.run(*words).expect(0)
        yield shop


def _of_key(request: str) -> bool:
    return request.startswith("PUT ") and f"/{_KEY}" in request


def _nth(number: int) -> Callable[[str], bool]:
    counted = itertools.count(1)
    return lambda _request: next(counted) == number


@pytest.mark.parametrize("fault", ["lie", "reset"] if LONG else ["lie"])
def test_an_archive_in_a_bucket_is_whole_or_without_members_at_whichever_request_is_killed(
    shop: Shop, rows: Rows, fault: Fault
) -> None:
    others = others_of(shop.stage, rows)
    kept = {"virginia-media": as_csv(others), "old-media": as_csv(others[::-1])}
    strikes = [_of_key, _of_key, *map(_nth, range(1, 16) if LONG else [])]
    kills = 0
    for each in strikes:
        kills += shop.killed(each, fault)
        home = shop.lying("oracle-media")
        for name, value in kept.items():
            there = shop.lying(name)
            assert there
            for data in there:
                assert data in shop.before[name] or gzip.decompress(data) == value
            assert all(data in home for data in shop.before[name])
    assert kills >= 2
    if shop.run(*_ERASE).expect(0, 1).code:
        shop.run("scan", *ONE).expect(1)
        for words in (("plan",), ("move", *ONE), ("verify", *ONE), _ERASE):
            shop.run(*words).expect(0)
    for name, value in kept.items():
        assert [gzip.decompress(data) for data in shop.lying(name)] == [value]
    shop.run("ledger", "verify").expect(0)
