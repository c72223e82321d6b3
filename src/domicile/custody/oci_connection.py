"""Requests to OCI Key Management through Oracle's SDK: bounded, without redirects or repetition.

**This has not met the real service.** It is tested against a double of ours on loopback, which
checks the signatures of requests and follows the published API (version 20180608).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from domicile.custody.addresses import host_of
from domicile.custody.bounded import within
from domicile.errors import DomicileError, EvidenceError, SiteRefused, SiteUnreachable, UsageError

__all__ = ["OciClients", "OciConnection", "OciRejected"]

_TIMEOUT_S: Final = 10.0


class OciClients(NamedTuple):
    """The SDK's clients of one process; it ships no types."""

    crypto: Any
    management: Any


class OciRejected(Exception):
    """The service rejected what a request holds (400)."""


class OciConnection:
    """One vault and the API signing key of one user. Every call raises SiteUnreachable and
    SiteRefused as `RootKey` says."""

    def __init__(
        self,
        crypto: str,
        management: str,
        config_file: Path,
        profile: str = "DEFAULT",
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """``crypto`` and ``management`` are the vault's endpoints. Raises UsageError where one is
        no ``https://host``, and where the SDK is not installed."""
        self.host = host_of(crypto)
        host_of(management)
        self._endpoints = crypto, management
        self._config_file, self._profile, self._timeout_s = config_file, profile, timeout_s
        self._oci = _sdk()
        self._clients: dict[int, OciClients] = {}  # by process: a fork shares no connection

    def __repr__(self) -> str:
        return f"OciConnection({self.host!r}, profile {self._profile!r})"

    @property
    def models(self) -> Any:  # noqa: ANN401 - the SDK has no types
        """What requests are made of."""
        return self._oci.key_management.models

    def call(self, act: Callable[[OciClients], Any]) -> Any:  # noqa: ANN401 - the SDK has no types
        """What ``act`` makes of the clients and their answer. Raises OciRejected for a 400."""
        errors = self._oci.exceptions
        try:
            return within(self._timeout_s, lambda: act(self._of_process()))
        except TimeoutError:
            raise self._unreachable(f"did not answer in {self._timeout_s:g} s") from None
        except errors.ServiceError as error:
            raise self._judged(int(error.status)) from None
        except (errors.ConnectTimeout, errors.RequestException, OSError) as error:
            raise self._unreachable(f"does not answer ({type(error).__name__})") from None
        except DomicileError:
            raise
        except Exception:  # noqa: BLE001 - so the SDK raises where it can't read an answer
            raise self.nonsense() from None

    def nonsense(self) -> EvidenceError:
        """The error where an answer is not what the API promises."""
        return EvidenceError(
            f"{self.host} answers what OCI Key Management does not",
            expected="the published API, version 20180608",
            next_step="check the vault's endpoints",
        )

    def _judged(self, status: int) -> Exception:
        if status == 400:
            return OciRejected()
        if status == 401:
            return self._refused("refuses the signature")
        if status == 404:
            return self._refused("has no such key, or does not show it to this user")
        if status == 409:
            return self._refused("cannot do that while the key is in the state it is in")
        if status == 429 or status >= 500:
            return self._unreachable(f"is overloaded or out of order ({status})")
        return self._refused(f"refuses ({status})")

    def _of_process(self) -> OciClients:
        process = os.getpid()
        if process not in self._clients:
            self._clients[process] = self._connect()
        return self._clients[process]

    def _connect(self) -> OciClients:
        config = self._config()
        options = {
            "timeout": self._timeout_s,
            "retry_strategy": self._oci.retry.NoneRetryStrategy(),
            "circuit_breaker_strategy": self._oci.circuit_breaker.NoCircuitBreakerStrategy(),
        }
        try:
            clients = OciClients(
                self._oci.key_management.KmsCryptoClient(config, self._endpoints[0], **options),
                self._oci.key_management.KmsManagementClient(config, self._endpoints[1], **options),
            )
        except (self._oci.exceptions.ClientError, OSError, ValueError) as error:
            raise self._no_config(type(error).__name__) from None
        for client in clients:
            client.base_client.session.max_redirects = 0
        return clients

    def _config(self) -> dict[str, Any]:
        try:
            config: dict[str, Any] = self._oci.config.from_file(
                str(self._config_file), self._profile
            )
            self._oci.config.validate_config(config)
            private = (self._config_file, Path(config["key_file"]).expanduser())
            if any(path.stat().st_mode & 0o077 for path in private):
                raise self._no_config("others can read it or its key file")
        except (self._oci.exceptions.ClientError, OSError, KeyError, ValueError) as error:
            raise self._no_config(type(error).__name__) from None
        return {**config, "log_requests": False}  # else the SDK prints keys in their requests

    def _no_config(self, why: str) -> SiteRefused:
        return self._refused(f"cannot be asked: {self._config_file.name}, {self._profile}: {why}")

    def _refused(self, why: str) -> SiteRefused:
        return SiteRefused(
            f"the vault {self.host} {why}",
            expected="a user whose API key signs, and whose policy allows use of the vault's key",
            next_step="check the SDK's config file, its key file, the clock and the policy",
        )

    def _unreachable(self, why: str) -> SiteUnreachable:
        return SiteUnreachable(
            f"the vault {self.host} {why}",
            expected="OCI Key Management at the vault's endpoints",
            next_step="check the endpoints and the network, then try again",
        )


def _sdk() -> Any:  # noqa: ANN401 - the SDK has no types
    """Oracle's SDK. It is large and slow to import: only where a root in OCI Vault is opened."""
    try:
        importlib.import_module("oci.key_management")
        return importlib.import_module("oci")
    except ModuleNotFoundError as missing:
        raise UsageError(
            "a root key in OCI Vault needs the package oci",
            expected="it is installed",
            next_step="pip install 'domicile[oci]'",
        ) from missing
