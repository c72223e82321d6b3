"""Object stores: a directory that keeps versions, and S3-compatible buckets."""

from domicile.sites.objects.directory import DirectorySite
from domicile.sites.objects.model import (
    Attributes,
    Capabilities,
    DeleteFailure,
    ObjectRead,
    ObjectSite,
    ObjectVersion,
    Upload,
    VersionRef,
)
from domicile.sites.objects.opening import open_object_site
from domicile.sites.objects.s3 import S3Site

__all__ = [
    "Attributes",
    "Capabilities",
    "DeleteFailure",
    "DirectorySite",
    "ObjectRead",
    "ObjectSite",
    "ObjectVersion",
    "S3Site",
    "Upload",
    "VersionRef",
    "open_object_site",
]
