"""Who calls: by a token of Domicile's own, by one of the charter's OpenID provider, or by a
certificate that their connection proved to be theirs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from domicile.charter import Charter
from domicile.errors import AccessForbidden, BadToken
from domicile.policy.certificates import Certificate
from domicile.policy.credentials import authenticate, holder_of
from domicile.policy.desk import Desk
from domicile.policy.issuer import Issuer
from domicile.policy.jwt import Shown, is_jwt, read_jwt
from domicile.policy.questions import Caller, country_of

__all__ = ["Logins"]


class Logins:
    """The log-ins of a desk. turn: held while the desk is asked, and not while the provider is."""

    def __init__(
        self,
        charter: Charter,
        desk: Desk,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self._charter, self._desk = charter, desk
        self._turn = nullcontext() if turn is None else turn
        self._issuer = Issuer(charter.oidc) if charter.oidc is not None else None

    def caller(self, token: str, address: str, certificate: bytes | None = None) -> Caller:
        """Who shows this token, or without one this certificate (DER), connecting from this
        address. Raises AccessForbidden, as BadToken where it is not good; SiteUnreachable where
        that can't be told."""
        shown = Certificate.read(certificate) if certificate is not None else None
        country = self._country(address, shown)
        if not token and shown is not None:
            with self._turn:
                return holder_of(self._desk, shown, country)
        found = self._by_token(token, country)
        if shown is not None:
            with self._turn:
                self._require_same(found, shown)
        return found

    def country(self, address: str, certificate: bytes | None) -> str:
        """Where a connection comes from; empty where nothing tells."""
        return self._country(address, Certificate.read(certificate) if certificate else None)

    def _country(self, address: str, shown: Certificate | None) -> str:
        country = country_of(self._charter, address)
        if not country and shown is not None and self._charter.certificates is not None:
            return shown.country
        return country

    def _by_token(self, token: str, country: str) -> Caller:
        oidc, issuer = self._charter.oidc, self._issuer
        if oidc is None or issuer is None or not is_jwt(token):
            with self._turn:
                return authenticate(self._desk, token, country)
        shown = read_jwt(token, oidc, issuer.key)
        with self._turn:
            return self._by_claims(shown, country)

    def _require_same(self, caller: Caller, shown: Certificate) -> None:
        """Raise BadToken where a token comes with a certificate that is another's."""
        standing = self._desk.standing
        issued = standing.certificates.get(shown.sha256)
        if issued is not None and standing.credentials[issued].issued.staff != caller.staff:
            raise BadToken(
                "the token and the certificate of the connection are of different staff",
                next_step="show one's own",
            )

    def _by_claims(self, shown: Shown, country: str) -> Caller:
        standing = self._desk.standing
        try:
            member = standing.member(shown.staff)
        except AccessForbidden as error:
            if shown.staff in standing.staff:
                self._desk.turn_away(shown.staff, "staff-not-active", None)
            raise BadToken(error.failed, next_step=error.next_step) from None
        return Caller(member.id, country, shown.second_factor)
