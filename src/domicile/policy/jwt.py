"""Tokens that an OpenID provider signed (JWT): who is logged in. Pure but for the clock.

Rules:
1. One of the provider's published keys, named by ``kid``, signed it, by RS256, ES256 or EdDSA. Keys
   that a token brings along or points to are never looked at.
2. ``iss`` and ``aud`` are the charter's; ``exp``, ``nbf`` and ``iat`` hold now, give or take a
   minute, and ``iat`` lies at most a day back: Domicile can't end such a token, only its holder.
3. It is an access or ID token that whoever bears it may use: not one of another type (RFC 8725,
   3.11), and not one bound to a key (``cnf``). ``jti`` is not looked at:
   bearers show their tokens again and again.
4. It says who somebody is, and whether with a second factor; nothing else in it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt
import msgspec

from domicile.charter import Oidc
from domicile.errors import BadToken
from domicile.policy.staff import StaffId

__all__ = ["Jwk", "Shown", "is_jwt", "read_jwt"]

Jwk = Mapping[str, Any]
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\Z")
_LONGEST: Final = 8 << 10
_SKEW_S: Final = 60
_OLDEST_S: Final = 24 * 3600
_LEAST_RSA_BITS: Final = 2048
_KEY_TYPES: Final = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
_PUBLIC: Final = frozenset({"kty", "crv", "x", "y", "n", "e"})
_TYPES: Final = {"", "jwt", "at+jwt", "application/at+jwt"}
_REASONS: Final = {
    jwt.ExpiredSignatureError: "has expired",
    jwt.ImmatureSignatureError: "is not good yet",
    jwt.InvalidAudienceError: "is for another audience",
    jwt.InvalidIssuerError: "is of another issuer",
    jwt.MissingRequiredClaimError: "lacks a claim that it must have",
}
_UNSOUND: Final = (
    jwt.PyJWTError,
    ArithmeticError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What reading something hostile may end in."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a good token says: whose it is, and whether a second factor was shown."""

    staff: str
    second_factor: bool


def is_jwt(token: str) -> bool:
    """Whether it has the shape of one."""
    return len(token) <= _LONGEST and _SHAPE.match(token) is not None


def read_jwt(token: str, oidc: Oidc, find: Callable[[str], Jwk | None]) -> Shown:
    """What a token says; ``find`` gives the provider's key of a name. Raises BadToken, and what
    ``find`` raises."""
    try:
        header = jwt.get_unverified_header(token)
        name, algorithm = _named(header)
        key = _key(find(name), algorithm)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=oidc.audience,
            issuer=oidc.issuer,
            leeway=_SKEW_S,
            options={"require": ["iss", "aud", "exp", "iat", oidc.staff_claim]},
        )
    except _UNSOUND as error:
        raise _bad(_REASONS.get(type(error), "is not good")) from None
    _check_use(claims)
    return Shown(_staff(claims, oidc), _has_second_factor(claims, oidc))


def _named(header: Mapping[str, Any]) -> tuple[str, str]:
    """The key's name and the algorithm that a token tells."""
    name, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in _KEY_TYPES:
        raise _bad("is signed by none of RS256, ES256, EdDSA")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or "crit" in header:
        raise _bad("is no access or ID token")
    if not isinstance(name, str) or not name:
        raise _bad("does not name the key that signed it")
    return name, algorithm


def _key(found: Jwk | None, algorithm: str) -> Any:  # noqa: ANN401 - a public key of cryptography
    kind, curve = _KEY_TYPES[algorithm]
    if found is None:
        raise _bad("is signed with a key that its issuer does not have")
    fits = (
        found.get("kty") == kind
        and found.get("crv") == curve
        and found.get("use", "sig") == "sig"
        and found.get("alg", algorithm) == algorithm
    )
    if not fits:
        raise _bad("is signed with a key that is for something else")
    public = {part: value for part, value in found.items() if part in _PUBLIC}
    key = jwt.PyJWK.from_dict(public, algorithm=algorithm).key
    if getattr(key, "key_size", _LEAST_RSA_BITS) < _LEAST_RSA_BITS and kind == "RSA":
        raise _bad("is signed with a key that is too short")
    return key


def _check_use(claims: Mapping[str, Any]) -> None:
    if "cnf" in claims:
        raise _bad("is bound to a key, and can't be used by whoever bears it")
    if datetime.now(UTC).timestamp() - float(claims["iat"]) > _OLDEST_S + _SKEW_S:
        raise _bad("was issued more than a day ago")


def _staff(claims: Mapping[str, Any], oidc: Oidc) -> str:
    try:
        return msgspec.convert(claims[oidc.staff_claim], StaffId)
    except msgspec.ValidationError:
        raise _bad(f"holds no staff member's id in the claim {oidc.staff_claim}") from None


def _has_second_factor(claims: Mapping[str, Any], oidc: Oidc) -> bool:
    for claim, wanted in oidc.second_factor.items():
        told = claims.get(claim)
        told = told if isinstance(told, list) else [told]
        if any(isinstance(value, str) and value in wanted for value in told):
            return True
    return False


def _bad(why: str) -> BadToken:
    return BadToken(f"the token {why}", next_step="log in anew at the issuer, then repeat")
