"""Policy's tables: digests of credentials' secrets, words of requests, the fold of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "secrets",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("credential", sa.String(20), primary_key=True),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "words",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("sha256", sa.LargeBinary(32), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "folds",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("last_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("standing", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("folds", "words", "secrets"):
        op.drop_table(name)
