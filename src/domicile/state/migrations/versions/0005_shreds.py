"""Shreds: whose keys are to be destroyed, how far that is, and who must not get a key again."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "shreds",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("phase", sa.String(12), nullable=False),
        sa.Column("persons", sa.Integer, nullable=False),
        sa.Column("requested_at", sa.String(24), nullable=False),
        sa.Column("waits_s", sa.Integer, nullable=False),
        sa.Column("waited_s", sa.Integer, nullable=False),
        sa.Column("looked", sa.JSON, nullable=False),
        sa.Column("keys_below", sa.Integer),
        sa.Column("unreadable", sa.JSON),
        sa.Column("certificate", sa.Text),
    )
    op.create_table(
        "shred_subjects",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("subject", sa.LargeBinary(16), primary_key=True),
        sa.Column("shred", sa.String(40), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erased_subjects",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("subject", sa.LargeBinary(16), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erased_persons",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("erased_persons", "erased_subjects", "shred_subjects", "shreds"):
        op.drop_table(table)
