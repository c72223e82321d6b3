"""The browser's verifier, in Chromium: every bundle, and the page as somebody uses it."""

from __future__ import annotations

import html
import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from domicile.ledger import FileSigner
from domicile.ledger.keys import COSIGN_ED25519
from domicile.ledger.outside import verify_bundle
from scripts.seal_page import PAGE, sealed
from tests.ledger.bundles import make_bundles as made
from tests.services import unavailable

CASES = made.cases(json.loads(made.KEPT.read_bytes()))
LOG_KEYS = "\n".join(signer.vkey for signer in made.LOG)
WITNESS_KEYS = "\n".join(witness.vkey for witness in made.WITNESSES)


def page_with(script: str) -> str:
    """The page with a script more, and the policy that lets it run."""
    page = re.sub(r"<meta http-equiv=.*?>", "", PAGE.read_text("utf-8"), count=1)
    return page.replace("</body>", f"<script>{script}</script></body>")


def dom(page: str, directory: Path) -> str:
    """What the page has become when nothing happens in it any more."""
    if which("chromium") is None:
        unavailable("Chromium", "apt-get install chromium")
    path = directory / "page.html"
    path.write_text(page, encoding="utf-8")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    profile = f"--user-data-dir={directory / 'profile'}"
    done = subprocess.run(
        [*command, profile, "--virtual-time-budget=600000", path.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return done.stdout


def verdicts(given: dict[str, dict[str, Any]], directory: Path) -> dict[str, dict[str, Any]]:
    """What the page's verifier says of each."""
    script = """
        const given = GIVEN, bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
        (async () => {
          const found = {};
          for (const [name, one] of Object.entries(given)) {
            const files = one.files || [];
            one.files = files.map(({name, bytes: text}) => ({name, bytes: bytes(text)}));
            const {verdict, why, said} = await verify({...one, bundle: bytes(one.bundle)});
            found[name] = {verdict, why, said: said.map(([m, t]) => m.padEnd(12) + " " + t)};
          }
          document.body.append(element("pre", {id: "found", textContent: JSON.stringify(found)}));
        })();
    """.replace("GIVEN", json.dumps(given))
    shown = dom(page_with(f"{{ {script} }}"), directory)
    found = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    assert found is not None, shown[-2000:]
    said: dict[str, dict[str, Any]] = json.loads(html.unescape(found[1]))
    return said


def asked(data: bytes, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - what the page is given
    """A bundle, with the right keys where nothing else is said."""
    keys = {"keys": LOG_KEYS, "witnesses": WITNESS_KEYS, "quorum": 2}
    return {"bundle": b64encode(data).decode(), **keys, **more}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    given = {name: asked(case.data) for name, case in CASES.items()}
    good = made.written(made.good())
    forged = made.written(made.bundle_of(made.story(), range(14), signers=made.FORGER))
    file = {"name": "a", "bytes": b64encode(made.file_of("rows-messages-00000")).decode()}
    other = {"name": "b", "bytes": b64encode(b"other").decode()}
    own = f"{WITNESS_KEYS}\n{made.ITS_OWN.vkey}"
    seeming = FileSigner("example.org/seems-another", bytes([1] * 32), COSIGN_ED25519)
    twin = FileSigner("example.org/twin", bytes([3] * 32), COSIGN_ED25519)
    twice = made.bundle_of(made.story(), range(14), signers=[*made.LOG, made.WITNESSES[0], twin])
    twins = f"{made.WITNESSES[0].vkey}\n{twin.vkey}"
    given |= {
        "-no-key": asked(good, keys=""),
        "-forged-no-key": asked(forged, keys="", quorum=0),
        "-broken-no-key": asked(CASES["an-entry-changed"].data, keys=""),
        "-only-ml-dsa": asked(good, keys=made.LOG[1].vkey),
        "-mistyped": asked(good, keys=LOG_KEYS.replace("ledger+", "ledgex+")),
        "-own-witness": asked(good, witnesses=own),
        "-own-key": asked(good, witnesses=seeming.vkey),
        "-twins": asked(made.written(twice), witnesses=twins),
        "-file": asked(good, files=[file]),
        "-other-file": asked(good, files=[file, other]),
    }
    return verdicts(given, tmp_path_factory.mktemp("page"))


def test_the_policy_lets_run_what_the_page_holds_and_nothing_else() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert sealed(page) == page, "run `make docs`"
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.findall(r"(?:src|href)=|https?:|url\(|@import|innerHTML|eval\(", page)


def test_the_page_runs_under_its_own_policy_and_no_other_script_does(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert '<form id="form" hidden>' in page
    page = page.replace("</body>", "<script>document.title = 'taken over'</script></body>")
    shown = dom(page, tmp_path)
    assert '<form id="form">' in shown
    assert "<title>Check a ledger bundle</title>" in shown


def test_it_has_the_same_table_as_the_program() -> None:
    (text,) = re.findall(r'id="claims">(.*?)</script>', PAGE.read_text("utf-8"), re.DOTALL)
    table = json.loads(text)
    for number, name in enumerate(("requires", "establishes")):
        claims = {kind: pair[number] for kind, pair in verify_bundle.CLAIMS.items() if pair[number]}
        assert table[name] == claims
    assert table["neither"] == verify_bundle.NO_CLAIMS


@pytest.mark.parametrize("name", CASES)
def test_it_says_of_every_bundle_what_the_program_says(
    said: dict[str, dict[str, Any]], name: str
) -> None:
    found, case = said[name], CASES[name]
    assert found["verdict"] == ("HOLDS" if case.ends == made.HOLDS else "BROKEN"), found
    assert [line for line in [found["verdict"], *found["said"]] if case.says in line], found


@pytest.mark.parametrize(
    ("name", "verdict", "says"),
    [
        ("-no-key", "UNPROVEN", "prove nothing about who signed"),
        ("-forged-no-key", "UNPROVEN", "prove nothing about who signed"),
        ("-broken-no-key", "BROKEN", "is not in the tree"),
        ("-only-ml-dsa", "UNPROVEN", "can be checked in this browser"),
        ("-mistyped", "UNPROVEN", "mistyped, or forged"),
        ("-own-witness", "UNPROVEN", "it is not its own witness"),
        ("-own-key", "UNPROVEN", "it is not its own witness"),
        ("-twins", "BROKEN", "witnesses that you named and that co-signed"),
        ("-file", "HOLDS", "NOT CHECKED  1 files are what entries say of them, 2 are not here"),
        ("-other-file", "BROKEN", "the file b is not what any entry says"),
        ("good", "HOLDS", "NOT CHECKED  signed by example.com/ledger with ML-DSA-44"),
        ("good", "HOLDS", "NOT CHECKED  the signature of example.net/witness-3 with ML-DSA-44"),
    ],
)
def test_it_says_what_it_cannot_tell(
    said: dict[str, dict[str, Any]], name: str, verdict: str, says: str
) -> None:
    assert said[name]["verdict"] == verdict, said[name]
    assert says in "\n".join([*said[name]["said"], said[name]["why"]])


def test_a_bundle_that_is_dropped_on_the_page_is_checked(tmp_path: Path) -> None:
    script = """{
        $("keys").value = KEYS;
        const data = new DataTransfer();
        data.items.add(new File([BUNDLE], "bundle.json"));
        document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}));
    }"""
    script = script.replace("KEYS", json.dumps(LOG_KEYS))
    bundle = made.KEPT.read_text("utf-8")
    shown = dom(page_with(script.replace("BUNDLE", json.dumps(bundle))), tmp_path)
    assert "<h2>It holds</h2>" in shown
    assert shown.count("<details>") == 11
    markup = bundle.replace('"kinds"', '"<img src=x onerror=alert(1)>"', 1)
    shown = dom(page_with(script.replace("BUNDLE", json.dumps(markup))), tmp_path)
    assert "<h2>It holds</h2>" in shown
    assert "<img" not in shown.split("<script>")[0]
