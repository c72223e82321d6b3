"""What the gateway refuses, in S3's own words: clients act on the code. Pure.

Source: Amazon S3 API reference, "Error responses".
"""

from __future__ import annotations

from typing import Final

from domicile.errors import (
    AccessForbidden,
    BadToken,
    CharterError,
    DomicileError,
    EvidenceError,
    KeyAbsent,
    ObjectWithheld,
    OperatorError,
    SiteMissing,
)

__all__ = ["S3Fault", "fault_of"]

_STATUS: Final = {
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidObjectState": 403,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MethodNotAllowed": 405,
    "MissingSecurityHeader": 400,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NotImplemented": 501,
    "NotModified": 304,
    "PreconditionFailed": 412,
    "RequestTimeTooSkewed": 403,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Fault(Exception):
    """A request is not answered: one of S3's codes, and why, for people. headers: what the answer
    has beside."""

    def __init__(self, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.code, self.message, self.headers = code, message, headers

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return _STATUS[self.code]


_CODES: tuple[tuple[type[DomicileError], str], ...] = (
    (BadToken, "InvalidAccessKeyId"),
    (AccessForbidden, "AccessDenied"),
    (ObjectWithheld, "InvalidObjectState"),  # for good: clients try an InternalError again
    (KeyAbsent, "InvalidObjectState"),
    (SiteMissing, "NoSuchKey"),
    (CharterError, "ServiceUnavailable"),  # another one is in force by now
    (OperatorError, "InvalidRequest"),
    (EvidenceError, "InternalError"),
)


def fault_of(error: DomicileError) -> S3Fault:
    """An error of Domicile's, as S3 would tell it: the same sentence, and the next step. What can't
    be recorded or reached is said to be unavailable: clients try again."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "ServiceUnavailable")
    return S3Fault(code, str(error))
