"""Imports of packages from URLs, and how many there are in each status."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

_TIME = sa.DateTime(timezone=True)
_GRANTS = {
    "import_jobs": "SELECT, INSERT, UPDATE (sealed_url, status, attempts, run_id, bytes_received, bytes_total, "
    "package_id, failure, started_at, finished_at, updated_at)",
    "import_job_counts": "SELECT, INSERT, UPDATE (queued, running, succeeded, failed, cancelled)",
}


def upgrade() -> None:
    _create_import_jobs()
    op.create_table(
        "import_job_counts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        *(
            sa.Column(status, sa.BigInteger(), nullable=False, server_default="0")
            for status in ("queued", "running", "succeeded", "failed", "cancelled")
        ),
        sa.PrimaryKeyConstraint("tenant_id", name="import_job_counts_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="import_job_counts_tenant_fkey"),
    )
    for table, privileges in _GRANTS.items():
        _isolate(table)
        op.execute(f"GRANT {privileges} ON public.{table} TO scorm_server")


def _create_import_jobs() -> None:
    op.create_table(
        "import_jobs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("import_job_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed_url", sa.LargeBinary()),
        sa.Column("title", sa.Text()),
        sa.Column("uploaded_by", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("bytes_received", sa.BigInteger(), nullable=False),
        sa.Column("bytes_total", sa.BigInteger()),
        sa.Column("package_id", sa.Uuid()),
        sa.Column("failure", postgresql.JSONB()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "import_job_id", name="import_jobs_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="import_jobs_tenant_fkey"),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="import_jobs_status_check"
        ),
        sa.CheckConstraint("(status = 'running') = (run_id IS NOT NULL)", name="import_jobs_run_check"),
        sa.CheckConstraint(
            "(status IN ('queued', 'running')) = (sealed_url IS NOT NULL)", name="import_jobs_sealed_url_check"
        ),
    )
    newest = [sa.text("created_at DESC"), sa.text("import_job_id DESC")]
    op.create_index("import_jobs_newest_idx", "import_jobs", ["tenant_id", *newest])
    op.create_index("import_jobs_of_status_idx", "import_jobs", ["tenant_id", "status", *newest])


def _isolate(table: str) -> None:
    """As 0001 does."""
    visible = "tenant_id = ANY (nullif(current_setting('app.tenants', true), '')::uuid[])"
    op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {table}_of_tenants ON public.{table} TO scorm_server USING ({visible}) WITH CHECK ({visible})"
    )
    op.execute(f"CREATE POLICY {table}_of_operator ON public.{table} TO scorm_operator USING (true) WITH CHECK (true)")
