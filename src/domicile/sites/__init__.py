"""Places where data lies: one driver per kind, one contract suite per kind."""
