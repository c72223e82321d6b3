"""What a keeper of a root key needs before it is asked: its package, and its PIN or token."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from domicile.custody.credential import EnvironmentCredential, FileCredential
from domicile.errors import SiteRefused

OPENS_OCI = """
    from pathlib import Path
    from domicile.custody.oci_connection import OciConnection
    OciConnection("https://a.example", "https://b.example", Path("config"))
"""


@pytest.mark.parametrize(
    ("package", "opening"),
    [("pkcs11", "import domicile.custody.pkcs11_root"), ("oci", OPENS_OCI)],
)
def test_a_missing_package_is_named_with_what_brings_it(package: str, opening: str) -> None:
    script = f"""
import sys
sys.modules[{package!r}] = None
from domicile.errors import UsageError
try:
    {opening}
except UsageError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"pip install 'domicile[{package}]'" in done.stdout


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
