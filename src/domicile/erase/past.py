"""What the ledger says was erased at each site, over all runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domicile.erase.entries import Certified, ShardErased
from domicile.ledger import Entry, FileDigest
from domicile.move import ShardVerified
from domicile.scan.entries import ScanStarted

__all__ = ["Past", "pasts"]


_Paper = tuple[datetime | None, FileDigest | None]
_NO_PAPER: _Paper = (None, None)


@dataclass(frozen=True, slots=True)
class Past:
    """One site's erasures, oldest first, and the runs by which it was certified, erased from or
    not (a standby goes by its primary); proofs: the verifications that they rest on, by their
    files' SHA-256. ended: when the last of them was recorded. certified: when the site's last
    certificate was signed (None: never), and its file."""

    site: str
    erasures: tuple[ShardErased, ...]
    proofs: Mapping[str, ShardVerified]
    ended: datetime
    certified: datetime | None = None
    certificate: FileDigest | None = None
    certified_by: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that erased here, or saw to it that nothing was left, oldest first."""
        return tuple(dict.fromkeys((*(body.run for body in self.erasures), *self.certified_by)))


def pasts(entries: Sequence[Entry], boundary: str) -> dict[str, Past]:
    """The past of each site where something of a boundary was erased, or that was certified to
    hold nothing of it, in the order in which that began."""
    ours = {
        e.body.run
        for e in entries
        if isinstance(e.body, ScanStarted) and e.body.boundary == boundary
    }
    proofs: dict[str, ShardVerified] = {}
    erasures: dict[str, list[ShardErased]] = {}
    ended: dict[str, datetime] = {}
    certified: dict[str, list[str]] = {}
    papers: dict[str, _Paper] = {}
    for entry in entries:
        body = entry.body
        if isinstance(body, ShardVerified):
            proofs |= {file.sha256: body for file in body.files}
        elif isinstance(body, ShardErased) and body.run in ours:
            erasures.setdefault(body.site, []).append(body)
            ended[body.site] = entry.time
        elif isinstance(body, Certified) and body.run in ours and body.files:
            papers[body.site] = (entry.time, body.files[0])
            if body.complete and not erasures.setdefault(body.site, []):
                certified.setdefault(body.site, []).append(body.run)
                ended[body.site] = entry.time
    return {
        site: Past(
            site,
            tuple(bodies),
            proofs,
            ended[site],
            *papers.get(site, _NO_PAPER),
            certified_by=tuple(certified.get(site, ())),
        )
        for site, bodies in erasures.items()
    }
