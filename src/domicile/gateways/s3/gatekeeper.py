"""Who asks, whether they may, and the record of what they got: the gateway's side of the desk.

Invariants:
- Nobody is believed before the signature of the whole request.
- An access is in the ledger, durable, before this returns it; a denied one too.
- It is closed with what went, however it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from domicile.custody.keys import Keys
from domicile.custody.pseudonyms import Pseudonyms
from domicile.errors import UsageError
from domicile.gateways.s3.faults import S3Fault
from domicile.gateways.s3.request import S3Request
from domicile.gateways.s3.signature import EMPTY_SHA256, UNSIGNED, check_signature, read_signature
from domicile.policy.credentials import s3_secret, signer_of
from domicile.policy.desk import Desk
from domicile.policy.entries import AccessClosed, AccessOpened
from domicile.policy.grants import Wanted
from domicile.policy.office import Office
from domicile.policy.questions import Caller
from domicile.policy.standing import forbidden
from domicile.state import State

__all__ = ["Access", "Ended", "Gatekeeper"]

Ended = Literal["whole", "capped", "revoked", "left", "failed"]


@dataclass(slots=True)
class Access:
    """One that was opened, and what went through it by now."""

    opened: AccessOpened
    items: int = 0
    size_bytes: int = 0
    ended: Ended = "failed"

    @property
    def most_bytes(self) -> int | None:
        """How many bytes it may take at most."""
        return self.opened.caps.size_bytes


class Gatekeeper:
    """Asks the desk. Every method may wait for the ledger: call it in a thread."""

    def __init__(self, office: Office, state: State, keys: Keys) -> None:
        self._office, self._keys = office, keys
        self._pseudonyms = Pseudonyms(state)

    def caller(
        self, request: S3Request, address: str, certificate: bytes | None
    ) -> tuple[Caller, tuple[str, str]]:
        """Who signed this request, and what their access key is for: purpose and ticket, each
        empty where the key is for none. Raises S3Fault, BadToken."""
        signed = read_signature(request, datetime.now(UTC))
        if signed.payload not in (EMPTY_SHA256, UNSIGNED):
            raise S3Fault("XAmzContentSHA256Mismatch", "there is no body, and another's SHA-256")
        secret = self._office.do(lambda desk: s3_secret(desk, self._keys, signed.access_key))
        check_signature(request, signed, secret)
        country = self._office.country(address, certificate)
        return self._office.do(lambda desk: signer_of(desk, signed.access_key, country))

    def open(self, caller: Caller, wanted: Wanted, person: str = "") -> Access:
        """Begin an access, about a person where the key names one. Raises AccessForbidden, as
        Denied where the policy says no."""
        if person:
            pseudonym = self._pseudonyms.known([person]).get(person)
            wanted = wanted._replace(person=pseudonym)
        access = Access(self._office.do(lambda desk: _open(desk, caller, wanted)))
        caps = access.opened.caps
        if 0 in (caps.items, caps.size_bytes):
            access.ended = "capped"
            self.close(access)
            raise forbidden("nothing is left of the caps", "ask for another grant")
        return access

    def may_go_on(self, access: Access) -> bool:
        """Whether nothing that an access rests on was revoked meanwhile."""
        return self._office.do(lambda desk: desk.still(access.opened))

    def close(self, access: Access) -> None:
        """Record how it ended, and what went."""
        opened = access.opened
        closed = AccessClosed(
            opened.boundary, opened.access, access.items, access.size_bytes, access.ended
        )
        self._office.do(lambda desk: desk.close(opened, closed))


def _open(desk: Desk, caller: Caller, wanted: Wanted) -> AccessOpened:
    decision, _ = desk.decide(caller, wanted)
    if decision.allowed and decision.obligations.is_for_gateways:
        raise UsageError(
            f"{', '.join(decision.policies)} allow it masked, sampled or sealed",
            expected="a way that does this to the data",
            next_step="whole objects are not given out so: ask for a grant that allows them",
        )
    return desk.open(caller, wanted)[1]
