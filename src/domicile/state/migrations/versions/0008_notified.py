"""Policy's tables: what was told to those whom the charter's notices go to."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "notified",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_at", sa.String(24), nullable=False),
    )
    op.create_table(
        "notified_ends",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("request", sa.String(20), primary_key=True),
        sa.Column("until", sa.String(24), primary_key=True),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("notified_ends", "notified"):
        op.drop_table(name)
