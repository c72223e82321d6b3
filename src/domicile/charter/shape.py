"""Problems of shape - unknown and missing keys, wrong types - in the charter's own words.

Turns what pydantic found into `Problem`s. A value is quoted only where a secret can't stand.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from domicile.charter.access import AccessRules, Certificates, Network, Oidc
from domicile.charter.countries import suggest_country
from domicile.charter.lines import KeyPath
from domicile.charter.model import (
    Attester,
    Boundary,
    Charter,
    Company,
    Custodians,
    LedgerConfig,
    LedgerWitness,
    ObjectDataset,
    ObjectSiteConfig,
    OfflinePlace,
    People,
    PostgresSiteConfig,
    Records,
    TableDataset,
)
from domicile.charter.notices import Mail, Notices
from domicile.charter.problems import Problem, dotted
from domicile.charter.roots import FileKeys, OciKeys, Pkcs11Keys, TransitKeys

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["model_at", "shape_problems"]

_SITES: Mapping[object, type[BaseModel]] = {
    "postgres": PostgresSiteConfig,
    "objects": ObjectSiteConfig,
}
_KEYS: Mapping[object, type[BaseModel]] = {
    "file": FileKeys,
    "oci": OciKeys,
    "pkcs11": Pkcs11Keys,
    "transit": TransitKeys,
}
_SINGLE: Mapping[object, type[BaseModel]] = {
    "certificates": Certificates,
    "company": Company,
    "ledger": LedgerConfig,
    "oidc": Oidc,
    "people": People,
    "records": Records,
}
_NAMED: Mapping[object, type[BaseModel]] = {
    "boundaries": Boundary,
    "tables": TableDataset,
    "objects": ObjectDataset,
    "offline": OfflinePlace,
    "attesters": Attester,
    "networks": Network,
    "notices": Notices,
}
_BELOW: Mapping[tuple[str, str], type[BaseModel]] = {
    ("boundaries", "custodians"): Custodians,
    ("boundaries", "access"): AccessRules,
    ("notices", "email"): Mail,
}

_COUNTRY_PATTERN = "^[A-Z]{2}$"
_PATTERNS = {
    _COUNTRY_PATTERN: 'a two-letter country code in capitals (ISO 3166-1), such as "US"',
    "^[a-z0-9][a-z0-9_-]{0,62}$": "a name of lower-case letters, digits, `-` and `_`, at most 63",
    r"^[a-z_]+(\.[a-z_]+)*$": 'a Fideslang data category, such as "user.contact.email"',
    r"^ocid1\.key\.[A-Za-z0-9._-]{1,240}$": "the OCID of a key, ocid1.key....",
    r"^[^/\x00-\x1f]{1,200}$": "a label without /",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$": "the name of a transit key, as the engine lists it",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,127})*$": (
        "where an engine is mounted, such as transit or secrets/transit"
    ),
    "^[0-9a-f]{64}$": "a SHA-256 in lower-case hex, as `sha256sum` prints it",
    "^[A-Za-z_][A-Za-z0-9_]*$": "the name of an environment variable, never the secret itself",
}
_TYPES = {
    "string_type": "text in quotes",
    "tuple_type": 'a list in brackets, such as ["a", "b"]',
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "date_type": "a date without quotes, such as 2027-01-31",
    "dict_type": "a table",
    "model_type": "a table",
    "string_too_short": "text that is not empty",
}
_SECRET = re.compile(
    r"(?i)passw|passphrase|pwd|secret|token|\bpin\b|credential|access_?key|api_?key"
)


def shape_problems(error: ValidationError, values: Mapping[str, object]) -> list[Problem]:
    """Every problem in ``error``; ``values`` is what ``tomllib`` read."""
    details = error.errors(include_url=False)
    paths = [_path(detail["loc"], values) for detail in details]
    return [
        _problem(detail, path, values)
        for detail, path in zip(details, paths, strict=True)
        if not (detail["type"] == "too_short" and _has_worse(path, paths))
    ]


def model_at(path: KeyPath, values: Mapping[str, object]) -> type[BaseModel] | None:
    """The model that describes the table at ``path``, or None where the keys are free."""
    if tagged := _tagged(path):
        key, models = tagged
        return models.get(_tag(path, key, values))
    match path:
        case ():
            return Charter
        case (section,):
            return _SINGLE.get(section)
        case (section, _, table):
            is_witness = path[:2] == ("ledger", "witnesses")
            return LedgerWitness if is_witness else _BELOW.get((str(section), str(table)))
        case (section, _):
            return _NAMED.get(section)
        case _:
            return None


def _tagged(table: KeyPath) -> tuple[str, Mapping[object, type[BaseModel]]] | None:
    """The key whose value tells which keys the others are, and the models it chooses from."""
    match table:
        case ("sites", _):
            return "kind", _SITES
        case ("boundaries", _, "keys"):
            return "root", _KEYS
        case _:
            return None


def _tag(path: KeyPath, key: str, values: Mapping[str, object]) -> str | None:
    """What tells the model of the table at ``path``: the text under its ``key``."""
    table: object = values
    for part in (*path, key):
        table = table.get(str(part)) if isinstance(table, dict) else None
    return table if isinstance(table, str) else None


def _path(loc: Iterable[str | int], values: Mapping[str, object]) -> KeyPath:
    """Where pydantic found it, without what it adds: a site's kind, a root's, and ``[key]``."""
    path = tuple(loc)
    if path[-1:] == ("[key]",):
        path = path[:-1]
    for table in (path[:2], path[:3]):
        at, tagged = len(table), _tagged(table)
        if tagged and path[at : at + 1] == (_tag(table, tagged[0], values),):
            path = table + path[at + 1 :]
    return path


def _has_worse(path: KeyPath, paths: Iterable[KeyPath]) -> bool:
    """A list whose items are wrong counts as too short as well: one of the two is enough."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in paths)


def _problem(detail: ErrorDetails, path: KeyPath, values: Mapping[str, object]) -> Problem:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(path, values)
    if kind == "missing":
        return _missing(path, values)
    if kind.startswith("union_tag"):
        return _untold(path, is_given=kind != "union_tag_not_found")
    context = detail.get("ctx", {})
    if context.get("pattern") == _COUNTRY_PATTERN:
        return _country(path, detail["input"])
    return Problem(path, "is not what is expected here", _expected(detail), "correct the value")


def _untold(path: KeyPath, *, is_given: bool) -> Problem:
    """A table whose kind is not given, or unknown."""
    key, models = _tagged(path) or ("kind", _SITES)
    what = "where the root lies" if key == "root" else "the site's kind"
    return Problem(
        (*path, key),
        f"unknown {key}" if is_given else f"{what} is not given",
        " or ".join(f'"{each}"' for each in models),
        "write " + " or ".join(f'{key} = "{each}"' for each in models),
    )


def _unknown(path: KeyPath, values: Mapping[str, object]) -> Problem:
    model = model_at(path[:-1], values)
    known = sorted(model.model_fields) if model else []
    name = str(path[-1])
    near = difflib.get_close_matches(name[:64], known, n=1, cutoff=0.6)
    if near and (name.endswith(("_env", "_file")) or not _SECRET.search(name)):
        step = f"did you mean `{near[0]}`?"
    elif _SECRET.search(name):
        named = [key for key in known if key.endswith(("_env", "_file"))]
        ways = " or ".join(f"`{key}`" for key in named) or "`password_env`"
        step = f"take the secret out of the charter; name where it is kept with {ways}"
    else:
        step = "remove it, or see docs/charter.md"
    return Problem(path, "unknown key", "one of " + ", ".join(known), step)


def _missing(path: KeyPath, values: Mapping[str, object]) -> Problem:
    model = model_at(path[:-1], values)
    field = model.model_fields.get(str(path[-1])) if model else None
    expected = field.description if field and field.description else "a table of this name"
    header = f"[{dotted(path)}]"
    step = f"add `{path[-1]} = ...`" if field and field.description else f"add {header}"
    return Problem(path, "is missing", expected.rstrip("."), step)


def _country(path: KeyPath, value: object) -> Problem:
    meant = suggest_country(value) if isinstance(value, str) else None
    step = f'did you mean "{meant}"?' if meant else "look the code up in ISO 3166-1"
    return Problem(path, "is not a country code", _PATTERNS[_COUNTRY_PATTERN], step)


def _expected(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(context.get("pattern")), "text of another form")
    if kind == "literal_error":
        return str(context.get("expected")).replace("'", '"')
    if kind == "too_short":
        return f"at least {context.get('min_length')} of them"
    if kind in _TYPES:
        return _TYPES[kind]
    return detail["msg"].removeprefix("Input should be ")
