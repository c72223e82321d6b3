"""What is served over HTTP: the API of the desk."""

from domicile.console.api import Office, make_api
from domicile.console.notifying import notifying
from domicile.console.serving import Tls, serve_until

__all__ = ["Office", "Tls", "make_api", "notifying", "serve_until"]
