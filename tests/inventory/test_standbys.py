from __future__ import annotations

from domicile.inventory.standbys import primary_among
from domicile.sites.postgres import Lineage

PRIMARY = Lineage("7", 16_384, in_recovery=False)
COPY = Lineage("7", 16_384, in_recovery=True)


def test_a_standby_s_primary_is_the_one_database_of_its_cluster_that_takes_writes() -> None:
    others = {
        "cascaded": COPY,
        "beside": Lineage("7", 16_385, in_recovery=False),
        "stranger": Lineage("8", 16_384, in_recovery=False),
    }
    assert primary_among("copy", {"copy": COPY, "old": PRIMARY, **others}) == "old"
    assert primary_among("copy", {"copy": COPY, **others}) is None
    assert primary_among("copy", {"copy": COPY, "old": PRIMARY, "promoted": PRIMARY}) is None
