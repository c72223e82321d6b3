"""Foreign tables: where the rows lie that they show, as far as the catalogue says. Pure.

What they show lies elsewhere, on another server or in a file. User mappings, which hold
passwords, are never read; of the options, those alone that say where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import LiteralString

from domicile.sites.postgres.model import Address, Database, NotExamined

__all__ = ["FOREIGN_TABLES", "LOOPBACK", "ForeignRow", "shown_elsewhere", "why_foreign"]

LOOPBACK = frozenset(("", "localhost", "127.0.0.1", "::1"))
_POSTGRES = "postgres_fdw"

FOREIGN_TABLES: LiteralString = """
WITH option AS (
  SELECT f.ftrelid AS oid, o.option_name AS name, o.option_value AS value
  FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver,
    LATERAL (SELECT * FROM pg_options_to_table(s.srvoptions)
      UNION ALL SELECT * FROM pg_options_to_table(f.ftoptions)) o
)
SELECT f.ftrelid::bigint AS oid, s.srvname AS server, w.fdwname AS wrapper,
  (SELECT o.value FROM option o WHERE o.oid = f.ftrelid AND o.name = 'host') AS host,
  (SELECT o.value FROM option o WHERE o.oid = f.ftrelid AND o.name = 'hostaddr') AS hostaddr,
  (SELECT o.value FROM option o WHERE o.oid = f.ftrelid AND o.name = 'port') AS port,
  (SELECT o.value FROM option o WHERE o.oid = f.ftrelid AND o.name = 'dbname') AS dbname,
  (SELECT o.value FROM option o WHERE o.oid = f.ftrelid AND o.name = 'filename') AS filename,
  EXISTS (SELECT FROM option o WHERE o.oid = f.ftrelid AND o.name = 'program') AS by_program,
  EXISTS (SELECT FROM option o WHERE o.oid = f.ftrelid AND o.name = 'service') AS by_service
FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
  JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
  JOIN pg_class c ON c.oid = f.ftrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {ours}
"""


@dataclass(frozen=True, slots=True)
class ForeignRow:
    """A foreign table's server, and what the options of both say of the place. by_program: a
    program gives its rows; by_service: a file on the server says where it connects."""

    oid: int
    server: str
    wrapper: str
    host: str | None
    hostaddr: str | None
    port: str | None
    dbname: str | None
    filename: str | None
    by_program: bool
    by_service: bool

    @property
    def address(self) -> Address | None:
        """The database whose rows it shows, where the options say so."""
        if self.wrapper != _POSTGRES or self.dbname is None or self.by_service:
            return None
        host = self.host or ""
        if self.hostaddr is not None and self.hostaddr != host:
            return None
        if "," in host or "," in (self.port or ""):
            return None
        return Address(host, self.port or "5432", self.dbname)


def why_foreign(row: ForeignRow) -> NotExamined:
    """Where a foreign table's rows lie, and what to do about it."""
    if row.by_program:
        where = "its rows are what a program on the database's server gives"
    elif row.filename is not None:
        where = f"its rows lie in the file {row.filename} on the database's server"
    else:
        told = (("host", row.host), ("address", row.hostaddr), ("port", row.port))
        parts = [f"{name} {value}" for name, value in (*told, ("database", row.dbname)) if value]
        where = f"its rows lie on another server ({', '.join(parts) or 'no option says which'})"
    return NotExamined(
        f"a foreign table of {row.server} ({row.wrapper}): {where}",
        "name that place as a site of the charter, or have its keeper attest it"
        " (`domicile attest`)",
    )


def shown_elsewhere(
    database: Database, here: Address | None, sites: Mapping[str, Address | None]
) -> Database:
    """The database, with what foreign tables show of the charter's own ``sites`` told apart: it is
    examined there. here: where the database itself is reached."""
    found: dict[Address, str] = {}
    for name, address in sorted(sites.items()):
        if address is not None:
            found.setdefault(_seen_from_us(address), name)
    shown = {
        table: site
        for table, address in database.foreign.items()
        if here is not None and (site := found.get(_seen_from(here, address))) is not None
    }
    others = {name: why for name, why in database.other_relations.items() if name not in shown}
    return replace(database, other_relations=others, shown=shown)


def _seen_from_us(address: Address) -> Address:
    return replace(address, host="localhost") if address.host in LOOPBACK else address


def _seen_from(here: Address, address: Address) -> Address:
    """The address that a server names, as we would: its own machine is where we reach it."""
    if address.host in LOOPBACK and here.host not in LOOPBACK and not here.host.startswith("/"):
        return replace(address, host=here.host)
    return _seen_from_us(address)
