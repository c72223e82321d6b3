"""A folder for PYTHONPATH: what stands in it strikes a command at a chosen point."""
