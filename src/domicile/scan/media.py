"""Custody of media: disks and tapes by serial number, who has them, and how they were destroyed.

Somebody whom the charter names signs each act, as a line of canonical JSON that names the ledger
and the SHA-256 of the line signed before it about the same medium: no act can be left out between
two, put elsewhere, or said twice. What stands here is attested: nobody examined it. Deciding is
pure; `record_medium` writes.

Rules:
1. A medium is added once, at a place of the charter.
2. Who hands it over, misses it or destroys it is who has it by the last act.
3. A destroyed medium is handed to nobody, and destroyed no second time. A missing one that is found
   is handed over by who missed it.
4. Days don't go back, and none was still to come when it was stated.
5. A hand-over and a destruction have evidence.
6. A hand-over says where the medium lies from then on, or nobody knows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from hashlib import sha256

import msgspec
import rfc8785

from domicile.errors import UsageError
from domicile.inventory import Estate, Evidence, digest_under, write_bytes
from domicile.scan.attestation import attester_of, is_signed
from domicile.scan.entries import MediumStated

__all__ = [
    "ACTS",
    "METHODS",
    "Medium",
    "MediumText",
    "after",
    "check_act",
    "fault",
    "record_medium",
]

ACTS = ("added", "handed-over", "missing", "destroyed")
METHODS = ("clear", "purge", "destroy")
_MOVES = ("added", "handed-over")
_FORMAT = "domicile medium 1"
_LONGEST = 200
_SIGNATURE_BYTES = 64


class MediumText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed of one act: see `MediumStated`."""

    ledger: str
    boundary: str
    act: str
    serial: str
    medium: str
    where: str
    from_holder: str
    to_holder: str
    method: str
    day: date
    evidence: tuple[str, ...]
    previous: str
    attester: str
    format: str = _FORMAT

    def text(self) -> bytes:
        """The very bytes to sign."""
        return rfc8785.dumps(msgspec.to_builtins(self)) + b"\n"

    @property
    def sha256(self) -> str:
        """By which the next act names this one."""
        return sha256(self.text()).hexdigest()


class Medium(msgspec.Struct, frozen=True):
    """A medium as its acts leave it; last is the latest; place: where it lies as
    its registration or last hand-over says, empty where that does not say."""

    serial: str
    medium: str
    place: str
    holder: str
    last: MediumText

    @property
    def state(self) -> str:
        """``in custody``, ``missing`` or ``destroyed``: as attested."""
        return {"destroyed": "destroyed", "missing": "missing"}.get(self.last.act, "in custody")


def after(text: MediumText, known: Medium | None) -> Medium:
    """A medium after an act without a fault."""
    first = known or Medium(text.serial, text.medium, text.where, "", text)
    place = text.where if text.act in _MOVES else first.place
    return msgspec.structs.replace(first, holder=text.to_holder, place=place, last=text)


def fault(text: MediumText, known: Medium | None, today: date) -> str:
    """Which rule an act breaks, in words; empty where it breaks none. today: when it is, or was,
    stated (UTC)."""
    if text.day > today:
        return f"{text.day} is still to come"
    if text.act != "added" and known is None:
        return "it is not in the register"
    where = text.where or ("" if text.act == "added" else "nobody says")
    if not all(map(_is_plain, (text.serial, text.medium, where, text.to_holder))):
        return "a serial number, kind, place or holder is empty, too long, or not plain text"
    if text.act == "added" or known is None:
        return "it is in the register already" if known else _of_first(text)
    return _of_chain(text, known) or _of_later(text, known)


def _of_first(text: MediumText) -> str:
    return "nothing can come before" if text.previous or text.from_holder else ""


def _of_chain(text: MediumText, known: Medium) -> str:
    if known.state == "destroyed":
        return f"it was destroyed on {known.last.day}"
    if text.from_holder != known.holder:
        return f"{known.holder} has it, by the last act: a hand-over is missing between"
    if text.previous != known.last.sha256:
        return "it does not follow the last act about it"
    return ""


def _of_later(text: MediumText, known: Medium) -> str:
    if text.day < known.last.day:
        return f"the last act about it was on {known.last.day}"
    if text.medium != known.medium:
        return f"it was registered as {known.medium}"
    if text.act not in ACTS or (text.act == "destroyed") != (text.method in METHODS):
        return "a destruction has a method, and nothing else has"
    if text.act != "missing" and not text.evidence:
        return "it has no evidence"
    return ""


def _is_plain(text: str) -> bool:
    """Something to see, and nothing invisible or that changes the direction of writing."""
    hidden = any(unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" for c in text)
    return 0 < len(text) <= _LONGEST and text == text.strip() and not hidden


def record_medium(
    estate: Estate,
    evidence: Evidence,
    register: Mapping[str, Medium],
    text: MediumText,
    signature: bytes,
) -> MediumStated:
    """Keep a signed act and record it. Raises UsageError, and keeps nothing, where it breaks a rule
    or the attester did not sign exactly this."""
    check_act(estate, register, text)
    attester = attester_of(estate, text.attester)
    fits = len(signature) == _SIGNATURE_BYTES
    if not fits or not is_signed(text.text(), signature, attester):
        raise UsageError(
            f"this is not the signature of {text.attester} over this act",
            expected="64 bytes of Ed25519, made with the key whose public half the charter has",
            next_step="write the text out anew (the same command without --signature) and have it"
            " signed",
        )
    directory = estate.records / "attestations"
    # By the signature, too: the same text may be signed again with another key.
    name = sha256(text.text() + signature).hexdigest()
    kept = {
        directory / f"{name}.json": text.text(),
        directory / f"{name}.sig": signature,
    }
    for path, data in kept.items():
        write_bytes(path, data)
    said = {n: getattr(text, n) for n in text.__struct_fields__ if n not in {"format", "ledger"}}
    files = tuple(digest_under(path, estate.records) for path in kept)
    said |= {"day": text.day.isoformat(), "role": attester.role, "files": files}
    body = MediumStated(**said)
    evidence.record(body)
    return body


def check_act(estate: Estate, register: Mapping[str, Medium], text: MediumText) -> None:
    """Raise UsageError where an act breaks a rule, or names a place that the charter does not."""
    if why := fault(text, register.get(text.serial), datetime.now(UTC).date()):
        raise UsageError(
            f"{text.serial!r} cannot be {text.act.replace('-', ' ')}: {why}",
            expected="an act that follows the last one about this medium",
            next_step="look at `domicile media list`; state what happened between first",
        )
    places = [*estate.charter.offline, *estate.charter.sites]
    if text.act in _MOVES and text.where and text.where not in places:
        raise UsageError(
            f"the charter names no place {text.where!r}",
            expected=", ".join(places),
            next_step="name one with --place, or have the charter name it under [offline]",
        )
    attester_of(estate, text.attester)
