"""``domicile custody split`` and ``recover``: a lost file and a lost passphrase."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from domicile.charter import load_charter
from domicile.cli.main import cli
from domicile.custody.file_root import FileRoot
from domicile.custody.keyring import Keyring
from domicile.custody.shares import read_share
from domicile.errors import DomicileError, EvidenceError, SiteRefused, UsageError
from domicile.inventory import Evidence, ledger_directory
from domicile.ledger import decode, published_keys, read_only, verify_log
from domicile.state import State
from tests.cli.test_ledger import CHARTER

OLD, NEW = "correct horse battery staple", "a sentence that nobody has forgotten"
KEYS = '[boundaries.us.keys]\nroot = "file"\npath = "us.root"\npassphrase_env = "SHARES_TEST"\n'
SUBJECT = bytes(range(16))


class Vault:
    """A boundary with a file root, and a key under it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.path = directory, directory / "us.root"
        self.charter, self.records = directory / "domicile.toml", directory / ".domicile"
        self.charter.write_text(CHARTER.format(home="file:home", access="") + KEYS)
        self.root = FileRoot.create(self.path, OLD)
        self.secrets = self.root.unsafe_keys()
        self.key = self.open(OLD)

    def open(self, passphrase: str) -> bytes:
        state = State.beside(self.records)
        with Evidence(self.records, load_charter(self.charter)) as evidence:
            root = FileRoot.open(self.path, passphrase)
            keys = Keyring(state, root, "us", evidence.record).open("verify")
            key = keys.of([SUBJECT])[SUBJECT]
        state.close()
        return key

    def rotate_and_destroy(self) -> None:
        state = State.beside(self.records)
        with Evidence(self.records, load_charter(self.charter)) as evidence:
            ring = Keyring(state, FileRoot.open(self.path, OLD), "us", evidence.record)
            ring.open("rotate")
            ring.rotate()
            keys = ring.open("rotate")
            ring.rotate_root(keys)
            list(keys.rewrap())
            ring.destroy(1)
        state.close()

    def run(self, *words: str) -> int:
        code: int = cli.main(
            ["custody", *words, "--charter", str(self.charter)], standalone_mode=False
        )
        return code

    def split(self, name: str = "shares") -> list[Path]:
        directory = self.directory / name
        words = ("--shares", "3", "--needed", "2", "--directory", str(directory))
        assert self.run("split", *words) == 0
        return sorted(directory.iterdir())

    def recover(self, *shares: Path) -> int:
        return self.run("recover", *map(str, shares))


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setenv("SHARES_TEST", OLD)
    return Vault(tmp_path)


def test_a_lost_file_and_a_lost_passphrase_are_recovered_and_everything_opens(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, two, three = vault.split()
    vault.path.unlink()
    monkeypatch.setenv("SHARES_TEST", NEW)
    assert vault.recover(three, two) == 0
    assert vault.open(NEW) == vault.key
    with pytest.raises(SiteRefused, match="does not open with this passphrase"):
        FileRoot.open(vault.path, OLD)
    log = ledger_directory(vault.records)
    assert verify_log(log, published_keys(log), vault.records).problems == ()
    kinds = [decode(data).kind for _, data in read_only(log).entries()]
    assert kinds.index("custody.root-split") < kinds.index("custody.root-recovered")


def test_one_share_gives_nothing(vault: Vault) -> None:
    one, *_ = vault.split()
    vault.path.unlink()
    with pytest.raises(EvidenceError, match="1 shares were given, and 2 are needed"):
        vault.recover(one)
    with pytest.raises(EvidenceError, match="1 shares were given, and 2 are needed"):
        vault.recover(one, one)
    assert not vault.path.exists()


def test_shares_of_two_splits_do_not_mix(vault: Vault) -> None:
    one, *_ = vault.split()
    _, two, _ = vault.split("again")
    vault.path.unlink()
    with pytest.raises(EvidenceError, match="are of different splits"):
        vault.recover(one, two)
    assert not vault.path.exists()


def test_a_root_that_is_there_is_not_written_over(vault: Vault) -> None:
    one, two, _ = vault.split()
    before = vault.path.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        vault.recover(one, two)
    assert vault.path.read_bytes() == before


def test_a_short_new_passphrase_is_refused(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, _ = vault.split()
    vault.path.unlink()
    monkeypatch.setenv("SHARES_TEST", "short")
    with pytest.raises(UsageError, match="passphrase is too short"):
        vault.recover(one, two)
    assert not vault.path.exists()


def test_a_version_that_was_destroyed_does_not_come_back_from_older_shares(
    vault: Vault, capsys: pytest.CaptureFixture[str]
) -> None:
    old, older, _ = vault.split()
    vault.rotate_and_destroy()
    new, newer, _ = vault.split("new")
    vault.path.unlink()
    with pytest.raises(EvidenceError, match="in these shares was condemned since"):
        vault.recover(old, older)
    assert vault.recover(new, newer) == 0
    assert FileRoot.open(vault.path, OLD).versions() == (2,)
    assert vault.open(OLD) == vault.key
    assert vault.secrets[1] not in FileRoot.open(vault.path, OLD).unsafe_keys().values()
    assert "was recovered, versions 2" in capsys.readouterr().out


def test_no_secret_and_no_word_of_a_share_is_anywhere_but_in_its_file(
    vault: Vault, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shares = vault.split()
    mnemonics = [read_share(path).mnemonic for path in shares]
    vault.path.unlink()
    errors = ""
    damaged = shares[0].read_text().replace(mnemonics[0], mnemonics[0][::-1])
    broken = tmp_path / "broken"
    broken.write_text(damaged)
    broken.chmod(0o600)
    for some in ([shares[0]], [broken, shares[1]], [tmp_path / "domicile.toml", shares[1]]):
        try:
            vault.recover(*some)
        except DomicileError as error:
            errors += "".join(traceback.format_exception(error)) + repr(error.__context__)
    vault.recover(*shares[:2])
    captured = capfd.readouterr()
    told = errors + captured.out + captured.err
    for path in vault.directory.rglob("*"):
        if path.is_file() and path not in {*shares, broken}:
            told += path.read_bytes().decode("latin-1")
    for secret in vault.secrets.values():
        assert secret.decode("latin-1") not in told
        assert secret.hex() not in told
    for mnemonic in mnemonics:
        words = mnemonic.split()[4:]  # the first four say which split and share it is
        for at in range(len(words) - 2):
            assert " ".join(words[at : at + 3]) not in told


def test_shares_are_named_by_their_files_alone(vault: Vault) -> None:
    shares = vault.split()
    vault.path.unlink()
    words = [sys.executable, "-m", "domicile", "custody", "recover", *map(str, shares[:2])]
    done = subprocess.run(
        [*words, "--charter", str(vault.charter)],
        env={**os.environ, "SHARES_TEST": NEW},
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert vault.open(NEW) == vault.key
    mnemonic = read_share(shares[0]).mnemonic
    done = subprocess.run([*words[:5], mnemonic], capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_a_root_of_another_keeper_has_no_shares(vault: Vault) -> None:
    token = (
        '[boundaries.us.keys]\nroot = "pkcs11"\nmodule = "hsm.so"\ntoken_label = "us"\n'
        'key_label = "us"\npin_env = "SHARES_TEST"\n'
    )
    vault.charter.write_text(vault.charter.read_text().replace(KEYS, token))
    with pytest.raises(UsageError, match="names no root in a file"):
        vault.split()
