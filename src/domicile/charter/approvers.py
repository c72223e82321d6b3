"""The keys under which approvers agree to requests: what must hold of them (pure).

Ed25519 alone: what somebody agreed to stands in a ledger whose checkpoints are signed otherwise as
well, so who breaks such a key one day changes nothing of what was.
"""

from __future__ import annotations

from collections.abc import Iterator

from domicile.charter.lines import KeyPath
from domicile.charter.model import Charter
from domicile.charter.problems import Problem
from domicile.charter.vkeys import ED25519, VKeyFault, read_vkey

__all__ = ["approver_problems"]

_EXPECTED = "`name+hexid+base64` of kind 0x01 (Ed25519)"
_STEP = "copy the whole line that `domicile custody keygen` printed on the approver's machine"


def approver_problems(charter: Charter) -> Iterator[Problem]:
    """Everything wrong with ``[boundaries.NAME.access]``: two approvers of one key would be one,
    and a key that serves for something else is kept by somebody else."""
    for name, boundary in charter.boundaries.items():
        rules = boundary.access
        path: KeyPath = ("boundaries", name, "access")
        owners = _elsewhere(charter)
        for staff, vkey in rules.approvers.items():
            at: KeyPath = (*path, "approvers", staff)
            try:
                key = read_vkey(vkey)
            except VKeyFault as fault:
                yield Problem(at, str(fault), _EXPECTED, _STEP)
                continue
            if key.kind != ED25519:
                yield Problem(at, "is a key of another kind", _EXPECTED, _STEP)
            elif owners.setdefault(key.material, staff) != staff:
                there = f"is the same key as that of {owners[key.material]}"
                yield Problem(at, there, "a key of their own", "have them make another")
        if rules.approvers and rules.approvals > len(rules.approvers):
            yield Problem(
                (*path, "approvals"),
                "more approvals than there are approvers",
                f"at most {len(rules.approvers)}",
                "name more approvers, or ask for fewer approvals",
            )


def _elsewhere(charter: Charter) -> dict[bytes, str]:
    """The keys that serve for something else, and for what."""
    named = {
        f"ledger.witnesses.{name}": witness.keys
        for name, witness in charter.ledger.witnesses.items()
    }
    for name, boundary in charter.boundaries.items():
        if boundary.custodians is not None:
            named[f"boundaries.{name}.custodians"] = boundary.custodians.keys
    found = {}
    for place, vkeys in named.items():
        for vkey in vkeys:
            try:
                found[read_vkey(vkey).material] = place
            except VKeyFault:
                continue  # told where they are judged
    return found
