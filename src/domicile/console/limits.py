"""How often somebody may call. Pure: the time comes from outside.

Rules:
1. A token that was good here before has a measure of its own; all else counts for the address
   that it comes from. So who guesses holds up nobody who calls with a good token from there.
2. Failed log-ins have a narrower measure, by address; who is beyond it waits, whatever they show,
   unless it was good before.
3. What is remembered is bounded: where there is no room, who was quiet longest is forgotten first.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address

__all__ = ["Gate", "Limits", "TooOften"]

_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """a_second: calls of one token, or of one address without a good one, that many at once.
    failures: failed log-ins of one address at once; then one more every ``pause_s`` seconds."""

    a_second: int = 50
    failures: int = 10
    pause_s: float = 6.0


class TooOften(Exception):
    """Somebody called too often; may call again in ``wait_s`` seconds."""

    def __init__(self, failed: str, wait_s: float) -> None:
        super().__init__(failed)
        self.wait_s = wait_s


class _Measure:
    """So many at once; then one every ``pause_s`` seconds (the generic cell rate algorithm: of each
    key only the moment is kept when it will have its whole measure again)."""

    def __init__(self, at_once: int, pause_s: float) -> None:
        self._ahead_s, self._pause_s = (at_once - 1) * pause_s, pause_s
        self._free_at: dict[bytes, float] = {}

    def wait_s(self, key: bytes, now: float) -> float:
        """How long until it may again; 0: now."""
        return max(self._free_at.get(key, now) - self._ahead_s - now, 0.0)

    def add(self, key: bytes, now: float) -> None:
        """It did."""
        free_at = max(self._free_at.pop(key, now), now) + self._pause_s
        if len(self._free_at) >= _MOST_KEPT:
            del self._free_at[next(iter(self._free_at))]
        self._free_at[key] = free_at


class Gate:
    """Who may call now, by these limits."""

    def __init__(self, limits: Limits) -> None:
        self._calls = _Measure(limits.a_second, 1 / limits.a_second)
        self._failures = _Measure(limits.failures, limits.pause_s)
        self._good: dict[bytes, None] = {}

    def enter(self, token: str, address: str, now: float) -> None:
        """Take in a call. Raises TooOften."""
        key, is_good = self._key(token, address)
        if not is_good and token and (wait_s := self._failures.wait_s(key, now)):
            raise TooOften("too many log-ins failed from this address", wait_s)
        if wait_s := self._calls.wait_s(key, now):
            raise TooOften("too many calls", wait_s)
        self._calls.add(key, now)

    def succeeded(self, token: str) -> None:
        """This token was good."""
        digest = _digest(token)
        self._good.pop(digest, None)
        if len(self._good) >= _MOST_KEPT:
            del self._good[next(iter(self._good))]
        self._good[digest] = None

    def failed(self, token: str, address: str, now: float) -> None:
        """This token was not good."""
        self._good.pop(_digest(token), None)
        self._failures.add(_place(address), now)

    def _key(self, token: str, address: str) -> tuple[bytes, bool]:
        digest = _digest(token)
        return (digest, True) if digest in self._good else (_place(address), False)


def _place(address: str) -> bytes:
    """An address; of IPv6 the network of 64 bits, which is one customer's."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None:
        return ip.packed[:8]
    return address.encode()


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
