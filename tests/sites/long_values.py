"""Copies a table with long values between two databases and prints how much memory that took, in
MiB: as a process of its own, since only a process's own peak can be asked for."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from psycopg import sql

from domicile.charter.model import PostgresSiteConfig
from domicile.sites.postgres import (
    Connection,
    TableName,
    copy_format,
    digest,
    open_postgres_site,
    pipe,
    read_database,
)

LONG = TableName("public", "long")


def peak_mib() -> int:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def opened(config: str) -> Connection:
    """A session of the database that a config in JSON names."""
    site = PostgresSiteConfig.model_validate(json.loads(config))
    return open_postgres_site("long", site, Path(), {}).connect()


def main() -> None:
    """Copy, and read back."""
    with opened(sys.argv[1]) as source, opened(sys.argv[2]) as home:
        columns = read_database(source).tables[LONG].columns
        query, form = sql.SQL("SELECT * FROM public.long ORDER BY id"), copy_format(columns)
        before = peak_mib()
        copied = pipe(source, query, home, LONG, [column.name for column in columns], form)
        assert digest(source, query, form) == copied
        assert digest(home, query, form) == copied
        sys.stdout.write(str(peak_mib() - before))


if __name__ == "__main__":
    main()
