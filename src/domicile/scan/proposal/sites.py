"""Sites as a command names them: ``[NAME=]URL[#KEY=VALUE,...]``, and their tables. Pure.

What follows the ``#`` are keys of ``[sites.NAME]``. A password never stands in a URL: the
environment variable that holds it is named.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from domicile.charter import ObjectSiteConfig, PostgresSiteConfig
from domicile.charter.places import url_faults
from domicile.errors import CharterError, UsageError
from domicile.scan.proposal.model import Block, Line
from domicile.sites.endpoints import locate

__all__ = [
    "NamedSite",
    "config_of",
    "parse_site",
    "provider_of",
    "said",
    "site_block",
    "slug",
    "title_of",
    "unused",
]

_SITE = re.compile(r"(?:(?P<name>[a-z0-9][a-z0-9_-]{0,62})=)?(?P<url>[^#]*)(?:#(?P<keys>.*))?")
_FORM = "[NAME=]URL[#KEY=VALUE,...], such as db=postgresql://app@host/reel#country=US,provider=Reel"
_PROVIDERS = {"oracle": "Oracle", "aws": "AWS", "gcp": "Google", "azure": "Microsoft Azure"}
_NOWHERE = "ZZ"  # where a country is not decided yet; never written


@dataclass(frozen=True, slots=True)
class NamedSite:
    """A site under its name. keys: of its table in the charter, ``url`` among them."""

    name: str
    keys: Mapping[str, str]

    @property
    def is_database(self) -> bool:
        """Whether it is a PostgreSQL database."""
        return self.keys["kind"] == "postgres"


def parse_site(text: str, taken: Mapping[str, NamedSite], environ: Collection[str]) -> NamedSite:
    """A site as it was named, or the one of ``taken`` at the same URL, which keeps its keys.

    environ: names of environment variables that are set: its password's is looked for among them.
    Raises UsageError; no message repeats the URL.
    """
    found = _SITE.fullmatch(text)
    url = found["url"] if found else ""
    if found is None or not url:
        raise UsageError("a site is no URL", expected=_FORM, next_step="correct it")
    if "://" not in url and not url.startswith("file:"):
        url = f"file:{url}"
    is_database = url.startswith(("postgresql:", "postgres:"))
    keys = {"kind": "postgres" if is_database else "objects", "url": url}
    keys |= _keys(found["keys"] or "")
    for site in taken.values():
        if site.keys["url"] == url:
            return NamedSite(site.name, {**keys, **site.keys})
    name = found["name"] or unused(slug(said(url)), taken)
    if name in taken:
        raise UsageError(
            f"two sites are called {name}", expected="NAME=URL", next_step="give one another name"
        )
    return NamedSite(name, keys | _secrets(name, keys, environ))


def config_of(site: NamedSite) -> PostgresSiteConfig | ObjectSiteConfig:
    """The site as the drivers take it, wherever it lies. Raises UsageError and CharterError."""
    values: dict[str, object] = {**site.keys}
    for key, other in (("country", _NOWHERE), ("provider", "-")):
        values[key] = values.get(key) or other
    if "timeout_s" in values:
        values["timeout_s"] = _number(site)
    model = PostgresSiteConfig if site.is_database else ObjectSiteConfig
    try:
        config = model.model_validate(values)
    except ValidationError as error:
        wrong = ", ".join(str(detail["loc"][0]) for detail in error.errors(include_input=False))
        raise UsageError(
            f"site {site.name}: {wrong} cannot be so",
            expected=f"keys of [sites.*]: {', '.join(sorted(model.model_fields))}",
            next_step="correct what follows the #",
        ) from None
    for fault in url_faults(config):
        raise CharterError(
            f"site {site.name}: its {fault.key} {fault.failed}",
            expected=fault.expected,
            next_step=fault.next_step,
        )
    return config


def site_block(site: NamedSite, *, home_of: str, members: Collection[str], company: str) -> Block:
    """``[sites.NAME]``. home_of: the provider of the boundary whose home it is, else empty."""
    told = locate(site.keys.get("endpoint") or site.keys["url"])
    country, why = site.keys.get("country", ""), ""
    if not country and told is not None and told.country:
        country, why = told.country, "as its address says"
    elif not country and home_of and len(members) == 1:
        country, why = next(iter(members)), "home lies in the members' country"
    provider, who = site.keys.get("provider", ""), ""
    if not provider and told is not None:
        provider, who = _PROVIDERS[told.provider], "as its address says"
    elif not provider and home_of:
        provider, who = home_of, "the boundary's"
    elif not provider:
        provider, who = company, "taken for the company's own: correct it if somebody else runs it"
    lines = [Line("kind", site.keys["kind"]), Line("url", site.keys["url"])]
    lines.append(Line("country", country, why, "the two-letter code of the country it lies in"))
    lines.append(Line("provider", provider, who, "who runs it"))
    rest = [key for key in site.keys if key not in {"kind", "url", "country", "provider"}]
    lines += [Line(key, site.keys[key], _REASONS.get(key, "")) for key in rest]
    above = ("Home.",) if home_of else ()
    return Block(("sites", site.name), tuple(lines), above)


_REASONS = {"password_env": "the variable that holds it; the password is nowhere here"}


def provider_of(site: NamedSite) -> str:
    """Who runs a site, as it was named or as its address says; empty where neither does."""
    told = locate(site.keys.get("endpoint") or site.keys["url"])
    return site.keys.get("provider", "") or (_PROVIDERS[told.provider] if told else "")


def title_of(database: NamedSite) -> str:
    """A database's name, as a company's may be called."""
    return said(database.keys["url"]).replace("_", " ").title()


def slug(text: str) -> str:
    """A text as a name of the charter: lower case, digits, ``-`` and ``_``."""
    bare = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")
    return bare[:60] or "unnamed"


def unused(name: str, taken: Collection[str]) -> str:
    """The name, or the first with a number behind it that is free."""
    return (
        name
        if name not in taken
        else next(other for at in range(2, 100_000) if (other := f"{name[:56]}-{at}") not in taken)
    )


def said(url: str) -> str:
    """What a URL says that is there: a database's name, a bucket's, a directory's."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "site"
    text = unquote(parts.path).rstrip("/").rpartition("/")[2]
    return parts.netloc.rpartition("@")[2] if parts.scheme == "s3" else text or "site"


def _keys(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part]
    if any(not equals or not value for _, equals, value in pairs):
        raise UsageError(
            "a key of a site has no value", expected=_FORM, next_step="write KEY=VALUE"
        )
    return {key.strip(): value.strip() for key, _, value in pairs}


def _number(site: NamedSite) -> float:
    try:
        return float(site.keys["timeout_s"])
    except ValueError:
        raise UsageError(
            f"site {site.name}: timeout_s is no number", expected="seconds", next_step="correct it"
        ) from None


def _secrets(name: str, keys: Mapping[str, str], environ: Collection[str]) -> dict[str, str]:
    """Where its secrets are: variables of its own name, else the usual ones, that are set."""
    own = re.sub(r"\W", "_", name.upper())
    if keys["kind"] == "postgres":
        known = {"password_env", "password_file"} & set(keys)
        found = [each for each in (f"{own}_PASSWORD", "PGPASSWORD") if each in environ]
        return {"password_env": found[0]} if found and not known else {}
    if not keys["url"].startswith("s3:") or {"access_key_env", "credentials_file"} & set(keys):
        return {}
    for first, second in (
        (f"{own}_ACCESS_KEY", f"{own}_SECRET_KEY"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ):
        if {first, second} <= set(environ):
            return {"access_key_env": first, "secret_key_env": second}
    return {}
