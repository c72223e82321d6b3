"""What only a root key in a PKCS#11 token can do wrong: PINs, sessions, forks, slow modules."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, TokenFlag

from domicile.custody import pkcs11_token
from domicile.custody.credential import Credential, EnvironmentCredential, FileCredential
from domicile.custody.pkcs11_root import Pkcs11Root, _encrypt
from domicile.custody.pkcs11_token import Token
from domicile.custody.root import RootWrapped
from domicile.errors import (
    EvidenceError,
    SiteError,
    SiteMissing,
    SiteRefused,
    SiteUnreachable,
    UsageError,
)
from tests.custody.forks import OnlyIn, in_child
from tests.services.softhsm import MODULE, PIN, SoftHsm, make_token

KEY = b"k" * 32


@pytest.fixture
def root(softhsm: SoftHsm) -> Pkcs11Root:
    return Pkcs11Root.create(softhsm.token(), f"root-{secrets.token_hex(4)}")


def test_keys_never_leave_the_token(root: Pkcs11Root) -> None:
    assert root.weaknesses() == ()
    with pytest.raises(SiteError, match="AttributeSensitive"):
        root._token.run(lambda session: root._keys(session)[1][0][Attribute.VALUE])


def test_a_key_made_carelessly_by_another_tool_is_named(root: Pkcs11Root) -> None:
    def careless(session: pkcs11.Session) -> None:
        template = {Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False}
        session.generate_key(
            pkcs11.KeyType.AES, 256, label=f"{root._name}/2", store=True, template=template
        )

    root._token.run(careless)
    assert len(root.weaknesses()) == 4
    assert all("version 2" in weakness for weakness in root.weaknesses())


def test_a_wrong_pin_is_shown_once(softhsm: SoftHsm) -> None:
    environ = {"PIN": "wrong-pin-0815"}
    token = Token(MODULE, "wrong-pin", EnvironmentCredential("PIN", environ))
    with pytest.raises(SiteRefused, match="PinIncorrect") as refused:
        Pkcs11Root.open(token, "root")
    assert "0815" not in "".join(traceback.format_exception(refused.value))
    environ["PIN"] = PIN  # even the right one now: this process had its try
    for again in (token, softhsm.token("wrong-pin")):
        with pytest.raises(SiteRefused, match="not tried again"):
            Pkcs11Root.open(again, "root")


def test_a_child_does_not_show_a_pin_that_its_parent_saw_refused(softhsm: SoftHsm) -> None:
    with pytest.raises(SiteRefused, match="PinIncorrect"):
        softhsm.token("wrong-pin-after-fork", "wrong").run(lambda _: None)
    said = in_child(lambda: softhsm.token("wrong-pin-after-fork").run(lambda _: None))
    assert "not tried again" in said


def test_a_pin_that_is_not_there_is_refused_and_nothing_is_shown(
    softhsm: SoftHsm, tmp_path: Path
) -> None:
    pins: list[Credential] = [
        EnvironmentCredential("PIN", {}),
        FileCredential(tmp_path / "missing"),
    ]
    for name, data, mode in (("a", b"\n", 0o600), ("b", b"\xff", 0o600), ("c", b"1234", 0o640)):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(mode)
        pins.append(FileCredential(tmp_path / name))
    for pin in pins:
        with pytest.raises(SiteRefused, match="cannot be read"):
            Token(MODULE, "no-pin", pin).run(lambda _: None)
    softhsm.token("no-pin").run(lambda _: None)  # so nothing was counted as refused


def test_a_pin_is_taken_from_a_file(softhsm: SoftHsm, tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.write_text(f"{PIN}\n")
    path.chmod(0o600)
    token = Token(MODULE, "custodian", FileCredential(path))
    assert Pkcs11Root.create(token, f"root-{secrets.token_hex(4)}").versions() == (1,)
    assert softhsm.directory.exists()


class LockingToken:
    """A double of the module's boundary, for what SoftHSM has not: a token that locks after three
    wrong PINs."""

    initialized = True

    def __init__(self) -> None:
        self.wrong_pins = 0

    def get_token(self, token_label: str) -> LockingToken:
        assert token_label == "double"
        return self

    @property
    def flags(self) -> TokenFlag:
        low = TokenFlag.USER_PIN_COUNT_LOW if self.wrong_pins else TokenFlag(0)
        last = {2: TokenFlag.USER_PIN_FINAL_TRY, 3: TokenFlag.USER_PIN_LOCKED}
        return low | last.get(self.wrong_pins, TokenFlag(0))

    def open(self, *, rw: bool, user_pin: str) -> None:
        assert rw
        if self.wrong_pins == 3:
            raise pkcs11.PinLocked
        self.wrong_pins += 1
        raise pkcs11.PinIncorrect(user_pin)


def test_no_number_of_processes_with_a_wrong_pin_locks_a_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    double = LockingToken()
    monkeypatch.setattr(pkcs11, "lib", lambda _: double)
    for process in range(5):
        monkeypatch.setattr(pkcs11_token, "_modules", {})  # as a process that was just started
        token = Token(Path("double.so"), "double", EnvironmentCredential("PIN", {"PIN": "secret!"}))
        for _ in range(3):
            with pytest.raises(SiteRefused) as refused:
                token.run(lambda _: None)
            assert "secret!" not in "".join(traceback.format_exception(refused.value))
        assert double.wrong_pins == min(process + 1, 2)
    assert not double.flags & TokenFlag.USER_PIN_LOCKED


def test_a_lost_session_is_opened_again(root: Pkcs11Root) -> None:
    kept = root.wrap(KEY, b"")
    root._token._module.process().sessions["custodian"].close()
    assert root.unwrap([(kept, b"")]) == [KEY]


def test_a_module_that_was_finalised_is_initialised_again(root: Pkcs11Root) -> None:
    kept = root.wrap(KEY, b"")
    pkcs11.lib(str(MODULE)).finalize()
    assert root.unwrap([(kept, b"")]) == [KEY]


def test_a_forked_child_opens_a_session_of_its_own(root: Pkcs11Root) -> None:
    kept = root.wrap(KEY, b"")
    sessions = root._token._module.process().sessions
    real = sessions["custodian"]
    sessions["custodian"] = OnlyIn(real)  # type: ignore[assignment]
    try:
        assert in_child(lambda: root.unwrap([(kept, b"")])) == repr([KEY])
        assert in_child(root.rotate) == "2"
        assert in_child(lambda: in_child(root.versions)) == repr(repr((1, 2)))
        assert root.versions() == (1, 2)
        assert root.unwrap([(kept, b"")]) == [KEY]
    finally:
        sessions["custodian"] = real


def test_a_child_forked_while_a_call_is_under_way_does_not_wait_for_it(root: Pkcs11Root) -> None:
    with root._token._module.process().lock:
        assert in_child(root.versions) == "(1,)"


def test_a_slow_token_is_left_waiting(softhsm: SoftHsm) -> None:
    root = Pkcs11Root.create(softhsm.token("slow", timeout_s=0.5), "root")
    kept = root.wrap(KEY, b"")
    with held(softhsm.directory / "tokens"):
        started = time.monotonic()
        for act in (root.versions, root.rotate, lambda: root.unwrap([(kept, b"")])):
            with pytest.raises(SiteUnreachable, match=r"did not answer in 0\.5 s"):
                act()
        assert time.monotonic() - started < 10
    patient = Pkcs11Root.open(softhsm.token("slow"), "root")
    assert patient.unwrap([(kept, b"")]) == [KEY]


@contextmanager
def held(tokens: Path) -> Iterator[None]:
    """SoftHSM waits for the locks of its files: another process has them all."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        for path in tokens.glob("*/*"):
            fcntl.lockf(os.open(path, os.O_RDWR), fcntl.LOCK_EX)
        os.write(writer, b"!")
        time.sleep(60)
        os._exit(0)
    os.read(reader, 1)
    try:
        yield
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def test_a_missing_module_or_token_is_unreachable(softhsm: SoftHsm, tmp_path: Path) -> None:
    pin = EnvironmentCredential("PIN", {"PIN": PIN})
    with pytest.raises(SiteUnreachable, match=r"no\.so cannot be loaded"):
        Token(tmp_path / "no.so", "custodian", pin).run(lambda _: None)
    with pytest.raises(SiteUnreachable, match="NoSuchToken"):
        softhsm.token("nobody").run(lambda _: None)


def test_a_root_is_never_made_over_another(root: Pkcs11Root) -> None:
    with pytest.raises(UsageError, match="exists"):
        Pkcs11Root.create(root._token, root._name)
    assert root.versions() == (1,)


def test_a_root_that_the_token_has_not_is_not_made_by_opening_it(root: Pkcs11Root) -> None:
    with pytest.raises(SiteMissing, match="shows no key"):
        Pkcs11Root.open(root._token, root._name + "x")
    with pytest.raises(UsageError, match="names no root"):
        Pkcs11Root.open(root._token, "a/1")


def test_two_keys_of_one_version_lose_nothing(root: Pkcs11Root) -> None:
    first = root.wrap(KEY, b"")
    root._token.run(lambda session: root._generate(session, 1))
    assert root.versions() == (1,)
    under = [
        _encrypt(key, KEY, b"") for key in root._token.run(lambda session: root._keys(session)[1])
    ]
    assert len(under) == 2
    kept = [first, *(RootWrapped(1, data) for data in under)]
    assert root.unwrap([(each, b"") for each in kept]) == [KEY] * 3
    root.rotate()
    root.destroy(1)
    assert root.versions() == (2,)


class Opinionated:
    """A key of a token that takes no nonce from outside. It writes its own in the given place, as
    some do, or tells nobody."""

    def __init__(self, real: object, *, tells: bool) -> None:
        self._real, self._tells = real, tells

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def encrypt(self, data: bytes, mechanism: object, mechanism_param: pkcs11.GCMParams) -> bytes:
        own = bytearray(os.urandom(12))
        if self._tells:
            mechanism_param.nonce[:] = own  # type: ignore[index]
        params = pkcs11.GCMParams(bytes(own), mechanism_param.aad)
        sealed = self._real.encrypt(data, mechanism=mechanism, mechanism_param=params)  # type: ignore[attr-defined]
        assert isinstance(sealed, bytes)
        return sealed


def test_a_token_that_makes_nonces_itself_works_or_is_refused(
    root: Pkcs11Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = root._keys

    def insist(*, tells: bool) -> None:
        def keys(session: pkcs11.Session) -> dict[int, list[Opinionated]]:
            return {1: [Opinionated(key, tells=tells) for key in real(session)[1]]}

        monkeypatch.setattr(root, "_keys", keys)

    insist(tells=True)
    kept = root.wrap(KEY, b"context")
    monkeypatch.undo()
    assert root.unwrap([(kept, b"context")]) == [KEY]
    insist(tells=False)
    with pytest.raises(SiteRefused, match="takes no nonces"):
        root.wrap(KEY, b"context")


def test_a_token_restored_from_its_backup_opens_what_was_even_if_destroyed(
    softhsm: SoftHsm, tmp_path: Path
) -> None:
    tokens, backup = tmp_path / "tokens", tmp_path / "backup"
    tokens.mkdir()
    settings = tmp_path / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tokens}\n")
    environ = {**os.environ, "SOFTHSM2_CONF": str(settings), "PIN": PIN}
    make_token("kept", environ)
    kept = elsewhere(environ, "create('root').wrap(KEY, b'')")
    shutil.copytree(tokens, backup)
    destroy = "(root := open('root')).rotate(), root.destroy(1), root.versions()"
    assert "(2,)" in elsewhere(environ, destroy)
    shutil.rmtree(tokens)
    shutil.copytree(backup, tokens)
    assert elsewhere(environ, f"open('root').unwrap([({kept}, b'')])") == repr([KEY])
    assert softhsm.directory != tmp_path


def elsewhere(environ: dict[str, str], expression: str) -> str:
    """The expression's value in a new process, with another set of tokens."""
    script = f"""
import os
from functools import partial
from pathlib import Path
from domicile.custody.credential import EnvironmentCredential
from domicile.custody.pkcs11_root import Pkcs11Root
from domicile.custody.pkcs11_token import Token
from domicile.custody.root import RootWrapped
KEY = {KEY!r}
token = Token(Path({str(MODULE)!r}), "kept", EnvironmentCredential("PIN", os.environ))
create, open = partial(Pkcs11Root.create, token), partial(Pkcs11Root.open, token)
print({expression}, end="")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_wrapped_key_that_fails_in_a_broken_token_is_not_called_changed(
    root: Pkcs11Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = root.wrap(KEY, b"")
    real = root._keys

    class Broken:
        def encrypt(self, *_: object, **__: object) -> bytes:
            raise pkcs11.DeviceError

        decrypt = encrypt

    monkeypatch.setattr(root, "_keys", lambda session: {v: [Broken()] for v in real(session)})
    with pytest.raises(SiteUnreachable, match="DeviceError"):
        root.unwrap([(kept, b"")])
    with pytest.raises(EvidenceError, match="no version 9"):
        root.unwrap([(RootWrapped(9, kept.data), b"")])
