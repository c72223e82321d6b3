"""Stores that break: between Domicile and a real S3 server stands a proxy that breaks requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from domicile.demo.truth_objects import Objects, compare_objects, owner_of, read_objects
from domicile.sites.objects.model import ObjectSite
from tests.services.objects import MakeBucket, TestBucket
from tests.story.proxy import Fault, S3Proxy, serving
from tests.story.stage import Done, Stage, confirmed
from tests.story.test_kills import LONG

_STRANGERS = 25
_SITE = """
[sites.{name}]
kind = "objects"
url = "s3://{bucket}"
endpoint = "{endpoint}"
access_key_env = "STORY_KEY"
secret_key_env = "STORY_SECRET"
timeout_s = 1
country = "US"
provider = "{provider}"
"""


@dataclass
class Shop:
    """The stage with its buckets on a real S3 server, behind the proxy; Singapore has none."""

    stage: Stage
    proxy: S3Proxy
    source: TestBucket
    home: TestBucket
    before: Objects

    def run(self, *words: str) -> Done:
        server = self.source.server
        keys = {"STORY_KEY": server.access_key, "STORY_SECRET": server.secret_key}
        return self.stage.run(*words, "--workers", "1", environ=keys)

    def run_until_well(self, *words: str) -> list[int]:
        """Repeat a command as an operator does; the exit codes."""
        codes: list[int] = []
        while not codes or codes[-1] == 3:
            codes.append(self.run(*words).expect(0, 3).code)
            assert len(codes) < 8
        return codes

    def now(self, bucket: TestBucket) -> Objects:
        return read_objects(bucket.site())

    def problems(self) -> list[str]:
        truth = self.stage.before
        return compare_objects(
            {"virginia": self.before},
            truth.members,
            truth.senders,
            self.now(self.home),
            {"virginia": self.now(self.source)},
        )


@pytest.fixture
def shop(stage: Stage, rgw_bucket: MakeBucket) -> Iterator[Shop]:
    source, home = rgw_bucket(versioned=True), rgw_bucket(versioned=True)
    asyncio.run(_fill(stage, source.site()))
    url = urlsplit(source.server.endpoint)
    with serving(str(url.hostname), url.port or 80) as proxy:
        _write_charter(stage, proxy, source, home)
        yield Shop(stage, proxy, source, home, read_objects(source.site()))


async def _fill(stage: Stage, target: ObjectSite) -> None:
    """Members' objects with their history, and some of others."""
    strangers = 0
    site = stage.bucket("virginia")
    for key, versions in sorted(stage.before.objects["virginia"].versions.items()):
        if owner_of(key, stage.before.senders) not in stage.before.members:
            strangers += 1
            if strangers > _STRANGERS:
                continue
        for version in reversed(versions):
            if version.is_marker:
                await target.put_marker(key)
            else:
                read = await site.read(key, version.version_id)
                await target.write(key, read.chunks, read.attributes, read.size_bytes)
    target.close()


def _write_charter(stage: Stage, proxy: S3Proxy, source: TestBucket, home: TestBucket) -> None:
    parts = stage.charter.read_text().split("\n[")
    kept = [
        part
        for part in parts
        if not part.startswith(("sites.virginia-media", "sites.oracle-media", "sites.singapore"))
    ]
    places = (("virginia-media", source, "company"), ("oracle-media", home, "oracle"))
    text = "\n[".join(kept) + "".join(
        _SITE.format(name=name, bucket=bucket.name, endpoint=proxy.endpoint, provider=provider)
        for name, bucket, provider in places
    )
    stage.charter.write_text(text)


_ERASE = ("erase", *confirmed("virginia-media"))


def _every(method: str, period: int) -> dict[int, Fault]:
    """Among so many requests of a method each fault comes once."""
    assert method
    faults: tuple[Fault, ...] = ("reset", "lie", "busy")
    return {period * (n + 1) // 4: fault for n, fault in enumerate(faults)}


def test_writes_and_deletions_that_fail_or_only_seem_to_lose_and_double_nothing(
    shop: Shop,
) -> None:
    shop.run("scan").expect(1)
    shop.stage.run("plan", environ={"STORY_KEY": "AK", "STORY_SECRET": "SK"}).expect(0)
    plan = _every("PUT", 8)
    shop.proxy.choose = lambda method, n: plan.get(n % 8, "pass") if method == "PUT" else "pass"
    shop.run_until_well("move")
    assert set(shop.proxy.faults) == {"reset", "lie", "busy"}
    assert shop.now(shop.source) == shop.before
    shop.proxy.choose = lambda method, n: plan.get(n % 8, "pass") if method == "GET" else "pass"
    shop.run_until_well("verify")
    shop.proxy.faults.clear()
    shop.proxy.choose = lambda method, n: (
        plan.get(n % 4 * 2, "pass") if method in ("POST", "DELETE") else "pass"
    )
    shop.run_until_well(*_ERASE)
    shop.proxy.choose = lambda _method, _n: "pass"
    assert shop.problems() == []
    shop.run_until_well(*_ERASE)
    shop.stage.run("ledger", "verify").expect(0)


@pytest.mark.parametrize("fault", ["busy", "hang", "reset", "lie"] if LONG else ["lie"])
def test_a_store_that_takes_no_writes_ends_the_move_clearly_and_nothing_is_erased(
    shop: Shop, fault: Fault
) -> None:
    shop.run("scan").expect(1)
    shop.stage.run("plan", environ={"STORY_KEY": "AK", "STORY_SECRET": "SK"}).expect(0)
    shop.proxy.choose = lambda method, n: fault if method == "PUT" and n > 5 else "pass"
    failed = shop.run("move").expect(3)
    assert "-media" in failed.out + failed.err
    assert "Traceback" not in failed.err
    assert "SK" not in (failed.out + failed.err).split()
    shop.run("verify").expect(2)
    shop.run(*_ERASE).expect(1, 3)
    assert shop.now(shop.source) == shop.before
    shop.proxy.choose = lambda _method, _n: "pass"
    shop.run("move").expect(0)
    shop.run("verify").expect(0)
    shop.run(*_ERASE).expect(0)
    assert shop.problems() == []


@pytest.mark.parametrize("fault", ["busy", "hang", "reset"] if LONG else ["reset"])
def test_a_store_that_cannot_be_read_ends_a_scan_and_a_verification_clearly(
    shop: Shop, fault: Fault
) -> None:
    def break_reads(after: int) -> None:
        shop.proxy.choose = lambda method, n: (
            fault if method in ("GET", "HEAD") and n > after else "pass"
        )

    break_reads(after=0)
    _ends_clearly(shop.run("scan"), "virginia-media")
    shop.proxy.choose = lambda _method, _n: "pass"
    shop.run("scan").expect(1)
    keys = {"STORY_KEY": "AK", "STORY_SECRET": "SK"}
    shop.stage.run("plan", environ=keys).expect(0)
    shop.run("move").expect(0)
    break_reads(after=shop.proxy.seen("GET") + 20)
    _ends_clearly(shop.run("verify"), "-media")
    shop.proxy.choose = lambda _method, _n: "pass"
    shop.run(*_ERASE).expect(1)
    assert shop.now(shop.source) == shop.before
    shop.run("verify").expect(0)
    shop.run(*_ERASE).expect(0)
    assert shop.problems() == []


def _ends_clearly(failed: Done, site: str) -> None:
    """As where a site cannot be reached, naming it and what to do, without a secret."""
    said = failed.expect(3).out + failed.err
    assert site in said
    assert "expected: " in said
    assert "next: " in said
    assert "Traceback" not in said
    assert not {"AK", "SK"} & set(said.split())
