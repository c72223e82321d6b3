"""The chapters of ``domicile demo`` in which custodians sign, and somebody asks for access."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from domicile.cli.exits import Exit

__all__ = ["DATASET", "PURPOSE", "Custodians", "Teller", "tell_access"]

DATASET, PURPOSE = "drafts", "engineering"


class Teller(Protocol):
    """What the chapters are told with: the commands, each in a process of its own."""

    workspace: Path

    def run(self, *words: str, expected: int = Exit.WELL) -> None:
        """Run a command under the charter, and show it."""

    def run_apart(self, *words: str) -> None:
        """Run a command that needs no charter, and show it."""

    def ask(self, *words: str) -> dict[str, Any]:
        """Run a command under the charter; show what it prints only by what is told of it."""

    def say(self, text: str) -> None:
        """A line between two commands."""


class Custodians:
    """The demo's two custodians, with the keys that it made for them."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._directory = teller.workspace / "custodian"

    def enact_charter(self) -> None:
        """The charter takes effect."""
        self._teller.say("the keys of two custodians were made for this demo alone")
        note = self._note("charter")
        self._teller.run("custody", "propose", "charter", "--out", str(note))
        self._teller.run("custody", "enact", self._signed(note, "domicile.toml"))

    def enact_policy(self) -> None:
        """The policy takes effect."""
        note, text = self._note("policy"), str(self._teller.workspace / "us.cedar")
        self._teller.run("policy", "propose", text, "--out", str(note))
        self._teller.run("policy", "enact", text, self._signed(note, "us.cedar"))

    def approve_shred(self) -> list[str]:
        """They approve that what waits is destroyed, and the root's version under which it could
        be had back; the words for the command that does it."""
        (listed,) = (self._teller.workspace / ".domicile").glob("shreds/*/pseudonyms.txt")
        digest = hashlib.sha256(listed.read_bytes()).hexdigest()
        shred = self._approve("shred", "--sha256", digest)
        return ["--approval", shred, "--approval", self._approve("destroy")]

    def _approve(self, purpose: str, *about: str) -> str:
        note = self._note(purpose)
        words = ("--root", "file:root.key", "--version", "1", *about, "--out", str(note))
        self._teller.run("custody", "propose", purpose, *words)
        return self._signed(note)

    def _note(self, name: str) -> Path:
        return self._directory / f"{name}.note"

    def _signed(self, note: Path, text: str | None = None) -> str:
        from domicile.demo.custodians import custodian_keys

        keys = custodian_keys(self._teller.workspace)
        words = [word for key in keys for word in ("--key", str(key))]
        if text is not None:
            words += ["--text", str(self._teller.workspace / text)]
        signed = str(note.with_suffix(".signed"))
        self._teller.run_apart("custody", "sign", str(note), *words, "--out", signed)
        return signed


def tell_access(teller: Teller, key: str, *, there: bool) -> None:
    """Somebody abroad is denied an object, asks, is granted it by two, uses it, and is stopped.
    there: whether home has an object of this key."""
    from domicile.demo.custodians import APPROVERS, ENGINEER, approver_key

    Custodians(teller).enact_policy()
    teller.run("staff", "load", str(teller.workspace / "staff.csv"))
    token = _tokens(teller)
    about = ("--dataset", DATASET, "--purpose", PURPOSE)
    question = ("policy", "explain", "--staff", ENGINEER, *about, "--country", "SG")
    teller.run(*question, expected=Exit.REMAINS)
    target = str(teller.workspace / "read")
    read = ("access", "read", DATASET, key, target, "--purpose", PURPOSE, *token(ENGINEER))
    teller.run(*read, expected=Exit.OPERATOR)
    reason = ("--reason", "drafts are cut short since release 7")
    request = teller.ask("access", "request", *about, *reason, *token(ENGINEER))["request"]
    for approver in APPROVERS:
        key_file = str(approver_key(teller.workspace, approver))
        teller.run("access", "approve", request, *token(approver), "--key", key_file)
    teller.run(*read, expected=Exit.WELL if there else Exit.REMAINS)
    teller.run("access", "revoke", request, *token(APPROVERS[0]))
    teller.run(*read, expected=Exit.OPERATOR)
    teller.run("access", "history", "--dataset", DATASET)


def _tokens(teller: Teller) -> Callable[[str], tuple[str, str]]:
    """Give everybody a token; the words with which their commands show it."""
    from domicile.demo.custodians import APPROVERS, ENGINEER

    def path(staff: str) -> Path:
        return teller.workspace / f"{staff}.token"

    for staff in (*APPROVERS, ENGINEER):
        factor = ("--second-factor",) if staff in APPROVERS else ()
        given = teller.ask("staff", "credential", staff, *factor)
        path(staff).touch(mode=0o600)
        path(staff).write_text(f"{given['token']}\n", encoding="ascii")
    return lambda staff: ("--token-file", str(path(staff)))
