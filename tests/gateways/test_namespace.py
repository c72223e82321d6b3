"""A bucket is a dataset, and a key is in the first one whose template it fits."""

from __future__ import annotations

import pytest

from domicile.charter import ObjectDataset
from domicile.gateways.s3.faults import S3Fault
from domicile.gateways.s3.namespace import Namespace
from tests.people.catalogues import charter


def namespace(**datasets: ObjectDataset) -> Namespace:
    return Namespace(charter(objects=datasets))


def code(call: object) -> str:
    with pytest.raises(S3Fault) as raised:
        call()  # type: ignore[operator]
    return raised.value.code


def test_keys_of_a_bucket_fit_its_template_and_none_before() -> None:
    found = namespace(
        narrow=ObjectDataset(template="m/{person}/x/{file}"),
        wide=ObjectDataset(template="m/{person}/{file...}"),
        css=ObjectDataset(template="css/{file...}", classification="public"),
    )
    assert found.buckets == ("narrow", "wide", "css")
    assert found.person("narrow", "m/7/x/f") == "7"
    assert found.person("wide", "m/7/y/f") == "7"
    assert found.person("css", "css/a/b") == ""
    for bucket, key in (
        ("wide", "m/7/x/f"),
        ("narrow", "m/7/y/f"),
        ("css", "m/7/y/f"),
        ("wide", ".."),
    ):
        assert code(lambda b=bucket, k=key: found.person(b, k)) == "NoSuchKey"
    assert code(lambda: found.person("none", "m/7/x/f")) == "NoSuchBucket"


def test_what_the_key_does_not_tell_is_not_served() -> None:
    found = namespace(
        first=ObjectDataset(template="a/{person}/{file}"),
        named=ObjectDataset(key_column="video.key"),
        after=ObjectDataset(template="b/{person}/{file}"),
    )
    assert found.buckets == ("first",)
    assert code(lambda: found.template("named")) == "NotImplemented"
    assert code(lambda: found.person("after", "b/1/f")) == "NotImplemented"
