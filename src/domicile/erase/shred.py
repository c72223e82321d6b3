"""Shredding: destroying persons' keys, so that what is sealed under them opens no more.

Each phase is in the ledger before it happens, and a run that was broken off anywhere goes on where
it was:

1. *requested*: it waits, and can be cancelled (`custody.waiting` says by which clocks).
2. *condemned*: the persons' wrapped keys and their pseudonyms' mappings are deleted here.
3. *replaced*: the boundary has a new key, under a new version of the root.
4. *rewrapped*: everybody else's key is brought under it.
5. *destroyed*: the boundary's older keys, and the versions of the root that could unwrap them,
   are destroyed; that may stay pending with their keeper.
6. *scrubbed*: the state database's files no longer hold what was deleted.
7. *done*: certified.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import msgspec

from domicile.custody.approval import Act
from domicile.custody.entries import (
    PersonsReadmitted,
    ShredCancelled,
    ShredCondemned,
    ShredDone,
    ShredRequested,
    SurvivorsRewrapping,
)
from domicile.custody.erased import ErasedPersons
from domicile.custody.keyring import Keyring
from domicile.custody.pseudonyms import Pseudonyms
from domicile.custody.shreds import Condemnation, Shred, Shreds
from domicile.custody.waiting import Look, look_now
from domicile.erase.shred_certify import certify_shred
from domicile.erase.unreadable import count_unreadable
from domicile.errors import EvidenceError, SiteRefused, UsageError
from domicile.inventory import (
    Estate,
    Evidence,
    Progress,
    Quiet,
    digest_under,
    new_run_id,
    write_bytes,
)
from domicile.ledger import Body, FileDigest, time_text
from domicile.move import ShardVerified
from domicile.state import State

__all__ = ["Requested", "ShredReport", "Shredder"]

_DAY_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Requested:
    """What became of a request: its id (none where nobody was left to ask for), for how many
    persons, and how many were left out: they are in an earlier one, or were erased before."""

    request: str | None
    persons: int
    waiting: int
    erased: int


@dataclass
class ShredReport:
    """What a run did. done: certificates' paths below the records, by request; pending: why what
    is under way is not done; not_due: how many requests wait."""

    done: dict[str, str] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    not_due: int = 0


class Shredder:
    """Shreds of the charter's boundary. look: reads the clocks."""

    def __init__(
        self,
        estate: Estate,
        evidence: Evidence,
        state: State,
        progress: Progress | None = None,
        look: Callable[[], Look] = look_now,
    ) -> None:
        self.estate, self.evidence, self.state = estate, evidence, state
        self.progress = progress or Quiet()
        self.boundary = estate.boundary_name
        self.shreds = Shreds(state, self.boundary)
        self._look = look

    @cached_property
    def ring(self) -> Keyring:
        """The boundary's keys. Their root is not asked for before they are needed: a request can be
        cancelled while it is away."""
        return self.estate.keyring(self.state, self.evidence.record)

    # --- asking for it

    def request(self, persons: Collection[str]) -> Requested:
        """Ask for the keys of these persons to be destroyed. Raises as `Keyring.open`."""
        wanted = list(dict.fromkeys(persons))
        listed = self._erased()
        erased = set(listed.among(wanted))
        left = [person for person in wanted if person not in erased]
        names = Pseudonyms(self.state, listed)
        pseudonyms, subjects = names.of(left), names.subjects(left)
        waiting = self.shreds.waiting(subjects.values())
        mine = [person for person in left if subjects[person] not in waiting]
        counts = len(wanted) - len(erased) - len(mine), len(erased)
        if not mine:
            return Requested(None, 0, *counts)
        now = datetime.now(UTC)
        shred = self._new(now, len(mine))
        until = time_text(now + timedelta(seconds=shred.waits_s))
        path = self._names(shred.id)
        write_bytes(path, _listed(pseudonyms[person] for person in mine))
        files = (digest_under(path, self.estate.records),)
        self.evidence.record(ShredRequested(self.boundary, shred.id, len(mine), until, files))
        self.shreds.add(shred, [subjects[person] for person in mine])
        return Requested(shred.id, len(mine), *counts)

    def _new(self, now: datetime, persons: int) -> Shred:
        keys = self.estate.boundary.keys
        days = keys.shred_days if keys is not None else 0
        look = self._look()
        return Shred(new_run_id(now), "requested", persons, time_text(now), days * _DAY_S, 0, look)

    def cancel(self, request: str) -> None:
        """Take a request back. Raises UsageError where there is none that waits by that id."""
        shred = next((each for each in self.shreds.all() if each.id == request), None)
        if shred is None or shred.phase != "requested":
            raise UsageError(
                f"there is no request {request} that could be cancelled"
                if shred is None
                else f"request {request} is {shred.phase}",
                expected="one that waits",
                next_step="see `domicile shred status`",
            )
        self.evidence.record(ShredCancelled(self.boundary, request))
        self.shreds.cancel(request)

    def readmit(self, persons: Collection[str]) -> int:
        """Let erased persons have new keys and pseudonyms again; how many they were. Raises
        UsageError where one of them was not erased."""
        erased, wanted = self._erased(), list(dict.fromkeys(persons))
        found = erased.among(wanted)
        if len(found) < len(wanted):
            raise UsageError(
                f"{len(wanted) - len(found):,} of these persons are not erased",
                expected="persons whose keys were destroyed",
                next_step="leave the others out; nobody was re-admitted",
            )
        self.evidence.record(PersonsReadmitted(self.boundary, len(found)))
        return erased.readmit(found)

    def _erased(self) -> ErasedPersons:
        return ErasedPersons(self.state, self.boundary, self.ring.open("shred"))

    # --- doing it

    def due(self) -> list[Shred]:
        """The requests that have waited long enough, or were begun with."""
        self.shreds.look(self._look())
        return [each for each in self.shreds.all() if each.is_due or each.phase == "condemned"]

    def run(self) -> ShredReport:
        """Go on with whatever is due, as far as it goes now."""
        self._condemn([each for each in self.due() if each.is_due])
        shreds = self.shreds.all()
        begun = [each for each in shreds if each.phase == "condemned"]
        report = ShredReport(not_due=sum(each.phase == "requested" for each in shreds))
        if begun:
            below = max(each.keys_below or 0 for each in begun)
            if max(self.ring.versions()) < below:
                self.ring.replace()
            self._rewrap(below)
            self._destroy(below, report)
            self._finish(begun, report)
        return report

    def _condemn(self, shreds: Sequence[Shred]) -> None:
        if not shreds:
            return
        self.progress.stage("delete keys", items=len(shreds))
        erased = self._erased()
        newest = max(self.ring.versions())
        verified = self.evidence.of(ShardVerified)
        for shred in shreds:
            subjects = self.shreds.subjects(shred.id)
            named = Pseudonyms(self.state).behind(subjects).values()
            pseudonyms = [each.pseudonym for each in named]
            persons = [each.person for each in named]
            unreadable = count_unreadable(self.estate.records, verified, persons)
            self._announce(shred, newest, self._requested(shred, pseudonyms))
            self.shreds.condemn(
                Condemnation(
                    shred.id,
                    newest + 1,
                    subjects,
                    pseudonyms,
                    [erased.digest(person) for person in persons],
                    msgspec.to_builtins(unreadable),
                )
            )
            self.progress.advance()

    def _announce(self, shred: Shred, newest: int, files: tuple[FileDigest, ...]) -> None:
        """Say that a request is carried out, with the custodians' approval of this very list where
        they must give it. Nothing is deleted before."""
        root = self.ring.root.label
        body = ShredCondemned(self.boundary, shred.id, shred.persons, newest, root, files)
        if body not in self.evidence.of(ShredCondemned):
            self.ring.approve(Act("shred", root, (newest,), sha256=files[0].sha256))
            self.evidence.record(body)

    def _requested(self, shred: Shred, pseudonyms: Collection[str]) -> tuple[FileDigest, ...]:
        """The list that the ledger has of a request. Raises EvidenceError where the state database
        says somebody else."""
        requests = [each for each in self.evidence.of(ShredRequested) if each.request == shred.id]
        if not requests or requests[0].files[0].sha256 != sha256(_listed(pseudonyms)).hexdigest():
            raise EvidenceError(
                f"request {shred.id} is not about whom the ledger says",
                expected="the persons of the recorded list, and no others",
                next_step="see who changed the state database; cancel it and ask again",
            )
        return requests[0].files

    def _rewrap(self, below: int) -> None:
        left = self.shreds.survivors(below)
        if not left:
            return
        newest = max(self.ring.versions())
        self.progress.stage("bring everybody else's keys under a new one", items=left)
        self._record_once(SurvivorsRewrapping(self.boundary, newest, left))
        keys = self.ring.open("shred")
        keys.forget_erased()
        for count in keys.rewrap():
            self.progress.advance(count)

    def _destroy(self, below: int, report: ShredReport) -> None:
        """The boundary's keys below a version, oldest first, as far as their keeper does it now."""
        for version in self._left(below):
            done = self.ring.destroy(version)
            if done.pending_until is not None:
                until = time_text(done.pending_until.astimezone(UTC))
                report.pending.append(
                    f"version {version} of the boundary's key: {self.ring.root.label} destroys what"
                    f" could unwrap it at {until}, and until then it can be brought back"
                )

    def _left(self, below: int) -> list[int]:
        """Versions below this one that are there, or not seen gone."""
        versions = {*self.ring.versions(), *(each.version for each in self.ring.condemned())}
        return sorted(version for version in versions if version < below)

    def _finish(self, begun: Sequence[Shred], report: ShredReport) -> None:
        ready = [each for each in begun if not self._left(each.keys_below or 0)]
        if not ready:
            return
        try:
            scrubbed = self.state.scrub()
        except SiteRefused as error:
            report.pending.append(str(error))
            return
        for shred in ready:
            path = self._certificate(shred, scrubbed)
            self.shreds.finish(shred.id, path)
            report.done[shred.id] = path

    def _certificate(self, shred: Shred, scrubbed: str) -> str:
        """The path of the certificate that the ledger names, made where it names none yet."""
        done = {body.request: body for body in self.evidence.of(ShredDone)}
        if shred.id not in done:
            path = self._directory(shred.id) / "certificate.dsse.json"
            certify_shred(self.estate, self.evidence, self.ring.root, shred, scrubbed, path)
            files = (digest_under(path, self.estate.records),)
            self.evidence.record(ShredDone(self.boundary, shred.id, shred.persons, files))
            return files[0].path
        return done[shred.id].files[0].path

    def _record_once(self, body: Body) -> None:
        """A run that was broken off behind it says it no second time."""
        if body not in self.evidence.of(type(body)):
            self.evidence.record(body)

    def _directory(self, shred: str) -> Path:
        return self.estate.records / "shreds" / shred

    def _names(self, shred: str) -> Path:
        return self._directory(shred) / "pseudonyms.txt"


def _listed(pseudonyms: Iterable[str]) -> bytes:
    """Pseudonyms, one a line, in order."""
    return "".join(f"{name}\n" for name in sorted(pseudonyms)).encode()
