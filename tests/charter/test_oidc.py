from __future__ import annotations

from datetime import date

import pytest

from domicile.charter import Charter, Oidc, parse_charter
from domicile.errors import CharterError

TODAY = date(2026, 6, 1)
ISSUER = "https://login.reel.example/us"


def parsed(text: str, *lines: str) -> Charter:
    whole = "\n".join((text, "[oidc]", 'audience = "domicile"', *lines))
    return parse_charter(whole, "domicile.toml", today=TODAY).charter


def test_a_provider_is_what_the_charter_says(text: str) -> None:
    oidc = parsed(text, f'issuer = "{ISSUER}"', 'second_factor = { amr = ["mfa"] }').oidc
    assert oidc == Oidc(issuer=ISSUER, audience="domicile", second_factor={"amr": ("mfa",)})
    assert (oidc.staff_claim, oidc.keys_url) == ("sub", None)
    assert parsed(text, 'issuer = "http://127.0.0.1:8080"').oidc is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://login.reel.example",
        "https://",
        "https://kim:secret@login.reel.example",
        "https://login.reel.example?x=1",
        "https://login.reel.example#x",
        "https://login.reel.example/ü",
        "https://login.reel.example/ x",
        "https://login.reel.example:99999",
        "https://[::1",
        "file:///etc/passwd",
        "ldap://127.0.0.1",
        "",
    ],
)
def test_a_provider_is_reached_safely(text: str, url: str) -> None:
    for lines in ([f'issuer = "{url}"'], [f'issuer = "{ISSUER}"', f'keys_url = "{url}"']):
        with pytest.raises(CharterError) as refused:
            parsed(text, *lines)
        assert f"oidc.{lines[-1].split()[0]}: can't be used" in str(refused.value)
        assert "secret" not in str(refused.value)
