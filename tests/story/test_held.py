"""Object lock through the whole story: members' objects under holds on a real S3 server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domicile.erase import Certificate, unsigned
from domicile.sites.objects import ObjectVersion
from domicile.sites.objects.s3 import S3Site
from tests.covering import Covers
from tests.services.objects import MakeBucket, TestBucket
from tests.sites.object_tools import listed, read, write
from tests.story.stage import Done, Stage, confirmed

SITE = """
[sites.{name}]
kind = "objects"
url = "s3://{bucket}"
endpoint = "{endpoint}"
access_key_env = "STORY_KEY"
secret_key_env = "STORY_SECRET"
country = "US"
provider = "{provider}"
"""
ONE = ("--workers", "1")
IN_A_DAY = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)


@dataclass
class Held:
    """The stage with its buckets on Ceph RGW, the source's with object lock. ours: the members'
    versions in it, in the order of their keys."""

    stage: Stage
    source: TestBucket
    site: S3Site
    ours: list[ObjectVersion]

    def run(self, *words: str) -> Done:
        server = self.source.server
        keys = {"STORY_KEY": server.access_key, "STORY_SECRET": server.secret_key}
        return self.stage.run(*words, environ=keys)

    def verified(self) -> None:
        self.run("scan", *ONE).expect(1)
        self.run("plan").expect(0)
        self.run("move", *ONE).expect(0)
        self.run("verify", *ONE).expect(0)

    def erase(self, *sites: str) -> Done:
        return self.run("erase", "--json", *ONE, *confirmed(*(sites or ("virginia-media",))))

    def retain(self, version: ObjectVersion, mode: str, until: datetime) -> None:
        retention = {"Mode": mode, "RetainUntilDate": until}
        self._lock("put_object_retention", version, Retention=retention)

    def hold(self, version: ObjectVersion, status: str) -> None:
        self._lock("put_object_legal_hold", version, LegalHold={"Status": status})

    def _lock(self, operation: str, version: ObjectVersion, **more: Any) -> None:  # noqa: ANN401
        names = {"Bucket": self.source.name, "Key": version.key, "VersionId": version.version_id}
        getattr(self.site._client, operation)(**names, **more)

    def left(self) -> list[ObjectVersion]:
        """Those of ours that are still at the source."""
        there = {version.version_id for version in listed(self.site)}
        return [version for version in self.ours if version.version_id in there]

    def status(self, code: int) -> Any:  # noqa: ANN401 - a document
        return self.run("status", "--json").expect(code).json

    def certificate(self, done: Done) -> Certificate:
        path = self.stage.records / done.json["sites"][0]["certificate"]
        return unsigned(path.read_bytes())


@pytest.fixture
def held(stage: Stage, rgw_bucket: MakeBucket) -> Iterator[Held]:
    source, home = rgw_bucket(versioned=True, locked=True), rgw_bucket(versioned=True)
    site = source.site("virginia-media")
    member = min(stage.before.members)
    for number in range(6):
        write(site, f"drafts/{member}/{number}", b"draft %d" % number)
    _write_charter(stage, source, home)
    yield Held(stage, source, site, listed(site))
    site.close()


def _write_charter(stage: Stage, source: TestBucket, home: TestBucket) -> None:
    """The demo's charter with these two buckets; Singapore has none."""
    moved = ("sites.virginia-media", "sites.oracle-media", "sites.singapore")
    parts = stage.charter.read_text().split("\n[")
    kept = [part for part in parts if not part.startswith(moved)]
    places = (("virginia-media", source, "company"), ("oracle-media", home, "oracle"))
    text = "\n[".join(kept) + "".join(
        SITE.format(
            name=name, bucket=bucket.name, endpoint=bucket.server.endpoint, provider=provider
        )
        for name, bucket, provider in places
    )
    stage.charter.write_text(text)


def test_what_is_held_is_planned_left_told_and_erased_once_its_hold_has_ended(
    held: Held, covers: Covers
) -> None:
    governed, lawful = held.ours[1], held.ours[4]
    held.retain(governed, "GOVERNANCE", IN_A_DAY)
    held.hold(lawful, "ON")
    held.verified()
    plan = held.run("plan", "--json").expect(0).json
    until = IN_A_DAY.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert plan["held"] == [
        {
            "site": "virginia-media",
            "versions": 1,
            "reason": "governance retention",
            "until": until,
        },
        {"site": "virginia-media", "versions": 1, "reason": "legal hold", "until": ""},
    ]
    told = " ".join(held.run("plan").expect(0).out.split())
    assert "versions held at virginia-media: 1 (legal hold); erase leaves them until it is" in told
    assert "versions held at virginia-media: 1 (governance retention), until" in " ".join(
        held.status(1)["notices"]
    )

    done = held.erase().expect(1)
    assert held.left() == [governed, lawful]
    assert read(held.site, governed.key, governed.version_id)[1] == b"draft 1"
    (report,) = done.json["sites"]
    assert (report["erased"], report["held"], report["failed"]) == (4, 2, 0)
    assert (report["held_until"], report["remaining"], report["complete"]) == ("", 2, False)
    paper = held.certificate(done)
    assert not paper.complete
    assert set(paper.lacking) == {"held", "remaining"}
    assert [(one.reason, one.items, one.until) for one in paper.held] == [
        ("governance retention", 1, until),
        ("legal hold", 1, ""),
    ]
    (drafts,) = paper.items
    assert (drafts.dataset, drafts.erased, drafts.held, drafts.failed) == ("drafts", 4, 2, 0)

    held.hold(lawful, "OFF")
    again = held.erase().expect(1)
    assert held.left() == [governed]
    assert again.json["sites"][0]["held_until"] == until
    covers("Objects", "object lock and legal hold", note="held, with its end, until it has ended")


def test_the_records_never_say_home_while_something_is_held(held: Held) -> None:
    governed = held.ours[0]
    held.hold(governed, "ON")
    held.verified()
    held.erase("virginia-media", "virginia-db").expect(1)
    held.run("scan", *ONE).expect(1)
    status = held.status(1)
    assert status["verdict"]["word"] == "verified"
    lacking = " ".join(status["verdict"]["lacking"])
    assert "held at virginia-media: 1 item of drafts (legal hold)" in lacking
    states = {(s["site"], s["dataset"], s["state"]): s["items"] for s in status["states"]}
    assert states["virginia-media", "drafts", "held"] == 1
    assert states["virginia-media", "drafts", "erased"] == 5
    assert not [name for name in states if name[2] == "failed"]
    assert "held" in held.run("status").expect(1).out
    held.run("report").expect(1)
    page = (held.stage.records / "report.html").read_text()
    assert "What is held" in page
    assert "until it is lifted" in page

    held.hold(governed, "OFF")
    held.erase("virginia-media", "virginia-db").expect(0)
    assert held.left() == []
    held.run("scan", *ONE).expect(0)
    assert held.status(0)["verdict"]["word"] == "home"
    held.run("ledger", "verify").expect(0)


def test_an_erasure_again_after_a_retention_has_ended_finishes_the_shard(held: Held) -> None:
    held.verified()
    ends = datetime.now(UTC) + timedelta(seconds=15)
    held.retain(held.ours[2], "COMPLIANCE", ends)
    held.erase().expect(1)
    assert held.left() == [held.ours[2]]
    time.sleep(max((ends - datetime.now(UTC)).total_seconds(), 0) + 1)
    done = held.erase().expect(0)
    assert held.left() == []
    assert held.certificate(done).complete
    (report,) = done.json["sites"]
    assert (report["erased"], report["held"]) == (6, 0)
