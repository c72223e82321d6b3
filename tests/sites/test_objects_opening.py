"""From the charter's entry to a driver: relative directories, endpoints, secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from domicile.charter.model import ObjectSiteConfig
from domicile.errors import CharterError, OperatorError
from domicile.sites.objects import DirectorySite, open_object_site
from domicile.sites.objects.s3 import S3Site
from tests.services.objects import MakeBucket
from tests.sites.object_tools import listed, write

SECRET = "planted-secret-value"


def config(**fields: object) -> ObjectSiteConfig:
    values: dict[str, object] = {"kind": "objects", "country": "US", "provider": "Test", **fields}
    return ObjectSiteConfig.model_validate(values)


def s3(**fields: object) -> ObjectSiteConfig:
    values: dict[str, object] = {
        "url": "s3://bucket",
        "endpoint": "https://store.example",
        "access_key_env": "KEY_ID",
        "secret_key_env": "KEY_SECRET",
        **fields,
    }
    return config(**values)


def test_a_relative_directory_is_relative_to_the_charter(tmp_path: Path) -> None:
    (tmp_path / "sub dir").mkdir()
    site = open_object_site("home", config(url="file:sub%20dir"), tmp_path, {})
    assert isinstance(site, DirectorySite)
    write(site, "key")
    assert (tmp_path / "sub dir" / "key@").is_dir()


def test_an_absolute_directory_is_itself(tmp_path: Path) -> None:
    site = open_object_site("home", config(url=f"file://{tmp_path}"), Path("elsewhere"), {})
    write(site, "key")
    assert (tmp_path / "key@").is_dir()


@pytest.mark.parametrize(
    "url", ["file://host/dir", "file:", "ftp://x", "bucket", "s3://", "s3://b/path", "s3://a?b"]
)
def test_a_url_that_is_no_site_is_an_error_of_the_charter(url: str) -> None:
    environ = {"KEY_ID": "id", "KEY_SECRET": SECRET}
    with pytest.raises(CharterError, match=r"sites\.home\.url"):
        open_object_site("home", s3(url=url), Path(), environ)


@pytest.mark.parametrize(
    "endpoint",
    [None, "", "store.example", "https://", "https://u:p@host", "https://host/path", "http://host"],
)
def test_an_endpoint_that_cannot_be_one_is_an_error_of_the_charter(endpoint: str | None) -> None:
    environ = {"KEY_ID": "id", "KEY_SECRET": SECRET}
    with pytest.raises(CharterError, match=r"sites\.home\.endpoint") as caught:
        open_object_site("home", s3(endpoint=endpoint), Path(), environ)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_plain_http_is_for_this_machine(endpoint: str) -> None:
    environ = {"KEY_ID": "id", "KEY_SECRET": SECRET}
    assert isinstance(open_object_site("home", s3(endpoint=endpoint), Path(), environ), S3Site)


@pytest.mark.parametrize("missing", ["KEY_ID", "KEY_SECRET"])
def test_a_missing_secret_names_its_variable_and_no_value(missing: str) -> None:
    environ = {"KEY_ID": SECRET, "KEY_SECRET": SECRET}
    del environ[missing]
    with pytest.raises(OperatorError, match=missing) as caught:
        open_object_site("home", s3(), Path(), environ)
    assert SECRET not in str(caught.value)


def test_a_charter_without_credentials_says_what_to_add() -> None:
    with pytest.raises(CharterError, match="access_key_env"):
        open_object_site("home", s3(access_key_env=None), Path(), {})


@pytest.mark.parametrize("text", ["", "only-one\n", f"a\nb\n{SECRET}\n"])
def test_a_credentials_file_has_two_lines(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(OperatorError, match="two lines") as caught:
        open_object_site("home", s3(credentials_file="keys"), tmp_path, {})
    assert SECRET not in str(caught.value)


def test_a_missing_credentials_file_is_the_operators(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be read"):
        open_object_site("home", s3(credentials_file="keys"), tmp_path, {})


def test_a_bucket_opens_with_the_keys_of_a_file(tmp_path: Path, rgw_bucket: MakeBucket) -> None:
    bucket = rgw_bucket(versioned=True)
    (tmp_path / "keys").write_text(f"{bucket.server.access_key}\n{bucket.server.secret_key}\n")
    entry = s3(
        url=f"s3://{bucket.name}", endpoint=bucket.server.endpoint + "/", credentials_file="keys"
    )
    site = open_object_site("home", entry, tmp_path, {})
    site.check(write=True)
    assert listed(site) == []
    site.close()


def test_no_driver_shows_its_secret() -> None:
    site = open_object_site("home", s3(), Path(), {"KEY_ID": SECRET, "KEY_SECRET": SECRET})
    assert isinstance(site, S3Site)
    assert SECRET not in repr(site) + repr(site._bucket)
