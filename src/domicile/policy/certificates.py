"""Clients' certificates, as far as they tell who somebody is and where. Pure.

That a certificate's authority is one of the server's, that it is good now, and that who shows it
has its key, the TLS handshake proved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from domicile.errors import UsageError

__all__ = ["Certificate"]

_COUNTRY = re.compile(r"[A-Z]{2}\Z")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate. sha256: of its DER, hex. country: of its subject, where it names one and no
    second. until: when it ends."""

    sha256: str
    country: str
    until: datetime

    @classmethod
    def read(cls, der: bytes) -> Certificate:
        """From its DER. Raises UsageError where it is none."""
        try:
            return cls._of(x509.load_der_x509_certificate(der), der)
        except ValueError:
            raise _none() from None

    @classmethod
    def read_pem(cls, pem: bytes) -> Certificate:
        """From a PEM file, of which it is the first. Raises UsageError where there is none."""
        try:
            found = x509.load_pem_x509_certificate(pem)
            return cls._of(found, found.public_bytes(Encoding.DER))
        except ValueError:
            raise _none() from None

    @classmethod
    def _of(cls, found: x509.Certificate, der: bytes) -> Certificate:
        named = found.subject.get_attributes_for_oid(x509.NameOID.COUNTRY_NAME)
        country = str(named[0].value) if len(named) == 1 else ""
        known = country if _COUNTRY.match(country) else ""
        return cls(sha256(der).hexdigest(), known, found.not_valid_after_utc)


def _none() -> UsageError:
    return UsageError(
        "it is no certificate that can be read",
        expected="an X.509 certificate in PEM",
        next_step="name the file of the certificate, not of its key",
    )
