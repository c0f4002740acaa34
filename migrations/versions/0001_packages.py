"""Roles, tenants, quotas, API keys, packages and uploads under row-level security; jobs in a schema of their own."""

from importlib import resources

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_NOW_AND_LATER = sa.DateTime(timezone=True)

# What each role may do to each table, no more than the statements in server/storage need.
_GRANTS = {
    "tenants": {"scorm_server": "SELECT", "scorm_operator": "SELECT, INSERT, UPDATE (name, plan, updated_at)"},
    "tenant_quotas": {
        "scorm_server": "SELECT, UPDATE (package_count, stored_bytes)",
        "scorm_operator": "SELECT, INSERT, UPDATE (package_limit, stored_bytes_limit)",
    },
    "api_keys": {
        "scorm_server": "SELECT, UPDATE (last_used_at)",
        "scorm_operator": "SELECT, INSERT, UPDATE (revoked_at)",
    },
    "packages": {"scorm_server": "SELECT, INSERT, DELETE", "scorm_operator": "SELECT"},
    "uploads": {
        "scorm_server": "SELECT, INSERT, UPDATE (beat_at, claimed_at), DELETE",
        "scorm_operator": "SELECT, UPDATE (claimed_at), DELETE",
    },
}


def upgrade() -> None:
    _create_group_roles()
    _create_tenants()
    _create_api_keys()
    _create_packages()
    _create_uploads()
    for table, grants in _GRANTS.items():
        _isolate(table)
        for role, privileges in grants.items():
            op.execute(f"GRANT {privileges} ON public.{table} TO {role}")
    op.execute("GRANT USAGE ON SCHEMA public TO scorm_server, scorm_operator")
    _create_jobs()


def _create_group_roles() -> None:
    """Roles belong to the whole server, so that another database beside this one may have made them, even just now."""
    for role in ("scorm_server", "scorm_operator"):
        op.execute(
            f"""
            DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                    CREATE ROLE {role} NOLOGIN;
                END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
            """
        )


def _isolate(table: str) -> None:
    """The server sees the tenants that its transaction has set, none otherwise; the operator sees all."""
    visible = "tenant_id = ANY (nullif(current_setting('app.tenants', true), '')::uuid[])"
    op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {table}_of_tenants ON public.{table} TO scorm_server USING ({visible}) WITH CHECK ({visible})"
    )
    op.execute(f"CREATE POLICY {table}_of_operator ON public.{table} TO scorm_operator USING (true) WITH CHECK (true)")


def _create_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("created_at", _NOW_AND_LATER, nullable=False),
        sa.Column("updated_at", _NOW_AND_LATER, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="tenants_pkey"),
        sa.CheckConstraint("plan IN ('standard', 'high', 'unlimited')", name="tenants_plan_check"),
    )
    op.create_table(
        "tenant_quotas",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("package_limit", sa.BigInteger()),
        sa.Column("package_count", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("stored_bytes_limit", sa.BigInteger()),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant_id", name="tenant_quotas_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="tenant_quotas_tenant_fkey"),
        sa.CheckConstraint("package_limit >= 0", name="tenant_quotas_package_limit_check"),
        sa.CheckConstraint("package_count >= 0", name="tenant_quotas_package_count_check"),
        sa.CheckConstraint("stored_bytes_limit >= 0", name="tenant_quotas_stored_bytes_limit_check"),
        sa.CheckConstraint("stored_bytes >= 0", name="tenant_quotas_stored_bytes_check"),
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", _NOW_AND_LATER, nullable=False),
        sa.Column("expires_at", _NOW_AND_LATER),
        sa.Column("revoked_at", _NOW_AND_LATER),
        sa.Column("last_used_at", _NOW_AND_LATER),
        sa.PrimaryKeyConstraint("tenant_id", "api_key_id", name="api_keys_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="api_keys_tenant_fkey"),
    )


def _create_packages() -> None:
    op.create_table(
        "packages",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("schema_version", sa.Text(), nullable=False),
        sa.Column("launch_path", sa.Text(), nullable=False),
        sa.Column("manifest_path", sa.Text(), nullable=False),
        sa.Column("file_size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("expanded_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("uploaded_by", sa.Text()),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("created_at", _NOW_AND_LATER, nullable=False),
        sa.Column("updated_at", _NOW_AND_LATER, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", name="packages_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="packages_tenant_fkey"),
        sa.CheckConstraint("version IN ('1.2', '2004')", name="packages_version_check"),
        sa.CheckConstraint("file_size_bytes >= 0", name="packages_file_size_bytes_check"),
        sa.CheckConstraint("expanded_bytes >= 0", name="packages_expanded_bytes_check"),
        sa.CheckConstraint("file_count >= 0", name="packages_file_count_check"),
    )
    op.create_index(
        "packages_newest_idx", "packages", ["tenant_id", sa.text("created_at DESC"), sa.text("package_id DESC")]
    )


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", _NOW_AND_LATER, nullable=False),
        sa.Column("beat_at", _NOW_AND_LATER, nullable=False),
        sa.Column("claimed_at", _NOW_AND_LATER),
        sa.PrimaryKeyConstraint("tenant_id", "package_id", name="uploads_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="uploads_tenant_fkey"),
    )


def _create_jobs() -> None:
    """procrastinate's tables, outside row-level security: a job carries its tenant's id.

    As a whole, for its steps cannot be applied in one transaction: one adds a value to a type, a later one uses it,
    which Postgres before 17 refuses until the first is committed. The schema says up to which step it is, so that a
    migration for a newer procrastinate applies those after it: none where this one ran with the newer version.
    """
    scripts = resources.files("procrastinate.sql")
    last_step = max(step.name for step in (scripts / "migrations").iterdir() if step.name.endswith(".sql"))
    op.execute("CREATE SCHEMA jobs")
    op.execute(f"COMMENT ON SCHEMA jobs IS 'procrastinate up to {last_step}'")
    op.execute("SET LOCAL search_path = jobs")
    _execute_as_it_is((scripts / "schema.sql").read_text())
    op.execute("SET LOCAL search_path = public")
    # Callers and triggers find procrastinate's tables whatever search_path the caller has.
    op.execute(
        """
        DO $$ DECLARE function regprocedure; BEGIN
            FOR function IN SELECT oid FROM pg_proc WHERE pronamespace = 'jobs'::regnamespace LOOP
                EXECUTE 'ALTER FUNCTION ' || function || ' SET search_path = jobs, pg_catalog';
            END LOOP;
        END $$
        """
    )
    op.execute("GRANT USAGE ON SCHEMA jobs TO scorm_server, scorm_operator")
    # The server enqueues (which writes an event too), and looks whether the same job waits already.
    op.execute("GRANT INSERT, SELECT (id, queueing_lock, status) ON jobs.procrastinate_jobs TO scorm_server")
    op.execute("GRANT INSERT ON jobs.procrastinate_events TO scorm_server")
    op.execute(
        "GRANT USAGE ON SEQUENCE jobs.procrastinate_jobs_id_seq, jobs.procrastinate_events_id_seq TO scorm_server"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jobs TO scorm_operator")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO scorm_operator")


def _execute_as_it_is(script: str) -> None:
    """Several statements with percent signs and colons, which SQLAlchemy would take for parameters."""
    if context.is_offline_mode():
        op.get_context().impl.static_output(script.rstrip().removesuffix(";") + ";")
        return
    driver_connection = op.get_bind().connection.driver_connection
    if driver_connection is None:
        raise RuntimeError("the migration has no connection")
    driver_connection.execute(script)
