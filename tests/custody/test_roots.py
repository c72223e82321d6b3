"""Every keeper of a root key, held to one contract."""

from __future__ import annotations

import base64
import logging
import traceback
from itertools import chain

import pytest

from domicile.custody.root import RootKey, RootWrapped
from domicile.errors import DomicileError, EvidenceError, UsageError
from tests.custody.keepers import Keeper, Opens

KEYS = [bytes([n + 65]) * 32 for n in range(3)]


@pytest.fixture
def opens(keeper: Keeper) -> Opens:
    """Opens the same, new root again and again, as another process would."""
    return keeper.opens


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
    (first,) = root.versions()
    version = root.rotate()
    assert version > first
    assert root.versions() == (first, version)
    assert opens().versions() == (first, version)
    after = wrapped(opens())
    assert {each.version for each, _ in after} == {version}
    assert opens().unwrap([*before, *after]) == [*KEYS, *KEYS]


def test_a_destroyed_version_opens_nothing_and_says_what_that_proves(opens: Opens) -> None:
    root, other = opens(), opens()
    before = wrapped(root)
    (first,) = root.versions()
    second = root.rotate()
    after = wrapped(root)
    assert "not examined" in root.destroy(first).proves
    for each in (root, other, opens()):
        assert each.versions() == (second,)
        assert each.unwrap(after) == KEYS
        with pytest.raises(EvidenceError, match=f"no version {first}"):
            each.unwrap([*after, *before])


def test_a_destroyed_version_again_says_the_same_and_changes_nothing(opens: Opens) -> None:
    root = opens()
    (first,) = root.versions()
    root.rotate()
    after = wrapped(root)
    assert root.destroy(first) == opens().destroy(first)
    assert root.unwrap(after) == KEYS


def test_what_one_process_changes_the_others_go_by(opens: Opens) -> None:
    root, other = opens(), opens()
    before = wrapped(other)
    (first,) = root.versions()
    second = root.rotate()
    assert other.wrap(KEYS[0], b"x").version == second
    third = other.rotate()
    assert root.versions() == opens().versions() == (first, second, third)
    other.destroy(first)
    with pytest.raises(EvidenceError, match=f"no version {first}"):
        root.unwrap(before)


def test_a_version_number_is_never_used_again(opens: Opens) -> None:
    root = opens()
    (first,) = root.versions()
    second = root.rotate()
    root.destroy(first)
    assert opens().rotate() > second


def test_the_newest_version_is_not_destroyed(opens: Opens) -> None:
    root = opens()
    kept = wrapped(root)
    with pytest.raises(UsageError, match="newest"):
        root.destroy(root.versions()[-1])
    assert opens().unwrap(kept) == KEYS


def test_what_never_was_is_not_said_to_be_destroyed(opens: Opens) -> None:
    root = opens()
    for version in (0, -1, root.rotate() + 1, 2**62):
        with pytest.raises(EvidenceError, match=f"no version {version}"):
            root.destroy(version)


def test_an_unknown_version_is_named(opens: Opens) -> None:
    root = opens()
    ((kept, context), *_) = wrapped(root)
    for version in (0, -1, 7, 2**62):
        with pytest.raises(EvidenceError, match=f"no version {version}"):
            root.unwrap([(kept._replace(version=version), context)])


def test_a_key_passed_off_as_of_another_version_does_not_open(opens: Opens) -> None:
    root = opens()
    ((kept, context), *_) = wrapped(root)
    with pytest.raises(EvidenceError):
        root.unwrap([(kept._replace(version=root.rotate()), context)])


@pytest.mark.parametrize("data", [b"", b"x", bytes(59), bytes(60), bytes(61), b"\xff" * 5000])
def test_what_is_no_wrapped_key_does_not_open(opens: Opens, data: bytes) -> None:
    root = opens()
    with pytest.raises(EvidenceError):
        root.unwrap([(RootWrapped(root.versions()[-1], data), b"")])


def test_a_batch_larger_than_any_request_opens_in_order(opens: Opens) -> None:
    root = opens()
    kept = wrapped(root)
    assert root.unwrap(kept * 170) == KEYS * 170


def test_only_a_key_is_wrapped(opens: Opens) -> None:
    for size in (0, 31, 33):
        with pytest.raises(ValueError, match=str(size)):
            opens().wrap(bytes(size), b"")


@pytest.mark.parametrize("context", [b"", b"\0", bytes(range(256)), "bühne/ü".encode()])
def test_any_context_is_bound(opens: Opens, context: bytes) -> None:
    kept = opens().wrap(KEYS[0], context)
    assert opens().unwrap([(kept, context)]) == KEYS[:1]
    with pytest.raises(EvidenceError):
        opens().unwrap([(kept, context + b"\0")])


def test_no_secret_is_ever_shown(
    keeper: Keeper, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    root = keeper.opens()
    said = [repr(root), str(root), root.label, *root.weaknesses()]
    ((kept, context), *_) = wrapped(root)
    flipped = kept._replace(data=kept.data[:-1] + bytes([kept.data[-1] ^ 1]))
    for version in (kept, flipped, kept._replace(version=7)):
        said += failure(root, version, b"not the context")
    said += failure(root, flipped, context)
    root.unwrap([(kept, context)])
    root.rotate()
    said += [root.destroy(kept.version).proves]
    shown = "".join([*said, caplog.text, *capfd.readouterr()])
    forms = chain.from_iterable(secret_forms(key) for key in [*KEYS, *keeper.secrets])
    assert [form for form in forms if form in shown] == []


def failure(root: RootKey, wrapped: RootWrapped, context: bytes) -> list[str]:
    with pytest.raises(DomicileError) as raised:
        root.unwrap([(wrapped, context)])
    return [repr(raised.value), *traceback.format_exception(raised.value)]


def secret_forms(secret: bytes) -> tuple[str, ...]:
    text = secret.decode("latin-1")
    return (text, repr(secret)[2:-1], secret.hex(), base64.b64encode(secret).decode()[:-4])
