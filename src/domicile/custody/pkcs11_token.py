"""A PKCS#11 token, logged in: one session per process, opened anew when it is lost.

Invariants:

- A process uses a session that it opened itself. After a fork the child's copy of the module still
  answers on the parent's session, so the process id decides, not the module (PKCS#11 2.40, 6.6.1).
- A PIN that the token refused is not shown to it again by this process or its children, and none is
  shown to a token that says that the next wrong one locks it: a locked token opens for nobody.
- One call at a time is in a module: the binding initialises it without locks, two would wreck it.
- No call waits for the token longer than its time, twice at most: for the call before it, and for
  its own. A module can't be interrupted: a late call goes on in its thread, and as long as it does
  the token is unreachable. What it was asked may still come to pass.

Known gap: the binding finalises the module when the process ends, and a module that hangs may hang
there too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from domicile.custody.bounded import within
from domicile.custody.credential import Credential
from domicile.errors import SiteRefused, SiteUnreachable, UsageError

try:
    import pkcs11
    from pkcs11 import TokenFlag
except ModuleNotFoundError as missing:
    raise UsageError(
        "a root key in a PKCS#11 token needs the package python-pkcs11",
        expected="it is installed",
        next_step="pip install 'domicile[pkcs11]'",
    ) from missing

if TYPE_CHECKING:
    from pkcs11._pkcs11 import lib

__all__ = ["Token", "refused", "unreachable"]

_Result = TypeVar("_Result")
_TIMEOUT_S: Final = 10.0
_PIN_REFUSED: Final = (
    pkcs11.PinExpired,
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinLocked,
    pkcs11.UserPinNotInitialized,
)
_REFUSED: Final = (
    pkcs11.ArgumentsBad,
    pkcs11.AttributeReadOnly,
    pkcs11.AttributeValueInvalid,
    pkcs11.FunctionNotSupported,
    pkcs11.FunctionRejected,
    pkcs11.MechanismInvalid,
    pkcs11.MechanismParamInvalid,
    pkcs11.MultipleTokensReturned,
    pkcs11.SessionReadOnly,
    pkcs11.TemplateInconsistent,
    pkcs11.TokenWriteProtected,
    pkcs11.UserNotLoggedIn,
)
"""What the token won't do, however often it is asked."""
_LOCKING: Final = TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED


class Token:
    """One token of one module. Every method raises SiteUnreachable and SiteRefused as `RootKey`
    says; no error holds the PIN."""

    def __init__(
        self, module: Path, token: str, pin: Credential, *, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self.name, self._pin, self._timeout_s = token, pin, timeout_s
        self._module = _modules.setdefault(str(module), _Module(str(module)))

    def __repr__(self) -> str:
        return f"Token({self.name!r}, pin in {self._pin!r})"

    def run(self, act: Callable[[pkcs11.Session], _Result]) -> _Result:
        """What ``act`` makes of a session of this process."""
        process = self._module.process()
        if not process.lock.acquire(timeout=self._timeout_s):
            raise self._late()
        try:
            return within(self._timeout_s, lambda: self._act(process, act))
        except TimeoutError:
            raise self._late() from None

    def _act(self, process: _Process, act: Callable[[pkcs11.Session], _Result]) -> _Result:
        """Gives the module free when it is done with it, however late that is."""
        try:
            return act(self._session(process))
        except _REFUSED as error:
            raise refused(self.name, f"does not do what is asked of it ({_kind(error)})") from None
        except pkcs11.PKCS11Error as error:
            raise unreachable(self.name, f"failed ({_kind(error)})") from None
        finally:
            process.lock.release()

    def _session(self, process: _Process) -> pkcs11.Session:
        session = process.sessions.get(self.name)
        if session is None or not _is_alive(session):
            session = process.sessions[self.name] = self._open(self._module.library(process))
        return session

    def _open(self, library: lib) -> pkcs11.Session:
        token = library.get_token(token_label=self.name)
        if self.name in self._module.refused:
            raise self._pin_refused("was refused before and is not tried again")
        if token.flags & _LOCKING:
            raise self._pin_refused("is not tried: the token is locked, or the next wrong one does")
        try:
            return token.open(rw=True, user_pin=self._pin.read())
        except pkcs11.UserAlreadyLoggedIn:  # by another session of this process: it holds for all
            return token.open(rw=True)
        except _PIN_REFUSED as error:
            self._module.refused.add(self.name)
            raise self._pin_refused(f"was refused ({_kind(error)})") from None

    def _pin_refused(self, why: str) -> SiteRefused:
        return SiteRefused(
            f"the PIN of token {self.name}, in {self._pin!r}, {why}",
            expected="the PIN of the token's user",
            next_step="check it, log in once with the token's own tool, then start anew",
        )

    def _late(self) -> SiteUnreachable:
        return unreachable(self.name, f"did not answer in {self._timeout_s:g} s")


class _Process:
    """What one process has of a module. Belongs to that process alone."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Held by the call that is in the module."""
        self.library: lib | None = None
        self.sessions: dict[str, pkcs11.Session] = {}


class _Module:
    """A module is one per process whatever is built on it: so are its state and its log-ins."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._processes: dict[int, _Process] = {}
        self.refused: set[str] = set()
        """Tokens that refused their PIN; a forked child inherits them."""

    def process(self) -> _Process:
        """That of the process which asks."""
        return self._processes.setdefault(os.getpid(), _Process())

    def library(self, process: _Process) -> lib:
        """The module, initialised in this process."""
        try:
            library = process.library
            if library is None and self._is_inherited(process):
                library = _after_fork(pkcs11.lib(self._path))
            if library is None or not library.initialized:
                library = pkcs11.lib(self._path)
        except pkcs11.PKCS11Error:
            raise unreachable(Path(self._path).name, "cannot be loaded and initialised") from None
        process.library = library
        return library

    def _is_inherited(self, process: _Process) -> bool:
        others = (each for each in self._processes.values() if each is not process)
        return any(each.library is not None for each in others)


def _after_fork(inherited: lib) -> lib:
    """The module in a forked child: initialised again, as PKCS#11 wants. One that did not notice
    the fork says that it is initialised, and what was inherited serves for sessions of the child's
    own. It is never finalised here: the binding does so with the interpreter locked, and where a
    thread of the parent held a lock of the module's, that would not return.
    """
    try:
        return type(inherited)(inherited.so)
    except pkcs11.PKCS11Error:
        return inherited


_modules: Final[dict[str, _Module]] = {}


def _is_alive(session: pkcs11.Session) -> bool:
    try:
        session.generate_random(64)
    except (pkcs11.FunctionNotSupported, pkcs11.RandomNoRNG):
        return True
    except pkcs11.PKCS11Error:
        return False
    return True


def _kind(error: pkcs11.PKCS11Error) -> str:
    """The error's name alone: its text may hold what was passed in."""
    return type(error).__name__


def refused(token: str, why: str) -> SiteRefused:
    """The error where a token says no."""
    return SiteRefused(
        f"the token {token} {why}",
        expected="a token with AES-256 in GCM, and a user who may make, use and destroy its keys",
        next_step="check the token's policy and what its module supports",
    )


def unreachable(token: str, why: str) -> SiteUnreachable:
    """The error where a token does not answer."""
    return SiteUnreachable(
        f"the token {token} {why}",
        expected="the PKCS#11 module and its token, plugged in or reached over the network",
        next_step="check both, then try again",
    )
