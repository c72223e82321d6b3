"""``python -m domicile``."""

from domicile.cli import main

if __name__ == "__main__":
    main()
