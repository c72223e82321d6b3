"""What `staff restrict` and `staff end` share."""

from __future__ import annotations

from typing import Literal

import msgspec

from domicile.cli.desk import at_the_desk
from domicile.cli.session import Options, emit_json

__all__ = ["put"]


def put(options: Options, staff: str, status: Literal["restricted", "ended"]) -> None:
    """Give a staff member this status."""
    from domicile.policy.lists import record_staff
    from domicile.policy.standing import unknown

    with at_the_desk(options) as counter:
        member = counter.desk.standing.staff.get(staff)
        if member is None:
            raise unknown("staff member", staff)
        changed = msgspec.structs.replace(member, status=status)
        record_staff(counter.desk, [changed])
        if options.as_json:
            emit_json(changed)
        else:
            counter.say(f"{staff} is {status}: what they held has ended")
