"""Whom a bucket lets in besides its owner: its ACL and its policy. The ACLs of single objects are
not read; a bucket tells whether they are in force."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from domicile.sites.objects.model import BucketRule
from domicile.sites.objects.s3_client import code_of, site_errors, status_of
from domicile.sites.objects.s3_errors import NOT_THERE

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["acl_rules", "ask_access", "policy_rules"]

_NONE = NOT_THERE | {
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControlsNotFoundError",
}
_EVERYBODY = ("/AllUsers", "/AuthenticatedUsers")  # ends of the groups' URIs
_AWS_ACCOUNT = re.compile(r"[0-9]{12}")
_ARN = re.compile(r"arn:[^:]*:(?:iam|sts)::([^:]*):(.*)", re.DOTALL)
Answer = Mapping[str, Any]


class _Unseen(Exception):
    """The store doesn't show it to these credentials."""


def ask_access(client: S3Client, site: str, bucket: str) -> list[BucketRule]:
    """Everybody or everyone else who is let in, what the store doesn't show as ``unseen``, and
    whether ACLs of single objects are in force. What blocks public access is heeded."""

    def ask(what: str, asked: Callable[..., Any]) -> Answer:
        with site_errors(site, f"asking for {what}"):
            return _asked(asked, bucket)

    found: list[BucketRule] = []
    blocked = _settings(ask, client)
    owner = ""
    try:
        acl = ask("the ACL", client.get_bucket_acl)
        owner = str(acl.get("Owner", {}).get("ID", ""))
        found += acl_rules(acl, blocks_public=bool(blocked.get("IgnorePublicAcls")))
    except _Unseen:
        found.append(BucketRule("unseen", "ACL"))
    try:
        text = str(ask("the policy", client.get_bucket_policy).get("Policy", ""))
        closed = bool(blocked.get("RestrictPublicBuckets"))
        found += policy_rules(text, owner, blocks_public=closed)
    except (_Unseen, ValueError):
        found.append(BucketRule("unseen", "policy"))
    if not blocked.get("NoAcls"):
        found.append(BucketRule("acls", ""))
    return found


def _settings(ask: Callable[[str, Callable[..., Any]], Answer], client: S3Client) -> Answer:
    """What blocks public access; what isn't shown blocks nothing."""
    found: dict[str, Any] = {}
    try:
        block = ask("what blocks public access", client.get_public_access_block)
        found |= block.get("PublicAccessBlockConfiguration", {})
    except _Unseen:
        pass
    try:
        controls = ask("whose objects are", client.get_bucket_ownership_controls)
        rules = controls.get("OwnershipControls", {}).get("Rules", [])
        found["NoAcls"] = rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    except _Unseen:
        pass
    return found


def _asked(ask: Callable[..., Any], bucket: str) -> Answer:
    try:
        answer: Answer = ask(Bucket=bucket)
    except ResponseParserError as error:
        raise _Unseen from error
    except ClientError as error:
        if code_of(error) in _NONE:
            return {}
        if code_of(error) == "NoSuchBucket" or status_of(error) >= 500:
            raise
        raise _Unseen from error
    return answer


def acl_rules(acl: Answer, *, blocks_public: bool) -> Iterator[BucketRule]:
    """Whom an ACL lets in besides the owner. Pure."""
    owner = acl.get("Owner", {}).get("ID")
    for grant in acl.get("Grants", []):
        grantee = grant.get("Grantee", {})
        group, account = str(grantee.get("URI", "")), grantee.get("ID", "")
        if group.endswith(_EVERYBODY):
            if not blocks_public:
                yield BucketRule("public", "its ACL")
        elif group or not owner or account != owner:
            name = group.rpartition("/")[2] or account or grantee.get("EmailAddress", "")
            yield BucketRule("shared", str(name))


def policy_rules(text: str, owner: str, *, blocks_public: bool) -> Iterator[BucketRule]:
    """Whom a policy lets in besides the owner. A principal of an account that only the store could
    tell from the owner's is ``named``. Raises ValueError for what is no policy. Pure."""
    policy = json.loads(text) if text else {}
    if not isinstance(policy, dict):
        raise ValueError("no policy")  # noqa: TRY004 - whatever the store sent
    for statement in _listed(policy.get("Statement")):
        if not isinstance(statement, dict):
            raise ValueError("no statement")  # noqa: TRY004 - see above
        if statement.get("Effect") != "Allow":
            continue
        for principal in _principals(statement):
            if principal != "*":
                yield from _named(principal, owner)
            elif statement.get("Condition"):
                yield BucketRule("named", "whoever meets a condition of its policy")
            elif not blocks_public:
                yield BucketRule("public", "its policy")


def _principals(statement: Answer) -> list[str]:
    if "Principal" not in statement:
        return ["*"]  # all but some
    principal = statement["Principal"]
    if isinstance(principal, dict):
        return [str(one) for some in principal.values() for one in _listed(some)]
    return [str(one) for one in _listed(principal)]


def _named(principal: str, owner: str) -> Iterator[BucketRule]:
    arn = _ARN.fullmatch(principal)
    account, name = arn.groups() if arn else ("", principal)
    if not arn or _AWS_ACCOUNT.fullmatch(account):
        yield BucketRule("named", principal)
    elif name.removeprefix("user/") != owner.rpartition("$")[2] or account != _tenant(owner):
        yield BucketRule("shared", principal)


def _tenant(owner: str) -> str:
    """Ceph's names of users are ``tenant$user``, or ``user``."""
    return owner.rpartition("$")[0]


def _listed(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
