from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from domicile.custody.file_root import FileRoot
from domicile.custody.sealing import SealedStore
from domicile.erase.objects import erase_objects
from domicile.inventory import FOUND, Job, Workplace, write_parquet
from domicile.ledger import Body
from domicile.move.object_proof import OBJECT_PROOF, prove_objects
from domicile.move.objects import copy_objects
from domicile.move.plan import ObjectShard, Plan
from domicile.move.store_rules import rule_blockers, rule_warnings
from domicile.sites.objects import Attributes, ObjectSite, VersionRef, s3_listing
from domicile.sites.objects.directory import DirectorySite
from tests.covering import Covers
from tests.services.objects import MakeBucket, TestBucket
from tests.story.test_kills import LONG

CHARTER = """\
[company]
name = "Reel"

[boundaries.us]
members = ["US"]
custodian = "US Data Security"
provider = "Oracle"
home = ["oracle"]

[people]
table = "users"
key = ["id"]
country = "country"

[sites.oracle]
kind = "objects"
country = "US"
provider = "Oracle"
url = "file:oracle"

[sites.virginia]
kind = "objects"
country = "US"
provider = "Reel"
url = "file:virginia"

[sites.singapore]
kind = "objects"
country = "SG"
provider = "Reel"
role = "backup"
url = "file:singapore"

[sites.old_db]
kind = "postgres"
country = "US"
provider = "Reel"
url = "postgresql://localhost/reel"

[objects.media]
template = "media/{person}"
"""
KEY = "media/7"
PLAN = Plan(
    run="",
    boundary="us",
    charter_sha256="",
    made="",
    routes=(),
    home_objects="oracle",
    databases=(),
    stores=("virginia", "singapore"),
    rows=(),
    objects=(),
    tables=(),
    effects=(),
    sequences=(),
    held=(),
    blockers=(),
    warnings=(),
    unexamined=0,
    files=(),
)
Row = dict[str, Any]


KEYS = """
[boundaries.us.keys]
root = "file"
path = "custodian/root"
passphrase_file = "custodian/passphrase"
"""
PASSPHRASE = "correct horse battery staple"


class Stores:
    """A primary, a backup and home, with one key, through as many runs as a test takes; at a
    sealed home everything is written and read through its seal."""

    def __init__(self, base: Path, *, sealed: bool) -> None:
        (base / "domicile.toml").write_text(CHARTER + (KEYS if sealed else ""))
        self.base = base
        self.sites: dict[str, ObjectSite] = {}
        for name in PLACES:
            site = DirectorySite(name, base / name, durable=False)
            site.create()
            self.sites[name] = site
        self.run = 0
        self.keys: tuple[int, ...] = ()
        if sealed:
            self._seal()

    def _seal(self) -> None:
        (self.base / "custodian").mkdir(mode=0o700)
        passphrase = self.base / "custodian" / "passphrase"
        passphrase.write_text(PASSPHRASE)
        passphrase.chmod(0o600)
        FileRoot.create(self.base / "custodian" / "root", PASSPHRASE)
        recorded: list[Body] = []
        self.keys = self.scan().estate.authorise_keys("move", recorded.append)
        assert [type(body).__name__ for body in recorded] == ["BoundaryKeyMade", "KeysOpened"]
        self.sites["oracle"] = self.scan().home_objects({KEY: ("media", "7")})
        assert isinstance(self.sites["oracle"], SealedStore)

    def use_bucket(self, name: str, bucket: TestBucket, env: pytest.MonkeyPatch) -> None:
        """Let a site lie in a bucket instead."""
        env.setenv("BUCKET_ACCESS", bucket.server.access_key)
        env.setenv("BUCKET_SECRET", bucket.server.secret_key)
        path = self.base / "domicile.toml"
        url = f"""url = "s3://{bucket.name}"
endpoint = "{bucket.server.endpoint}"
region = "{bucket.server.region}"
access_key_env = "BUCKET_ACCESS"
secret_key_env = "BUCKET_SECRET"
"""
        path.write_text(path.read_text().replace(f'url = "file:{name}"', url))
        self.sites[name] = bucket.site(name)

    def put(self, site: str, data: bytes | None, content_type: str = "") -> None:
        """A new current version of the key, or (None) a delete marker."""

        async def chunks() -> AsyncIterator[bytes]:
            yield data or b""

        if data is None:
            asyncio.run(self.sites[site].put_marker(KEY))
        else:
            attributes = Attributes(content_type=content_type)
            asyncio.run(self.sites[site].write(KEY, chunks(), attributes, len(data)))

    def holds(self, site: str) -> list[bytes | None]:
        """What a site has of the key, oldest first."""
        versions = [version for page in self.sites[site].versions() for version in page]
        return [
            None if v.is_marker else asyncio.run(self._read(site, v.version_id))
            for v in reversed(versions)
        ]

    def etags(self, site: str) -> list[str]:
        """The ETags of what a site has of the key."""
        return [version.etag for page in self.sites[site].versions() for version in page]

    async def _read(self, site: str, version_id: str) -> bytes:
        read = await self.sites[site].read(KEY, version_id)
        return b"".join([chunk async for chunk in read.chunks])

    def scan(self) -> Workplace:
        """A new run that has found what lies here now, as one shard."""
        self.run += 1
        path = self.base / "domicile.toml"
        digest = sha256(path.read_bytes()).hexdigest()
        here = Workplace(Job(str(path), digest, f"run{self.run}", date(2026, 1, 2), self.keys))
        rows = [row for name in here.estate.object_names for row in self.rows(name)]
        rows.sort(key=lambda row: row["key"])
        write_parquet(
            here.run.shard("objects-0"), FOUND, [pa.Table.from_pylist(rows, schema=FOUND)]
        )
        return here

    def rows(self, site: str) -> list[Row]:
        return [
            {
                "site": site,
                "kind": "marker" if version.is_marker else "version",
                "key": version.key,
                "version_id": version.version_id,
                "is_latest": version.is_latest,
                "size_bytes": version.size_bytes,
                "etag": version.etag,
                "modified": version.modified,
                "dataset": "media",
                "person": "7",
                "shared": False,
                "state": "member",
                "reason": "",
            }
            for page in self.sites[site].versions()
            for version in page
        ]

    def move(self, here: Workplace, *, careful: bool = False) -> list[str]:
        """Copy and prove; the states of the proofs."""
        copy_objects(here, PLAN, SHARD, careful=careful)
        proofs = prove_objects(here, PLAN, SHARD)
        table = pa.Table.from_pylist(proofs, schema=OBJECT_PROOF)
        write_parquet(here.run.verified("objects-0", 1), OBJECT_PROOF, [table])
        return sorted({proof["state"] for proof in proofs})

    def erase(self, *sites: str) -> None:
        """Everything at these sites is gone."""
        for name in sites:
            site = self.sites[name]
            for page in site.versions():
                site.delete([VersionRef(v.key, v.version_id) for v in page])


PLACES = ("oracle", "virginia", "singapore")
SHARD = ObjectShard("objects-0", 1, 1, 0, 0, 1, ("singapore", "virginia"))


@pytest.fixture(params=["plain", "sealed"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    """Three empty stores."""
    return Stores(tmp_path, sealed=request.param == "sealed")


def test_a_history_comes_home_and_the_primarys_current_is_current(stores: Stores) -> None:
    for data in (b"one", None, b"two"):
        stores.put("virginia", data)
    for data in (b"zero", b"one"):
        stores.put("singapore", data)
    assert stores.move(stores.scan()) == ["verified"]
    assert stores.holds("oracle")[-3:] == [b"one", None, b"two"]
    assert set(stores.holds("oracle")) == {b"zero", b"one", b"two", None}


def test_equal_versions_of_a_backup_are_not_brought_twice(stores: Stores) -> None:
    for site in ("virginia", "singapore"):
        stores.put(site, b"one")
    assert stores.move(stores.scan()) == ["verified"]
    assert stores.holds("oracle") == [b"one"]


def test_a_backup_with_the_same_bytes_and_other_attributes_is_brought_after_all(
    stores: Stores,
) -> None:
    stores.put("virginia", b"one", "video/mp4")
    stores.put("singapore", b"one", "application/octet-stream")
    here = stores.scan()
    assert stores.move(here) == ["failed", "verified"]
    assert stores.move(here, careful=True) == ["verified"]
    assert stores.holds("oracle") == [b"one"] * 3
    current = asyncio.run(stores.sites["oracle"].read(KEY))
    assert current.attributes.content_type == "video/mp4"
    assert stores.move(here, careful=True) == ["verified"]
    assert stores.holds("oracle") == [b"one"] * 3


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("later", [[], [b"two"], [None]])
def test_a_backups_version_comes_home_where_the_one_it_equals_is_gone_since_the_scan(
    stores: Stores, later: list[bytes | None], *, careful: bool
) -> None:
    for site in ("virginia", "singapore"):
        stores.put(site, b"one")
    for data in later:
        stores.put("virginia", data)
    here = stores.scan()
    (first,) = [
        version
        for page in stores.sites["virginia"].versions()
        for version in page
        if version.etag == stores.etags("singapore")[0]
    ]
    stores.sites["virginia"].delete([VersionRef(KEY, first.version_id)])
    assert "failed" not in stores.move(here, careful=careful)
    assert b"one" in stores.holds("oracle")
    assert stores.holds("oracle")[-1] == (later[-1] if later else None)
    assert "failed" not in stores.move(here, careful=True)
    assert stores.holds("oracle").count(b"one") == 1


def test_moving_again_brings_nothing_twice(stores: Stores) -> None:
    for data in (b"one", None, b"two"):
        stores.put("virginia", data)
    here = stores.scan()
    stores.move(here)
    before = stores.holds("oracle")
    assert stores.move(here, careful=True) == ["verified"]
    assert stores.move(stores.scan()) == ["verified"]
    assert stores.holds("oracle") == before


def test_what_only_a_backup_has_comes_home_under_a_marker(stores: Stores) -> None:
    stores.put("singapore", b"one")
    here = stores.scan()
    assert stores.move(here) == ["verified"]
    assert stores.holds("oracle") == [b"one", None]
    assert stores.move(here, careful=True) == ["verified"]
    assert stores.holds("oracle") == [b"one", None]


@pytest.mark.parametrize("first", [b"old", None])
def test_what_is_put_again_after_it_was_replaced_or_deleted_is_current_again(
    stores: Stores, first: bytes | None
) -> None:
    for data in (b"again", first):
        stores.put("virginia", data)
    assert stores.move(stores.scan()) == ["verified"]
    stores.erase("virginia")
    stores.put("virginia", b"again")
    assert stores.move(stores.scan()) == ["verified"]
    assert stores.holds("oracle") == [b"again", first, b"again"]


def test_a_backup_that_is_erased_later_than_the_primary_does_not_hide_what_is_home(
    stores: Stores,
) -> None:
    for site in ("virginia", "singapore"):
        stores.put(site, b"one")
    assert stores.move(stores.scan()) == ["verified"]
    before = stores.holds("oracle")
    stores.erase("virginia")
    assert stores.move(stores.scan()) == ["verified"]
    assert stores.holds("oracle") == before
    assert before[-1] == b"one"


def test_a_backup_that_lags_behind_never_covers_what_is_current_at_home(stores: Stores) -> None:
    stores.put("virginia", b"two")
    assert stores.move(stores.scan()) == ["verified"]
    stores.erase("virginia")
    stores.put("singapore", b"one")
    assert stores.move(stores.scan()) == ["verified"]
    assert stores.holds("oracle") == [b"two", b"one", b"two"]


def test_a_backup_brought_beneath_what_is_current_may_be_interrupted_anywhere(
    stores: Stores,
) -> None:
    stores.put("virginia", b"two")
    assert stores.move(stores.scan()) == ["verified"]
    stores.erase("virginia")
    for data in (b"zero", b"one"):
        stores.put("singapore", data)
    here = stores.scan()
    stores.put("oracle", b"zero")  # as far as an attempt got that was killed
    assert stores.move(here, careful=True) == ["verified"]
    assert stores.holds("oracle") == [b"two", b"zero", b"one", b"two"]
    for run, careful in ((here, True), (stores.scan(), False)):
        assert stores.move(run, careful=careful) == ["verified"]
        assert stores.holds("oracle") == [b"two", b"zero", b"one", b"two"]


@pytest.mark.parametrize("since", [b"newer", None])
def test_what_home_did_since_the_scan_stays_current(stores: Stores, since: bytes | None) -> None:
    stores.put("virginia", b"two")
    assert stores.move(stores.scan()) == ["verified"]
    stores.erase("virginia")
    stores.put("singapore", b"one")
    here = stores.scan()
    stores.put("oracle", since)
    assert stores.move(here) == ["verified"]
    assert stores.holds("oracle") == [b"two", since, b"one", since]


def test_what_home_wrote_itself_is_never_covered(stores: Stores) -> None:
    stores.put("virginia", b"one")
    stores.put("oracle", b"mine")
    assert stores.move(stores.scan()) == ["failed"]
    assert stores.holds("oracle") == [b"mine"]


def test_what_a_source_withholds_fails_alone_and_comes_home_once_it_can_be_read(
    stores: Stores, rgw_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch, covers: Covers
) -> None:
    bucket = rgw_bucket(versioned=True)
    stores.use_bucket("virginia", bucket, monkeypatch)
    stores.put("virginia", b"one")
    under_a_key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    client = bucket.client()
    shut = client.put_object(Bucket=bucket.name, Key=KEY, Body=b"two", **under_a_key)
    stores.put("virginia", b"three")
    client.put_object(Bucket=bucket.name, Key="media/9", Body=b"other")
    here = stores.scan()
    copied = copy_objects(here, PLAN, SHARD, careful=False)
    assert {row["state"] for row in copied if row["key"] == KEY} == {"failed"}
    assert stores.move(here, careful=True) == ["failed", "verified"]
    proofs = prove_objects(here, PLAN, SHARD)
    (failed,) = [proof for proof in proofs if proof["version_id"] == shut["VersionId"]]
    assert "encrypted under a key that is not here" in failed["reason"]
    assert {proof["state"] for proof in proofs if proof["key"] == "media/9"} == {"verified"}
    stores.sites["virginia"].delete([VersionRef(KEY, shut["VersionId"])])
    stores.put("virginia", b"two")
    here = stores.scan()
    assert stores.move(here) == ["verified"]
    home = [version for page in stores.sites["oracle"].versions() for version in page]
    assert [version.key for version in home] == [KEY] * 3 + ["media/9"]
    covers(
        "Objects",
        "objects under a customer's key (SSE-C)",
        steps="found",
        note="failed: the store withholds them; objects beside them come home",
    )


HISTORY = 2_500 if LONG else 60
PAGE = 1_000 if LONG else 7
"""A history is listed in several pages, here and at home."""


def test_a_history_of_many_pages_comes_home_in_its_order_and_is_erased(
    tmp_path: Path, rgw_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch, covers: Covers
) -> None:
    monkeypatch.setattr(s3_listing, "_PAGE", PAGE)
    stores = Stores(tmp_path, sealed=False)
    for name in ("virginia", "oracle"):
        stores.use_bucket(name, rgw_bucket(versioned=True), monkeypatch)
    for number in range(HISTORY):
        stores.put("virginia", b"%d" % number if number % 3 else None)
    before = stores.holds("virginia")
    assert len(before) == HISTORY > 2 * PAGE
    here = stores.scan()
    assert stores.move(here) == ["verified"]
    assert stores.holds("oracle") == before
    assert stores.move(here, careful=True) == ["verified"]
    assert stores.holds("oracle") == before
    proofs = prove_objects(here, PLAN, SHARD)
    erased = erase_objects(stores.sites["virginia"], proofs)
    assert [row["state"] for row in erased] == ["erased"] * HISTORY
    assert stores.holds("virginia") == []
    covers("Objects", "histories of more versions and markers than a page")


def test_a_home_that_expires_what_comes_home_blocks_and_other_rules_are_named(
    tmp_path: Path, rgw_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch, covers: Covers
) -> None:
    stores = Stores(tmp_path, sealed=False)
    bucket = rgw_bucket(versioned=True)
    stores.use_bucket("oracle", bucket, monkeypatch)
    stores.put("virginia", b"one")
    here = stores.scan()
    for name in ("virginia", "singapore"):
        table = pa.Table.from_pylist(stores.rows(name), schema=FOUND)
        write_parquet(here.run.found(name), FOUND, [table])
    expires = {"Status": "Enabled", "Expiration": {"Days": 400}}
    tidies = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}
    rules = [
        {"ID": "old logs", "Filter": {"Prefix": "logs/"}, **expires},
        {"ID": "tidy", "Filter": {"Prefix": ""}, "Status": "Enabled", **tidies},
    ]
    put = partial(bucket.client().put_bucket_lifecycle_configuration, Bucket=bucket.name)
    put(LifecycleConfiguration={"Rules": rules})
    assert rule_blockers(here.estate, here.run) == []
    put(LifecycleConfiguration={"Rules": [*rules, {"ID": "all", "Filter": {}, **expires}]})
    (blocker,) = rule_blockers(here.estate, here.run)
    assert "by its lifecycle rule 'all'" in blocker
    (warning,) = rule_warnings(here.estate)
    assert "ACLs on single objects: they are not read" in warning
    covers(
        "Objects",
        "lifecycle, replication and logging rules of a bucket",
        steps="found",
        note="not carried: the plan names them; what would expire at home blocks it",
    )


def test_a_home_that_lets_others_in_blocks_and_a_source_that_does_is_named(
    tmp_path: Path, rgw_bucket: MakeBucket, monkeypatch: pytest.MonkeyPatch, covers: Covers
) -> None:
    stores = Stores(tmp_path, sealed=False)
    buckets = {name: rgw_bucket(versioned=True) for name in ("oracle", "virginia")}
    for name, bucket in buckets.items():
        stores.use_bucket(name, bucket, monkeypatch)
    here = stores.scan()
    assert rule_blockers(here.estate, here.run) == []
    for bucket in buckets.values():
        bucket.client().put_bucket_acl(Bucket=bucket.name, ACL="public-read")
    (blocker,) = rule_blockers(here.estate, here.run)
    assert blocker.startswith("oracle lets everybody in by its ACL: ")
    told = [said for said in rule_warnings(here.estate) if "lets everybody" in said]
    assert told == ["virginia lets everybody in by its ACL: who has copies is not examined"]
    covers(
        "Objects",
        "ACLs and policies of a bucket",
        steps="found",
        note="not carried: the plan names whom they let in; at home it is blocked",
    )
    assert any("single objects: they are not read" in said for said in rule_warnings(here.estate))
    covers("Objects", "ACLs of single objects", steps="", note="not examined: they are not read")
