"""The description of the API, OpenAPI: bodies as they are judged, headers as they are sent, and
which call follows which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.exceptions import ClientException
from litestar.openapi.spec import (
    Link,
    OpenAPIHeader,
    OpenAPIResponse,
    OpenAPIType,
    PathItem,
    Schema,
)

from domicile.console import forms
from domicile.policy.entries import Caps
from domicile.policy.grants import RequestView
from domicile.policy.history import Happening

__all__ = ["describe", "refuse_unknown_parameters"]

_REF = "#/components/schemas/{name}"
_BODIES = [Caps, Happening, RequestView, *(getattr(forms, name) for name in forms.__all__)]
_RETRY_AFTER = OpenAPIHeader(
    description="After how many seconds to call again",
    required=True,
    schema=Schema(type=OpenAPIType.INTEGER, minimum=1),
)
_REQUEST, _ACCESS = "/v1/requests/{request_id}", "/v1/accesses/{access_id}"
_OF_A_REQUEST = ("agreement", "agreements", "answers", "changes")
_FOLLOWING = {
    "/v1/requests": (
        "request_id",
        "request",
        [_REQUEST, *(f"{_REQUEST}/{one}" for one in _OF_A_REQUEST)],
    ),
    "/v1/accesses": ("access_id", "access", [f"{_ACCESS}/close"]),
}
"""What makes something, the parameter that takes its name elsewhere, the field that has the name,
and where it is taken."""


def describe(app: Litestar) -> None:
    """Complete an application's description."""
    _, schemas = msgspec.json.schema_components(_BODIES, ref_template=_REF)
    components: Any = app.openapi_schema.components
    components.schemas = {name: _portable(schema) for name, schema in schemas.items()}
    for path in (app.openapi_schema.paths or {}).values():
        for operation in (path.get, path.post):
            told = (operation.responses or {}).get("429") if operation else None
            if isinstance(told, OpenAPIResponse):
                told.headers = {"Retry-After": _RETRY_AFTER}
    _link(app.openapi_schema.paths or {})


def _link(paths: Mapping[str, PathItem]) -> None:
    for maker, (parameter, name, takers) in _FOLLOWING.items():
        made = paths[maker].post
        response = (made.responses or {}).get("201") if made else None
        if not isinstance(response, OpenAPIResponse):
            continue
        operations = [paths[taker].post or paths[taker].get for taker in takers]
        response.links = {
            operation.operation_id: Link(
                operation_id=operation.operation_id,
                parameters={parameter: f"$response.body#/{name}"},
            )
            for operation in operations
            if operation is not None and operation.operation_id
        }


def refuse_unknown_parameters(request: Request[Any, Any, Any]) -> None:
    """Raise ClientException for a query parameter that the operation doesn't have: a filter that is
    misspelt would let everything through."""
    known = request.route_handler.parsed_fn_signature.parameters
    strange = sorted(set(request.query_params) - set(known))
    if strange:
        raise ClientException(f"there is no query parameter {strange[0][:100]!r}")


def _portable(schema: Any) -> Any:  # noqa: ANN401 - JSON
    r"""Patterns as JSON Schema has them: there ``$`` is the very end, and ``\Z`` the letter."""
    if isinstance(schema, list):
        return [_portable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace(r"\Z", "$")
        if key == "pattern" and isinstance(value, str)
        else _portable(value)
        for key, value in schema.items()
    }
