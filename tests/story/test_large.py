"""What is large, or denied, through the real commands, sealed at home: on a real S3 server."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.measure import family, peak_mib
from domicile.sites.objects.s3 import S3Site
from tests.covering import Covers
from tests.services.objects import MakeBucket, TestBucket, fresh_bucket, roomy_rgw
from tests.sites.object_tools import listed
from tests.story.stage import Done, Stage, confirmed
from tests.story.test_held import SITE
from tests.story.test_kills import LONG

MIB = 1 << 20
MORE = 200 * MIB if LONG else 0
PARTS = (5 * MIB, 37 * MIB + 1, 17 * MIB + 4_099, 36 * MIB - 7 + MORE, 5 * MIB + 11, 1)
"""100 MiB together, or 300: a process that held them beside what it holds anyway would be beyond
PEAK_MIB."""
PEAK_MIB = 300
GIANT = (500 * MIB,) * 11
"""More than the 5 GiB that one request may write or copy."""


@dataclass
class Large:
    """The stage with its buckets on Ceph RGW; home lies sealed."""

    stage: Stage
    source: TestBucket
    home: TestBucket
    site: S3Site
    member: int

    @property
    def environ(self) -> dict[str, str]:
        server = self.source.server
        return {"STORY_KEY": server.access_key, "STORY_SECRET": server.secret_key}

    def run(self, *words: str) -> Done:
        return self.stage.run(*words, environ=self.environ)

    def watched(self, *words: str) -> int:
        """Run a command to its end; the largest of its processes, in MiB."""
        process = self.stage.start(*words, "--workers", "2", environ=self.environ)
        peak = 0
        while process.poll() is None:
            peak = max(peak, *map(peak_mib, family(process.pid)))
            time.sleep(0.03)
        out, err = process.communicate()
        assert process.returncode in {0, 1}, f"{words}\n{out}\n{err}"
        assert peak > 0
        return peak

    def client(self) -> Any:  # noqa: ANN401 - boto3's
        return self.source.client()

    def shut(self, *keys: str) -> None:
        """A policy under which nobody reads these keys."""
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:GetObject", "s3:GetObjectVersion"],
            "Resource": [f"arn:aws:s3:::{self.source.name}/{key}" for key in keys],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.client().put_bucket_policy(Bucket=self.source.name, Policy=policy)

    def left(self) -> set[str]:
        """The keys of which the source has any version."""
        return {version.key for version in listed(self.site)}


@pytest.fixture
def large(stage: Stage, rgw_bucket: MakeBucket) -> Iterator[Large]:
    yield from _on(stage, rgw_bucket(versioned=True), rgw_bucket(versioned=True))


@pytest.fixture
def giant(stage: Stage) -> Iterator[Large]:
    with roomy_rgw(gib=20) as server:
        yield from _on(stage, *(fresh_bucket(server, versioned=True) for _ in range(2)))


def _on(stage: Stage, source: TestBucket, home: TestBucket) -> Iterator[Large]:
    stage.seal()
    moved = ("sites.virginia-media", "sites.oracle-media", "sites.singapore")
    parts = stage.charter.read_text().split("\n[")
    kept = [part for part in parts if not part.startswith(moved)]
    places = (("virginia-media", source, "company"), ("oracle-media", home, "oracle"))
    stage.charter.write_text(
        "\n[".join(kept)
        + "".join(
            SITE.format(
                name=name, bucket=bucket.name, endpoint=bucket.server.endpoint, provider=provider
            )
            for name, bucket, provider in places
        )
    )
    site = source.site("virginia-media")
    yield Large(stage, source, home, site, min(stage.before.members))
    site.close()


def _upload(large: Large, key: str, parts: tuple[int, ...] = PARTS) -> str:
    """A multipart upload of parts of odd sizes; the SHA-256 of the whole."""
    client, name = large.client(), large.source.name
    block = hashlib.shake_128(b"block").digest(MIB)
    upload = client.create_multipart_upload(Bucket=name, Key=key, ContentType="video/mp4")
    whole, done = hashlib.sha256(), []
    for number, size in enumerate(parts, 1):
        body = bytes([number]) + block * (size // MIB + 1)
        body = body[:size]
        whole.update(body)
        named = {"Bucket": name, "Key": key, "UploadId": upload["UploadId"], "PartNumber": number}
        done.append({"PartNumber": number, "ETag": client.upload_part(**named, Body=body)["ETag"]})
    client.complete_multipart_upload(
        Bucket=name, Key=key, UploadId=upload["UploadId"], MultipartUpload={"Parts": done}
    )
    return whole.hexdigest()


def test_a_large_object_in_parts_goes_home_sealed_and_is_erased_in_bounded_memory(
    large: Large, covers: Covers, tmp_path: Path
) -> None:
    key = f"drafts/{large.member}/film"
    digest = _upload(large, key)
    _bring_home_in_bounded_memory(large)
    large.run("open", str(tmp_path / "opened"), "--dataset", "drafts").expect(0)
    (opened,) = [path for path in (tmp_path / "opened").rglob("*") if path.is_file()]
    with opened.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == digest
    covers(
        "Objects",
        "large objects, in parts of odd sizes",
        note="100 MiB, in the long form more than 5 GiB, in under 300 MiB a process",
    )


def _bring_home_in_bounded_memory(large: Large) -> None:
    peaks = {"scan": large.watched("scan")}
    large.run("plan").expect(0)
    peaks |= {word: large.watched(word) for word in ("move", "verify")}
    peaks["erase"] = large.watched("erase", *confirmed("virginia-media"))
    assert max(peaks.values()) < PEAK_MIB, peaks
    assert large.left() == set()


@pytest.mark.skipif(not LONG, reason="minutes: it is part of make test-long")
def test_an_object_of_more_than_five_gib_goes_home_sealed_and_is_erased_in_bounded_memory(
    giant: Large,
) -> None:
    """Nothing of it lies in a file here: the verification reads both sides and compares."""
    key = f"drafts/{giant.member}/film"
    _upload(giant, key, GIANT)
    size = giant.client().head_object(Bucket=giant.source.name, Key=key)["ContentLength"]
    assert size == sum(GIANT) > 5 << 30
    _bring_home_in_bounded_memory(giant)
    kept = giant.client().list_objects_v2(Bucket=giant.home.name)["Contents"]
    assert max(each["Size"] for each in kept) > size


def test_what_is_denied_alone_fails_alone_until_it_can_be_read(
    large: Large, covers: Covers
) -> None:
    name, client = large.source.name, large.client()
    shut = f"drafts/{large.member}/shut"
    for key in (shut, f"drafts/{large.member}/open"):
        client.put_object(Bucket=name, Key=key, Body=b"first")
    large.shut(shut)
    large.run("scan").expect(1)
    large.run("plan").expect(0)
    large.run("move").expect(0, 1)
    failed = large.run("verify").expect(1)
    assert "AccessDenied" in failed.out + failed.err
    large.run("erase", *confirmed("virginia-media")).expect(1)
    assert large.left() == {shut}
    client.delete_bucket_policy(Bucket=name)
    for words in (("scan",), ("plan",), ("move",), ("verify",)):
        large.run(*words).expect(0, 1)
    large.run("erase", *confirmed("virginia-media")).expect(0)
    assert large.left() == set()
    covers(
        "Objects",
        "objects that a policy, an ACL or a key service denies",
        steps="found",
        note="failed, alone; they come home once they can be read",
    )
