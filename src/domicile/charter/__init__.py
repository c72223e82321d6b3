"""Who is protected, where home is, who holds the keys: ``domicile.toml`` -> `Charter` (pure)."""

from domicile.charter.countries import country_name
from domicile.charter.load import LoadedCharter, load_charter, parse_charter
from domicile.charter.model import (
    Boundary,
    Charter,
    Classification,
    Company,
    LedgerConfig,
    LedgerWitness,
    ObjectDataset,
    ObjectSiteConfig,
    People,
    PostgresSiteConfig,
    Records,
    SiteConfig,
    TableDataset,
)
from domicile.charter.template import Template

__all__ = [
    "Boundary",
    "Charter",
    "Classification",
    "Company",
    "LedgerConfig",
    "LedgerWitness",
    "LoadedCharter",
    "ObjectDataset",
    "ObjectSiteConfig",
    "People",
    "PostgresSiteConfig",
    "Records",
    "SiteConfig",
    "TableDataset",
    "Template",
    "country_name",
    "load_charter",
    "parse_charter",
]
