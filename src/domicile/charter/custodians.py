"""Whose signatures a charter and a root operation need: what must hold of them (pure).

A custodian is a name with a key, or with one of each kind, who then signs with both. One who can't
be told from another, from a witness or from the ledger itself would make two of one. Whether the
company holds one of these keys nobody can see in them.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping

from domicile.charter.lines import KeyPath
from domicile.charter.model import Charter, Custodians
from domicile.charter.problems import Problem, dotted
from domicile.charter.vkeys import ED25519, MLDSA44, VKey, VKeyFault, read_vkey
from domicile.errors import CharterError

__all__ = ["MOST_CUSTODIANS", "custodian_problems", "custodians_in"]

MOST_CUSTODIANS = 12
"""So that everybody's signatures fit into one entry of the ledger, ML-DSA-44's too."""
_EXPECTED_KEY = "`name+hexid+base64` of kind 0x01 (Ed25519) or 0x06 (ML-DSA-44)"
_COPY_KEY = "copy the whole line that `domicile custody keygen` printed"


def custodian_problems(charter: Charter) -> Iterator[Problem]:
    """Everything wrong with ``[boundaries.NAME.custodians]``."""
    strangers = _strangers(charter)
    for name, boundary in charter.boundaries.items():
        if boundary.custodians is not None:
            path: KeyPath = ("boundaries", name, "custodians")
            yield from _problems(path, boundary.custodians, charter.ledger_origin, strangers)


def custodians_in(text: str) -> Custodians | None:
    """Whom the text of a charter names, whatever else stands in it; None where it names nobody, as
    no text does that is not TOML.

    For a charter of the past, whose exceptions may have expired. Raises CharterError where what it
    says of custodians does not hold.
    """
    named = _tables(text)
    if not named:
        return None
    try:
        custodians = Custodians.model_validate_json(json.dumps(named[0]))  # there, lists are tuples
    except (ValueError, TypeError, RecursionError):
        raise _unreadable("it cannot be read") from None
    for problem in _problems((), custodians, "", {}):
        raise _unreadable(f"{dotted(problem.path)} {problem.failed}")
    if len(named) > 1:
        raise _unreadable("it stands in more than one boundary")
    return custodians


def _tables(text: str) -> list[object]:
    """What stands where custodians are named, in each boundary."""
    try:
        boundaries = tomllib.loads(text).get("boundaries")
    except (ValueError, RecursionError):
        return []
    each = boundaries.values() if isinstance(boundaries, dict) else ()
    return [one["custodians"] for one in each if isinstance(one, dict) and "custodians" in one]


def _problems(
    path: KeyPath, named: Custodians, origin: str, strangers: Mapping[bytes, str]
) -> Iterator[Problem]:
    keys: dict[KeyPath, VKey] = {}
    for at, vkey in enumerate(named.keys):
        found = _read((*path, "keys", at), vkey)
        if isinstance(found, Problem):
            yield found
        else:
            keys[*path, "keys", at] = found
    yield from _doubled(keys, origin, strangers)
    names = {vkey.partition("+")[0] for vkey in named.keys}
    if len(names) > MOST_CUSTODIANS:
        expected, step = f"at most {MOST_CUSTODIANS}", "name fewer"
        yield Problem((*path, "keys"), f"names {len(names)} custodians", expected, step)
    for field, needed in (("charter", named.charter), ("operations", named.operations)):
        if needed > len(names):
            failed = "more signatures than there are custodians"
            step = "name more custodians, or ask for fewer signatures"
            yield Problem((*path, field), failed, f"at most {len(names)}", step)


def _read(path: KeyPath, vkey: str) -> VKey | Problem:
    try:
        key = read_vkey(vkey)
    except VKeyFault as fault:
        return Problem(path, str(fault), _EXPECTED_KEY, _COPY_KEY)
    if key.kind not in {ED25519, MLDSA44}:
        return Problem(path, "is a witness's key, not a custodian's", _EXPECTED_KEY, _COPY_KEY)
    return key


def _doubled(
    keys: Mapping[KeyPath, VKey], origin: str, strangers: Mapping[bytes, str]
) -> Iterator[Problem]:
    """One key for two; two keys of a kind for one; or one of a witness or the log."""
    known: dict[bytes, KeyPath] = {}
    kinds: dict[tuple[str, int], KeyPath] = {}
    for path, key in keys.items():
        if key.name == origin:
            yield Problem(path, "has the log's name", "a name of its own", "name it otherwise")
        if key.material in strangers:
            failed = f"is also a key of {strangers[key.material]}"
            yield Problem(path, failed, "a key that serves for nothing else", "make another key")
        if key.material in known:
            failed = f"is the same key as {dotted(known[key.material])}"
            yield Problem(path, failed, "a key of its own", "remove one of the two")
        elif (key.name, key.kind) in kinds:
            failed = f"is a second key of the kind of {dotted(kinds[key.name, key.kind])}"
            step = "name the other custodian otherwise, or remove one of the two"
            yield Problem(path, failed, "one key of each kind under a name", step)
        known.setdefault(key.material, path)
        kinds.setdefault((key.name, key.kind), path)


def _strangers(charter: Charter) -> dict[bytes, str]:
    """The material of the witnesses' keys, and whose it is."""
    found = {}
    for name, witness in charter.ledger.witnesses.items():
        for vkey in witness.keys:
            try:
                found[read_vkey(vkey).material] = f"ledger.witnesses.{name}"
            except VKeyFault:
                continue  # told where the witnesses are judged
    return found


def _unreadable(why: str) -> CharterError:
    return CharterError(
        f"what a charter says of its custodians does not hold: {why}",
        expected="[boundaries.NAME.custodians] as in docs/charter.md",
        next_step="correct it, and have it signed anew",
    )
