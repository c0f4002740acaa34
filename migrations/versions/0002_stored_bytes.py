"""Quotas count what is stored for a package, unpacked files too; until now they counted the uploaded file only."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # The owner sees no row as long as policies are forced upon it. Nobody else sees the table between the two.
    for table in ("tenant_quotas", "packages"):
        op.execute(f"ALTER TABLE public.{table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        """
        UPDATE public.tenant_quotas q SET stored_bytes = coalesce(
            (SELECT sum(p.file_size_bytes + p.expanded_bytes) FROM public.packages p WHERE p.tenant_id = q.tenant_id), 0
        )
        """
    )
    for table in ("tenant_quotas", "packages"):
        op.execute(f"ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY")
