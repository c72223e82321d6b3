"""The subject that a person's key goes by is no longer their pseudonym's bytes: what lies in a
store's metadata leads to no mention in the ledger. Who has a key already keeps its subject."""

import base64

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column, filled."""
    op.add_column("pseudonyms", sa.Column("subject", sa.LargeBinary(16)))
    table = sa.table("pseudonyms", sa.column("pseudonym"), sa.column("subject"))
    connection = op.get_bind()
    for (name,) in connection.execute(sa.select(table.c.pseudonym)).all():
        subject = base64.b32decode(str(name).removeprefix("p-").upper() + "======")
        update = table.update().where(table.c.pseudonym == name)
        connection.execute(update.values(subject=subject))
    with op.batch_alter_table("pseudonyms") as batch:
        batch.alter_column("subject", existing_type=sa.LargeBinary(16), nullable=False)
        batch.create_unique_constraint("pseudonyms_subject", ["subject"])


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("pseudonyms") as batch:
        batch.drop_constraint("pseudonyms_subject", type_="unique")
        batch.drop_column("subject")
