"""Idempotency keys: a request that runs, or what it was answered from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

_VISIBLE = "tenant_id = ANY (nullif(current_setting('app.tenants', true), '')::uuid[])"


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("facts", postgresql.JSONB()),
        sa.Column("streamed_fingerprint", sa.LargeBinary()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key_hash", name="idempotency_keys_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="idempotency_keys_tenant_fkey"),
    )
    op.create_index("idempotency_keys_expires_idx", "idempotency_keys", ["tenant_id", "expires_at"])
    _isolate()
    op.execute(
        "GRANT SELECT, INSERT, DELETE, UPDATE (fingerprint, claim_id, facts, streamed_fingerprint, expires_at) "
        "ON public.idempotency_keys TO scorm_server"
    )
    op.execute("GRANT SELECT (tenant_id, key_hash, expires_at), DELETE ON public.idempotency_keys TO scorm_operator")


def _isolate() -> None:
    table = "idempotency_keys"
    op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {table}_of_tenants ON public.{table} TO scorm_server USING ({_VISIBLE}) WITH CHECK ({_VISIBLE})"
    )
    op.execute(f"CREATE POLICY {table}_of_operator ON public.{table} TO scorm_operator USING (true) WITH CHECK (true)")
