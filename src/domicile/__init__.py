"""Domicile finds whose data lies where, brings it home, proves it, and leaves nothing behind."""

__version__ = "0.1.0"
