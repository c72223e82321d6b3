"""Sites as a command names them."""

from __future__ import annotations

import pytest

from domicile.charter.model import ObjectSiteConfig
from domicile.errors import CharterError, DomicileError, UsageError
from domicile.scan.proposal.model import Block, Line
from domicile.scan.proposal.sites import NamedSite, config_of, parse_site, provider_of, site_block


def parsed(text: str, *environ: str, **taken: NamedSite) -> NamedSite:
    return parse_site(text, taken, environ)


def told(block: Block) -> dict[str, object]:
    return {line.key: line.value for line in block.lines}


def test_a_site_is_a_url_with_a_name_before_and_keys_behind() -> None:
    site = parsed("db=postgresql://app@h/reel?sslmode=require#country=SG,provider=Reel Ltd")
    assert site.name == "db"
    assert site.keys == {
        "kind": "postgres",
        "url": "postgresql://app@h/reel?sslmode=require",
        "country": "SG",
        "provider": "Reel Ltd",
    }
    assert parsed("postgresql://app@h/My%20Reel?x=1").name == "my-reel"
    assert parsed("s3://reel-media").name == "reel-media"
    assert parsed("/srv/media").keys["url"] == "file:/srv/media"
    config = config_of(parsed("s3://b1b#endpoint=https://s3.example,timeout_s=5"))
    assert isinstance(config, ObjectSiteConfig)
    assert config.timeout_s == 5


def test_the_same_url_is_the_same_site_and_keeps_its_keys() -> None:
    old = parsed("db=postgresql://app@h/reel#country=SG")
    again = parsed("postgresql://app@h/reel#country=US,provider=Reel", db=old)
    assert (again.name, again.keys["country"], again.keys["provider"]) == ("db", "SG", "Reel")
    assert parsed("postgresql://app@other/db", db=old).name == "db-2"
    with pytest.raises(UsageError):
        parsed("db=postgresql://app@other/reel", db=old)


def test_secrets_are_found_by_the_names_of_variables() -> None:
    usual = ("PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert parsed("d-b=postgresql://a@h/d", *usual, "D_B_PASSWORD").keys["password_env"] == (
        "D_B_PASSWORD"
    )
    assert parsed("postgresql://a@h/d", *usual).keys["password_env"] == "PGPASSWORD"
    given = parsed("postgresql://a@h/d#password_file=secrets/db", *usual)
    assert "password_env" not in given.keys
    bucket = parsed("s3://media", *usual)
    assert bucket.keys["secret_key_env"] == "AWS_SECRET_ACCESS_KEY"
    assert "access_key_env" not in parsed("file:media", *usual).keys


def test_an_address_of_a_cloud_says_where_it_lies_and_who_runs_it() -> None:
    endpoint = "https://x.compat.objectstorage.us-ashburn-1.oraclecloud.com"
    site = parsed(f"s3://media#endpoint={endpoint}")
    assert provider_of(site) == "Oracle"
    block = told(site_block(site, home_of="", members=("US",), company="Reel"))
    assert (block["country"], block["provider"]) == ("US", "Oracle")


def test_what_nobody_told_is_open() -> None:
    site = parsed("postgresql://app@h/reel")
    block = site_block(site, home_of="", members=("US",), company="Reel")
    assert [line.key for line in block.lines if line.is_open] == ["country"]
    assert told(block)["provider"] == "Reel"
    home = site_block(site, home_of="Oracle", members=("US",), company="Reel")
    assert (told(home)["country"], told(home)["provider"]) == ("US", "Oracle")
    assert not any(line.is_open for line in home.lines)
    assert Line("country", "", "", "where").is_open


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#country=US",
        "postgresql://app@h/reel#country",
        "postgresql://app@h/reel#colour=red",
        "postgresql://app@h/reel#timeout_s=5",
        "s3://media#endpoint=https://x,timeout_s=soon",
        "mysql://h/db",
        "postgresql://app:zzsecret@h/reel",
        "postgresql://app@h/reel?password=zzsecret",
        "s3://key:zzsecret@media",
        "s3://media/zzsecret",
        "postgresql://[zzsecret/",
    ],
)
def test_what_is_no_site_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(DomicileError) as caught:
        config_of(parsed(text))
    assert isinstance(caught.value, UsageError | CharterError)
    assert "zzsecret" not in str(caught.value)
