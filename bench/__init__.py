"""Domicile against the tools that one would use without it. ``make bench`` runs it."""
