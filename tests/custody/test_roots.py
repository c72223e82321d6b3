"""Every keeper of a root key, held to one contract."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domicile.custody.file_root import FileRoot
from domicile.custody.root import RootKey, RootWrapped
from domicile.errors import EvidenceError, SiteRefused, UsageError

PASSPHRASE = "correct horse battery staple"
KEYS = [bytes([n]) * 32 for n in range(3)]

Opens = Callable[[], RootKey]


@pytest.fixture(params=["file"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Opens the same, new root again and again, as another process would."""
    assert request.param == "file"
    path = tmp_path / "custodian.root"
    FileRoot.create(path, PASSPHRASE)
    return lambda: FileRoot.open(path, PASSPHRASE)


def wrapped(root: RootKey) -> list[tuple[RootWrapped, bytes]]:
    return [(root.wrap(key, b"of %d" % n), b"of %d" % n) for n, key in enumerate(KEYS)]


def test_what_was_wrapped_opens_again_in_order(opens: Opens) -> None:
    kept = wrapped(opens())
    assert opens().unwrap(kept) == KEYS
    assert opens().unwrap([]) == []


def test_a_wrapped_key_shows_nothing_and_differs_each_time(opens: Opens) -> None:
    root = opens()
    first, second = root.wrap(KEYS[1], b"x"), root.wrap(KEYS[1], b"x")
    assert first.data != second.data
    assert KEYS[1][:8] not in first.data


def test_a_wrapped_key_of_somebody_else_does_not_open(opens: Opens) -> None:
    root = opens()
    (one, _), (_, other_context), *_ = wrapped(root)
    with pytest.raises(EvidenceError):
        root.unwrap([(one, other_context)])


def test_no_flipped_bit_of_a_wrapped_key_opens(opens: Opens) -> None:
    root = opens()
    ((kept, context), *_) = wrapped(root)
    for at in range(len(kept.data)):
        flipped = kept.data[:at] + bytes([kept.data[at] ^ 1]) + kept.data[at + 1 :]
        with pytest.raises(EvidenceError):
            root.unwrap([(kept._replace(data=flipped), context)])


def test_rotation_wraps_anew_and_opens_what_was(opens: Opens) -> None:
    root = opens()
    before = wrapped(root)
    version = root.rotate()
    assert root.versions() == (1, version)
    assert opens().versions() == (1, version)
    after = wrapped(opens())
    assert {each.version for each, _ in after} == {version}
    assert opens().unwrap([*before, *after]) == [*KEYS, *KEYS]


def test_a_destroyed_version_opens_nothing_and_says_what_that_proves(opens: Opens) -> None:
    root = opens()
    before = wrapped(root)
    root.rotate()
    after = wrapped(root)
    assert "not examined" in root.destroy(1)
    root.destroy(1)
    for each in (root, opens()):
        assert each.unwrap(after) == KEYS
        with pytest.raises(EvidenceError, match="no version 1"):
            each.unwrap(before)


def test_what_one_process_changes_the_others_go_by(opens: Opens) -> None:
    root, other = opens(), opens()
    before = wrapped(other)
    second = root.rotate()
    assert other.wrap(KEYS[0], b"x").version == second
    assert other.rotate() == second + 1
    assert root.versions() == opens().versions() == (1, second, second + 1)
    other.destroy(1)
    with pytest.raises(EvidenceError, match="no version 1"):
        root.unwrap(before)


def test_versions_that_are_made_at_once_are_all_kept(opens: Opens) -> None:
    roots = [opens() for _ in range(4)]
    with ThreadPoolExecutor(4) as executor:
        made = [version for each in executor.map(_rotate_often, roots) for version in each]
    assert sorted(made) == list(range(2, 22))
    assert opens().versions() == tuple(range(1, 22))


def _rotate_often(root: RootKey) -> list[int]:
    return [root.rotate() for _ in range(5)]


def test_what_never_was_is_not_said_to_be_destroyed(opens: Opens) -> None:
    root = opens()
    for version in (0, -1, root.rotate() + 1):
        with pytest.raises(EvidenceError, match=f"no version {version}"):
            root.destroy(version)


def test_the_newest_version_is_not_destroyed(opens: Opens) -> None:
    with pytest.raises(UsageError, match="newest"):
        opens().destroy(1)


def test_an_unknown_version_is_named(opens: Opens) -> None:
    with pytest.raises(EvidenceError, match="no version 7"):
        opens().unwrap([(RootWrapped(7, bytes(60)), b"")])


def test_a_wrong_passphrase_opens_nothing_and_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "custodian.root"
    FileRoot.create(path, PASSPHRASE)
    with pytest.raises(SiteRefused, match="passphrase") as refused:
        FileRoot.open(path, "wrong horse battery staple")
    assert "wrong horse" not in str(refused.value)


def test_a_root_is_never_made_over_another(tmp_path: Path) -> None:
    path = tmp_path / "custodian.root"
    kept = wrapped(FileRoot.create(path, PASSPHRASE))
    with pytest.raises(UsageError, match="exists"):
        FileRoot.create(path, PASSPHRASE)
    assert FileRoot.open(path, PASSPHRASE).unwrap(kept) == KEYS


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
