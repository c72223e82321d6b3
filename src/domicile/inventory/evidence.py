"""The evidence being written: the ledger open for appending, and what it holds of one run.

Appending goes through here so that every entry names the charter in force, whose text is in the
ledger before the first of them. What was appended is durable and under a signed checkpoint before
the caller goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

from domicile.charter import Charter, LoadedCharter, parse_charter
from domicile.custody.entries import CharterApproved
from domicile.errors import CharterError, EvidenceError, SiteRefused
from domicile.inventory.entries import CharterInForce
from domicile.inventory.standing import CharterStanding, not_approved, read_standing
from domicile.ledger import (
    Body,
    Clock,
    Entry,
    FileSigner,
    Ledger,
    decode,
    encode,
    files_of,
    read_only,
    split_text,
)
from domicile.ledger.approvals import is_reading
from domicile.ledger.asking import KnownWitness
from domicile.ledger.entries import kind_of, open_envelope
from domicile.ledger.journal import ID_BYTES
from domicile.ledger.keys import COSIGN_MLDSA44, Verifier
from domicile.ledger.note import Note, parse_note
from domicile.ledger.proposals import Approval, NeedsApproval, read_proposal, use_of
from domicile.ledger.reader import publication_mark
from domicile.ledger.texts import TextPart
from domicile.ledger.witnesses import Quorum, Witnesses

__all__ = ["Evidence", "RunEntries", "ledger_directory", "quorum", "read_run"]

B = TypeVar("B", bound=Body)

_PARTS_AT_ONCE = 16  # as many of the largest entries as fit into one request


def ledger_directory(records: Path) -> Path:
    """Where the log lies: servable as it is, nothing private in its published names."""
    return records / "ledger"


def quorum(charter: Charter) -> Quorum:
    """The charter's witnesses, and how many of them must co-sign."""
    ledger = charter.ledger
    witnesses = tuple(
        KnownWitness(name, witness.url, tuple(Verifier.parse(key) for key in witness.keys))
        for name, witness in ledger.witnesses.items()
    )
    needed = len(witnesses) if ledger.cosignatures is None else ledger.cosignatures
    return Quorum(witnesses, needed, ledger.away)


class RunEntries:
    """The entries of one run, in the order of the ledger."""

    def __init__(self, run: str, entries: Sequence[Entry]) -> None:
        self.run = run
        self._entries = [entry for entry in entries if getattr(entry.body, "run", None) == run]
        self._files = {
            (file.path, file.sha256) for entry in self._entries for file in files_of(entry.body)
        }

    def of(self, kind: type[B]) -> Iterator[B]:
        """The bodies of one kind."""
        for entry in self._entries:
            if isinstance(entry.body, kind):
                yield entry.body

    def entries(self) -> Sequence[Entry]:
        """All of them, with their times."""
        return tuple(self._entries)

    def has_file(self, path: str, sha256: str) -> bool:
        """Whether an entry holds this file's digest."""
        return (path, sha256) in self._files

    def add(self, entry: Entry) -> None:
        """Take in an entry just appended."""
        if getattr(entry.body, "run", None) == self.run:
            self._entries.append(entry)
            self._files |= {(file.path, file.sha256) for file in files_of(entry.body)}


class Evidence:
    """The ledger of a records directory, open for writing under a charter's text."""

    def __init__(self, records: Path, loaded: LoadedCharter) -> None:
        self.records, self._directory = records, ledger_directory(records)
        origin, keys = loaded.charter.ledger_origin, records / "keys"
        self.signer = FileSigner.create_or_load(keys / "ledger.key", origin)
        lasting = FileSigner.create_or_load(keys / "ledger-mldsa44.key", origin, COSIGN_MLDSA44)
        asked = quorum(loaded.charter)
        _check_strangers(asked, [self.signer.vkey, lasting.vkey])
        self._witnesses = Witnesses(asked)
        self._ledger = Ledger.open(
            self._directory, [self.signer, lasting], origin, cosigner=self._witnesses
        )
        self._charter, self._parts = _charter_parts(loaded.text)
        self._loaded = loaded
        self._is_in_force = self._is_approved = self._is_guarded = False
        self._clock = Clock(_latest(self._ledger))

    @property
    def notices(self) -> tuple[str, ...]:
        """What the witnesses did not do, or said against this log, in plain sentences."""
        return self._witnesses.notices

    def standing(self) -> CharterStanding:
        """Whether the custodians let this charter take effect, as the ledger is now."""
        return read_standing(self._ledger_entries(), self._loaded)

    def require_approved(self) -> None:
        """Raise CharterError where the charter needs its custodians' approval and lacks it: then
        nothing may be done under it."""
        if not self._is_approved:
            standing = self.standing()
            standing.require(self.records)
            self._is_approved, self._is_guarded = True, standing.custodians is not None

    def charter_may_have_changed(self) -> None:
        """Look again, before anything is recorded, whether this charter is still the approved one:
        for who has seen that another was approved meanwhile."""
        self._is_approved = False

    def record(
        self, *bodies: Body, into: RunEntries | None = None, policy: str | None = None
    ) -> None:
        """Append entries, all or none; ``policy`` is the SHA-256 (hex) of the one that decided.

        Raises SiteRefused where they cannot be recorded; what they announce must then not happen.
        Raises CharterError like `require_approved`, but for those that only say what was looked at;
        UsageError where an operation on the root lacks its custodians' approval."""
        if not all(is_reading(kind_of(type(body))[0]) for body in bodies):
            self.require_approved()
        acts = [body for body in bodies if isinstance(body, NeedsApproval)]
        if acts and self._is_guarded:
            standing = self.standing()
            for act in acts:
                standing.begin(act)
        if bodies and not self._is_in_force:
            self._put_in_force()
        entries = self._clock.stamp(bodies, self._charter, policy)
        self._ledger.append(entries)
        if into is not None:
            for entry in entries:
                into.add(entry)

    def record_once(self, body: Body, identity: bytes) -> bool:
        """Append an entry under an identity of 16 bytes. False where somebody else did, with
        another body: then nothing is added."""
        if not self._is_in_force:
            self._put_in_force()
        entries = self._clock.stamp([body], self._charter)
        *_, last = self._ledger.append(entries[-1:], identity=identity)
        self._ledger.append(entries[:-1])
        return next(data for _, data in self._ledger.entries(last)) == encode(entries[-1])

    def approve_charter(self, note: Note, boundary: str) -> None:
        """Let this charter take effect, with what its custodians signed. Raises EvidenceError where
        a rule of `approvals` forbids it, and adds nothing then."""
        approval = CharterApproved(boundary, note.encode().decode(), self._charter)
        standing = self.standing()
        if standing.is_approved:
            return
        standing.accept(approval)
        use = use_of(read_proposal(note).nonce)
        if not self.record_once(approval, use) and not self.standing().is_approved:
            raise not_approved("its proposal was approved before")

    def put_policy(self, parts: Sequence[TextPart], approval: Approval) -> None:
        """Let a policy take effect: its text, then its approval. Raises EvidenceError where a rule
        of `approvals` forbids it, and adds nothing then."""
        self.require_approved()
        standing = self.standing()
        proposal = read_proposal(parse_note(approval.note.encode()))
        if standing.read.policy == proposal.sha256:
            return
        turn = f"the policy of {approval.boundary} after {standing.read.policies} others"
        standing.accept(approval)
        if not _holds(self._ledger, parts[-1]):
            self.record(*parts)
        # Of two proposals to replace the same policy only one can be recorded.
        if not self.record_once(approval, hashlib.sha256(turn.encode()).digest()[:ID_BYTES]):
            raise not_approved("another policy was approved meanwhile")

    @property
    def policy(self) -> str:
        """The SHA-256 (hex) of the policy in force; empty for none."""
        return self.standing().read.policy

    def policy_at(self, time: str) -> str:
        """The SHA-256 (hex) of the policy that was in force then; empty for none."""
        return read_standing(self._ledger_entries(), self._loaded, time).read.policy

    def text(self, kind: type[TextPart], sha256: str) -> str:
        """A text that the ledger holds. Raises EvidenceError where it does not."""
        parts = [part for part in self.of(kind) if part.sha256 == sha256]
        whole = [part.text for part in parts[-parts[-1].parts :]] if parts else []
        text = "".join(whole)
        if hashlib.sha256(text.encode()).hexdigest() != sha256:
            raise EvidenceError(
                f"the ledger does not hold the text {sha256} whole",
                expected="every part of it, in order",
                next_step="run `domicile ledger verify`",
            )
        return text

    def charter_in_effect(self, sha256: str, when: datetime) -> Charter | None:
        """The charter of this SHA-256 (hex), if the ledger holds its text, this version reads it,
        and whoever must sign it did."""
        if self.standing().read.unruled("access.rules-set", sha256) is not None:
            return None
        try:
            text = self.text(CharterInForce, sha256)
            return parse_charter(text, "charter", today=when.date()).charter
        except (CharterError, EvidenceError):
            return None

    def since(self, start: int, marks: Sequence[bytes] = ()) -> Iterator[tuple[int, bytes]]:
        """Published entries from index ``start`` on, with their indices; with ``marks``, those
        that hold one of them."""
        for at, data in enumerate(_published(self._ledger, start), start):
            if not marks or any(mark in data for mark in marks):
                yield at, data

    def mark(self) -> tuple[int, ...]:
        """See `publication_mark`."""
        return publication_mark(self._directory)

    def run(self, run: str) -> RunEntries:
        """What the ledger holds of a run."""
        return RunEntries(run, [decode(data) for _, data in self._ledger.entries()])

    def of(self, kind: type[B]) -> list[B]:
        """The bodies of one kind, of whatever run, in order."""
        named = f'"kind":"{kind_of(kind)[0]}"'.encode()
        found = (decode(data).body for _, data in self._ledger.entries() if named in data)
        return [body for body in found if isinstance(body, kind)]

    def after(self, body: Body) -> list[Body]:
        """The bodies behind the last entry that says this, in order."""
        bodies = [decode(data).body for _, data in self._ledger.entries()]
        return bodies[len(bodies) - bodies[::-1].index(body) :]

    def runs_with(self, kind: str) -> frozenset[str]:
        """The runs of which the ledger holds an entry of this kind."""
        entries = (decode(data) for _, data in self._ledger.entries())
        return frozenset(
            str(getattr(entry.body, "run", "")) for entry in entries if entry.kind == kind
        )

    def head(self) -> tuple[int, str]:
        """Size and root (hex) of the published tree."""
        return self._ledger.size, self._ledger.root.hex()

    def _put_in_force(self) -> None:
        """Have the charter's text in the ledger, once: also where two processes begin at once,
        since both append it under the same ids. That the clock went back is said behind it: what
        names a text comes after it."""
        if not _holds(self._ledger, self._parts[-1]):
            others: list[Entry] = []
            for first in range(0, len(self._parts), _PARTS_AT_ONCE):
                parts = self._parts[first : first + _PARTS_AT_ONCE]
                entries = self._clock.stamp(parts, self._charter)
                others += entries[: -len(parts)]
                named = f"charter.in-force {self._charter} from {first}"
                identity = hashlib.sha256(named.encode()).digest()[:ID_BYTES]
                self._ledger.append(entries[-len(parts) :], identity=identity)
            self._ledger.append(others)
        self._is_in_force = True

    def _ledger_entries(self) -> Iterator[bytes]:
        return _published(self._ledger, 0)

    def close(self) -> None:
        """Give the ledger back."""
        self._ledger.close()
        self._witnesses.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _charter_parts(text: str) -> tuple[str, tuple[CharterInForce, ...]]:
    digest, parts = split_text(text)
    bodies = (
        CharterInForce(sha256=digest, part=number, parts=len(parts), text=part)
        for number, part in enumerate(parts)
    )
    return digest, tuple(bodies)


def _latest(ledger: Ledger) -> datetime | None:
    """When the last entry was made, as it says itself."""
    last = list(_published(ledger, -1))
    return datetime.fromisoformat(open_envelope(last[-1]).time) if last else None


def _holds(ledger: Ledger, body: Body) -> bool:
    """Whether an entry says this. Only entries of its kind are decoded."""
    named = f'"kind":"{kind_of(type(body))[0]}"'.encode()
    return any(named in data and decode(data).body == body for data in _published(ledger, 0))


def _published(ledger: Ledger, start: int) -> Iterator[bytes]:
    """Entries from ``start`` on (from the end where it is negative); none where the first
    checkpoint waits for its witnesses."""
    try:
        reader = ledger.reader()
    except SiteRefused:
        return iter(())
    return (
        data for _, data in reader.entries(start if start >= 0 else max(reader.size + start, 0))
    )


def _check_strangers(asked: Quorum, own: Sequence[str]) -> None:
    """Raise CharterError where the log's own key stands under another name as a witness's."""
    material = {Verifier.parse(vkey).public_key for vkey in own}
    for witness in asked.witnesses:
        if any(key.public_key in material for key in witness.keys):
            raise CharterError(
                f"ledger.witnesses.{witness.label}: the log would be its own witness",
                expected="a key that somebody else keeps",
                next_step="name the keys that the witness publishes",
            )


def read_run(records: Path, run: str) -> RunEntries:
    """What the ledger holds of a run, read without the writer's lock."""
    reader = read_only(ledger_directory(records))
    return RunEntries(run, [decode(data) for _, data in reader.entries()])
