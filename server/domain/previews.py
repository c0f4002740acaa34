"""Looking at a package as a learner would, recording nothing."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Who may look at what until when. `redirect_url` is where the player leads when it is closed."""

    tenant_id: UUID
    package_id: UUID
    expires_at: datetime
    redirect_url: str | None
