"""Staff who log in at an OpenID provider: what is taken, what is not, and that claims give no
rights."""

from __future__ import annotations

import base64
import hmac
import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from domicile.charter import Oidc
from domicile.errors import BadToken, SiteUnreachable
from domicile.policy.issuer import Issuer
from domicile.policy.jwt import Shown, read_jwt
from tests.console.conftest import Served, serving
from tests.console.provider import AUDIENCE, DISCOVERY, Provider, running_provider
from tests.console.test_api import problem
from tests.policy.precinct import Precinct
from tests.services.oidc_provider import running_oidc_provider

PATH = "/v1/requests"


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider of one's own."""
    with running_provider() as running:
        yield running


@dataclass(frozen=True)
class Login:
    """A provider, and who knows its keys."""

    provider: Provider
    oidc: Oidc
    issuer: Issuer

    def read(self, token: str) -> Shown:
        """What a token says."""
        return read_jwt(token, self.oidc, self.issuer.key)

    def refusal(self, token: str) -> str:
        """Why a token is not good."""
        with pytest.raises(BadToken) as refused:
            self.read(token)
        assert token not in str(refused.value)
        return refused.value.failed.removeprefix("the token ")


@pytest.fixture
def login(provider: Provider) -> Login:
    """With what the charter may say of it."""
    oidc = Oidc(
        issuer=provider.issuer,
        audience=AUDIENCE,
        second_factor={"amr": ("mfa", "hwk"), "acr": ("phr",)},
    )
    return Login(provider, oidc, Issuer(oidc))


def part(value: object) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_tokens_of_each_algorithm_say_who_it_is_and_whether_with_a_second_factor(
    login: Login,
) -> None:
    token = login.provider.token
    for name in ("r1", "e1", "d1"):
        assert login.read(token(name)) == Shown("kim", second_factor=False)
    assert login.read(token(aud=["others", AUDIENCE])).staff == "kim"
    for typ in (None, "JWT", "application/at+jwt"):
        assert login.read(token("r1", {"typ": typ})).staff == "kim"
    factors: list[tuple[dict[str, object], bool]] = [
        ({"amr": ["pwd", "mfa"]}, True),
        ({"acr": "phr"}, True),
        ({"amr": ["pwd"], "acr": "0"}, False),
        ({"amr": "mfa"}, True),
        ({"amr": [["mfa"], {"mfa": 1}, None]}, False),
        ({"acr": "mfa"}, False),
        ({"roles": ["mfa"], "second_factor": True}, False),
    ]
    for claims, shown in factors:
        assert login.read(token(**claims)).second_factor is shown, claims
    assert login.provider.asked == [DISCOVERY, "/keys"]  # once


def test_the_clock_may_be_off_by_a_minute(login: Login) -> None:
    token, now = login.provider.token, int(time.time())
    for claims in ({"exp": now - 50}, {"nbf": now + 50}, {"iat": now + 50}):
        assert login.read(token(**claims)).staff == "kim"
    wrong = {
        "has expired": {"exp": now - 70},
        "is not good yet": {"nbf": now + 70},
        "was issued more than a day ago": {"iat": now - 24 * 3600 - 70},
    }
    assert {login.refusal(token(**claims)): claims for claims in wrong.values()} == wrong
    assert login.refusal(token(iat=now + 70)) == "is not good yet"


def test_what_is_for_somebody_else_or_lacks_something_is_refused(login: Login) -> None:
    token = login.provider.token
    for claims in ({"aud": "others"}, {"aud": [AUDIENCE + "/"]}, {"aud": ["others"]}):
        assert login.refusal(token(**claims)) == "is for another audience"
    for issuer in (login.oidc.issuer + "/", "http://127.0.0.1:1", "https://evil.example"):
        assert login.refusal(token(iss=issuer)) == "is of another issuer"
    for claim in ("iss", "aud", "exp", "iat", "sub"):
        assert "lacks a claim" in login.refusal(token(**{claim: None}))
    for staff in ("", "Kim", "kim\n", "kim'--", "ü", "x" * 64, "../kim"):
        assert "no staff member's id" in login.refusal(token(sub=staff))
    assert "bound to a key" in login.refusal(token(cnf={"jkt": "x"}))
    for typ in ("logout+jwt", "dpop+jwt", "secevent+jwt", "x"):
        assert login.refusal(token("r1", {"typ": typ})) == "is no access or ID token"
    assert login.refusal(token("r1", {"crit": ["x"], "x": 1})) == "is not good"
    odds: list[dict[str, Any]] = [
        {"exp": "soon"},
        {"exp": 1e400},
        {"iat": []},
        {"aud": 5},
    ]
    for odd in odds:
        login.refusal(token(**odd))


def test_what_the_provider_did_not_sign_is_refused(login: Login) -> None:
    provider = login.provider
    head, body, signature = provider.token().split(".")
    claims = provider.claims()
    admin = part({**claims, "sub": "ann"})
    assert login.refusal(f"{head}.{admin}.{signature}") == "is not good"
    for algorithm in ("none", "None", "nOnE", "", "HS256", "HS384", "RS512", "PS256", "ES384"):
        forged = f"{part({'alg': algorithm, 'kid': 'r1'})}.{body}."
        assert "none of RS256" in login.refusal(forged)
    public = provider.keys["r1"][1].public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    # PyJWT itself won't sign with a public key's text: by hand.
    signed = f"{part({'alg': 'HS256', 'kid': 'r1'})}.{body}"
    mac = base64.urlsafe_b64encode(hmac.digest(pem, signed.encode(), "sha256")).decode()
    assert "none of RS256" in login.refusal(f"{signed}.{mac.rstrip('=')}")
    stranger = rsa.generate_private_key(65537, 2048)
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key()))
    for header in (
        {"kid": "r1"},
        {"kid": "r1", "jwk": own},
        {"kid": "r1", "jku": f"{provider.issuer}/others", "x5u": "https://evil.example"},
    ):
        forged = jwt.encode(claims, stranger, "RS256", headers=header)
        assert login.refusal(forged) == "is not good"
    assert "for something else" in login.refusal(
        f"{part({'alg': 'ES256', 'kid': 'r1'})}.{body}.{signature}"
    )
    for kid in ("nobody", "../keys", "", 7, None, ["r1"], "x" * 5_000):
        login.refusal(f"{part({'alg': 'RS256', 'kid': kid})}.{body}.{signature}")
    for junk in ("a.b.c", f"{head}.{body}", "..", f"{part('[' * 3_000)}.{body}.x", "W1tb.e30.x"):
        login.refusal(junk)
    deep = base64.urlsafe_b64encode(b"[" * 5_000).decode().rstrip("=")
    assert login.refusal(f"{deep}.{body}.{signature}") == "is not good"
    assert login.read(provider.token()).staff == "kim"
    assert provider.asked.count("/keys") <= 3  # whatever names were asked for


def test_weak_doubled_and_foreign_keys_are_not_used(login: Login) -> None:
    provider = login.provider
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be refused
    weak = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(short.public_key())), "kid": "weak"}
    secret = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}
    twice = {**provider.public("e1"), "kid": "d1"}
    encrypts = {**provider.public("r1"), "kid": "encrypts", "use": "enc"}
    other = {**provider.public("r1"), "kid": "other", "alg": "RS512"}
    told = [weak, secret, twice, encrypts, other, provider.public("d1"), {"kid": 5}, {}]
    provider.answer("/keys", {"keys": told})
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        signed = jwt.encode(provider.claims(), short, "RS256", headers={"kid": "weak"})
    assert login.refusal(signed) == "is signed with a key that is too short"
    assert "does not have" in login.refusal(provider.token("d1"))
    for name in ("encrypts", "other"):
        assert "for something else" in login.refusal(provider.token("r1", {"kid": name}))
    assert "for something else" in login.refusal(provider.token("r1", {"kid": "secret"}))


@pytest.mark.parametrize(
    ("path", "status", "headers", "body"),
    [
        (DISCOVERY, 302, {"location": "/moved"}, {}),
        ("/keys", 302, {"location": "https://evil.example/keys"}, {}),
        ("/keys", 500, {}, {}),
        ("/keys", 200, {}, {"keys": "x" * 300_000}),
        ("/keys", 200, {}, {"keys": [1]}),
        ("/keys", 200, {}, []),
        (DISCOVERY, 200, {}, {"issuer": "http://evil.example", "jwks_uri": "SELF/keys"}),
        (DISCOVERY, 200, {}, {"issuer": "SELF", "jwks_uri": "http://127.0.0.2:1/keys"}),
        (DISCOVERY, 200, {}, {"issuer": "SELF", "jwks_uri": "file:///etc/passwd"}),
    ],
)
def test_a_provider_that_answers_wrongly_lets_nobody_in(
    login: Login, path: str, status: int, headers: dict[str, str], body: object
) -> None:
    provider = login.provider
    provider.answer("/moved", {"issuer": provider.issuer, "jwks_uri": f"{provider.issuer}/keys"})
    text = json.dumps(body).replace("SELF", provider.issuer)
    provider.answer(path, json.loads(text), status, **headers)
    with pytest.raises(SiteUnreachable):
        login.read(provider.token())
    assert "/moved" not in provider.asked


def test_a_provider_that_is_silent_or_drips_is_not_waited_for(login: Login) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        issuer = Issuer(Oidc(issuer=f"http://127.0.0.1:{port}", audience=AUDIENCE), timeout_s=0.3)
        begun = time.monotonic()
        with pytest.raises(SiteUnreachable):
            issuer.key("r1")
        assert time.monotonic() - begun < 3
        slow = Issuer(Oidc(issuer=f"http://127.0.0.1:{port}", audience=AUDIENCE), timeout_s=2)

        def ask() -> None:
            with suppress(SiteUnreachable):
                slow.key("r1")

        asking = Thread(target=ask)
        asking.start()
        silent.accept()[0].close()  # of the one above
        with silent.accept()[0]:
            begun = time.monotonic()
            with pytest.raises(SiteUnreachable):
                slow.key("r2")  # while the first still waits
            assert time.monotonic() - begun < 1
        asking.join()
    provider = login.provider
    provider.pause_s = 0.05
    dripping = Issuer(login.oidc, timeout_s=0.3)
    begun = time.monotonic()
    with pytest.raises(SiteUnreachable):
        dripping.key("r1")
    assert time.monotonic() - begun < 3


def logging_in(precinct: Precinct, issuer: str) -> Precinct:
    """The precinct, whose charter has a provider that its custodians approved."""
    charter = precinct.charter
    charter.write_text(
        charter.read_text()
        + f'\n[oidc]\nissuer = "{issuer}"\naudience = "{AUDIENCE}"\n'
        + 'second_factor = { amr = ["mfa"] }\n'
    )
    proposal = precinct.directory / "oidc.note"
    precinct.run("custody", "propose", "charter", "--out", str(proposal))
    precinct.run("custody", "enact", *precinct.sign(proposal, charter))
    return precinct


@pytest.fixture
def own(own_precinct: Precinct, provider: Provider) -> Iterator[Served]:
    """A server whose staff log in at the provider."""
    with serving(logging_in(own_precinct, provider.issuer)) as running:
        yield running


def test_staff_log_in_with_either_token_and_claims_give_no_rights(
    own: Served, provider: Provider
) -> None:
    token = provider.token
    assert own.ask("GET", PATH, token=token()).body == []
    assert own.ask("GET", PATH, token=own.precinct.token("kim")).status == 200
    problem(own.ask("GET", PATH, token=token(sub="stranger", roles=["auditor"])), 401)

    request = {"datasets": ["drafts"], "purpose": "engineering", "hours": 2}
    claims = {"roles": ["moderation"], "employed_by": "custodian", "country": "US", "groups": ["a"]}
    asked = own.ask("POST", PATH, request, token=token(**claims))
    path = f"{PATH}/{asked.body['request']}"
    problem(own.agree(path, "ann", token(**claims)), 403)
    problem(own.agree(path, "ann", token(sub="ann", amr=["pwd"])), 403)
    assert own.agree(path, "ann", token(sub="ann", amr=["pwd", "mfa"])).status == 201
    question = {"dataset": "drafts", "purpose": "engineering"}
    problem(own.ask("POST", "/v1/accesses", question, token=token(**claims)), 403)
    granted = own.agree(path, "bo", token(sub="bo", amr=["mfa"]))
    assert granted.body["status"] == "active"
    assert own.ask("POST", "/v1/accesses", question, token=token()).status == 201

    shown = own.precinct.directory / "kim.jwt"
    shown.touch(mode=0o600)
    shown.write_text(token())
    words = ("access", "request", "--dataset", "drafts", "--purpose", "engineering")
    again = own.precinct.json(*words, "--hours", "1", "--token-file", str(shown))
    assert (again["request"], again["granted"]) == (asked.body["request"], True)


def test_rotated_keys_expiry_and_the_end_of_staff_hold_at_the_server(
    own: Served, provider: Provider, capfd: pytest.CaptureFixture[str]
) -> None:
    before = provider.token()
    assert own.ask("GET", PATH, token=before).status == 200
    problem(own.ask("GET", PATH, token=provider.token(exp=int(time.time()) - 70)), 401)
    provider.rotate()
    time.sleep(1.1)
    after = provider.token("r2")
    assert own.ask("GET", PATH, token=after).status == 200
    assert "does not have" in problem(own.ask("GET", PATH, token=before), 401)
    own.precinct.run("staff", "end", "kim")
    assert "kim is ended" in problem(own.ask("GET", PATH, token=after), 401)
    out, err = capfd.readouterr()
    assert not any(part in out + err for token in (before, after) for part in token.split(".")[1:])


def test_the_tokens_of_a_real_provider_are_taken(own_precinct: Precinct) -> None:
    with (
        running_oidc_provider("kim", "stranger") as provider,
        serving(logging_in(own_precinct, provider.issuer)) as running,
    ):
        for algorithm in ("RS256", "ES256", "EdDSA"):
            token = provider.token("kim", f"{AUDIENCE}?alg={algorithm}")
            assert jwt.get_unverified_header(token)["alg"] == algorithm
            assert running.ask("GET", PATH, token=token).status == 200
        others = provider.token("kim", "https://others.example/")
        told = problem(running.ask("GET", PATH, token=others), 401)
        assert told == "the token is for another audience"
        problem(running.ask("GET", PATH, token=provider.token("stranger")), 401)
        running.precinct.run("staff", "restrict", "kim")
        problem(running.ask("GET", PATH, token=token), 401)
