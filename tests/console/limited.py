"""`domicile serve` under other limits: ``python -m tests.console.limited CHARTER PORT LIMITS``. A
call must be whole within three seconds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from domicile.cli.desk import at_the_desk
from domicile.cli.session import Options
from domicile.console import Limits, make_api, serve_until, serving
from domicile.policy.office import Office


def main(charter: str, port: str, limits: str) -> None:
    """Serve until stopped."""
    serving._WHOLE_S = 3.0
    with at_the_desk(Options(Path(charter), as_json=False)) as counter:
        office = Office(counter.session.loaded.charter, counter.desk)
        api = make_api(office, Limits(**json.loads(limits)))
        serve_until({int(port): api}, "127.0.0.1")


if __name__ == "__main__":
    main(*sys.argv[1:])
