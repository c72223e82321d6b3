"""Pseudonyms: under which name the ledger mentions a person. A row is made at first mention and
destroyed when the person is to be forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "pseudonyms",
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("pseudonym", sa.String(28), nullable=False, unique=True),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("pseudonyms")
