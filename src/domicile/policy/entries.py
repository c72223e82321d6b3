"""What the ledger says of policies, staff, requests, grants and accesses. No secrets, no names, no
free text: staff by the ids that their employers gave, persons by pseudonym, reasons by digest."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from domicile.ledger import Body, Count, EntryTime, Pseudonym, Sha256Hex, TextPart, entry_kind
from domicile.ledger.proposals import Approval, Proposal
from domicile.ledger.texts import Role
from domicile.policy.staff import Staff, StaffId

__all__ = [
    "ACTIONS",
    "AccessClosed",
    "AccessDenied",
    "AccessOpened",
    "AccessRefused",
    "Action",
    "Agreed",
    "Asked",
    "Caps",
    "Country",
    "CredentialEnded",
    "CredentialIssued",
    "CredentialPurposeSet",
    "GrantChanged",
    "KeylessRulesSet",
    "PolicyApproved",
    "PolicyWritten",
    "RequestAnswered",
    "RequestMade",
    "RulesSet",
    "StaffChanged",
]

Action = Literal[
    "read", "list", "write", "export", "look-up-person", "approve", "erase", "administer"
]
ACTIONS: tuple[Action, ...] = (
    "read",
    "list",
    "write",
    "export",
    "look-up-person",
    "approve",
    "erase",
    "administer",
)
By = Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9._-]{0,62})?\Z")]
"""Who did it: a staff member; empty for whoever runs the records."""
RequestId = Annotated[str, Meta(pattern=r"^r-[a-z2-7]{13}\Z")]
CredentialId = Annotated[str, Meta(pattern=r"^c-[a-z2-7]{13}\Z")]
AccessId = Annotated[str, Meta(pattern=r"^a-[a-z2-7]{13}\Z")]
Dataset = Annotated[str, Meta(pattern=r"^[^\x00-\x20\x7f]{1,200}\Z")]
Word = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,62}\Z")]
Ticket = Annotated[str, Meta(pattern=r"^[A-Za-z0-9#./_-]{0,64}\Z")]
Country = Annotated[str, Meta(pattern=r"^([A-Z]{2})?\Z")]
"""ISO 3166-1 alpha-2; empty where it is not known, which counts as abroad."""


class Caps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most so many rows or objects, and bytes; None: no cap."""

    items: Count | None = None
    size_bytes: Count | None = None


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The facts of one question to the policy: enough to ask it again of another text.

    single: whether it is about a single person. labels: categories and classification of the
    dataset as they were. team to roles: the caller's, as they were.
    """

    staff: StaffId
    kind: Word
    team: Word
    employed_by: Word
    home_country: Country
    roles: tuple[Word, ...]
    action: Action
    dataset: Dataset
    labels: tuple[str, ...]
    purpose: str
    ticket: Ticket
    country: Country
    inside: bool
    second_factor: bool
    single: bool
    grant: str = ""
    approvals: Count = 0
    break_glass: bool = False


@entry_kind("policy.written", version=1)
class PolicyWritten(TextPart, frozen=True):
    """A part of a policy's text. It takes effect with its approval."""

    role: ClassVar[Role] = "policy"


@entry_kind("policy.approved", version=1)
class PolicyApproved(Approval, frozen=True):
    """The custodians let a policy take effect, whose text is in the ledger before. note: what they
    signed, with their signatures."""

    sha256: Sha256Hex

    def requires(self) -> frozenset[str]:
        """The policy's text."""
        return frozenset({f"policy:{self.sha256}"})

    def establishes(self) -> frozenset[str]:
        """That it may decide."""
        return frozenset({f"policy-approved:{self.sha256}"})

    def agrees(self, proposal: Proposal) -> bool:
        """Whether it is this policy that they signed for."""
        return (proposal.purpose, proposal.sha256) == ("policy", self.sha256)


@entry_kind("access.rules-set", version=2)
class RulesSet(Body, frozen=True):
    """What the charter in force asks of grants, from here on. log: the ledger's origin. approvers:
    each with the public key (vkey, Ed25519) under which they agree."""

    boundary: str
    log: str
    approvers: dict[StaffId, str]
    approvals: Annotated[int, Meta(ge=1, le=10)]
    longest_days: Annotated[int, Meta(ge=1, le=366)]
    review_days: Annotated[int, Meta(ge=1, le=366)]
    break_glass_hours: Annotated[int, Meta(ge=1, le=72)]


@entry_kind("access.rules-set", version=1)
class KeylessRulesSet(Body, frozen=True):
    """The same, as it was written before approvers signed."""

    boundary: str
    approvers: tuple[StaffId, ...]
    approvals: Annotated[int, Meta(ge=1, le=10)]
    longest_days: Annotated[int, Meta(ge=1, le=366)]
    review_days: Annotated[int, Meta(ge=1, le=366)]
    break_glass_hours: Annotated[int, Meta(ge=1, le=72)]

    @property
    def renewed(self) -> RulesSet:
        """The same rules, of approvers without keys: their bare word counts."""
        return RulesSet(
            self.boundary,
            "",
            dict.fromkeys(self.approvers, ""),
            self.approvals,
            self.longest_days,
            self.review_days,
            self.break_glass_hours,
        )


@entry_kind("access.staff-changed", version=1)
class StaffChanged(Body, frozen=True):
    """These staff are from here on as they stand here, whole. With one who is restricted or ended,
    everything that they hold ends."""

    boundary: str
    by: By
    staff: Annotated[tuple[Staff, ...], Meta(min_length=1, max_length=200)]


@entry_kind("access.credential-issued", version=1)
class CredentialIssued(Body, frozen=True):
    """A staff member has a credential, until it expires or is ended. Under the name of one that is
    there, its end comes earlier. secret_sha256: of its secret, 256 random bits, which nobody can
    guess from it; of a certificate, of the whole (DER), of which its holder alone has the key."""

    boundary: str
    by: By
    credential: CredentialId
    staff: StaffId
    form: Literal["token", "s3-key", "certificate"]
    secret_sha256: Sha256Hex
    second_factor: bool
    until: EntryTime


@entry_kind("access.credential-ended", version=1)
class CredentialEnded(Body, frozen=True):
    """A credential is good for nothing any more."""

    boundary: str
    by: By
    credential: CredentialId


@entry_kind("access.credential-purpose-set", version=1)
class CredentialPurposeSet(Body, frozen=True):
    """What the accesses are for that somebody begins with a credential, where they say nothing of
    it themselves."""

    boundary: str
    by: By
    credential: CredentialId
    purpose: Word
    ticket: Ticket


@entry_kind("access.request-made", version=1)
class RequestMade(Body, frozen=True):
    """Somebody asks for access: to do these actions with these datasets, for a purpose, in a time.

    form: `ordinary`; `standing`, which lapses at ``ends`` unless it is reviewed; `break-glass`,
    which holds at once, without approval. extends: the grant whose end it would move. person: the
    only one whom it is about. reason_sha256: of what they wrote, which the records keep.
    """

    boundary: str
    request: RequestId
    staff: StaffId
    form: Literal["ordinary", "standing", "break-glass"]
    actions: Annotated[tuple[Action, ...], Meta(min_length=1, max_length=8)]
    datasets: Annotated[tuple[Dataset, ...], Meta(min_length=1, max_length=100)]
    purpose: Word
    ticket: Ticket
    starts: EntryTime
    ends: EntryTime
    caps: Caps
    reason_sha256: Sha256Hex
    person: Pseudonym | None = None
    extends: RequestId | None = None


@entry_kind("access.request-answered", version=1)
class RequestAnswered(Body, frozen=True):
    """What became of a request: `asked` for more information, `informed`, `denied`, `withdrawn`; or
    `approved` by one who has no key."""

    boundary: str
    request: RequestId
    by: StaffId
    answer: Literal["asked", "informed", "approved", "denied", "withdrawn"]
    words_sha256: Sha256Hex | None = None


@entry_kind("access.agreed", version=1)
class Agreed(Body, frozen=True):
    """An approver agrees, under their key: that a request is `approved`, or that a grant was
    `reviewed`. signature: of the note of the agreement (`domicile.policy.agreements`) that follows
    from the entries before this one, in base64."""

    boundary: str
    request: RequestId
    by: StaffId
    what: Literal["approved", "reviewed"]
    signature: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{86}==\Z")]


@entry_kind("access.grant-changed", version=1)
class GrantChanged(Body, frozen=True):
    """A grant is `revoked`, by its holder, an approver or whoever runs the records; or `reviewed`,
    by an approver who has no key."""

    boundary: str
    request: RequestId
    by: By
    change: Literal["revoked", "reviewed"]


@entry_kind("access.denied", version=1)
class AccessDenied(Body, frozen=True):
    """A question was answered with no, by these policies of this text. person: whom it was about,
    if one."""

    boundary: str
    policy: Sha256Hex
    asked: Asked
    policies: tuple[str, ...]
    person: Pseudonym | None = None

    def requires(self) -> frozenset[str]:
        """That the policy was approved."""
        return frozenset({f"policy-approved:{self.policy}"})


@entry_kind("access.refused", version=1)
class AccessRefused(Body, frozen=True):
    """Somebody known was turned away before the policy was asked: with a credential that was over,
    as staff who may nothing now, or while no policy was in force. action, dataset: what they
    wanted, if they came to say it."""

    boundary: str
    staff: StaffId
    why: Literal["credential-over", "staff-not-active", "no-policy"]
    credential: CredentialId | None = None
    action: Action | None = None
    dataset: Dataset | None = None


@entry_kind("access.opened", version=1)
class AccessOpened(Body, frozen=True):
    """An access begins, that these policies of this text allow; nothing was given out before. job:
    which run of a job it is part of: what a job writes has the labels of what it read."""

    boundary: str
    policy: Sha256Hex
    access: AccessId
    asked: Asked
    policies: tuple[str, ...]
    caps: Caps
    credential: CredentialId | None = None
    person: Pseudonym | None = None
    job: str = ""

    def requires(self) -> frozenset[str]:
        """That the policy was approved."""
        return frozenset({f"policy-approved:{self.policy}"})


@entry_kind("access.closed", version=1)
class AccessClosed(Body, frozen=True):
    """An access ended: what really went."""

    boundary: str
    access: AccessId
    items: Count
    size_bytes: Count
    ended: Literal["whole", "capped", "revoked", "left", "failed"]
