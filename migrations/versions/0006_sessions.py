"""Sessions with their items, launches and statements, and how many there are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)
_GRANTS = {
    "sessions": "SELECT, INSERT, UPDATE, DELETE",
    "session_items": "SELECT, INSERT, UPDATE",
    "session_launches": "SELECT, INSERT, UPDATE",
    "session_statements": "SELECT, INSERT",
    "session_counts": "SELECT",
    "session_count_changes": "SELECT, INSERT",
}
# The worker counts, and removes what belonged to deleted packages.
_OPERATOR_GRANTS = {
    "sessions": "SELECT, DELETE",
    "session_counts": "SELECT, INSERT, UPDATE",
    "session_count_changes": "SELECT, DELETE",
}


def upgrade() -> None:
    _create_sessions()
    _create_session_items()
    _create_session_launches()
    _create_session_statements()
    _create_counts()
    for table, privileges in _GRANTS.items():
        _isolate(table)
        op.execute(f"GRANT {privileges} ON public.{table} TO scorm_server")
    for table, privileges in _OPERATOR_GRANTS.items():
        op.execute(f"GRANT {privileges} ON public.{table} TO scorm_operator")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _whole(name: str, kind: type[sa.Integer] = sa.Integer) -> sa.Column[int]:
    return sa.Column(name, kind(), nullable=False)


def _ids(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.Uuid(), nullable=False) for name in ("tenant_id", *names)]


def _score() -> list[sa.Column[float]]:
    return [sa.Column(f"score_{part}", sa.Double()) for part in ("scaled", "raw", "min", "max")]


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        *_ids("session_id", "package_id"),
        _text("user_id"),
        sa.Column("user_name", sa.Text()),
        _whole("attempt"),
        _text("completion_status"),
        _text("success_status"),
        *_score(),
        *(sa.Column(f"explicit_{part}_at", _TIME) for part in ("completion", "success", "score")),
        _whole("time_ms", sa.BigInteger),
        sa.Column("session_time_ms", sa.BigInteger()),
        *(_whole(name) for name in ("launches", "holder", "told_launch", "runs")),
        sa.Column("current_item", sa.Text()),
        _flag("is_over"),
        sa.Column("shared", postgresql.JSON()),
        sa.Column("redirect_url", sa.Text()),
        sa.Column("links_valid_from", _TIME),
        _whole("revision", sa.BigInteger),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", name="sessions_pkey"),
        sa.UniqueConstraint("tenant_id", "package_id", "user_id", "attempt", name="sessions_attempt_key"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="sessions_tenant_fkey"),
        sa.CheckConstraint(
            "completion_status IN ('not_attempted', 'incomplete', 'completed')",
            name="sessions_completion_status_check",
        ),
        sa.CheckConstraint("success_status IN ('unknown', 'passed', 'failed')", name="sessions_success_status_check"),
    )
    # Most updates change no indexed column: with room on the page they leave the indexes alone.
    op.execute("ALTER TABLE public.sessions SET (fillfactor = 80)")
    newest = [sa.text("created_at DESC"), sa.text("session_id DESC")]
    op.create_index("sessions_newest_idx", "sessions", ["tenant_id", *newest])
    op.create_index("sessions_of_package_idx", "sessions", ["tenant_id", "package_id", *newest])
    op.create_index("sessions_of_user_idx", "sessions", ["tenant_id", "user_id", *newest])
    op.create_index("sessions_of_completion_idx", "sessions", ["tenant_id", "completion_status", *newest])
    op.create_index("sessions_of_success_idx", "sessions", ["tenant_id", "success_status", *newest])
    op.create_index(
        "sessions_of_package_success_idx", "sessions", ["tenant_id", "package_id", "success_status", *newest]
    )
    op.create_index(
        "sessions_of_package_completion_idx",
        "sessions",
        ["tenant_id", "package_id", "completion_status", *newest],
    )


def _of_session(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "session_id"],
        ["sessions.tenant_id", "sessions.session_id"],
        name=f"{table}_session_fkey",
        ondelete="CASCADE",
    )


def _create_session_items() -> None:
    op.create_table(
        "session_items",
        *_ids("session_id", "item_key"),
        _text("item_id"),
        sa.Column("cmi_data", postgresql.JSON(), nullable=False),
        _text("completion_status"),
        _text("success_status"),
        *_score(),
        _whole("time_ms", sa.BigInteger),
        _whole("run"),
        _whole("launch"),
        _whole("applied", sa.BigInteger),
        _text("entry"),
        *(_flag(name) for name in ("is_initialized", "is_terminated", "is_review")),
        sa.Column("overruled", postgresql.JSON()),
        sa.Column("kept", postgresql.JSON()),
        _whole("earlier_ms", sa.BigInteger),
        _flag("is_suspended"),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", "item_key", name="session_items_pkey"),
        _of_session("session_items"),
    )
    op.execute("ALTER TABLE public.session_items SET (fillfactor = 80)")


def _create_session_launches() -> None:
    op.create_table(
        "session_launches",
        *_ids("session_id"),
        _whole("number"),
        sa.Column("launch_id", sa.Uuid(), nullable=False),
        sa.Column("begun_at", _TIME, nullable=False),
        sa.Column("opened_at", _TIME),
        _flag("is_review"),
        _whole("told_ms", sa.BigInteger),
        sa.Column("items", postgresql.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", "number", name="session_launches_pkey"),
        _of_session("session_launches"),
    )
    op.execute("ALTER TABLE public.session_launches SET (fillfactor = 80)")


def _create_session_statements() -> None:
    op.create_table(
        "session_statements",
        *_ids("statement_id", "session_id"),
        _text("verb"),
        sa.Column("stored_at", _TIME, nullable=False),
        sa.Column("statement", postgresql.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "statement_id", name="session_statements_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="session_statements_tenant_fkey"),
    )
    op.create_index("session_statements_of_session_idx", "session_statements", ["tenant_id", "session_id"])


def _create_counts() -> None:
    op.create_table(
        "session_counts",
        *_ids("package_id"),
        _text("completion_status"),
        _text("success_status"),
        _whole("session_count", sa.BigInteger),
        sa.PrimaryKeyConstraint(
            "tenant_id", "package_id", "completion_status", "success_status", name="session_counts_pkey"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="session_counts_tenant_fkey"),
    )
    op.create_table(
        "session_count_changes",
        *_ids(),
        sa.Column("change_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("package_id", sa.Uuid(), nullable=False),
        _text("completion_status"),
        _text("success_status"),
        _whole("difference", sa.BigInteger),
        sa.PrimaryKeyConstraint("tenant_id", "change_id", name="session_count_changes_pkey"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.tenant_id"], name="session_count_changes_tenant_fkey"),
    )


def _isolate(table: str) -> None:
    """As 0001 does."""
    visible = "tenant_id = ANY (nullif(current_setting('app.tenants', true), '')::uuid[])"
    op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {table}_of_tenants ON public.{table} TO scorm_server USING ({visible}) WITH CHECK ({visible})"
    )
    op.execute(f"CREATE POLICY {table}_of_operator ON public.{table} TO scorm_operator USING (true) WITH CHECK (true)")
