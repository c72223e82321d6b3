"""A folder for PYTHONPATH: what stands in it makes a command die at a chosen point."""
