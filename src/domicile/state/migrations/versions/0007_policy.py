"""Policy's tables: digests of credentials' secrets, and words of requests."""

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


def downgrade() -> None:
    """Drop them."""
    for name in ("words", "secrets"):
        op.drop_table(name)
