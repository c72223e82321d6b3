"""S3 clients at the gateway: denied from abroad, asked, agreed, read; all of it in the ledger."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from domicile.policy.texts import built_in
from tests.story.stage import Stage
from tests.story.test_access import policy_in_force, settle, token_of

PURPOSE = "domicile-purpose/engineering"


@dataclass
class Door:
    """A gateway of the stage's home, in service. host: with the scheme."""

    stage: Stage
    port: int
    process: subprocess.Popen[str]
    host: str = "http://127.0.0.1"

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"{self.host}:{self.port}"

    def key(self, staff: str, *more: str) -> dict[str, str]:
        """A new access key of somebody's."""
        words = ("staff", "credential", staff, "--s3-key", *more, "--json")
        given: dict[str, str] = json.loads(self.stage.run(*words).expect(0).out)
        return given

    def client(self, staff: str, agent: str = PURPOSE, **more: Any) -> Any:  # noqa: ANN401 - boto3's
        """A client with a new access key of somebody's."""
        return self.client_of(self.key(staff), agent, **more)

    def client_of(self, given: dict[str, str], agent: str = PURPOSE, **more: Any) -> Any:  # noqa: ANN401 - boto3's
        """A client with this access key."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=given["credential"],
            aws_secret_access_key=given["secret"],
            region_name="us-east-1",
            config=Config(
                user_agent_extra=agent,
                **{"retries": {"max_attempts": 1}, "signature_version": "s3v4", **more},
            ),
        )

    def granted(self, staff: str, *more: str) -> str:
        """A grant of two of the custodian's to read and list drafts."""
        shown = token_of(self.stage, staff)
        words = ("--dataset", "drafts", "--action", "read", "--action", "list")
        asked = self.stage.run(
            *("access", "request", *words, "--purpose", "engineering", "--reason", "a ticket"),
            *(*more, *shown, "--json"),
        ).expect(0)
        request: str = json.loads(asked.out)["request"]
        for one in ("ann", "bo"):
            key = ("--key", str(self.stage.directory / f"{one}.key"))
            shown = token_of(self.stage, one, "--second-factor")
            self.stage.run("access", "approve", request, *shown, *key).expect(0)
        return request


@contextmanager
def open_door(stage: Stage, *tls: str) -> Iterator[Door]:
    """The gateway, by the real command."""
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(int(probe.getsockname()[1]))
    process = stage.start("serve", "--port", str(ports[0]), "--s3-port", str(ports[1]), *tls)
    try:
        _await(process, ports[1])
        yield Door(stage, ports[1], process)
    finally:
        process.terminate()
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
        assert "drafts/" not in out + err


def _await(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


LARGE, SIZE = "large", 48 << 20
_KEYS: dict[Path, bytes] = {}


def govern(stage: Stage) -> None:
    """What a stage has of members is home, sealed, one draft of many segments too, and a policy in
    force."""
    if not stage.has("governed"):
        key = f"drafts/{min(stage.before.members)}/{LARGE}"
        stage.put("virginia", key, bytes(range(256)) * (SIZE // 256))
        stage.seal()
        settle(stage)
        policy_in_force(stage, built_in(), "first")
        stage.save("governed")
        _KEYS.update((path, path.read_bytes()) for path in stage.directory.glob("*.key"))
    stage.restore("governed")
    for path, data in _KEYS.items():  # of whoever signs; other tests make others
        path.write_bytes(data)


@pytest.fixture
def door(stage: Stage) -> Iterator[Door]:
    govern(stage)
    with open_door(stage) as opened:
        yield opened


def refused(call: Any, **words: Any) -> tuple[str, str]:  # noqa: ANN401 - boto3's
    """Code and message of an error."""
    with pytest.raises(ClientError) as raised:
        call(**words)
    error = raised.value.response["Error"]
    return error["Code"], error.get("Message", "")


def drafts_of(stage: Stage) -> list[str]:
    """Members' drafts at home, but for the large one."""
    keys = sorted(key for key in stage.keys("oracle") if key.startswith("drafts/"))
    return [key for key in keys if not key.endswith(f"/{LARGE}")]


def draft_of(stage: Stage) -> str:
    """One of them."""
    return drafts_of(stage)[0]


def bodies(stage: Stage, kind: str) -> list[Any]:
    """What the ledger's entries of a kind say, in order."""
    done = stage.run("ledger", "search", "--kind", kind, "--json").expect(0)
    return [each["entry"]["body"] for each in json.loads(done.out)["entries"]]


def test_denied_asked_agreed_read_and_told(door: Door) -> None:
    stage, key = door.stage, draft_of(door.stage)
    content = stage.get("virginia", key)
    kim = door.client("kim")
    assert "drafts" in [each["Name"] for each in kim.list_buckets()["Buckets"]]
    for call, more in ((kim.get_object, {"Key": key}), (kim.list_objects_v2, {})):
        code, said = refused(call, Bucket="drafts", **more)
        assert code == "AccessDenied"
        assert "denied by home-team-only: the caller is employed by the company" in said
        assert "domicile access request --dataset drafts" in said
    grant = door.granted("kim")
    reads = _read_in_every_way(kim, key, content)
    _list_in_every_way(kim, sorted(k for k in stage.keys("oracle") if k.startswith("drafts/")))
    url = kim.generate_presigned_url("get_object", {"Bucket": "drafts", "Key": key}, 600)
    url += "&x-domicile-purpose=engineering"  # which nobody signed
    assert status(url) == 403

    stage.run("access", "revoke", grant, *token_of(stage, "ann", "--second-factor")).expect(0)
    assert refused(kim.get_object, Bucket="drafts", Key=key)[0] == "AccessDenied"
    closed = bodies(stage, "access.closed")
    assert {body["ended"] for body in closed} == {"whole", "failed"}
    assert sum(body["size_bytes"] for body in closed) == reads
    opened = {body["access"] for body in bodies(stage, "access.opened")}
    assert opened == {body["access"] for body in closed}
    told = stage.run("access", "history", "--dataset", "drafts").expect(0).out
    for words in (
        "kim was denied to read drafts",
        "bo approved",
        "ann revoked",
        "(whole): 1 items",
    ):
        assert words in " ".join(told.split())
    stage.run("ledger", "verify").expect(0)


def _read_in_every_way(client: Any, key: str, content: bytes) -> int:  # noqa: ANN401 - boto3's
    """How many bytes were given."""
    named = {"Bucket": "drafts", "Key": key}
    got = client.get_object(**named)
    assert got["Body"].read() == content
    head = client.head_object(**named)
    assert head["ContentLength"] == len(content)
    assert head["ETag"] == got["ETag"]
    assert head["LastModified"] == got["LastModified"]
    part = client.get_object(**named, Range="bytes=10-19")
    assert (part["Body"].read(), part["ContentRange"]) == (
        content[10:20],
        f"bytes 10-19/{len(content)}",
    )
    assert client.get_object(**named, Range="bytes=-7")["Body"].read() == content[-7:]
    behind = refused(client.get_object, **named, Range=f"bytes={len(content)}-")
    assert behind[0] == "InvalidRange"
    assert refused(client.get_object, **named, IfNoneMatch=head["ETag"])[0] == "304"
    assert refused(client.get_object, **named, IfMatch='"x"')[0] == "PreconditionFailed"
    told = client.get_object(**named, ResponseContentType="text/plain")
    assert (told["ContentType"], told["Body"].read()) == ("text/plain", content)
    gone = key.rpartition("/")[0] + "/none"
    assert refused(client.get_object, Bucket="drafts", Key=gone)[0] == "NoSuchKey"
    assert refused(client.head_object, Bucket="drafts", Key=gone)[0] == "404"
    assert refused(client.get_object, Bucket="drafts", Key="../x")[0] == "NoSuchKey"
    assert refused(client.get_object, Bucket="no-such", Key=key)[0] == "NoSuchBucket"
    assert refused(client.put_object, **named, Body=b"")[0] == "NotImplemented"
    assert refused(client.delete_object, **named)[0] == "NotImplemented"
    return 2 * len(content) + 17


def _list_in_every_way(client: Any, keys: list[str]) -> None:  # noqa: ANN401 - boto3's
    for listing in ("list_objects", "list_objects_v2"):
        pages = client.get_paginator(listing).paginate(
            Bucket="drafts", PaginationConfig={"PageSize": 2}
        )
        found = [each for page in pages for each in page["Contents"]]
        assert [each["Key"] for each in found] == keys
    head = client.head_object(Bucket="drafts", Key=keys[0])
    assert found[0]["Size"] == head["ContentLength"]
    assert found[0]["ETag"] == head["ETag"]
    folders = client.list_objects_v2(Bucket="drafts", Prefix="drafts/", Delimiter="/")
    assert [each["Prefix"] for each in folders["CommonPrefixes"]] == sorted(
        {"/".join(key.split("/")[:2]) + "/" for key in keys}
    )
    assert "Contents" not in folders
    assert client.list_objects_v2(Bucket="drafts", Prefix="elsewhere/")["KeyCount"] == 0
    client.head_bucket(Bucket="drafts")
    assert client.get_bucket_location(Bucket="drafts")["LocationConstraint"] is None


def status(url: str) -> int:
    """The status of an answer to a URL of ours."""
    try:
        with urlopen(url) as answer:  # noqa: S310 - see above
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_who_shows_no_good_key_gets_nothing(door: Door) -> None:
    stage, key = door.stage, draft_of(door.stage)
    door.granted("kim")
    named = {"Bucket": "drafts", "Key": key}
    given = door.key("kim")
    good = door.client_of(given)
    assert good.get_object(**named)["Body"].read()
    wrong = door.client_of({**given, "secret": given["secret"][::-1]})
    assert refused(wrong.get_object, **named)[0] == "SignatureDoesNotMatch"
    other = door.client_of({**given, "credential": "c-aaaaaaaaaaaaa"})
    assert refused(other.get_object, **named)[0] == "InvalidAccessKeyId"
    assert status(f"http://127.0.0.1:{door.port}/drafts/{key}") == 403
    url = good.generate_presigned_url("get_object", named, 600)
    assert status(url) == 403  # it says no purpose
    stage.run("staff", "revoke", given["credential"]).expect(0)
    code, said = refused(good.get_object, **named)
    assert code == "InvalidAccessKeyId"
    assert "was ended" in said
    assert [body["why"] for body in bodies(stage, "access.refused")] == ["credential-over"]


def test_an_object_in_anothers_place_is_not_given_out(door: Door) -> None:
    stage = door.stage
    door.granted("kim")
    first, second, *_ = drafts_of(stage)
    home = stage.bucket("oracle")

    async def swap() -> None:
        read = await home.read(first)
        data = b"".join([chunk async for chunk in read.chunks])
        await home.write(second, _once(data), read.attributes, len(data))

    asyncio.run(swap())
    kim = door.client("kim")
    assert kim.get_object(Bucket="drafts", Key=first)["Body"].read()
    code, said = refused(kim.get_object, Bucket="drafts", Key=second)
    assert code == "InternalError"
    assert "not what was proven at home" in said


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def test_a_download_ends_midway_at_the_caps_at_a_revocation_and_where_nobody_listens(
    door: Door,
) -> None:
    stage = door.stage
    key = next(key for key in stage.keys("oracle") if key.endswith(f"/{LARGE}"))
    named = {"Bucket": "drafts", "Key": key}
    kim = door.client("kim", retries={"max_attempts": 0})
    door.granted("kim", "--bytes", str(3_000_000))
    with pytest.raises(BotoCoreError):
        kim.get_object(**named)["Body"].read()
    assert _last_closed(door) == ("capped", 3_000_000)
    assert refused(kim.get_object, **named)[0] == "AccessDenied"

    grant = door.granted("kim", "--ticket", "T-2")
    ticket = door.client("kim", f"{PURPOSE} domicile-ticket/T-2", retries={"max_attempts": 0})
    body = ticket.get_object(**named)["Body"]
    assert len(body.read(1 << 20)) == 1 << 20
    stage.run("access", "revoke", grant, *token_of(stage, "ann", "--second-factor")).expect(0)
    with pytest.raises(BotoCoreError):
        body.read()
    ended, size = _last_closed(door)
    assert ended == "revoked"
    assert 1 << 20 <= size < SIZE

    door.granted("kim", "--ticket", "T-3")
    body = door.client("kim", f"{PURPOSE} domicile-ticket/T-3").get_object(**named)["Body"]
    body.read(1 << 20)
    body.close()
    ended, size = _last_closed(door)
    assert ended == "left"
    assert size < SIZE
    stage.run("ledger", "verify").expect(0)


def _last_closed(door: Door) -> tuple[str, int]:
    """How the access ended that was opened last, once it has."""
    access = bodies(door.stage, "access.opened")[-1]["access"]
    deadline = time.monotonic() + 30
    while True:
        found = {body["access"]: body for body in bodies(door.stage, "access.closed")}
        if access in found:
            return found[access]["ended"], found[access]["size_bytes"]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_nothing_is_given_while_the_ledger_takes_no_entries(door: Door) -> None:
    door.granted("kim")
    kim = door.client("kim", retries={"max_attempts": 0})
    named = {"Bucket": "drafts", "Key": draft_of(door.stage)}
    assert kim.get_object(**named)["Body"].read()
    before = bodies(door.stage, "access.opened")
    _, hard = resource.prlimit(door.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(door.process.pid, resource.RLIMIT_FSIZE, (0, hard))  # a full disk
    for call, more in ((kim.get_object, named), (kim.list_objects_v2, {"Bucket": "drafts"})):
        assert refused(call, **more)[0] == "ServiceUnavailable"
    assert bodies(door.stage, "access.opened") == before
    resource.prlimit(door.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
