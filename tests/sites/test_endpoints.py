from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.charter import Charter, parse_charter
from domicile.charter.countries import COUNTRIES
from domicile.sites.endpoints import REGIONS, Location, contradictions, locate


@pytest.mark.parametrize(
    ("name", "provider", "region", "country"),
    [
        ("objectstorage.us-ashburn-1.oraclecloud.com", "oracle", "us-ashburn-1", "US"),
        ("objectstorage.us-ashburn-1.oci.oraclecloud.com", "oracle", "us-ashburn-1", "US"),
        (
            "ns.compat.objectstorage.ap-singapore-1.oraclecloud.com",
            "oracle",
            "ap-singapore-1",
            "SG",
        ),
        ("ns.objectstorage.uk-london-1.oci.customer-oci.com", "oracle", "uk-london-1", "GB"),
        ("p.x.postgresql.us-phoenix-1.oci.oraclecloud.com", "oracle", "us-phoenix-1", "US"),
        ("objectstorage.us-langley-1.oraclegovcloud.com", "oracle", "us-langley-1", "US"),
        ("objectstorage.eu-frankfurt-2.oraclecloud.eu", "oracle", "eu-frankfurt-2", "DE"),
        ("db.sub.vcn.oraclevcn.com", "oracle", None, None),
        ("s3.amazonaws.com", "aws", None, None),
        ("b.s3.amazonaws.com", "aws", None, None),
        ("s3-accelerate.amazonaws.com", "aws", None, None),
        ("s3-external-1.amazonaws.com", "aws", "us-east-1", "US"),
        ("s3.eu-west-1.amazonaws.com", "aws", "eu-west-1", "IE"),
        ("s3-eu-west-1.amazonaws.com", "aws", "eu-west-1", "IE"),
        ("b.s3.dualstack.eu-west-1.amazonaws.com", "aws", "eu-west-1", "IE"),
        ("s3-fips.us-gov-west-1.amazonaws.com", "aws", "us-gov-west-1", "US"),
        ("b.s3-website-us-west-2.amazonaws.com", "aws", "us-west-2", "US"),
        ("b.v.s3.us-east-1.vpce.amazonaws.com", "aws", "us-east-1", "US"),
        ("s3.cn-north-1.amazonaws.com.cn", "aws", "cn-north-1", "CN"),
        ("d.x.rds.cn-northwest-1.amazonaws.com.cn", "aws", "cn-northwest-1", "CN"),
        ("d.x.ap-southeast-1.rds.amazonaws.com", "aws", "ap-southeast-1", "SG"),
        ("s3.eusc-de-east-1.amazonaws.eu", "aws", "eusc-de-east-1", "DE"),
        ("s3.eu-west-99.amazonaws.com", "aws", "eu-west-99", None),
        ("storage.googleapis.com", "gcp", None, None),
        ("b.storage.googleapis.com", "gcp", None, None),
        ("storage.me-central2.rep.googleapis.com", "gcp", "me-central2", "SA"),
        ("storage.us.rep.googleapis.com", "gcp", "us", "US"),
        ("storage.eu.rep.googleapis.com", "gcp", "eu", None),
        ("a.b.us-central1.sql.goog", "gcp", "us-central1", "US"),
        ("a.blob.core.windows.net", "azure", None, None),
        ("d.postgres.database.azure.com", "azure", None, None),
        ("d.postgres.database.usgovcloudapi.net", "azure", None, "US"),
        ("a.blob.core.chinacloudapi.cn", "azure", None, "CN"),
        ("vm.westeurope.cloudapp.azure.com", "azure", "westeurope", "NL"),
    ],
)
def test_a_cloud_s_host_name_tells_where_it_lies(
    name: str, provider: str, region: str | None, country: str | None
) -> None:
    expected = Location(provider, region, country)
    assert locate(name) == expected
    assert locate(f"https://{name.upper()}.:443/path") == expected


@pytest.mark.parametrize(
    "name",
    [
        "eu-west-1.s3.amazonaws.com",
        "s3-eu-west-1.s3.amazonaws.com",
        "eu-west-1.s3-accelerate.amazonaws.com",
        "us-east1.storage.googleapis.com",
    ],
)
def test_a_bucket_called_like_a_region_decides_nothing(name: str) -> None:
    location = locate(name)
    assert location is not None
    assert location.region is None


def test_the_region_beside_the_domain_outranks_a_bucket_s_name() -> None:
    host = "us-ashburn-1.vhcompat.objectstorage.ap-singapore-1.oci.customer-oci.com"
    assert locate(host) == Location("oracle", "ap-singapore-1", "SG")


@pytest.mark.parametrize(
    "name",
    ["", "localhost", "127.0.0.1", "[::1]:9000", "https://[", "notamazonaws.com",
     "s3.us-east-1.amazonaws.com.example.org", "file:///amazonaws.com"],
)  # fmt: skip
def test_a_host_of_no_known_cloud_tells_nothing(name: str) -> None:
    assert locate(name) is None


def test_a_database_s_host_option_outranks_its_authority() -> None:
    url = "postgresql://x@localhost/d?host=d.x.us-east-1.rds.amazonaws.com"
    assert locate(url) == Location("aws", "us-east-1", "US")


@given(st.text(max_size=80))
def test_any_text_is_located_or_is_nowhere(text: str) -> None:
    location = locate(text)
    assert location is None or location.provider in REGIONS


def test_every_region_lies_in_a_country_of_the_standard() -> None:
    for regions in REGIONS.values():
        assert set(regions.values()) <= set(COUNTRIES)


def _charter(country: str, provider: str, url: str, endpoint: str, region: str = "") -> Charter:
    text = f"""
[company]
name = "Reel"
[boundaries.us]
members = ["US"]
custodian = "USDS"
provider = "Oracle America, Inc."
home = ["home"]
[people]
table = "users"
key = ["id"]
country = "country"
[sites.home]
kind = "postgres"
country = "US"
provider = "Oracle America, Inc."
url = "postgresql://{url}/d?sslmode=require"
[sites.old]
kind = "objects"
country = "{country}"
provider = "{provider}"
url = "s3://media"
endpoint = "https://{endpoint}"
credentials_file = "f"
{f'region = "{region}"' if region else ""}
"""
    return parse_charter(text, "domicile.toml", today=date(2026, 1, 1)).charter


ORACLE_DB = "p.x.postgresql.us-phoenix-1.oci.oraclecloud.com"


@pytest.mark.parametrize(
    ("country", "provider", "endpoint", "region"),
    [
        ("SG", "Amazon Web Services", "s3.ap-southeast-1.amazonaws.com", ""),
        ("SG", "AWS", "s3.amazonaws.com", "ap-southeast-1"),
        ("SG", "AWS", "s3.amazonaws.com", ""),
        ("FR", "google", "storage.googleapis.com", ""),
        ("FR", "anyone", "s3.example.org", ""),
        ("US", "OCI", "n.compat.objectstorage.us-ashburn-1.oraclecloud.com", ""),
    ],
)
def test_a_charter_that_agrees_with_its_urls_is_not_contradicted(
    country: str, provider: str, endpoint: str, region: str
) -> None:
    assert contradictions(_charter(country, provider, ORACLE_DB, endpoint, region)) == []


def test_a_country_that_the_url_denies_is_contradicted() -> None:
    charter = _charter("US", "AWS", ORACLE_DB, "s3.ap-southeast-1.amazonaws.com")
    (told,) = contradictions(charter)
    assert told.startswith("sites.old.country: ")
    assert "United States (US)" in told
    assert "Singapore (SG, ap-southeast-1)" in told


def test_the_region_of_a_global_endpoint_contradicts_too() -> None:
    charter = _charter("US", "AWS", ORACLE_DB, "s3.amazonaws.com", "ap-southeast-1")
    assert len(contradictions(charter)) == 1


def test_a_provider_that_the_url_denies_is_contradicted() -> None:
    charter = _charter("US", "AWS", "d.x.us-east-1.rds.amazonaws.com", "s3.us-east-1.amazonaws.com")
    (told,) = contradictions(charter)
    assert told.startswith("sites.home.provider: ")
    assert "Oracle America, Inc." in told
    assert "amazonaws" not in told
