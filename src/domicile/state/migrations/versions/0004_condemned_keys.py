"""Keys that are to be destroyed; and a root's version may be a time in milliseconds."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table, widen the column."""
    op.create_table(
        "condemned_keys",
        sa.Column("boundary", sa.String(63), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("root", sa.Text, nullable=False),
        sa.Column("root_versions", sa.JSON, nullable=False),
        sa.Column("pending_until", sa.String(24)),
    )
    with op.batch_alter_table("boundary_keys") as table:
        table.alter_column("root_version", type_=sa.BigInteger, existing_nullable=False)


def downgrade() -> None:
    """Drop the table. The column stays wide: it may hold what a narrow one can't."""
    op.drop_table("condemned_keys")
