"""What only the custodian may know and do: who is behind a pseudonym, the keys, what lies sealed
under them. Nothing is imported here: whoever reads the ledger needs its kinds of entry alone."""
