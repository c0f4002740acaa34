"""Packages have settings and may be changed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SETTINGS = ("failed_completes", "mastery_overrides_status")


def upgrade() -> None:
    for name in _SETTINGS:
        op.add_column("packages", sa.Column(name, sa.Boolean(), nullable=False, server_default="true"))
    op.execute(f"GRANT UPDATE (title, {', '.join(_SETTINGS)}, revision, updated_at) ON public.packages TO scorm_server")
