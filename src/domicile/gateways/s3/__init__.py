"""The S3 gateway: objects at home, for S3 clients as they are."""

from domicile.gateways.s3.gatekeeper import Gatekeeper
from domicile.gateways.s3.gateway import S3Gateway
from domicile.gateways.s3.home import Home
from domicile.gateways.s3.namespace import Namespace

__all__ = ["Gatekeeper", "Home", "Namespace", "S3Gateway"]
