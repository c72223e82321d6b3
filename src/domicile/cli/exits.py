"""Exit codes, as every command's help states them."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["EXIT_CODES_HELP", "Exit"]


class Exit(IntEnum):
    """How a command ended."""

    WELL = 0
    REMAINS = 1
    OPERATOR = 2
    SITE = 3
    EVIDENCE = 4


EXIT_CODES_HELP = (
    "Exit codes: 0 nothing to do or all well; 1 findings or failures remain; 2 charter or usage;"
    " 3 a site could not be reached or refused; 4 the evidence is broken."
)
