"""Check a whole log and the chain of evidence in it, in bounded memory, trusting only the keys."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from domicile.errors import EvidenceError
from domicile.ledger.checkpoint import Checkpoint
from domicile.ledger.entries import (
    Body,
    Envelope,
    FileDigest,
    body_of,
    files_of,
    open_envelope,
)
from domicile.ledger.files import hash_file
from domicile.ledger.keys import Verifier
from domicile.ledger.note import cosigners, open_checkpoint
from domicile.ledger.store import CHECKPOINT, SIGNED, Store
from domicile.ledger.texts import TextsRead, named_texts
from domicile.ledger.walk import Walk

__all__ = ["Verification", "verify_log"]

_MOST_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked, and what is wrong.

    root is hex, recomputed from the entries; empty where too much is missing. files_checked
    counts file digests that were recomputed, right or wrong. problems are plain sentences, the
    first 1,000 of problem_count; notices are what an auditor may want to know and is not wrong in
    itself (the clock went back, an append was interrupted).
    """

    origin: str
    size: int
    root: str
    entries_by_kind: Mapping[str, int]
    files_checked: int
    problems: tuple[str, ...]
    problem_count: int
    notices: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem_count == 0


def verify_log(
    directory: Path,
    vkeys: Sequence[str],
    records: Path,
    *,
    seen: Sequence[bytes] = (),
    witnesses: Sequence[Verifier] = (),
    cosignatures_needed: int = 0,
) -> Verification:
    """Recompute every bundle and tile, check the checkpoint's signature, hash every file that an
    entry names under ``records``, and check that what an entry requires an earlier one established.

    vkeys are the public keys that the reader trusts; seen are checkpoints the reader kept from
    earlier, which this log must extend. Of ``witnesses`` (their keys; a name is one witness) as
    many as ``cosignatures_needed`` must have co-signed the published checkpoint. Raises UsageError
    on a malformed key, EvidenceError where no checkpoint is readable at all.
    """
    verifiers = [Verifier.parse(vkey) for vkey in vkeys]
    store, findings = Store(directory), _Findings()
    head = _head(store, verifiers, findings)
    _check_cosignatures(store, witnesses, cosignatures_needed, findings)
    earlier = [(f"checkpoint {n} seen earlier", note) for n, note in enumerate(seen, 1)]
    heads = [head, *_earlier(earlier, verifiers, head, findings)]
    walk = Walk(store, head.size, findings.problem, frozenset(h.size for h in heads))
    with closing(_Chain(records, findings)) as chain:
        for index, data in walk.entries():
            chain.check(index, data)
    _compare_roots(walk, heads, findings)
    return Verification(
        origin=head.origin,
        size=head.size,
        root=walk.edge.root().hex() if walk.complete else "",
        entries_by_kind=dict(sorted(chain.kinds.items())),
        files_checked=chain.files_checked,
        problems=tuple(findings.problems),
        problem_count=findings.problem_count,
        notices=tuple(findings.notices),
    )


@dataclass(slots=True)
class _Findings:
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    notices: list[str] = field(default_factory=list)

    def problem(self, sentence: str) -> None:
        self.problem_count += 1
        if len(self.problems) < _MOST_KEPT:
            self.problems.append(sentence)

    def notice(self, sentence: str) -> None:
        if len(self.notices) < _MOST_KEPT:
            self.notices.append(sentence)


def _head(store: Store, verifiers: Sequence[Verifier], findings: _Findings) -> Checkpoint:
    """The head to check against: the published one, or the last one signed where that is further
    (an append was interrupted before it published, or the published one was rolled back).
    """
    # Read in this order, a concurrent append can only make the published one the larger.
    signed = _note(store, SIGNED, verifiers, None)
    published = _note(store, CHECKPOINT, verifiers, findings)
    if signed is None:
        return published or store.checkpoint()  # unsigned, but the rest can still be judged
    if published is not None and published.size >= signed.size:
        return published
    shown = "none" if published is None else f"size {published.size}"
    findings.notice(
        f"the published checkpoint ({shown}) is behind the last one signed (size {signed.size}):"
        " an append was interrupted or the checkpoint was rolled back; checked to the signed size"
    )
    return signed


def _note(
    store: Store, name: str, verifiers: Sequence[Verifier], findings: _Findings | None
) -> Checkpoint | None:
    try:
        data = store.note(name)
        if data is not None:
            return open_checkpoint(data, verifiers)
        failed = "it is missing"
    except EvidenceError as error:
        failed = error.failed
    if findings is not None:
        findings.problem(f"the {name}: {failed}")
    return None


def _check_cosignatures(
    store: Store, witnesses: Sequence[Verifier], needed: int, findings: _Findings
) -> None:
    """Whether enough witnesses co-signed what is published. A wrong cosignature is a problem, one
    of a stranger is not."""
    try:
        data = store.note()
        signed = sorted(cosigners(data, witnesses)) if data is not None else []
    except EvidenceError as error:
        findings.problem(f"the checkpoint's cosignatures: {error.failed}")
        return
    if len(signed) < needed:
        findings.problem(
            f"{len(signed)} witnesses co-signed the checkpoint ({', '.join(signed) or 'none'}),"
            f" and {needed} must"
        )


def _earlier(
    notes: Sequence[tuple[str, bytes]],
    verifiers: Sequence[Verifier],
    head: Checkpoint,
    findings: _Findings,
) -> list[Checkpoint]:
    heads = []
    for name, note in notes:
        try:
            earlier = open_checkpoint(note, verifiers)
        except EvidenceError as error:
            findings.problem(f"{name}: {error.failed}")
            continue
        if earlier.origin != head.origin:
            findings.problem(f"{name} is of another log, {earlier.origin}")
        elif earlier.size > head.size:
            findings.problem(
                f"the log was rolled back: {name} covers {earlier.size} entries,"
                f" the log now {head.size}"
            )
        else:
            heads.append(earlier)
    return heads


def _compare_roots(walk: Walk, heads: Sequence[Checkpoint], findings: _Findings) -> None:
    if not walk.complete:
        findings.problem("the root cannot be recomputed: entries and their hashes are missing")
        return
    for head in heads:
        if walk.roots.get(head.size) != head.root:
            findings.problem(f"the entries do not lead to the root signed at size {head.size}")


class _Chain:
    """Entry by entry: readable, its files unchanged, its requirements established before.

    Claims and files live in a temporary SQLite database, which spills to disk: memory stays
    bounded whatever the size of the log.
    """

    def __init__(self, records: Path, findings: _Findings) -> None:
        self.kinds: Counter[str] = Counter()
        self.files_checked = 0
        self._records, self._findings = records, findings
        self._last_time = ""
        self._texts = TextsRead()
        self._named: frozenset[str] = frozenset()
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE claim (id BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute(
            "CREATE TABLE file (path TEXT PRIMARY KEY, sha256 TEXT, size INTEGER) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._database.close()

    def check(self, index: int, data: bytes) -> None:
        try:
            envelope = open_envelope(data)
            self._check_time(index, envelope)
            self.kinds[envelope.kind] += 1
            body = body_of(envelope)
        except EvidenceError as error:
            self._findings.problem(f"entry {index}: {error.failed}")
            return
        self._check_texts(index, envelope, body)
        self._check_claims(index, envelope.kind, body)
        for file in files_of(body):
            self._check_file(index, file)

    def _check_time(self, index: int, envelope: Envelope) -> None:
        if envelope.time < self._last_time:
            self._findings.notice(
                f"entry {index}: its clock went back, from {self._last_time} to {envelope.time}"
            )
        self._last_time = envelope.time

    def _check_texts(self, index: int, envelope: Envelope, body: Body) -> None:
        """The texts in force are here before an entry names them. A missing one is told where it is
        named first, not of each entry that goes on to name it."""
        for problem in self._texts.take(envelope, body):
            self._findings.problem(f"entry {index}: {problem}")
        named = named_texts(envelope)
        if named == self._named:
            return
        for claim in sorted(named - self._named - body.establishes()):
            if not self._is_established(claim):
                self._findings.problem(
                    f"entry {index}: it names {claim}, which no earlier entry put in force"
                )
        self._named = named

    def _is_established(self, claim: str) -> bool:
        found = self._database.execute("SELECT 1 FROM claim WHERE id = ?", (_id(claim),))
        return found.fetchone() is not None

    def _check_claims(self, index: int, kind: str, body: Body) -> None:
        for claim in sorted(body.requires()):
            if not self._is_established(claim):
                self._findings.problem(
                    f"entry {index}: {kind} requires {claim!r}, which no earlier entry established"
                )
        rows = ((_id(claim),) for claim in body.establishes())
        self._database.executemany("INSERT OR IGNORE INTO claim VALUES (?)", rows)

    def _check_file(self, index: int, file: FileDigest) -> None:
        self.files_checked += 1
        actual = self._hash(file.path)
        if actual is None:
            self._findings.problem(f"entry {index}: its file {file.path} cannot be read")
        elif actual != (file.sha256, file.size_bytes):
            self._findings.problem(f"entry {index}: its file {file.path} was changed")

    def _hash(self, path: str) -> tuple[str, int] | None:
        row = self._database.execute("SELECT sha256, size FROM file WHERE path = ?", (path,))
        known = row.fetchone()
        if known is None:
            try:
                known = hash_file(self._records / path)
            except (OSError, ValueError):
                known = ("", -1)
            self._database.execute("INSERT INTO file VALUES (?, ?, ?)", (path, *known))
        return None if known[1] < 0 else (str(known[0]), int(known[1]))


def _id(claim: str) -> bytes:
    return sha256(claim.encode()).digest()[:16]
