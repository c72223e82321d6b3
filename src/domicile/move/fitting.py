"""Whether an empty home would take the source's schema, asked before anything moves."""

from __future__ import annotations

from domicile.inventory import Estate
from domicile.sites.postgres import lacking_at, schema_refusal, site_errors

__all__ = ["unfitting"]


def unfitting(estate: Estate, source: str, home: str) -> list[str]:
    """What keeps the source's schema from being made at home. Nothing is left at home."""
    with (
        site_errors(home),
        estate.database(home).connect() as there,
        estate.database(source).connect(read_only=True) as here,
    ):
        lacking = list(lacking_at(here, there))
        here.rollback()
        there.rollback()
        if lacking:
            return lacking
        refusal = schema_refusal(estate.database(source), there)
    if not refusal:
        return []
    return [
        f"home does not take the source's schema: {refusal}: change it at the source, or at home"
    ]
