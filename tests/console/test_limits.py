"""How often somebody may call: what is refused, how it is told, and whom it does not hold up."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from domicile.console import Limits
from domicile.console.limits import _MOST_KEPT, Gate, TooOften
from tests.console.conftest import Served, serving
from tests.console.test_api import problem
from tests.policy.precinct import Precinct

HERE, THERE = "127.0.0.1", "127.0.0.2"


@pytest.fixture(scope="module")
def narrow(made_precinct: Precinct, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Eight calls at once, two failed log-ins; then one an eighth of a second, one a minute."""
    directory = tmp_path_factory.mktemp("narrow") / "p"
    with serving(made_precinct.copy(directory), Limits(8, 2, 60.0)) as running:
        yield running


def test_failed_log_ins_hold_up_their_address_and_no_token_that_was_good(narrow: Served) -> None:
    good, other = narrow.precinct.token("kim"), narrow.precinct.token("boss")
    path = "/v1/requests"
    assert narrow.ask("GET", path, token=good).status == 200
    for _ in range(2):
        problem(narrow.ask("GET", path, token="wrong"), 401)
    for late in ("wrong", "other", other):
        told = narrow.ask("GET", path, token=late)
        assert problem(told, 429) == "too many log-ins failed from this address"
        assert 50 <= int(told.headers["retry-after"]) <= 60
    assert narrow.ask("GET", path, token=good).status == 200
    assert narrow.ask("GET", path, token=other, address=THERE).status == 200
    assert narrow.ask("GET", path, token=other).status == 200  # it was good there


def test_calls_are_measured_by_token_and_told_when_to_come_back(narrow: Served) -> None:
    kim, boss = narrow.precinct.token("kim"), narrow.precinct.token("boss")
    for token in (kim, boss):
        assert narrow.ask("GET", "/v1/requests", token=token, address="127.0.0.4").status == 200
    told = [
        narrow.ask("GET", "/v1/requests", token=kim, address=f"127.0.0.{n}") for n in range(5, 45)
    ]
    late = [answer for answer in told if answer.status != 200]
    assert late
    for answer in late:
        assert problem(answer, 429) == "too many calls"
        assert answer.headers["retry-after"] == "1"
    assert narrow.ask("GET", "/v1/requests", token=boss, address="127.0.0.4").status == 200


def test_a_measure_fills_up_again_and_what_is_remembered_is_bounded() -> None:
    gate = Gate(Limits(2, 1, 10.0))
    gate.enter("a", HERE, 0.0)
    gate.enter("a", HERE, 0.0)
    with pytest.raises(TooOften) as refused:
        gate.enter("a", HERE, 0.0)
    assert refused.value.wait_s == pytest.approx(0.5)
    gate.enter("a", HERE, 0.5)
    gate.failed("a", HERE, 1.0)
    with pytest.raises(TooOften) as refused:
        gate.enter("b", HERE, 2.0)
    assert refused.value.wait_s == pytest.approx(9.0)
    gate.enter("b", HERE, 11.0)
    for number in range(_MOST_KEPT + 5):
        address = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"
        gate.enter("c", address, 20.0)
        gate.failed("c", address, 20.0)
        gate.succeeded(str(number))
    kept = (gate._calls._free_at, gate._failures._free_at, gate._good)
    assert [len(one) for one in kept] == [_MOST_KEPT] * 3
    with pytest.raises(TooOften):  # one customer's other address
        gate.enter("d", address[:-1] + "2", 20.0)


def test_who_is_slow_holds_no_connection(narrow: Served) -> None:
    begun = b"POST /v1/requests HTTP/1.1\r\nhost: h\r\n"
    for sent in (b"", begun, begun + b"content-length: 5\r\n\r\nab"):
        with socket.create_connection((HERE, narrow.port), 30) as connection:
            connection.sendall(sent)
            with suppress(ConnectionResetError):
                while connection.recv(4096):  # until it is closed
                    pass


def test_framing_that_can_be_read_in_two_ways_is_refused(narrow: Served) -> None:
    begun = b"GET /healthy HTTP/1.1\r\nhost: h\r\n"
    for hostile in (
        b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"x: " + b"x" * 20_000,
        b"x y: z\r\n\r\n",
    ):
        with socket.create_connection((HERE, narrow.port), 30) as connection:
            connection.sendall(begun + hostile)
            assert connection.recv(12) == b"HTTP/1.1 400"
