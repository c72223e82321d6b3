"""The demo's custodians and staff: keys and names made for the demo, and for nothing else.

Two development keys stand for two custodians, who sign the charter, the policy and each destruction
of keys; two approvers, with a key each, are the custodian's, and an engineer is the company's, in
Singapore.
"""

from __future__ import annotations

from pathlib import Path

from domicile.ledger import FileSigner
from domicile.policy.texts import built_in

__all__ = ["APPROVERS", "ENGINEER", "approver_key", "custodian_keys", "name_custodians"]

APPROVERS = ("ann", "bo")
ENGINEER = "kim"
_NAMES = ("one", "two")
_PEOPLE = "# Where it is written who a person is"
_CHARTER = """\
# Who signs for the custodian: keys that the demo made on this machine. In earnest each is made by a
# custodian, elsewhere, with `domicile custody keygen`.
[boundaries.us.custodians]
keys = [
{keys}
]
charter = 2                               # so many sign each charter and each policy
operations = 2                            # and each destruction of keys

# Who of the custodian may agree that somebody else sees protected data: docs/policy.md
[boundaries.us.access]
approvals = 2

[boundaries.us.access.approvers]          # each with the key under which they agree
{approvers}

[networks.this-machine]                   # any other address counts as abroad
country = "US"
ranges = ["127.0.0.0/8"]
"""
_STAFF = """\
id,kind,team,employer,country,manager,roles
ann,person,trust,custodian,US,,legal
bo,person,trust,custodian,US,,legal
lead,person,feed,company,SG,,
kim,person,feed,company,SG,lead,engineering
"""


def name_custodians(directory: Path) -> None:
    """Make the custodians' and the approvers' keys in a workspace, have its charter name them and
    from where people connect; and lay the policy and the staff list beside it."""
    vkeys = [
        FileSigner.create_or_load(path, f"custodian.example/{path.stem}").vkey
        for path in custodian_keys(directory)
    ]
    agreeing = {
        one: FileSigner.create_or_load(
            approver_key(directory, one), f"custodian.example/{one}"
        ).vkey
        for one in APPROVERS
    }
    told = _CHARTER.format(
        keys="\n".join(f'    "{vkey}",' for vkey in vkeys),
        approvers="\n".join(f'{one} = "{key}"' for one, key in agreeing.items()),
    )
    charter = directory / "domicile.toml"
    above, people, below = charter.read_text(encoding="utf-8").partition(_PEOPLE)
    charter.write_text(f"{above}{told}\n\n{people}{below}", encoding="utf-8")
    (directory / "us.cedar").write_text(built_in(), encoding="utf-8")
    (directory / "staff.csv").write_text(_STAFF, encoding="utf-8")


def approver_key(directory: Path, approver: str) -> Path:
    """Where an approver's key lies."""
    return directory / "custodian" / f"{approver}.key"


def custodian_keys(directory: Path) -> tuple[Path, ...]:
    """Where the custodians' keys lie."""
    return tuple(directory / "custodian" / f"{name}.key" for name in _NAMES)
