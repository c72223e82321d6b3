"""Who is protected, where home is, who holds the keys: ``domicile.toml`` -> `Charter` (pure)."""

from domicile.charter.access import AccessRules, Certificates, Network, Oidc
from domicile.charter.attesters import public_key as attester_key
from domicile.charter.countries import country_name
from domicile.charter.custodians import custodians_in
from domicile.charter.load import LoadedCharter, load_charter, parse_charter
from domicile.charter.model import (
    Attester,
    Boundary,
    Charter,
    Classification,
    Company,
    Custodians,
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
from domicile.charter.notices import Mail, Notices
from domicile.charter.places import is_loopback
from domicile.charter.roots import FileKeys, KeysConfig, OciKeys, Pkcs11Keys, TransitKeys
from domicile.charter.routes import Route, narrowed, routes_of
from domicile.charter.template import Template
from domicile.charter.ways import CountryWay, Way

__all__ = [
    "AccessRules",
    "Attester",
    "Boundary",
    "Certificates",
    "Charter",
    "Classification",
    "Company",
    "CountryWay",
    "Custodians",
    "FileKeys",
    "KeysConfig",
    "LedgerConfig",
    "LedgerWitness",
    "LoadedCharter",
    "Mail",
    "Network",
    "Notices",
    "ObjectDataset",
    "ObjectSiteConfig",
    "OciKeys",
    "OfflinePlace",
    "Oidc",
    "People",
    "Pkcs11Keys",
    "PostgresSiteConfig",
    "Records",
    "Route",
    "SiteConfig",
    "TableDataset",
    "Template",
    "TransitKeys",
    "Way",
    "attester_key",
    "country_name",
    "custodians_in",
    "is_loopback",
    "load_charter",
    "narrowed",
    "parse_charter",
    "routes_of",
]
