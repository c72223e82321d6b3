"""Object stores: a directory that keeps versions, and S3-compatible buckets."""

from domicile.sites.objects.directory import DirectorySite
from domicile.sites.objects.keys import encode_key
from domicile.sites.objects.lookup import versions_of
from domicile.sites.objects.model import (
    Attributes,
    BucketRule,
    Capabilities,
    DeleteFailure,
    Hold,
    ObjectRead,
    ObjectSite,
    ObjectVersion,
    Span,
    Upload,
    VersionRef,
)
from domicile.sites.objects.opening import open_object_site

__all__ = [
    "Attributes",
    "BucketRule",
    "Capabilities",
    "DeleteFailure",
    "DirectorySite",
    "Hold",
    "ObjectRead",
    "ObjectSite",
    "ObjectVersion",
    "Span",
    "Upload",
    "VersionRef",
    "encode_key",
    "open_object_site",
    "versions_of",
]
