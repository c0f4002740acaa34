"""What statements add up to: totals, and analytics by actor and activity."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_TIME = sa.DateTime(timezone=True)
_TABLES = ("statement_folds", "statement_counts", "pair_rollups", "actor_rollups", "activity_rollups")
# What the pages of analytics are sorted by, and `unique_…`.
_SORTED = ("total_statements", "completed_count", "passed_count", "failed_count", "first_activity", "last_activity")


def upgrade() -> None:
    op.create_table(
        "statement_folds",
        _id("tenant_id"),
        _whole("position"),
        sa.PrimaryKeyConstraint("tenant_id", name="statement_folds_pkey"),
    )
    op.create_table(
        "statement_counts",
        _id("tenant_id"),
        _id("key"),
        _whole("statement_count"),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="statement_counts_pkey"),
    )
    op.create_table(
        "pair_rollups",
        _id("tenant_id"),
        _id("actor_key"),
        _id("activity_key"),
        *_sums(),
        sa.PrimaryKeyConstraint("tenant_id", "actor_key", "activity_key", name="pair_rollups_pkey"),
    )
    op.create_index("pair_rollups_of_activity_idx", "pair_rollups", ["tenant_id", "activity_key", "actor_key"])
    _create_rollups("actor", "unique_activities", _texts("mbox", "mbox_sha1sum", "openid", "home_page", "account_name"))
    _create_rollups("activity", "unique_learners", [])
    op.create_index("activity_rollups_of_package_idx", "activity_rollups", ["tenant_id", "package_id"])
    for name in _TABLES:
        _isolate(name)
        op.execute(f"GRANT SELECT ON public.{name} TO scorm_server")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON public.{name} TO scorm_operator")
    # Statements that are found by what they refer to: few, and counted apart.
    op.create_index(
        "statement_keys_inherited_idx",
        "statement_keys",
        ["tenant_id", "key", "position"],
        postgresql_where=sa.text("owner <> position"),
    )


def _create_rollups(kind: str, unique: str, columns: list[sa.Column[str]]) -> None:
    described = (
        [sa.Column("name", sa.Text(), nullable=False, server_default="")]
        if kind == "actor"
        else [
            sa.Column("activity_id", sa.Text(), nullable=False, server_default=""),
            sa.Column("activity_type", sa.Text(), nullable=False, server_default=""),
            sa.Column("type_key", sa.Uuid()),
            sa.Column("package_id", sa.Uuid()),
        ]
    )
    table = f"{kind}_rollups"
    op.create_table(
        table,
        _id("tenant_id"),
        _id(f"{kind}_key"),
        *described,
        *columns,
        *_sums(),
        _whole(unique),
        sa.Column("avg_score_scaled", sa.Double()),
        sa.PrimaryKeyConstraint("tenant_id", f"{kind}_key", name=f"{table}_pkey"),
    )
    for column in (*_SORTED, unique):
        op.create_index(f"{table}_by_{column}_idx", table, ["tenant_id", column, f"{kind}_key"])
    for order in ("DESC", "ASC"):
        op.create_index(
            f"{table}_by_avg_score_{order.lower()}_idx",
            table,
            ["tenant_id", sa.text(f"avg_score_scaled {order} NULLS LAST"), sa.text(f"{kind}_key {order}")],
        )
    if kind == "activity":
        op.create_index(f"{table}_of_type_idx", table, ["tenant_id", "type_key", "total_statements", "activity_key"])


def _id(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text()) for name in names]


def _sums() -> list[sa.Column[Any]]:
    counts = ("total_statements", "completed_count", "passed_count", "failed_count", "score_count")
    return [
        *(_whole(name) for name in counts),
        sa.Column("score_sum", sa.Numeric(), nullable=False),
        sa.Column("first_activity", _TIME, nullable=False),
        sa.Column("last_activity", _TIME, nullable=False),
    ]


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
