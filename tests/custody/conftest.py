from __future__ import annotations

from pathlib import Path

import pytest

from tests.custody.keepers import (
    Keeper,
    keeper_of_file,
    keeper_of_oci,
    keeper_of_token,
    keeper_of_transit,
)


@pytest.fixture(params=["file", "pkcs11", "transit", "oci"])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Keeper:
    """Each keeper in turn, with a new root."""
    match request.param:
        case "pkcs11":
            return keeper_of_token(request.getfixturevalue("softhsm"))
        case "transit":
            return keeper_of_transit(request.getfixturevalue("openbao"))
        case "oci":
            return keeper_of_oci(request.getfixturevalue("oci_vault"))
        case _:
            return keeper_of_file(tmp_path)
