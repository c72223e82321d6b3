"""What a request is for: what it says itself, else what its access key is for. Pure."""

from __future__ import annotations

import re

from domicile.gateways.s3.faults import S3Fault
from domicile.gateways.s3.request import S3Request

__all__ = ["read_purpose"]

_PURPOSE = "x-domicile-purpose"
_TICKET = "x-domicile-ticket"
_WORD = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
_NAME = re.compile(r"[A-Za-z0-9#./_-]{0,64}\Z")
_SUFFIX = re.compile(r"(?:^|[ ,])domicile-(purpose|ticket)/([A-Za-z0-9#._-]{1,64})(?=$|[ ,])")


def read_purpose(request: S3Request, defaults: tuple[str, str]) -> tuple[str, str]:
    """Purpose and ticket: of a header, of a parameter of the URL (which a signature covers), of the
    user agent (``domicile-purpose/moderation``), or these ``defaults``, in this order. Raises
    S3Fault where no purpose is said, or one has characters that none has."""
    agent = dict(_SUFFIX.findall(request.header("user-agent")))
    purpose, ticket = (
        request.header(name) or request.parameter(name) or agent.get(short) or default
        for name, short, default in zip(
            (_PURPOSE, _TICKET), ("purpose", "ticket"), defaults, strict=True
        )
    )
    if not purpose:
        raise S3Fault(
            "AccessDenied",
            f"no purpose is said; next: send the header {_PURPOSE}, or have the access key issued"
            " with --purpose",
        )
    if not _WORD.match(purpose) or not _NAME.match(ticket):
        raise S3Fault("InvalidArgument", "that is no purpose, or no ticket, of any")
    return purpose, ticket
