"""The charter's rules: what must hold across its tables (pure; the date comes from outside).

1. There is one boundary, and its custodian is not the company.
2. Home: every home site exists, lies in a country of ``members``, is run by the boundary's
   provider, and is a primary; at most one object store.
3. Every site is a place of its own; none is home and a source at once.
4. Each primary database outside home has a home database of its own, and each copy is one's
   (`routes`).
5. No secret stands in the text; no endpoint sends data in the clear beyond this machine.
6. Countries are in ISO 3166-1.
7. Every dataset can say whose its items are, or is public; every exception has a reason and an
   end that has not passed.
8. The ledger's name is one, and every witness one of its own: no key serves twice, none is the
   log's, and no more must co-sign than there are.
9. The root of a boundary's keys is reached safely, and lies on no site and not in the records.
10. No offline place has a site's name; every attester has an Ed25519 key, and one of their own.
11. Custodians who must sign have a key of their own, none of them a witness's, and are enough.
12. An OpenID provider is reached over TLS, or on this machine.
13. Notices go to one place each, in the clear on this machine alone, and a webhook has a secret.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path

from domicile.charter.approvers import approver_problems
from domicile.charter.attesters import attester_problems
from domicile.charter.countries import COUNTRIES, suggest_country
from domicile.charter.custodians import custodian_problems
from domicile.charter.datasets import dataset_doubts, dataset_problems
from domicile.charter.keys import keys_problems
from domicile.charter.lines import KeyPath
from domicile.charter.model import (
    Boundary,
    Charter,
    ObjectSiteConfig,
    PostgresSiteConfig,
)
from domicile.charter.oidc import oidc_problems
from domicile.charter.places import Place, is_loopback, place_of, url_faults
from domicile.charter.problems import Problem, where
from domicile.charter.routes import databases_problems, route_problems
from domicile.charter.told import notices_problems
from domicile.charter.witnesses import witness_problems

__all__ = ["Doubt", "check", "same_words"]

Site = PostgresSiteConfig | ObjectSiteConfig


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something legal that may not be what was meant."""

    path: KeyPath
    text: str

    def describe(self, source_name: str, lines: Mapping[KeyPath, int]) -> str:
        """The doubt with its file, line and key."""
        return f"{where(source_name, lines, self.path)}: {self.text}"


def check(charter: Charter, *, today: date, base: Path) -> tuple[list[Problem], list[Doubt]]:
    """All problems and doubts. ``base`` is the directory that relative paths start from."""
    problems = [
        *_boundary_problems(charter),
        *_home_problems(charter),
        *_country_problems(charter),
        *_site_problems(charter),
        *_place_problems(charter, base),
        *route_problems(charter),
        *databases_problems(charter),
        *_records_problems(charter),
        *dataset_problems(charter, today),
        *witness_problems(charter),
        *custodian_problems(charter),
        *approver_problems(charter),
        *keys_problems(charter, _places(charter, base), _records(charter, base), base),
        *attester_problems(charter),
        *oidc_problems(charter.oidc),
        *notices_problems(charter),
    ]
    if problems:
        return problems, []
    doubts = [Doubt(path, text) for path, text in dataset_doubts(charter, today)]
    return [], [*_site_doubts(charter), *_home_doubts(charter), *doubts]


def same_words(one: str, other: str) -> bool:
    """Whether two names differ only in case and blanks."""
    return one.casefold().split() == other.casefold().split()


def _boundary_problems(charter: Charter) -> Iterator[Problem]:
    if len(charter.boundaries) != 1:
        yield Problem(
            ("boundaries",),
            f"{len(charter.boundaries)} boundaries are given",
            "exactly one, [boundaries.<name>]",
            "keep one; a further boundary takes a charter of its own for now",
        )
    for name, boundary in charter.boundaries.items():
        if same_words(boundary.custodian, charter.company.name):
            yield Problem(
                ("boundaries", name, "custodian"),
                "the company would be its own custodian",
                "a team that the company does not command",
                "name the custodian that holds the keys",
            )


def _home_problems(charter: Charter) -> Iterator[Problem]:
    for name, boundary in charter.boundaries.items():
        path: KeyPath = ("boundaries", name, "home")
        for position, site_name in enumerate(boundary.home):
            site = charter.sites.get(site_name)
            if site is None:
                yield _no_such_site((*path, position), charter)
            else:
                yield from _home_site_problems(site_name, site, boundary)
        there = [n for n in boundary.home if n in charter.sites]
        if sum(charter.sites[n].kind == "objects" for n in there) > 1:
            yield Problem(
                path,
                "names more than one objects site",
                "at most one object store",
                "keep one objects site",
            )


def _no_such_site(path: KeyPath, charter: Charter) -> Problem:
    known = ", ".join(sorted(charter.sites)) or "none yet"
    return Problem(path, "there is no such site", f"one of {known}", "add [sites.<name>] for it")


def _home_site_problems(name: str, site: Site, boundary: Boundary) -> Iterator[Problem]:
    if site.country not in boundary.members:
        yield Problem(
            ("sites", name, "country"),
            "this home site lies outside the boundary",
            "one of " + ", ".join(boundary.members),
            "correct the country, or take the site out of home",
        )
    if not same_words(site.provider, boundary.provider):
        yield Problem(
            ("sites", name, "provider"),
            "this home site is run by another provider than the boundary's",
            f'"{boundary.provider}"',
            "correct the provider, or take the site out of home",
        )
    if site.role != "primary":
        yield Problem(
            ("sites", name, "role"),
            f"a home site that is also a source: its role is {site.role}",
            '"primary"',
            "remove the role, or take the site out of home",
        )


def _country_problems(charter: Charter) -> Iterator[Problem]:
    written: list[tuple[KeyPath, str]] = [
        (("people", "spellings", spelling), code)
        for spelling, code in charter.people.spellings.items()
    ]
    written += [(("sites", name, "country"), site.country) for name, site in charter.sites.items()]
    written += [(("offline", name, "country"), p.country) for name, p in charter.offline.items()]
    for name, boundary in charter.boundaries.items():
        places = enumerate(boundary.members)
        written += [(("boundaries", name, "members", at), code) for at, code in places]
    for path, code in written:
        if code not in COUNTRIES:
            meant = suggest_country(code)
            step = f'did you mean "{meant}"?' if meant else "look the code up in ISO 3166-1"
            yield Problem(path, f'"{code}" is no country', "a code of ISO 3166-1 alpha-2", step)


def _site_problems(charter: Charter) -> Iterator[Problem]:
    for name, site in charter.sites.items():
        path: KeyPath = ("sites", name)
        for fault in url_faults(site):
            yield Problem((*path, fault.key), fault.failed, fault.expected, fault.next_step)
        if isinstance(site, ObjectSiteConfig):
            yield from _object_credential_problems(path, site)
        elif site.password_env is not None and site.password_file is not None:
            yield _two_ways((*path, "password_file"), "password_env or password_file")
    if not any(site.kind == "postgres" for site in charter.sites.values()):
        yield Problem(
            ("people", "table"),
            "no site could hold the people table",
            'at least one site with kind = "postgres"',
            "add the database that says which country a person belongs to",
        )


def _object_credential_problems(path: KeyPath, site: ObjectSiteConfig) -> Iterator[Problem]:
    pair = {"access_key_env": site.access_key_env, "secret_key_env": site.secret_key_env}
    given = [key for key, value in pair.items() if value is not None]
    if len(given) == 1:
        absent = next(key for key in pair if key not in given)
        step = f"add `{absent}`"
        yield Problem((*path, given[0]), "stands alone", "both halves of the key", step)
    if given and site.credentials_file is not None:
        step = "access_key_env with secret_key_env, or credentials_file"
        yield _two_ways((*path, "credentials_file"), step)
    if not site.url.startswith("s3:") and (given or site.credentials_file is not None):
        key = given[0] if given else "credentials_file"
        yield Problem((*path, key), "is only for s3://", "no credentials", "remove it")


def _two_ways(path: KeyPath, choice: str) -> Problem:
    return Problem(path, "is a second way to the same secret", choice, "keep one of the two")


def _places(charter: Charter, base: Path) -> dict[str, Place]:
    """The place of every site whose URLs have no faults."""
    sound = {name: site for name, site in charter.sites.items() if not any(url_faults(site))}
    return {name: place_of(site, base) for name, site in sound.items()}


def _place_problems(charter: Charter, base: Path) -> Iterator[Problem]:
    places = _places(charter, base)
    home = {name for boundary in charter.boundaries.values() for name in boundary.home}
    for one, other in combinations(places, 2):
        if places[one].holds(places[other]) or places[other].holds(places[one]):
            # The home site is right, and what stands in its place is wrong.
            wrong, right = (one, other) if other in home and one not in home else (other, one)
            what = "a home site that is also a source: " if (one in home) != (other in home) else ""
            how = "is the same place as" if places[one] == places[other] else "overlaps with"
            yield Problem(
                ("sites", wrong, "url"),
                f"{what}this {how} sites.{right}",
                "a place of its own for every site",
                "correct one of the two URLs, or remove one of the sites",
            )
    records = _records(charter, base)
    for name, place in places.items():
        if place.holds(records):
            yield Problem(
                ("records", "directory"),
                f"the records would lie inside sites.{name}",
                "a directory outside every site",
                "choose another directory",
            )


def _records(charter: Charter, base: Path) -> Place:
    directory = posixpath.join(base.as_posix(), charter.records.directory)
    return Place("directory", "", posixpath.normpath(directory))


def _records_problems(charter: Charter) -> Iterator[Problem]:
    if "://" in charter.records.directory or not charter.records.directory.strip():
        yield Problem(
            ("records", "directory"), "is not a directory", "a path", "write a directory's path"
        )


def _outside(charter: Charter, kind: str) -> list[str]:
    home = {name for boundary in charter.boundaries.values() for name in boundary.home}
    return [n for n, site in charter.sites.items() if n not in home and site.kind == kind]


def _is_primary(charter: Charter, name: str) -> bool:
    return charter.sites[name].role == "primary"


def _site_doubts(charter: Charter) -> Iterator[Doubt]:
    for name, site in charter.sites.items():
        if isinstance(site, ObjectSiteConfig):
            bare = site.access_key_env is None and site.credentials_file is None
            if bare and site.url.startswith("s3:"):
                yield Doubt(("sites", name), "names no credentials: requests will be anonymous")
        elif not _is_encrypted(site):
            text = "the connection may be in the clear: add ?sslmode=verify-full"
            yield Doubt(("sites", name, "url"), text)


def _is_encrypted(site: PostgresSiteConfig) -> bool:
    """Certainly encrypted, or certainly on this machine."""
    host = place_of(site, Path()).host.rpartition(":")[0]
    if not host or host.startswith("/") or is_loopback(host):
        return True
    modes = ("sslmode=require", "sslmode=verify-ca", "sslmode=verify-full")
    return any(mode in site.url for mode in modes)


def _home_doubts(charter: Charter) -> Iterator[Doubt]:
    for name, boundary in charter.boundaries.items():
        for kind in ("postgres", "objects"):
            outside = _outside(charter, kind)
            at_home = any(charter.sites[site].kind == kind for site in boundary.home)
            if outside and not at_home:
                text = f"home has no {kind} site: what lies on {', '.join(outside)} can't come home"
                yield Doubt(("boundaries", name, "home"), text)
        for site_name, site in charter.sites.items():
            fits = site.country in boundary.members and same_words(site.provider, boundary.provider)
            if fits and site_name not in boundary.home:
                text = "lies in the right country under the right provider, but is not home"
                yield Doubt(("sites", site_name), text)
        if same_words(boundary.provider, charter.company.name):
            text = "the company itself runs home"
            yield Doubt(("boundaries", name, "provider"), text)
    databases = _outside(charter, "postgres")
    if databases and not any(_is_primary(charter, site) for site in databases):
        text = "no primary database outside home: rows are only compared and erased"
        yield Doubt(("sites", databases[0], "role"), text)
