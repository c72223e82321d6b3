"""A real PKCS#11 module for the tests: SoftHSM 2, which keeps its tokens in files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from domicile.custody.credential import EnvironmentCredential
from domicile.custody.pkcs11_token import Token
from tests.services import unavailable

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "planted-pin-4711"
TOKENS = ("custodian", "slow", "wrong-pin", "wrong-pin-after-fork", "no-pin")


@dataclass(frozen=True)
class SoftHsm:
    """The module and where its tokens lie. It reads its settings once per process."""

    directory: Path

    def token(self, name: str = "custodian", pin: str = PIN, timeout_s: float = 10) -> Token:
        return Token(MODULE, name, EnvironmentCredential("PIN", {"PIN": pin}), timeout_s=timeout_s)


@pytest.fixture(scope="session")
def softhsm() -> Iterator[SoftHsm]:
    """SoftHSM with tokens of one PIN, one for each test that spoils its token."""
    if not MODULE.exists() or shutil.which("softhsm2-util") is None:
        unavailable("SoftHSM 2", "make services")
    directory = Path(tempfile.mkdtemp(prefix="domicile-softhsm-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(_settings(directory)))
        for name in TOKENS:
            make_token(name)
        yield SoftHsm(directory)
    shutil.rmtree(directory, ignore_errors=True)


def _settings(directory: Path) -> Path:
    tokens = directory / "tokens"
    tokens.mkdir()
    settings = directory / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    return settings


def make_token(name: str, environ: Mapping[str, str] = os.environ) -> None:
    """A new token, under the settings that the environment names."""
    subprocess.run(
        [
            *("softhsm2-util", "--init-token", "--free", "--label", name),
            *("--pin", PIN, "--so-pin", "planted-so-pin"),
        ],
        check=True,
        capture_output=True,
        env=dict(environ),
        timeout=60,
    )
