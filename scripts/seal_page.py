"""Write into verify_bundle.html the kinds and claims that verify_bundle.py has, and the policy that
allows its own style and script alone."""

from __future__ import annotations

import base64
import json
import re
import sys
from hashlib import sha256
from pathlib import Path

from domicile.ledger.outside import verify_bundle

__all__ = ["PAGE", "sealed", "with_claims"]

PAGE = Path(__file__).parent.parent / "src/domicile/ledger/outside/verify_bundle.html"
_POLICY = re.compile(r'(?<=Content-Security-Policy" content=")[^"]*')


_CLAIMS = re.compile(
    r'(?<=<script type="application/json" id="claims">\n).*?(?=\n</script>)', re.DOTALL
)
_KINDS_A_LINE = 4


def with_claims(page: str) -> str:
    """The page with the kinds and claims of verify_bundle.py."""
    sides: tuple[list[str], list[str]] = ([], [])
    for kind, both in sorted(verify_bundle.CLAIMS.items()):
        for side, claims in zip(sides, both, strict=True):
            if claims:
                side.append(f"{json.dumps(kind)}: {json.dumps(claims)}")
    kinds = [json.dumps(kind) for kind in verify_bundle.NO_CLAIMS]
    lines = [
        ", ".join(kinds[at : at + _KINDS_A_LINE]) for at in range(0, len(kinds), _KINDS_A_LINE)
    ]
    requires, establishes = (",\n".join(side) for side in sides)
    table = (
        f'{{"requires": {{\n{requires}\n}}, "establishes": {{\n{establishes}\n}}, "neither": [\n'
        + ",\n".join(lines)
        + "\n]}"
    )
    return _CLAIMS.sub(lambda _: table, page)


def sealed(page: str) -> str:
    """The page with its policy."""

    def source(tag: str) -> str:
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"

    policy = (
        f"default-src 'none'; style-src {source('style')}; script-src {source('script')};"
        " base-uri 'none'; form-action 'none'"
    )
    return _POLICY.sub(lambda _: policy, page)


if __name__ == "__main__":
    PAGE.write_text(sealed(with_claims(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")
    sys.exit()
