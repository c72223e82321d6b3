"""A root in shares: enough of them are the root, fewer are nothing, and no word of one escapes."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import stat
import traceback
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from shamir_mnemonic.share import Share as Slip39

from domicile.custody.shares import Share, read_share, recover_keys, split_keys, write_shares
from domicile.errors import EvidenceError, SiteRefused, UsageError

ROOT = "file:us.root"
KEYS = {1: bytes(range(32)), 3: bytes(range(100, 132))}


def test_any_three_of_five_recover_every_version_and_no_two_do() -> None:
    shares = split_keys(ROOT, KEYS, 3, 5)
    for some in itertools.permutations(shares, 3):
        assert recover_keys(some) == KEYS
    for few in itertools.combinations(shares, 2):
        with pytest.raises(EvidenceError, match="2 shares were given, and 3 are needed"):
            recover_keys(few)
        with pytest.raises(EvidenceError, match="do not open the root's keys"):
            recover_keys([said_to_be_enough(share) for share in few])
    assert recover_keys(shares) == KEYS


def said_to_be_enough(share: Share) -> Share:
    """A share that claims, checksum and all, that two are needed."""
    claimed = dataclasses.replace(Slip39.from_mnemonic(share.mnemonic), member_threshold=2)
    return replace(share, needed=2, mnemonic=claimed.mnemonic())


@settings(max_examples=15)
@given(
    st.dictionaries(st.integers(1, 99), st.binary(min_size=32, max_size=32), min_size=1),
    st.integers(2, 16),
    st.data(),
)
def test_what_was_split_is_what_is_recovered(
    keys: dict[int, bytes], count: int, data: st.DataObject
) -> None:
    needed = data.draw(st.integers(2, count))
    shares = split_keys(ROOT, keys, needed, count)
    some = data.draw(st.permutations(shares))[:needed]
    assert recover_keys(some) == keys


@pytest.mark.parametrize(("needed", "count"), [(1, 1), (1, 3), (4, 3), (2, 17), (0, 2)])
def test_what_is_no_split_is_refused(needed: int, count: int) -> None:
    with pytest.raises(UsageError, match="are no split"):
        split_keys(ROOT, KEYS, needed, count)


def test_one_share_given_twice_is_one_share() -> None:
    one, *_ = split_keys(ROOT, KEYS, 2, 3)
    with pytest.raises(EvidenceError, match="1 shares were given, and 2 are needed"):
        recover_keys([one, one])


def _swapped(words: str) -> str:
    first, second, *rest = words.split()[4:]
    return " ".join([*words.split()[:4], second, first, *rest])


def test_a_wrong_share_is_refused_clearly_and_named() -> None:
    one, two, three = split_keys(ROOT, KEYS, 2, 3)
    strange = split_keys(ROOT, KEYS, 2, 3)[1]
    for some, message in (
        ([one, strange], "share 2 and share 1 are of different splits"),
        ([one, replace(two, mnemonic=_swapped(two.mnemonic))], "share 2 is damaged"),
        ([one, replace(two, mnemonic="")], "share 2 is damaged"),
        ([one, replace(two, mnemonic="no such word " * 11)], "share 2 is damaged"),
        ([one, replace(two, mnemonic=three.mnemonic)], "share 2 is damaged"),
        ([one, replace(two, mnemonic=strange.mnemonic)], "one of the shares is wrong"),
    ):
        with pytest.raises(EvidenceError) as caught:
            recover_keys(some)
        assert message in caught.value.failed
        assert_no_secret("".join(traceback.format_exception(caught.value)), [one, two, three])


def test_wrapped_keys_that_were_changed_in_every_share_do_not_open() -> None:
    shares = split_keys(ROOT, KEYS, 2, 2)
    changed = {version: wrapped[:-1] + b"\0" for version, wrapped in shares[0].wrapped.items()}
    with pytest.raises(EvidenceError, match="do not open the root's keys"):
        recover_keys([replace(share, wrapped=changed) for share in shares])


def assert_no_secret(text: str, shares: Sequence[Share]) -> None:
    """Neither a key, nor three words in a row of a mnemonic, whose first four say which it is."""
    for key in KEYS.values():
        assert key.hex() not in text
        assert repr(key)[2:-1] not in text
    for share in shares:
        words = share.mnemonic.split()[4:]
        for at in range(len(words) - 2):
            assert " ".join(words[at : at + 3]) not in text


def test_a_share_is_a_file_that_nobody_else_reads_and_shows_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shares = split_keys(ROOT, KEYS, 2, 3)
    paths = write_shares(tmp_path / "shares", shares)
    assert [path.name for path in paths] == [f"us.root.share-{n}-of-3" for n in (1, 2, 3)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert [read_share(path) for path in paths] == shares
    assert_no_secret(repr(shares) + str(shares) + caplog.text, shares)
    for path, other in itertools.permutations(paths, 2):
        assert read_share(other).mnemonic not in path.read_text()
        assert not any(key in path.read_bytes() for key in KEYS.values())


def test_shares_are_written_over_nothing_and_all_or_none(tmp_path: Path) -> None:
    shares = split_keys(ROOT, KEYS, 2, 3)
    (tmp_path / "us.root.share-3-of-3").write_text("somebody's")
    with pytest.raises(SiteRefused, match="File exists"):
        write_shares(tmp_path, shares)
    assert [path.name for path in tmp_path.iterdir()] == ["us.root.share-3-of-3"]
    assert (tmp_path / "us.root.share-3-of-3").read_text() == "somebody's"


def test_a_share_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path, *_ = write_shares(tmp_path, split_keys(ROOT, KEYS, 2, 2))
    path.chmod(0o640)
    with pytest.raises(SiteRefused, match="can be read by others"):
        read_share(path)
    with pytest.raises(SiteRefused, match="cannot be read"):
        read_share(tmp_path / "none")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("domicile-root-share/1", "domicile-root-share/2"),
        ('"needed": 2', '"needed": 0'),
        ('"needed"', '"need"'),
        ('"number": 1', '"number": "one"'),
        ("{", ""),
    ],
)
def test_what_is_no_share_is_refused_without_showing_it(
    tmp_path: Path, before: str, after: str
) -> None:
    shares = split_keys(ROOT, KEYS, 2, 2)
    path, *_ = write_shares(tmp_path, shares)
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(EvidenceError, match="is no share of a root") as caught:
        read_share(path)
    assert_no_secret("".join(traceback.format_exception(caught.value)), shares)
