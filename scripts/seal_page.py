"""Write into verify_bundle.html the policy that allows its own style and script alone."""

from __future__ import annotations

import base64
import re
import sys
from hashlib import sha256
from pathlib import Path

__all__ = ["PAGE", "sealed"]

PAGE = Path(__file__).parent.parent / "src/domicile/ledger/outside/verify_bundle.html"
_POLICY = re.compile(r'(?<=Content-Security-Policy" content=")[^"]*')


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
    PAGE.write_text(sealed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit()
