"""The described API against the served one: to made-up calls, sound and unsound, come answers that
the description has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from domicile.console import Limits
from tests.console.conftest import Served, serving
from tests.policy.precinct import Precinct

Operation = Any  # schemathesis's
NOTHING_TO_BREAK = {
    "GET /healthy",
    "GET /v1/requests/{request_id}",
    "GET /v1/requests/{request_id}/agreement",
}
"""Operations that take nothing, or any text."""
TO_A_REQUEST = ("answers", "changes")
SOUND = {
    "GET /healthy": 200,
    "GET /v1/accesses": 200,
    "GET /v1/history": 200,
    "GET /v1/requests": 200,
    "GET /v1/requests/{request_id}": 404,
    "GET /v1/requests/{request_id}/agreement": 404,
    "POST /v1/accesses": 403,
    "POST /v1/accesses/{access_id}/close": 404,
    "POST /v1/decisions": 200,
    "POST /v1/requests": 201,
    "POST /v1/requests/{request_id}/agreements": 404,
    "POST /v1/requests/{request_id}/answers": 404,
    "POST /v1/requests/{request_id}/changes": 404,
}
"""Each operation, and what comes of sound calls with nothing granted."""


@pytest.fixture(scope="module")
def wide(made_precinct: Precinct, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that takes as many calls as come."""
    directory = tmp_path_factory.mktemp("wide") / "p"
    with serving(made_precinct.copy(directory), Limits(100_000, 100_000, 0.001)) as running:
        yield running


def statuses(operation: Operation, mode: GenerationMode, examples: int) -> set[int]:
    """Of the answers to made-up calls; each answer was held against the description, with all of
    schemathesis's checks."""
    found: set[int] = set()

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=examples,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def hold(case: Any) -> None:  # noqa: ANN401 - schemathesis's
        answer = case.call()
        found.add(answer.status_code)
        case.validate_response(answer)

    hold()
    return found


def answers(served: Served, token: str, examples: int) -> dict[str, set[int]]:
    """The statuses of every operation's answers."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port}/schema/openapi.json")
    if token:
        schema.config.update(headers={"Authorization": f"Bearer {token}"})
    found: dict[str, set[int]] = {}
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        found[operation.label] = statuses(operation, GenerationMode.POSITIVE, examples)
        if operation.label not in NOTHING_TO_BREAK:
            found[operation.label] |= statuses(operation, GenerationMode.NEGATIVE, examples)
    return found


@pytest.mark.parametrize(("staff", "examples"), [("kim", 12), ("ann", 5)])
def test_answers_are_as_described(wide: Served, staff: str, examples: int) -> None:
    found = answers(wide, wide.precinct.token(staff), examples)
    assert {label: SOUND[label] in found[label] for label in SOUND} == dict.fromkeys(SOUND, True)
    broken = {label for label in found if 400 in found[label]}
    assert broken == set(SOUND) - NOTHING_TO_BREAK
    assert set(found) == set(SOUND)


def test_calls_that_follow_each_other_are_answered_as_described(wide: Served) -> None:
    """A request that was made is shown, withdrawn, and then neither withdrawn again nor revoked; an
    access that began is closed."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{wide.port}/schema/openapi.json")
    schema.config.update(headers={"Authorization": f"Bearer {wide.precinct.token('cy')}"})
    found: dict[str, set[int]] = {}

    class Calls(schema.as_state_machine()):  # type: ignore[misc]
        def validate_response(self, response: Any, case: Any, **more: Any) -> None:  # noqa: ANN401 - schemathesis's
            found.setdefault(case.operation.label, set()).add(response.status_code)
            super().validate_response(response, case, **more)

    Calls.run(
        settings=settings(
            database=None,
            deadline=None,
            derandomize=True,
            max_examples=40,
            stateful_step_count=8,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )
    assert found["GET /v1/requests/{request_id}"] >= {200}
    answered, changed = (found[f"POST /v1/requests/{{request_id}}/{to}"] for to in TO_A_REQUEST)
    assert answered | changed >= {201, 409}


def test_the_description_is_where_it_is_said_to_be(wide: Served) -> None:
    told = wide.ask("GET", "/schema").body
    assert told == wide.ask("GET", "/schema/openapi.json").body
    assert told["components"]["schemas"]["RequestForm"]["additionalProperties"] is False
    late = told["paths"]["/v1/decisions"]["post"]["responses"]["429"]
    assert list(late["content"]) == ["application/problem+json"]
    assert late["headers"]["Retry-After"]["required"]


def test_without_a_token_every_answer_is_that_it_lacks(wide: Served) -> None:
    found = answers(wide, "", 3)
    assert found.pop("GET /healthy") == {200}
    assert {label: found[label] - {400} for label in found} == {label: {401} for label in found}
    assert set(found) == set(SOUND) - {"GET /healthy"}
