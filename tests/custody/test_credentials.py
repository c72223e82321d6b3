"""Passphrases, PINs and tokens: read when they are needed, and shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from domicile.custody.credential import EnvironmentCredential, FileCredential
from domicile.errors import SiteRefused


def test_a_credential_is_read_anew_each_time_and_shows_only_where_it_lies(tmp_path: Path) -> None:
    environ, path = {"PIN": "first-secret"}, tmp_path / "pin"
    variable, file = EnvironmentCredential("PIN", environ), FileCredential(path)
    for secret in ("first-secret", "second secret "):
        environ["PIN"] = secret
        path.write_bytes(secret.encode() + b"\r\n")
        path.chmod(0o600)
        assert (variable.read(), file.read()) == (secret, secret)
        assert "secret" not in f"{variable!r} {file!r} {variable} {file}"


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(SiteRefused):
        FileCredential(Path("/dev/zero")).read()
