"""Every part that writes ledger entries, imported: who reads the ledger must know all its kinds."""

import domicile.custody.entries
import domicile.erase.entries
import domicile.move.entries
import domicile.people.entries
import domicile.policy.entries
import domicile.scan.entries  # noqa: F401 - each registers its kinds
