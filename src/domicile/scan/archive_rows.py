"""What an archive is, from its rows: a member's if any row is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from domicile.charter import ObjectDataset
from domicile.inventory import memberships
from domicile.people import Register
from domicile.scan.attribution import Verdict
from domicile.sites.archives import Key

__all__ = ["NO_REWRITE", "ArchiveRows", "archive_verdict"]

NO_REWRITE = (
    "it is no export that can be rewritten: give such archives a dataset with treatment erase"
)
_AT_ONCE = 2_000
_UNTOLD = (
    "rows of it do not tell whose they are, and none that do is a member's: have its owner attest"
    " it, or put it under a dataset that is erased"
)
_UNKNOWN = "rows of it name persons whom no site knows, or whose country nobody wrote down"


@dataclass
class ArchiveRows:
    """How many rows of an archive were seen, and whose they are. untold: rows that do not tell;
    unknown: rows of persons whom nobody knows enough of."""

    rows: int = 0
    members: int = 0
    untold: int = 0
    unknown: int = 0

    def add(self, register: Register, keys: Iterable[Key]) -> None:
        """Count rows by the keys in them."""
        left = iter(keys)
        while batch := list(islice(left, _AT_ONCE)):
            whose = memberships(register, batch)
            self.rows += len(batch)
            self.members += whose.count(True)
            self.untold += whose.count("untold")
            self.unknown += whose.count(None)


def archive_verdict(dataset: ObjectDataset, name: str, counted: ArchiveRows, why: str) -> Verdict:
    """What an archive is. why: the reason why some of it could not be read, if any."""
    if counted.members and not (why and dataset.treatment == "rewrite"):
        return Verdict("member", name, "", "", shared=True)
    reason = why or (_UNTOLD if counted.untold else _UNKNOWN if counted.unknown else "")
    return Verdict("not examined" if reason else "other", name, "", reason)
