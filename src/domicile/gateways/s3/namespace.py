"""Which buckets there are, and whose a key is: a bucket is a dataset of the charter. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from domicile.charter import Charter, Template
from domicile.gateways.s3.faults import S3Fault

__all__ = ["Namespace"]


class Namespace:
    """A charter's datasets of objects, in its order: the first whose template fits has a key.

    A dataset whose keys a database column names has no template, and which of those that come
    behind it has a key isn't told by the key: none of these is served.
    """

    def __init__(self, charter: Charter) -> None:
        self._names = tuple(charter.objects)
        self._served: dict[str, Template] = {}
        for name, dataset in charter.objects.items():
            if dataset.template is None:
                break
            self._served[name] = Template.parse(dataset.template)

    @property
    def buckets(self) -> Sequence[str]:
        """The names of those that are served."""
        return tuple(self._served)

    def template(self, bucket: str) -> Template:
        """A bucket's. Raises S3Fault where there is none, or it is not served."""
        if bucket not in self._names:
            raise S3Fault("NoSuchBucket", f"the charter has no dataset of objects {bucket[:80]!r}")
        if bucket not in self._served:
            raise S3Fault(
                "NotImplemented",
                f"{bucket}: keys that a database column names, or that come behind such a dataset",
            )
        return self._served[bucket]

    def has(self, bucket: str, key: str) -> bool:
        """Whether a key is one of this bucket's."""
        for name, template in self._served.items():
            if template.match(key) is not None:
                return name == bucket
        return False

    def person(self, bucket: str, key: str) -> str:
        """Whose a key is, as the register has it; empty where it is nobody's. Raises S3Fault where
        the bucket has no such keys."""
        match = self.template(bucket).match(key)
        if match is None or not self.has(bucket, key):
            raise S3Fault("NoSuchKey", f"keys of {bucket} fit {self.template(bucket).text}")
        return match.get("person", "")
