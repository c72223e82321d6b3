"""Who is protected, where home is, who holds the keys: ``domicile.toml`` -> `Charter` (pure)."""

from domicile.charter.attesters import public_key as attester_key
from domicile.charter.countries import country_name
from domicile.charter.load import LoadedCharter, load_charter, parse_charter
from domicile.charter.model import (
    Attester,
    Boundary,
    Charter,
    Classification,
    Company,
    LedgerConfig,
    LedgerWitness,
    ObjectDataset,
    ObjectSiteConfig,
    OfflinePlace,
    People,
    PostgresSiteConfig,
    Records,
    SiteConfig,
    TableDataset,
)
from domicile.charter.template import Template

__all__ = [
    "Attester",
    "Boundary",
    "Charter",
    "Classification",
    "Company",
    "LedgerConfig",
    "LedgerWitness",
    "LoadedCharter",
    "ObjectDataset",
    "ObjectSiteConfig",
    "OfflinePlace",
    "People",
    "PostgresSiteConfig",
    "Records",
    "SiteConfig",
    "TableDataset",
    "Template",
    "attester_key",
    "country_name",
    "load_charter",
    "parse_charter",
]
