"""Who is known here: to the register of the last scan, or to custody."""

from __future__ import annotations

from collections.abc import Mapping

from domicile.custody.pseudonyms import Pseudonyms
from domicile.inventory import Estate, Run
from domicile.people import Register
from domicile.state import State

__all__ = ["unknown_lines"]


def unknown_lines(estate: Estate, state: State, persons: Mapping[str, int]) -> list[int]:
    """The lines of a list whose persons nobody knows: not a member in the last finished scan, and
    without a pseudonym. Raises EvidenceError where that scan's register can't be read."""
    known = set(Pseudonyms(state).known(persons))
    run = next((each.id for each in state.runs() if each.scanned_at is not None), None)
    left = [person for person in persons if person not in known]
    if run is not None and left:
        where = Run(estate.records, run)
        with Register(where.people, where.people_index) as register:
            known |= {person for person, is_one in register.membership(left).items() if is_one}
    return sorted(persons[person] for person in left if person not in known)
