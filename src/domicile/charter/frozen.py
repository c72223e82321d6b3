"""What all models of the charter share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

__all__ = ["EnvironmentName", "Frozen"]

EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Frozen(BaseModel):
    """A table of the charter: no key that it does not name, no value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
