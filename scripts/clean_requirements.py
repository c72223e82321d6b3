"""Strip from pinned requirements whatever belongs to the machine that pinned them.

Lines that name an index, a directory of wheels or an option are dropped; a URL or an absolute path
that is left over is an error. Usage: clean_requirements.py FILE...
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_OPTION = re.compile(r"^\s*--(?!hash=)")
_MACHINE = re.compile(r"://|(?:^|\s)/\w")


def clean(text: str) -> str:
    """``text`` without option lines, blank lines at its start collapsed."""
    kept = [line for line in text.splitlines() if not _OPTION.match(line) or "--hash=" in line]
    return "\n".join(kept).strip("\n") + "\n"


def main(paths: list[str]) -> int:
    """Clean each file in place; 1 where something of the machine is left."""
    failed = 0
    for name in paths:
        path = Path(name)
        text = clean(path.read_text())
        path.write_text(text)
        for number, line in enumerate(text.splitlines(), 1):
            if _MACHINE.search(line):
                print(f"{name}:{number}: names a place on this machine", file=sys.stderr)
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
