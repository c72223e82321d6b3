"""Runs: each scan starts one; plan, move, verify and erase go on with it."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "runs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("charter_sha256", sa.String(64), nullable=False),
        sa.Column("scanned_at", sa.DateTime),
        sa.Column("plan_sha256", sa.String(64)),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("runs")
