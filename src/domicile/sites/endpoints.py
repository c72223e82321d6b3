"""What a host name of a known cloud says about where it lies and who runs it (pure).

Four clouds put the region into their host names, mostly; where they don't, only the provider is
known. A name is read from its right end, the only part that the cloud's customer can't choose:
a bucket may well be called ``us-ashburn-1``.

`contradictions` compares a charter with its own URLs. ``charter`` may not import this package, so
whoever loads a charter to act on it calls `contradictions` and raises what it finds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qs, unquote, urlsplit

from domicile.charter import Charter, ObjectSiteConfig, PostgresSiteConfig, country_name

__all__ = ["REGIONS", "Location", "contradictions", "locate"]


@dataclass(frozen=True, slots=True)
class Location:
    """provider: ``oracle``, ``aws``, ``gcp`` or ``azure``. region: the cloud's own name, or None
    where the host does not tell. country: ISO 3166-1 alpha-2, or None where the region is not
    told, is new to us, or spans countries."""

    provider: str
    region: str | None
    country: str | None


def _table(rows: Mapping[str, str]) -> Mapping[str, str]:
    regions = {region: country for country, names in rows.items() for region in names.split()}
    return MappingProxyType(regions)


REGIONS: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "oracle": _table({
        "AE": "me-abudhabi-1 me-abudhabi-2 me-abudhabi-3 me-abudhabi-4 me-alain-1 me-dubai-1",
        "AU": "ap-dcc-canberra-1 ap-melbourne-1 ap-sydney-1",
        "BD": "ap-dcc-gazipur-1",
        "BR": "sa-saopaulo-1 sa-vinhedo-1",
        "CA": "ca-montreal-1 ca-toronto-1",
        "CH": "eu-crissier-1 eu-dcc-zurich-1 eu-zurich-1",
        "CL": "sa-santiago-1 sa-valparaiso-1",
        "CO": "sa-bogota-1",
        "DE": "eu-dcc-rating-1 eu-dcc-rating-2 eu-frankfurt-1 eu-frankfurt-2",
        "ES": "eu-madrid-1 eu-madrid-2 eu-madrid-3",
        "FR": "eu-marseille-1 eu-paris-1",
        "GB": "uk-cardiff-1 uk-gov-cardiff-1 uk-gov-london-1 uk-london-1",
        "ID": "ap-batam-1",
        "IE": "eu-dcc-dublin-1 eu-dcc-dublin-2",
        "IL": "il-jerusalem-1",
        "IN": "ap-hyderabad-1 ap-mumbai-1",
        "IT": "eu-dcc-milan-1 eu-dcc-milan-2 eu-dcc-rome-1 eu-milan-1",
        "JP": "ap-chiyoda-1 ap-dcc-osaka-1 ap-dcc-tokyo-1 ap-ibaraki-1 ap-osaka-1 ap-tokyo-1",
        "KR": "ap-chuncheon-1 ap-chuncheon-2 ap-seoul-1 ap-seoul-2 ap-suwon-1",
        "MA": "af-casablanca-1",
        "MX": "mx-monterrey-1 mx-queretaro-1",
        "MY": "ap-kulai-2",
        "NL": "eu-amsterdam-1",
        "NZ": "ap-hobsonville-1 ap-silverdale-1",
        "OM": "me-dcc-muscat-1",
        "QA": "me-dcc-doha-1",
        "RS": "eu-jovanovac-1",
        "SA": "me-jeddah-1 me-riyadh-1",
        "SE": "eu-stockholm-1",
        "SG": "ap-singapore-1 ap-singapore-2",
        "US": "us-ashburn-1 us-ashburn-2 us-chicago-1 us-dcc-phoenix-1 us-dcc-phoenix-2"
        " us-dcc-phoenix-4 us-dcc-swjordan-1 us-dcc-swjordan-2 us-gov-ashburn-1 us-gov-chicago-1"
        " us-gov-phoenix-1 us-langley-1 us-luke-1 us-phoenix-1 us-saltlake-2 us-sanjose-1"
        " us-somerset-1 us-tacoma-1 us-thames-1 us-westjordan-1",
        "ZA": "af-johannesburg-1",
    }),
    "aws": _table({
        "AE": "me-central-1",
        "AU": "ap-southeast-2 ap-southeast-4",
        "BH": "me-south-1",
        "BR": "sa-east-1",
        "CA": "ca-central-1 ca-west-1",
        "CH": "eu-central-2",
        "CL": "sa-west-1",
        "CN": "cn-north-1 cn-northwest-1",
        "DE": "eu-central-1 eusc-de-east-1",
        "ES": "eu-south-2",
        "FR": "eu-west-3",
        "GB": "eu-isoe-west-1 eu-west-2",
        "HK": "ap-east-1",
        "ID": "ap-southeast-3",
        "IE": "eu-west-1",
        "IL": "il-central-1",
        "IN": "ap-south-1 ap-south-2",
        "IT": "eu-south-1",
        "JP": "ap-northeast-1 ap-northeast-3",
        "KR": "ap-northeast-2",
        "MX": "mx-central-1",
        "MY": "ap-southeast-5",
        "NZ": "ap-southeast-6",
        "SA": "me-west-1",
        "SE": "eu-north-1",
        "SG": "ap-southeast-1",
        "TH": "ap-southeast-7",
        "TW": "ap-east-2",
        "US": "us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1 us-west-2",
        "ZA": "af-south-1",
    }),
    "gcp": _table({
        "AU": "australia-southeast1 australia-southeast2",
        "BE": "europe-west1",
        "BR": "southamerica-east1",
        "CA": "northamerica-northeast1 northamerica-northeast2",
        "CH": "europe-west6",
        "CL": "southamerica-west1",
        "DE": "europe-west10 europe-west3",
        "ES": "europe-southwest1",
        "FI": "europe-north1",
        "FR": "europe-west9",
        "GB": "europe-west2",
        "HK": "asia-east2",
        "ID": "asia-southeast2",
        "IL": "me-west1",
        "IN": "asia-south1 asia-south2",
        "IT": "europe-west12 europe-west8",
        "JP": "asia-northeast1 asia-northeast2",
        "KR": "asia-northeast3",
        "MX": "northamerica-south1",
        "NL": "europe-west4",
        "PL": "europe-central2",
        "QA": "me-central1",
        "SA": "me-central2",
        "SE": "europe-north2",
        "SG": "asia-southeast1",
        "TW": "asia-east1",
        "US": "us us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3"
        " us-west4",
        "ZA": "africa-south1",
    }),
    "azure": _table({
        "AE": "uaecentral uaenorth",
        "AT": "austriaeast",
        "AU": "australiacentral australiacentral2 australiaeast australiasoutheast",
        "BE": "belgiumcentral",
        "BR": "brazilsouth brazilsoutheast",
        "CA": "canadacentral canadaeast",
        "CH": "switzerlandnorth switzerlandwest",
        "CL": "chilecentral",
        "CN": "chinaeast chinaeast2 chinaeast3 chinanorth chinanorth2 chinanorth3",
        "DE": "germanynorth germanywestcentral",
        "ES": "spaincentral",
        "FR": "francecentral francesouth",
        "GB": "uksouth ukwest",
        "HK": "eastasia",
        "ID": "indonesiacentral",
        "IE": "northeurope",
        "IL": "israelcentral",
        "IN": "centralindia jioindiacentral jioindiawest southindia westindia",
        "IT": "italynorth",
        "JP": "japaneast japanwest",
        "KR": "koreacentral koreasouth",
        "MX": "mexicocentral",
        "MY": "malaysiawest",
        "NL": "westeurope",
        "NO": "norwayeast norwaywest",
        "NZ": "newzealandnorth",
        "PL": "polandcentral",
        "QA": "qatarcentral",
        "SE": "swedencentral swedensouth",
        "SG": "southeastasia",
        "TW": "taiwannorth",
        "US": "centralus eastus eastus2 northcentralus southcentralus usgovarizona usgovtexas"
        " usgovvirginia westcentralus westus westus2 westus3",
        "ZA": "southafricanorth southafricawest",
    }),
})  # fmt: skip
"""Each provider's regions, with the country of each."""

_AWS_SUFFIX = (
    r"(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|on\.aws|api\.aws"
    r"|api\.amazonwebservices\.(?:com\.cn|eu))"
)
_AWS_REGION = r"(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d{1,2})"
_ORACLE_SUFFIX = r"(?:oracle(?:gov)?cloud\d*\.(?:com|uk|eu)|customer-oci\.com)"

# Most telling first. The first that matches the end of a host name decides.
_ENDINGS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (provider, re.compile(rf"(?:^|\.){ending}$"))
    for provider, ending in (
        ("oracle", rf"(?P<region>[a-z]{{2}}(?:-[a-z]+)+-\d{{1,2}})(?:\.oci)?\.{_ORACLE_SUFFIX}"),
        ("oracle", rf"(?:{_ORACLE_SUFFIX}|oraclevcn\.com)"),
        ("aws", rf"(?:s3-(?:website-|fips-)?)?{_AWS_REGION}\.{_AWS_SUFFIX}"),
        ("aws", rf"{_AWS_REGION}\.(?!s3)[a-z][a-z0-9-]*\.{_AWS_SUFFIX}"),
        ("aws", _AWS_SUFFIX),
        ("gcp", r"[a-z]+\.(?P<region>[a-z]+(?:-[a-z]+\d+)?)(?:\.p)?\.rep\.googleapis\.com"),
        ("gcp", r"(?P<region>[a-z]+-[a-z]+\d+)-[a-z]+\.googleapis\.com"),
        ("gcp", r"(?P<region>[a-z]+-[a-z]+\d+)\.(?:sql|alloydb)\.goog"),
        ("gcp", r"(?:googleapis\.com|storage\.cloud\.google\.com|sql\.goog|alloydb\.goog)"),
        ("azure", r"(?P<region>[a-z]+\d?)\.cloudapp\.(?:azure\.com|usgovcloudapi\.net)"),
        ("azure", r"(?P<region>[a-z]+\d?)\.cloudapp\.chinacloudapi\.cn"),
        ("azure", r"(?:core\.windows\.net|storage\.azure\.net|azure\.com)"),
        ("azure", r"(?:usgovcloudapi\.net|chinacloudapi\.cn)"),
    )
)

_FIXED_REGION = MappingProxyType(
    {
        "s3-external-1.amazonaws.com": "us-east-1",
        "compute-1.amazonaws.com": "us-east-1",
    }
)
_FIXED_COUNTRY = MappingProxyType(
    {
        ".usgovcloudapi.net": "US",
        ".chinacloudapi.cn": "CN",
        ".oraclegovcloud.com": "US",
        ".oraclegovcloud.uk": "GB",
    }
)

_OWN_NAMES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "oracle": frozenset({"oracle", "oci"}),
        "aws": frozenset({"aws", "amazon", "sinnet", "nwcd"}),  # the last two run AWS in China
        "gcp": frozenset({"gcp", "google"}),
        "azure": frozenset({"azure", "microsoft", "21vianet"}),  # the last runs Azure in China
    }
)


def locate(url_or_host: str) -> Location | None:
    """Where a URL or host name lies, or None where it is not of a cloud known here."""
    host = _host(url_or_host)
    for provider, ending in _ENDINGS:
        found = ending.search(host)
        if found:
            region = found.groupdict().get("region") or _fixed(_FIXED_REGION, host)
            country = REGIONS[provider].get(region or "") or _fixed(_FIXED_COUNTRY, host)
            return Location(provider, region, country)
    return None


def _fixed(table: Mapping[str, str], host: str) -> str | None:
    for ending, value in table.items():
        if f".{host}".endswith(f".{ending.removeprefix('.')}"):
            return value
    return None


def _host(url_or_host: str) -> str:
    """The host name in lower case; empty where there is none."""
    text = url_or_host if "//" in url_or_host else f"//{url_or_host}"
    try:
        url = urlsplit(text)
        host = url.hostname or ""
    except ValueError:
        return ""
    if url.scheme.startswith("postgres"):
        host = parse_qs(url.query).get("host", [unquote(host)])[-1]
    return host.casefold().rstrip(".")


def contradictions(charter: Charter) -> list[str]:
    """Where a site's country or provider is not what its URL says, one sentence each.

    Pure. A command that loads a charter raises these as a CharterError; they name no URL.
    """
    found: list[str] = []
    for name, site in charter.sites.items():
        location = _location(site)
        if location is None:
            continue
        if location.country is not None and location.country != site.country:
            region = f", {location.region}" if location.region else ""
            found.append(
                f"sites.{name}.country: the charter says {country_name(site.country)}"
                f" ({site.country}), its URL {country_name(location.country)}"
                f" ({location.country}{region})"
            )
        if not _OWN_NAMES[location.provider] & set(re.findall(r"\w+", site.provider.casefold())):
            found.append(
                f"sites.{name}.provider: the charter says {site.provider!r},"
                f" its URL {location.provider}"
            )
    return found


def _location(site: PostgresSiteConfig | ObjectSiteConfig) -> Location | None:
    if isinstance(site, PostgresSiteConfig):
        return locate(site.url)
    location = locate(site.endpoint) if site.endpoint else None
    # A bucket behind AWS's global endpoint lies in the region its requests are signed for.
    if location == Location("aws", None, None) and "region" in site.model_fields_set:
        return Location("aws", site.region, REGIONS["aws"].get(site.region))
    return location
