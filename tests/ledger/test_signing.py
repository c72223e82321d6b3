from __future__ import annotations

from pathlib import Path

import pytest

from domicile.errors import UsageError
from domicile.ledger.keys import Verifier
from domicile.ledger.signing import FileSigner


def test_a_key_is_made_once_and_loaded_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ledger.key"
    made = FileSigner.create_or_load(path, "example.com/log")
    assert path.stat().st_mode & 0o777 == 0o600
    assert FileSigner.create_or_load(path, "example.com/log").vkey == made.vkey
    assert [p.name for p in path.parent.iterdir()] == ["ledger.key"]


def test_no_seed_makes_a_key_that_cannot_be_loaded(tmp_path: Path) -> None:
    # Base64 has plus signs of its own, in about half of all keys.
    for number in range(20):
        path = tmp_path / str(number)
        assert (
            FileSigner.create_or_load(path, "a").vkey == FileSigner.create_or_load(path, "a").vkey
        )


def test_the_published_private_key_has_the_published_public_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz\n"
    )
    path.chmod(0o600)
    signer = FileSigner.create_or_load(path, "PeterNeumann")
    assert signer.vkey == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_signature_verifies_under_the_public_key() -> None:
    signer = FileSigner("a", bytes(32))
    assert Verifier.parse(signer.vkey).accepts(b"text", signer.sign(b"text"))
    assert not Verifier.parse(signer.vkey).accepts(b"texT", signer.sign(b"text"))


@pytest.mark.parametrize("text", ["", "hello", "PRIVATE+KEY+a+00000000+AAAA", "\xff"])
def test_a_file_that_is_no_key_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UsageError):
        FileSigner.create_or_load(path, "a")
    assert path.read_text() == text


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    FileSigner.create_or_load(path, "a")
    path.chmod(0o640)
    with pytest.raises(UsageError, match="can be read by others"):
        FileSigner.create_or_load(path, "a")


def test_another_names_key_is_refused(tmp_path: Path) -> None:
    FileSigner.create_or_load(tmp_path / "key", "a")
    with pytest.raises(UsageError, match="not the key of b"):
        FileSigner.create_or_load(tmp_path / "key", "b")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b"])
def test_a_name_that_notes_cannot_carry_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        FileSigner.create_or_load(tmp_path / "key", name)


def test_neither_repr_nor_error_shows_the_seed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    signer = FileSigner.create_or_load(path, "a")
    secret = path.read_text().strip().split("+", 4)[4]
    assert secret not in repr(signer)
    with pytest.raises(UsageError) as refused:
        FileSigner.create_or_load(path, "b")
    assert secret not in str(refused.value)


def test_a_key_that_somebody_else_made_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    first = FileSigner.create_or_load(path, "a")
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda p, **kw: p != path and real(p, **kw))
    assert FileSigner.create_or_load(path, "a").vkey == first.vkey
    assert list(tmp_path.iterdir()) == [path]
