"""Attributes as S3's headers, and back; the path of a key. Pure.

``binary/octet-stream`` is what S3 says for no content type, so it means "" here, both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from domicile.sites.objects.model import Attributes

__all__ = ["attributes_of", "headers_for", "host_of", "key_path", "tag_header"]

_NO_TYPE = "binary/octet-stream"
_META = "x-amz-meta-"


def key_path(bucket: str, key: str) -> str:
    """The request path of a key, encoded once and never normalised."""
    return f"/{bucket}/{quote(key, safe='/~')}"


def host_of(endpoint: str) -> str:
    """The Host header of an endpoint: with its port, where that is not the scheme's own."""
    url = urlsplit(endpoint)
    own = {"http": ":80", "https": ":443"}[url.scheme]
    return url.netloc.removesuffix(own)


def tag_header(tags: tuple[tuple[str, str], ...]) -> str:
    """The value of ``x-amz-tagging``."""
    return urlencode(tags, quote_via=quote)


def headers_for(attributes: Attributes) -> dict[str, str]:
    """The request headers that store these attributes."""
    headers = {
        "content-type": attributes.content_type or _NO_TYPE,
        "cache-control": attributes.cache_control,
        "content-disposition": attributes.content_disposition,
        "content-encoding": attributes.content_encoding,
        "content-language": attributes.content_language,
        "x-amz-tagging": tag_header(attributes.tags),
    }
    headers.update({_META + name: value for name, value in attributes.metadata})
    return {name: value for name, value in headers.items() if value or name.startswith(_META)}


def attributes_of(headers: Mapping[str, str], tags: tuple[tuple[str, str], ...]) -> Attributes:
    """The attributes that a response's headers (any case of names) and the tags say."""
    lower = {name.lower(): value for name, value in headers.items()}
    content_type = lower.get("content-type", "")
    return Attributes(
        content_type="" if content_type == _NO_TYPE else content_type,
        cache_control=lower.get("cache-control", ""),
        content_disposition=lower.get("content-disposition", ""),
        content_encoding=lower.get("content-encoding", ""),
        content_language=lower.get("content-language", ""),
        metadata=tuple(
            sorted(
                (name.removeprefix(_META), value)
                for name, value in lower.items()
                if name.startswith(_META)
            )
        ),
        tags=tags,
    )
