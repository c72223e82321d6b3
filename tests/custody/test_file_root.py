"""What only a root key in a file can do wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domicile.custody.file_root import FileRoot
from domicile.errors import EvidenceError, SiteRefused, UsageError

PASSPHRASE = "correct horse battery staple"
KEY = b"k" * 32


def test_a_wrong_passphrase_opens_nothing_and_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "custodian.root"
    FileRoot.create(path, PASSPHRASE)
    with pytest.raises(SiteRefused, match="passphrase") as refused:
        FileRoot.open(path, "wrong horse battery staple")
    assert "wrong horse" not in str(refused.value)


def test_a_root_is_never_made_over_another(tmp_path: Path) -> None:
    path = tmp_path / "custodian.root"
    kept = FileRoot.create(path, PASSPHRASE).wrap(KEY, b"")
    with pytest.raises(UsageError, match="exists"):
        FileRoot.create(path, PASSPHRASE)
    assert FileRoot.open(path, PASSPHRASE).unwrap([(kept, b"")]) == [KEY]


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too short"):
        FileRoot.create(tmp_path / "root", "hunter2")
    assert not (tmp_path / "root").exists()


def test_a_root_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "custodian.root"
    FileRoot.create(path, PASSPHRASE)
    path.chmod(0o640)
    with pytest.raises(SiteRefused, match="read by others"):
        FileRoot.open(path, PASSPHRASE)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"format":"domicile-root/2","argon2id":{"salt":""},"keys":{"1":""}}',
        b'{"format":"domicile-root/1","argon2id":{"salt":"","memory_kib":99999999},"keys":{"1":""}}',
    ],
)
def test_what_is_no_root_is_refused_before_anything_is_derived(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "root"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(EvidenceError, match="is no root key"):
        FileRoot.open(path, PASSPHRASE)


def test_no_key_and_no_passphrase_is_in_the_file_or_shown(tmp_path: Path) -> None:
    path = tmp_path / "custodian.root"
    root = FileRoot.create(path, PASSPHRASE)
    data = path.read_bytes()
    assert PASSPHRASE.encode() not in data
    assert PASSPHRASE not in repr(root)
    assert root._keys[1] not in data
    assert os.stat(path).st_mode & 0o777 == 0o600  # noqa: PTH116


def test_a_copy_of_the_file_opens_what_was_destroyed(tmp_path: Path) -> None:
    path, copy = tmp_path / "custodian.root", tmp_path / "copy.root"
    root = FileRoot.create(path, PASSPHRASE)
    kept = root.wrap(KEY, b"")
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)
    root.rotate()
    root.destroy(1)
    assert FileRoot.open(copy, PASSPHRASE).unwrap([(kept, b"")]) == [KEY]
    assert "whoever copied it" in " ".join(root.weaknesses())


def test_two_processes_that_rotate_at_once_lose_no_version(tmp_path: Path) -> None:
    path = tmp_path / "custodian.root"
    FileRoot.create(path, PASSPHRASE)
    roots = [FileRoot.open(path, PASSPHRASE) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda n: roots[n % 2].rotate(), range(10)))
    assert sorted(made) == list(range(2, 12))
    assert roots[0].versions() == roots[1].versions() == tuple(range(1, 12))


def test_a_root_under_another_passphrase_meanwhile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "custodian.root"
    root = FileRoot.create(path, PASSPHRASE)
    path.unlink()
    FileRoot.create(path, PASSPHRASE + " again")
    with pytest.raises(SiteRefused, match="another passphrase"):
        root.wrap(KEY, b"")


_MAKE = """
import sys
from pathlib import Path
from domicile.custody.file_root import FileRoot
FileRoot.create(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_passphrase_is_stretched_as_rfc_9106_recommends(tmp_path: Path) -> None:
    path = tmp_path / "root"
    subprocess.run([sys.executable, "-c", _MAKE, path, PASSPHRASE], check=True)
    cost = json.loads(path.read_bytes())["argon2id"]
    assert (cost["passes"], cost["lanes"], cost["memory_kib"]) == (3, 4, 64 * 1024)
