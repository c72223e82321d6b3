"""``python -m domicile``."""

from domicile.cli import main

if __name__ == "__main__":  # a spawned worker imports this module, and is no command
    main()
