"""Whom a bucket lets in, as Ceph RGW tells it, and as other stores do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domicile.sites.objects import BucketRule
from domicile.sites.objects.s3_access import acl_rules, policy_rules
from tests.services.objects import MakeBucket, TestBucket

ACLS = BucketRule("acls", "")
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"


def allow(bucket: TestBucket, principal: object, **more: object) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket.name}/*",
        **more,
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    bucket.client().put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(policy))


def test_a_bucket_of_its_owner_alone_lets_nobody_in(rgw_bucket: MakeBucket) -> None:
    bucket = rgw_bucket(versioned=True)
    assert bucket.site().rules() == [ACLS]
    allow(bucket, {"AWS": "arn:aws:iam:::user/test"})
    assert bucket.site().rules() == [ACLS]


def test_who_is_let_in_by_acl_and_policy_is_told(rgw_bucket: MakeBucket) -> None:
    bucket = rgw_bucket(versioned=True)
    client, site = bucket.client(), bucket.site()
    client.put_bucket_acl(Bucket=bucket.name, ACL="public-read")
    assert site.rules() == [BucketRule("public", "its ACL"), ACLS]
    allow(bucket, "*")
    everybody = [BucketRule("public", "its ACL"), BucketRule("public", "its policy")]
    assert site.rules() == [*everybody, ACLS]
    client.put_public_access_block(
        Bucket=bucket.name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": False,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": False,
            "RestrictPublicBuckets": True,
        },
    )
    assert site.rules() == [ACLS]
    client.delete_public_access_block(Bucket=bucket.name)
    client.put_bucket_acl(Bucket=bucket.name, ACL="authenticated-read")
    client.delete_bucket_policy(Bucket=bucket.name)
    assert site.rules() == [BucketRule("public", "its ACL"), ACLS]
    client.put_bucket_acl(Bucket=bucket.name, ACL="private")
    allow(bucket, {"AWS": "arn:aws:iam:::user/somebody"})
    assert site.rules() in (
        [BucketRule("shared", "arn:aws:iam:::user/somebody"), ACLS],
        [ACLS],  # a server that doesn't know whom it names keeps no such principal
    )
    site.close()


def statement(**fields: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": "s3:*", "Resource": "*", **fields}


@pytest.mark.parametrize(
    ("statements", "rules"),
    [
        ([], []),
        (statement(Principal="*"), ["public"]),
        (statement(Principal={"AWS": ["*"]}), ["public"]),
        (statement(NotPrincipal={"AWS": "arn:aws:iam::123456789012:root"}), ["public"]),
        (statement(Principal="*", Condition={"IpAddress": {}}), ["named"]),
        (statement(Principal="*", Effect="Deny"), []),
        (statement(Principal={"AWS": "arn:aws:iam::123456789012:role/r"}), ["named"]),
        (statement(Principal={"AWS": "123456789012", "Service": "x.y"}), ["named", "named"]),
        (statement(Principal={"AWS": "arn:aws:iam:::user/test"}), []),
        (statement(Principal={"AWS": "arn:aws:iam::t:user/test"}), ["shared"]),
        ([statement(Principal={"AWS": "arn:aws:iam:::user/a\nb"})], ["shared"]),
    ],
)
def test_a_policy_tells_whom_it_lets_in(statements: object, rules: list[str]) -> None:
    text = json.dumps({"Statement": statements})
    assert [rule.kind for rule in policy_rules(text, "test", blocks_public=False)] == rules
    kept = [rule.kind for rule in policy_rules(text, "test", blocks_public=True)]
    assert kept == [kind for kind in rules if kind != "public"]


@pytest.mark.parametrize("text", ["{", "[]", '{"Statement": ["x"]}', "7"])
def test_what_is_no_policy_is_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever json says
        list(policy_rules(text, "test", blocks_public=False))


def test_an_acl_tells_whom_it_lets_in() -> None:
    def granted(*grantees: dict[str, str]) -> list[BucketRule]:
        acl: dict[str, Any] = {"Owner": {"ID": "me"}, "Grants": [{"Grantee": g} for g in grantees]}
        return list(acl_rules(acl, blocks_public=False))

    logs = "http://acs.amazonaws.com/groups/s3/LogDelivery"
    assert granted({"ID": "me"}) == []
    assert granted({"URI": ALL_USERS}) == [BucketRule("public", "its ACL")]
    assert granted({"ID": "other"}, {"URI": logs}) == [
        BucketRule("shared", "other"),
        BucketRule("shared", "LogDelivery"),
    ]
