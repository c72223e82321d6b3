"""What is shown, as one document. Pure data; every number comes from inventory and ledger."""

from __future__ import annotations

from typing import Literal

import msgspec

from domicile.erase import Certificate, HeldItems
from domicile.move.plan import HeldVersions
from domicile.scan import SiteInfo

__all__ = [
    "AWAY",
    "AlarmView",
    "AttestationView",
    "CertificateView",
    "Event",
    "Exempt",
    "Failure",
    "Holding",
    "ItemState",
    "Kind",
    "LedgerView",
    "LookView",
    "MediumView",
    "PlanView",
    "Reduction",
    "ShardProgress",
    "ShredView",
    "Snapshot",
    "StateCount",
    "Status",
    "Verdict",
    "Word",
]

Kind = Literal["rows", "objects", "offline"]
Word = Literal[
    "not planned", "planned", "running", "verified", "home, except for what is attested", "home"
]
ItemState = Literal[
    "found",
    "copied",
    "verified",
    "erased",
    "absent",
    "at home",
    "reduced",
    "shared",
    "held",
    "attested",
    "failed",
    "not examined",
]

AWAY: tuple[ItemState, ...] = (
    "found", "copied", "verified", "erased", "absent", "reduced", "shared", "held", "attested",
    "failed", "not examined",
)  # fmt: skip
"""States of an item away from home, in the order of the story."""


class Holding(msgspec.Struct, frozen=True):
    """What one scan saw of one dataset at one site. protected: members' items (rows, or versions,
    delete markers and uploads); reduced: members' rows of which the public projection is left;
    unexamined: -1 where not even a count was possible; attested: what was not examined and a signed
    statement is about, -1 likewise; others: everything else that is there. bytes are the
    members'. shared: members' rows that stay because they are others' too; behind: those of them
    that home doesn't hold as they are there."""

    site: str
    dataset: str
    kind: Kind
    classification: str
    protected: int
    reduced: int
    unexamined: int
    others: int
    bytes: int
    reasons: tuple[str, ...]
    attested: int = 0
    shared: int = 0
    behind: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """One finished scan. Times are UTC, RFC 3339."""

    run: str
    started: str
    finished: str
    charter_sha256: str
    persons: int
    members: int
    unknown_persons: int
    sites: tuple[SiteInfo, ...]
    holdings: tuple[Holding, ...]

    @property
    def home_sites(self) -> frozenset[str]:
        """The sites that were home when it was made."""
        return frozenset(site.name for site in self.sites if site.home)

    def holdings_of(self, site: str) -> tuple[Holding, ...]:
        """What was seen at one site."""
        return tuple(holding for holding in self.holdings if holding.site == site)

    def protected(self, *, home: bool) -> int:
        """Members' protected items at home, or away from it."""
        there = self.home_sites
        return sum(h.protected for h in self.holdings if (h.site in there) is home)

    @property
    def unexamined(self) -> int:
        """Items not examined; a relation that could not be counted is at least one."""
        return sum(abs(holding.unexamined) for holding in self.holdings)

    @property
    def shared(self) -> int:
        """Rows away from home that stay, because they are members' and others' too."""
        return sum(holding.shared for holding in self.holdings)

    @property
    def behind(self) -> int:
        """Those of them that home doesn't hold as they are at the primary."""
        return sum(holding.behind for holding in self.holdings)

    @property
    def attested(self) -> int:
        """Items attested, likewise."""
        return sum(abs(holding.attested) for holding in self.holdings)


class Reduction(msgspec.Struct, frozen=True):
    """What a reduced row of a table loses; its other columns are public, keys or references."""

    table: str
    removed: tuple[str, ...]


class PlanView(msgspec.Struct, frozen=True):
    """The plan that the story is told of."""

    run: str
    made: str
    charter_sha256: str
    row_shards: int
    object_shards: int
    rows_to_copy: int
    blockers: tuple[str, ...]
    warnings: tuple[str, ...]
    reductions: tuple[Reduction, ...] = ()
    held: tuple[HeldVersions, ...] = ()


class ShardProgress(msgspec.Struct, frozen=True):
    """One shard and how far the ledger says it came. datasets of an object shard are known once it
    was verified. copied is None until it was; verified and
    failed are the latest verification's, over all sites; attempts counts verifications."""

    shard: str
    datasets: tuple[str, ...]
    kind: Kind
    planned: int
    copied: int | None
    attempts: int
    verified: int
    failed: int
    sites: tuple[str, ...]
    erased: int
    reduced: int
    erase_failed: int
    held: int = 0


class StateCount(msgspec.Struct, frozen=True):
    """Items of one site and dataset in one state; an item is in one state only."""

    site: str
    dataset: str
    kind: Kind
    state: ItemState
    items: int


class Failure(msgspec.Struct, frozen=True):
    """Items that a step could not bring through, and why."""

    site: str
    dataset: str
    step: Literal["verify", "erase"]
    items: int
    reason: str


class AttestationView(msgspec.Struct, frozen=True):
    """A signed statement, as the ledger names it, about what scans could not examine at a site or
    an offline place. items: what it is about, -1 where nobody could count; until: its last day
    (UTC); covers: what of the latest scan is attested by it. problems is empty where nothing keeps
    it from counting."""

    site: str
    dataset: str
    items: int
    attester: str
    role: str
    until: str
    statement_sha256: str
    statement: str
    recorded: str
    covers: int
    problems: tuple[str, ...]


class ShredView(msgspec.Struct, frozen=True):
    """A request to destroy persons' keys. state: ``requested`` (it waits until a time, and can be
    cancelled), ``cancelled``, ``pending`` (their keys are deleted; what could open a backup of
    them is not all destroyed yet), ``destroyed``; since: when it became that. certificate is its
    path below the records."""

    request: str
    persons: int
    state: Literal["requested", "cancelled", "pending", "destroyed"]
    since: str
    until: str
    certificate: str


class AlarmView(msgspec.Struct, frozen=True):
    """Members' items that lie again at a site that was erased. since: when that was first seen,
    without a clean scan after it; seen: when last. certified: when the site's certificate was
    signed, whose file has this digest; empty where it has none. origins: where the items come from
    and what to do about them, a sentence each."""

    site: str
    dataset: str
    items: int
    since: str
    seen: str
    certified: str
    certificate_sha256: str
    origins: tuple[str, ...]


class LookView(msgspec.Struct, frozen=True):
    """The last look at a site that was erased, by a scan, a recheck or the erasure itself (how);
    due: until when the charter wants the next one. absent: after the erasure it was looked at
    again, and nothing of the members was there."""

    site: str
    last: str
    how: str
    due: str
    overdue: bool
    absent: bool


class MediumView(msgspec.Struct, frozen=True):
    """A disk or tape as signed acts leave it: ``in custody`` (of holder), ``missing``,
    ``destroyed`` (by holder) since the day of the last one; ``not attested`` where no act about it
    counts. place: where it lies, as its last hand-over says, empty where that does not; home:
    whether that is a site that is home. evidence: SHA-256. problems: acts that do not count, and
    why, unless one that does says the same since."""

    serial: str
    medium: str
    place: str
    state: str
    holder: str
    day: str
    method: str
    attester: str
    home: bool
    evidence: tuple[str, ...]
    problems: tuple[str, ...]


class Exempt(msgspec.Struct, frozen=True):
    """A dataset that may lie away from home, as the charter says: public, or excepted for a
    reason and until a day (RFC 3339)."""

    dataset: str
    classification: str
    reason: str
    until: str


class CertificateView(msgspec.Struct, frozen=True):
    """A certificate that the ledger names. problems is empty where the ledger's key signed it and
    it says what the ledger says."""

    certificate: Certificate
    path: str
    sha256: str
    key_id: str
    issued: str
    problems: tuple[str, ...]

    @property
    def counts(self) -> bool:
        """Whether a claim may rest on it."""
        return self.certificate.complete and not self.problems


class Event(msgspec.Struct, frozen=True):
    """Entries of one kind of one run: what they say, how many, first and last time (UTC)."""

    run: str
    kind: str
    what: str
    entries: int
    first: str
    last: str


class LedgerView(msgspec.Struct, frozen=True):
    """The ledger's head as it was verified just now. root is hex; vkey is the key that the log
    itself publishes: compare it with the one the custodian gave you."""

    origin: str
    size: int
    root: str
    vkey: str
    entries_by_kind: dict[str, int]
    files_checked: int
    problems: tuple[str, ...]
    problem_count: int
    notices: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem_count == 0


class Verdict(msgspec.Struct, frozen=True):
    """One word, what it rests on, and what keeps it from the next."""

    word: Word
    because: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What it rests on, then what is lacking."""
        return (*self.because, *self.lacking)


class Status(msgspec.Struct, frozen=True):
    """One boundary, as its records have it. before is the scan that the plan was made from,
    after the latest; they may be the same. plan is the last one that had anything to do. records
    is the records directory, as the charter names it; charter_standing, whether its custodians
    signed it, in a sentence."""

    made: str
    tool: str
    company: str
    boundary: str
    members_of: tuple[str, ...]
    custodian: str
    provider: str
    charter_sha256: str
    charter_standing: str
    records: str
    verdict: Verdict
    before: Snapshot
    after: Snapshot
    plan: PlanView | None
    shards: tuple[ShardProgress, ...]
    states: tuple[StateCount, ...]
    failures: tuple[Failure, ...]
    held: tuple[HeldItems, ...]
    attestations: tuple[AttestationView, ...]
    shreds: tuple[ShredView, ...]
    exempt: tuple[Exempt, ...]
    certificates: tuple[CertificateView, ...]
    ledger: LedgerView
    timeline: tuple[Event, ...]
    notices: tuple[str, ...]
    alarms: tuple[AlarmView, ...] = ()
    looks: tuple[LookView, ...] = ()
    media: tuple[MediumView, ...] = ()

    @property
    def scanned_again(self) -> bool:
        """Whether before and after are two scans."""
        return self.before.run != self.after.run

    def to_json(self) -> dict[str, object]:
        """The whole document in JSON's own types."""
        return {str(name): value for name, value in msgspec.to_builtins(self).items()}
