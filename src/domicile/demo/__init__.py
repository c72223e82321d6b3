"""The short-video network: a seeded world with known truth."""
