"""The charter's models of who may ask for access, from where people connect and log in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from domicile.charter.frozen import Frozen

__all__ = ["AccessRules", "Certificates", "Network", "Oidc"]

StaffId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
_Claim = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/-]{1,200}$")]
_Value = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class AccessRules(Frozen):
    """What a grant of access takes, and how long it may last."""

    approvers: dict[StaffId, str] = Field(
        default_factory=dict,
        max_length=100,
        description="The staff of the custodian who may agree to requests, by their ids, each with"
        ' the public key under which they agree: `ann = "..."`, as `domicile custody keygen`'
        " prints it. Without any, nobody is granted anything.",
    )
    approvals: int = Field(
        default=2,
        ge=1,
        le=10,
        description="How many of them must agree to a request.",
    )
    longest_days: int = Field(
        default=30, ge=1, le=366, description="How long a grant, or its extension, may last."
    )
    review_days: int = Field(
        default=90,
        ge=1,
        le=366,
        description="After how many days a standing grant lapses, unless it was reviewed.",
    )
    break_glass_hours: int = Field(
        default=4, ge=1, le=72, description="How long an access without approval may last."
    )


class Network(Frozen):
    """Addresses from which people connect, and the country they lie in. Who connects from any
    other address is taken to be abroad."""

    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = Field(
        description="The country the network lies in."
    )
    ranges: tuple[str, ...] = Field(
        min_length=1, description="Its addresses, `10.1.0.0/16` or `2001:db8::/32`."
    )


class Certificates(Frozen):
    """Whose word on the country of a client counts, where their address lies in no network that is
    declared."""

    authorities_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="The SHA-256 of the file of authorities (PEM) that `domicile serve"
        " --tls-client-ca` is given. Whoever shows a certificate of theirs connects from the"
        " country in its subject (`C`)."
    )


class Oidc(Frozen):
    """The company's or the custodian's OpenID provider: staff log in with its tokens beside those
    that Domicile issues. What a token claims gives no rights: staff are who the ledger says."""

    issuer: str = Field(
        max_length=500,
        description="The provider's name, as its tokens have it in `iss`: `https://host[/path]`."
        " Its keys are found through `/.well-known/openid-configuration` below it.",
    )
    audience: _Value = Field(
        description="What its tokens must have in `aud`: the name under which it knows Domicile."
    )
    staff_claim: _Claim = Field(
        default="sub", description="The claim that holds the id of a staff member."
    )
    second_factor: dict[_Claim, tuple[_Value, ...]] = Field(
        default_factory=dict,
        max_length=10,
        description="The values of claims, any of which says that a second factor was shown:"
        ' `{ amr = ["mfa", "hwk"], acr = ["phr"] }`. Without it, none was.',
    )
    keys_url: str | None = Field(
        default=None,
        max_length=500,
        description="Where its keys are (a JWK set), where that is another host than the issuer's.",
    )
