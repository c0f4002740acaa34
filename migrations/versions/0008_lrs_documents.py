"""Documents of the Experience API: state, agent profiles and activity profiles."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "lrs_documents",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("owner_key", sa.Uuid(), nullable=False),
        sa.Column("registration", sa.Uuid(), nullable=False),
        sa.Column("document_key", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "owner_key", "registration", "document_key", name="lrs_documents_pkey"),
    )
    # In a subquery, so that it is worked out once for a statement and not for every row.
    visible = "tenant_id = ANY ((SELECT nullif(current_setting('app.tenants', true), '')::uuid[])::uuid[])"
    op.execute("ALTER TABLE public.lrs_documents ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE public.lrs_documents FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY lrs_documents_of_tenants ON public.lrs_documents TO scorm_server "
        f"USING ({visible}) WITH CHECK ({visible})"
    )
    op.execute(
        "CREATE POLICY lrs_documents_of_operator ON public.lrs_documents TO scorm_operator "
        "USING (true) WITH CHECK (true)"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON public.lrs_documents TO scorm_server")
