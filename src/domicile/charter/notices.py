"""The charter's models of who is told about requests and grants."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from domicile.charter.frozen import EnvironmentName, Frozen

__all__ = ["Mail", "Notices"]

Address = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$"
    ),
]
Host = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,250}[A-Za-z0-9])?$")
]


class Mail(Frozen):
    """A mail server, and to whom it takes notices. STARTTLS is used where the server offers it."""

    server: Host = Field(description="The mail server's name, without a port.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port for submission.")
    sender: Address = Field(description="From whom notices are.")
    to: tuple[Address, ...] = Field(
        min_length=1,
        max_length=20,
        description="To whom they are: addresses of an office, never of a person: they stand in"
        " the ledger.",
    )
    user: str | None = Field(
        default=None,
        pattern=r"^[!-~]{1,128}$",
        description="As whom to log in. Never without TLS, but on this machine.",
    )
    password_env: EnvironmentName | None = Field(
        default=None, description="Environment variable that holds the password."
    )
    password_file: str | None = Field(
        default=None, description="File that holds the password (relative to the charter)."
    )


class Notices(Frozen):
    """Somebody who is told when a request is made or answered, a grant begins, is revoked or about
    to end, or glass is broken: by a webhook (`url`) or by e-mail (`email`)."""

    url: str | None = Field(
        default=None,
        max_length=2_000,
        description="Where notices are posted: `https://`, or `http://` on this machine.",
    )
    secret_env: EnvironmentName | None = Field(
        default=None,
        description="Environment variable that holds the webhook's secret, `whsec_` and base64.",
    )
    secret_file: str | None = Field(
        default=None, description="File that holds it (relative to the charter)."
    )
    email: Mail | None = Field(default=None, description="The mail server and addresses.")
