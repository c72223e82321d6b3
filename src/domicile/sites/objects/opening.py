"""From a site's entry in the charter to its driver. Secrets come from the environment or a file."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from domicile.charter.model import ObjectSiteConfig
from domicile.errors import CharterError, OperatorError
from domicile.sites.objects.directory import DirectorySite
from domicile.sites.objects.model import ObjectSite

__all__ = ["open_object_site"]

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_MAX_CREDENTIALS_BYTES = 4096


def open_object_site(
    name: str, config: ObjectSiteConfig, base: Path, environ: Mapping[str, str]
) -> ObjectSite:
    """The driver for a site; nothing is contacted yet.

    Relative paths are relative to ``base``, the charter's directory. Raises `CharterError` for a
    URL or endpoint that cannot be one, and `OperatorError` for a secret that is not there: it
    names the variable or the file, never the value.
    """
    url = urlsplit(config.url)
    if url.scheme == "file":
        return DirectorySite(name, _directory(name, config.url, base))
    if url.scheme == "s3":
        return _open_bucket(name, config, base, environ)
    raise CharterError(
        f"sites.{name}.url: {url.scheme or 'no'} scheme",
        expected="s3://bucket, or file:///directory",
        next_step="correct the url",
    )


def _open_bucket(
    name: str, config: ObjectSiteConfig, base: Path, environ: Mapping[str, str]
) -> ObjectSite:
    # Slow to import: commands on directories and databases go without.
    from domicile.sites.objects.s3 import S3Site  # noqa: PLC0415
    from domicile.sites.objects.s3_connection import Bucket  # noqa: PLC0415

    access_key, secret_key = _credentials(name, config, base, environ)
    return S3Site(
        Bucket(
            site=name,
            bucket=_bucket(name, config.url),
            endpoint=_endpoint(name, config.endpoint),
            region=config.region,
            access_key=access_key,
            secret_key=secret_key,
            timeout_s=config.timeout_s,
        )
    )


def _directory(name: str, text: str, base: Path) -> Path:
    url = urlsplit(text)
    if url.netloc not in ("", "localhost") or not url.path or url.query or url.fragment:
        raise CharterError(
            f"sites.{name}.url: {text!r} is not a directory of this machine",
            expected="file:///absolute/directory or file:relative/directory",
            next_step="correct the url",
        )
    return base / unquote(url.path)


def _bucket(name: str, text: str) -> str:
    bucket = text.removeprefix("s3://").removesuffix("/")
    if _BUCKET.fullmatch(bucket) is None:
        raise CharterError(
            f"sites.{name}.url: {bucket[:80]!r} is not a bucket's name",
            expected="s3://bucket, without a path",
            next_step="correct the url; a site is a whole bucket",
        )
    return bucket


def _endpoint(name: str, endpoint: str | None) -> str:
    url = urlsplit(endpoint or "")
    is_plain = not (url.path.strip("/") or url.query or url.fragment or url.username)
    if not url.hostname or url.scheme not in ("http", "https") or not is_plain:
        raise CharterError(
            f"sites.{name}.endpoint is missing or is not an endpoint",
            expected="https://host or https://host:port, without user, path or query",
            next_step="correct the endpoint",
        )
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise CharterError(
            f"sites.{name}.endpoint: {url.hostname} over http would carry data in the clear",
            expected="https, or http on this machine only",
            next_step="use the store's https endpoint",
        )
    return f"{url.scheme}://{url.netloc}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _credentials(
    name: str, config: ObjectSiteConfig, base: Path, environ: Mapping[str, str]
) -> tuple[str, str]:
    if config.credentials_file is not None:
        return _credentials_in(name, base / config.credentials_file)
    return (
        _variable(name, "access_key_env", config.access_key_env, environ),
        _variable(name, "secret_key_env", config.secret_key_env, environ),
    )


def _variable(name: str, field: str, variable: str | None, environ: Mapping[str, str]) -> str:
    if variable is None:
        raise CharterError(
            f"sites.{name}.{field} is missing",
            expected="the names of the environment variables with the key id and the secret,"
            " or a credentials_file",
            next_step=f"add {field} to the charter",
        )
    value = environ.get(variable, "").strip()
    if not value:
        raise OperatorError(
            f"site {name}: the environment variable {variable} is not set",
            expected=f"the value that {field} stands for",
            next_step=f"export {variable} and run the command again",
        )
    return value


def _credentials_in(name: str, path: Path) -> tuple[str, str]:
    try:
        with path.open("rb") as file:
            lines = file.read(_MAX_CREDENTIALS_BYTES).decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            f"site {name}: the credentials file {str(path)!r} cannot be read",
            expected="a text file with two lines: access key id, secret access key",
            next_step="make it readable for the user who runs this",
        ) from error
    values = [line.strip() for line in lines if line.strip()]
    if len(values) != 2:
        raise OperatorError(
            f"site {name}: the credentials file {str(path)!r} has {len(values)} lines",
            expected="two lines: access key id, secret access key",
            next_step="correct the file",
        )
    return values[0], values[1]
