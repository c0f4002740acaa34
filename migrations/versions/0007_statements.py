"""xAPI statements, what they are found by, and up to which of them everything is settled."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

_GRANTS = {
    "statements": "SELECT, INSERT, UPDATE (voided)",
    "statement_keys": "SELECT, INSERT",
    "statement_attachments": "SELECT, INSERT",
}
_OPERATOR_GRANTS = {
    "statements": "SELECT, UPDATE (voided)",
    "statement_keys": "SELECT, INSERT",
}


def upgrade() -> None:
    _create_statements()
    _create_keys()
    _create_attachments()
    for table, privileges in _GRANTS.items():
        _isolate(table)
        op.execute(f"GRANT {privileges} ON public.{table} TO scorm_server")
    for table, privileges in _OPERATOR_GRANTS.items():
        op.execute(f"GRANT {privileges} ON public.{table} TO scorm_operator")
    _create_sequences()


def _create_statements() -> None:
    op.create_table(
        "statements",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("verb_key", sa.Uuid(), nullable=False),
        sa.Column("activity_key", sa.Uuid()),
        sa.Column("actor_key", sa.Uuid(), nullable=False),
        sa.Column("authority_key", sa.Uuid(), nullable=False),
        sa.Column("refers_to", sa.Uuid()),
        sa.Column("is_voiding", sa.Boolean(), nullable=False),
        sa.Column("voids_any", sa.Boolean(), nullable=False),
        sa.Column("voided", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scaled", sa.Double()),
        sa.Column("keys", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "statement_id", name="statements_pkey"),
    )
    op.create_index("statements_position_idx", "statements", ["tenant_id", "position"], unique=True)
    op.create_index(
        "statements_refers_to_idx",
        "statements",
        ["tenant_id", "refers_to"],
        postgresql_where=sa.text("refers_to IS NOT NULL"),
    )
    # Rows come in the order of time and hardly change: few are looked at again by VACUUM, and pages stay full.
    op.execute("ALTER TABLE public.statements SET (autovacuum_vacuum_insert_scale_factor = 0.05)")


def _create_keys() -> None:
    op.create_table(
        "statement_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", "position", "owner", name="statement_keys_pkey"),
    )
    # Read from the index alone, once VACUUM has seen the rows.
    op.execute("ALTER TABLE public.statement_keys SET (autovacuum_vacuum_insert_scale_factor = 0.05)")


def _create_attachments() -> None:
    op.create_table(
        "statement_attachments",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sha2", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "sha2", name="statement_attachments_pkey"),
    )


def _create_sequences() -> None:
    # Tells apart transactions that begin in the same microsecond.
    op.execute("CREATE SEQUENCE public.statement_ties AS bigint CYCLE")
    op.execute("GRANT USAGE ON SEQUENCE public.statement_ties TO scorm_server")
    # Holds a position, and is never counted: up to it no statement is to come.
    op.execute("CREATE SEQUENCE public.statements_settled AS bigint")
    op.execute("GRANT SELECT ON SEQUENCE public.statements_settled TO scorm_server")
    op.execute("GRANT SELECT, UPDATE ON SEQUENCE public.statements_settled TO scorm_operator")


def _isolate(table: str) -> None:
    """As 0001 does."""
    # In a subquery, so that it is worked out once for a statement and not for every row.
    visible = "tenant_id = ANY ((SELECT nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[])"
    op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {table}_of_tenants ON public.{table} TO scorm_server USING ({visible}) WITH CHECK ({visible})"
    )
    op.execute(f"CREATE POLICY {table}_of_operator ON public.{table} TO scorm_operator USING (true) WITH CHECK (true)")
