"""What is served over HTTP: the API of the desk."""

from domicile.console.api import make_api
from domicile.console.limits import Limits
from domicile.console.notifying import notifying
from domicile.console.serving import CERTIFICATE, Tls, serve_until

__all__ = ["CERTIFICATE", "Limits", "Tls", "make_api", "notifying", "serve_until"]
