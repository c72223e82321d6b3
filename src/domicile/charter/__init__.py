"""Who is protected, where home is, who holds the keys: ``domicile.toml`` -> `Charter` (pure)."""

from domicile.charter.countries import country_name
from domicile.charter.load import LoadedCharter, load_charter, parse_charter
from domicile.charter.model import (
    Boundary,
    Charter,
    Classification,
    Company,
    FileKeys,
    KeysConfig,
    LedgerConfig,
    LedgerWitness,
    ObjectDataset,
    ObjectSiteConfig,
    OciKeys,
    People,
    Pkcs11Keys,
    PostgresSiteConfig,
    Records,
    SiteConfig,
    TableDataset,
    TransitKeys,
)
from domicile.charter.template import Template

__all__ = [
    "Boundary",
    "Charter",
    "Classification",
    "Company",
    "FileKeys",
    "KeysConfig",
    "LedgerConfig",
    "LedgerWitness",
    "LoadedCharter",
    "ObjectDataset",
    "ObjectSiteConfig",
    "OciKeys",
    "People",
    "Pkcs11Keys",
    "PostgresSiteConfig",
    "Records",
    "SiteConfig",
    "TableDataset",
    "Template",
    "TransitKeys",
    "country_name",
    "load_charter",
    "parse_charter",
]
