"""What must hold of the ledger's name and its witnesses (pure).

A witness that cannot be told from another, or from the log itself, would make two of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from domicile.charter.lines import KeyPath
from domicile.charter.model import Charter, LedgerWitness
from domicile.charter.problems import Problem, dotted
from domicile.charter.vkeys import ED25519, VKeyFault, is_name, read_vkey

__all__ = ["witness_problems"]

_EXPECTED_KEY = "`name+hexid+base64` of kind 0x04 (Ed25519) or 0x06 (ML-DSA-44)"
_COPY_KEY = "copy the whole line from what the witness publishes"


@dataclass(frozen=True, slots=True)
class _Key:
    path: KeyPath
    name: str
    material: bytes


def witness_problems(charter: Charter) -> Iterator[Problem]:
    """Everything wrong with ``[ledger]``."""
    ledger = charter.ledger
    if ledger.origin is not None and not is_name(ledger.origin):
        yield Problem(
            ("ledger", "origin"),
            "is no name of a log",
            "a URL without scheme, spaces and plus signs, such as ledger.example/us",
            "correct the name; once the log is begun it keeps it",
        )
    keys: list[_Key] = []
    for name, witness in ledger.witnesses.items():
        path: KeyPath = ("ledger", "witnesses", name)
        yield from _url_problems(path, witness)
        for at, vkey in enumerate(witness.keys):
            found = _read((*path, "keys", at), vkey)
            if isinstance(found, Problem):
                yield found
            else:
                keys.append(found)
    yield from _doubled(keys, charter.ledger_origin)
    if ledger.cosignatures is not None and ledger.cosignatures > len(ledger.witnesses):
        yield Problem(
            ("ledger", "cosignatures"),
            "more cosignatures than there are witnesses",
            f"at most {len(ledger.witnesses)}",
            "add [ledger.witnesses.<name>], or ask for fewer",
        )


def _url_problems(path: KeyPath, witness: LedgerWitness) -> Iterator[Problem]:
    """No message repeats the URL: it may hold a password."""
    try:
        url = urlsplit(witness.url)
        sound = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        sound = False
    sound = sound and witness.url.isascii() and all(" " < c != "\x7f" for c in witness.url)
    expected = "http:// or https://, a host, and perhaps a path"
    if not sound:
        yield Problem((*path, "url"), "is not a witness's URL", expected, "correct the URL")
    elif url.username is not None or url.password is not None:
        step = "take them out: a witness asks for none"
        yield Problem((*path, "url"), "holds credentials", expected, step)
    elif url.query or url.fragment:
        yield Problem((*path, "url"), "goes on after the path", expected, "cut what follows")


def _read(path: KeyPath, vkey: str) -> _Key | Problem:
    """C2SP signed-note, verifier keys."""
    try:
        key = read_vkey(vkey)
    except VKeyFault as fault:
        return Problem(path, str(fault), _EXPECTED_KEY, _COPY_KEY)
    if key.kind == ED25519:
        return Problem(path, "is a log's key, not a witness's", _EXPECTED_KEY, _COPY_KEY)
    return _Key(path, key.name, key.material)


def _doubled(keys: list[_Key], origin: str) -> Iterator[Problem]:
    """One key or one name for two; or for the log itself."""
    owners: dict[str, KeyPath] = {}
    names: dict[KeyPath, str] = {}
    known: dict[bytes, KeyPath] = {}
    for key in keys:
        witness = key.path[:3]
        if key.name == origin:
            step = "name a witness that somebody else runs"
            yield Problem(key.path, "is the log's own key", "a key of another name", step)
        if names.setdefault(witness, key.name) != key.name:
            step = "make the other name a witness of its own"
            yield Problem(key.path, "has another name", f"keys of {names[witness]}", step)
        elif owners.setdefault(key.name, witness) != witness:
            there = f"is of the same name as {dotted(owners[key.name])}"
            yield Problem(key.path, there, "a witness of its own name", "remove one of the two")
        if key.material in known:
            there = f"is the same key as {dotted(known[key.material])}"
            yield Problem(key.path, there, "a key of its own", "remove one of the two")
        known.setdefault(key.material, key.path)
