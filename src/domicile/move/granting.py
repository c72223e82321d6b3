"""What the source lets others do does not come home: it is written down for who grants there."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from domicile.inventory import Run, write_bytes
from domicile.sites.postgres import read_grants

__all__ = ["write_grants"]


def write_grants(connection: psycopg.Connection, run: Run, source: str) -> Iterator[str]:
    """Write the source's grants down as SQL, where it has any. What the operator is to be told.
    source: its site, where there are several. Raises `SiteError`."""
    grants = read_grants(connection)
    connection.rollback()
    if grants:
        text = "".join(f"{grant.statement}\n" for grant in grants)
        path = run.grants(source)
        write_bytes(path, text.encode())
        of = f" of {source}" if source else ""
        roles = sorted({grant.role or "PUBLIC" for grant in grants})
        yield (
            f"grants{of} do not come home ({len(grants):,}, to {', '.join(roles)}): run what home's"
            f" application needs of {path.relative_to(run.records)} there, once its tables"
            " are made"
        )
