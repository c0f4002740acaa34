"""What the rows of sessions mean: one place for the stores that read and write them."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from server.domain.packages import PackageSettings
from server.domain.sessions.model import (
    NO_SCORE,
    Completion,
    Explicit,
    ItemState,
    Launch,
    Launched,
    RunTime,
    Score,
    Session,
    Standing,
    Success,
)
from server.storage.sql import Row
from server.storage.tables import packages, session_items, session_launches, sessions

# In the order of `session_of`.
STANDING_NAMES = (
    "completion_status",
    "success_status",
    "score_scaled",
    "score_raw",
    "score_min",
    "score_max",
)
_SESSION_NAMES = (
    "session_id",
    "tenant_id",
    "package_id",
    "user_id",
    "user_name",
    "attempt",
    "created_at",
    "updated_at",
    *STANDING_NAMES,
    "explicit_completion_at",
    "explicit_success_at",
    "explicit_score_at",
    "time_ms",
    "session_time_ms",
    "launches",
    "holder",
    "runs",
    "current_item",
    "is_over",
    "shared",
    "redirect_url",
    "links_valid_from",
    "revision",
    "told_launch",
)
OWN_COLUMNS = tuple(sessions.c[name] for name in _SESSION_NAMES)
PACKAGE_COLUMNS = (
    packages.c.title,
    packages.c.version,
    packages.c.failed_completes,
    packages.c.mastery_overrides_status,
)
SESSION_COLUMNS = (*OWN_COLUMNS, *PACKAGE_COLUMNS)
ITEM_NAMES = (
    *STANDING_NAMES,
    "item_id",
    "cmi_data",
    "time_ms",
    "run",
    "launch",
    "applied",
    "entry",
    "is_initialized",
    "is_terminated",
    "is_review",
    "overruled",
    "kept",
    "earlier_ms",
    "is_suspended",
)
ITEM_COLUMNS = tuple(session_items.c[name] for name in ITEM_NAMES)
LAUNCH_NAMES = ("launch_id", "number", "begun_at", "opened_at", "is_review", "told_ms", "items")
LAUNCH_COLUMNS = tuple(session_launches.c[name] for name in LAUNCH_NAMES)


def standing_of(row: Sequence[Any]) -> Standing:
    """From columns in the order of STANDING_NAMES."""
    completion, success, scaled, raw, least, most = row
    has_score = not (scaled is None and raw is None and least is None and most is None)
    return Standing(
        completion=Completion(completion),
        success=Success(success),
        score=Score(scaled=scaled, raw=raw, min=least, max=most) if has_score else NO_SCORE,
    )


def standing_values(standing: Standing) -> dict[str, Any]:
    """By the names of columns."""
    score = standing.score
    return {
        "completion_status": standing.completion.value,
        "success_status": standing.success.value,
        "score_scaled": score.scaled,
        "score_raw": score.raw,
        "score_min": score.min,
        "score_max": score.max,
    }


def session_of(row: Row) -> Session:
    """From SESSION_COLUMNS."""
    return Session(
        id=row[0],
        tenant_id=row[1],
        package_id=row[2],
        user_id=row[3],
        user_name=row[4],
        attempt=row[5],
        created_at=row[6],
        updated_at=row[7],
        standing=standing_of(row[8:14]),
        explicit=Explicit(completion_at=row[14], success_at=row[15], score_at=row[16]),
        time_ms=row[17],
        session_time_ms=row[18],
        launches=row[19],
        holder=row[20],
        runs=row[21],
        current_item=row[22],
        is_over=row[23],
        shared=row[24] or {},
        redirect_url=row[25],
        links_valid_from=row[26],
        revision=row[27],
        told_launch=row[28],
        package=Launched(
            title=row[29],
            version=row[30],
            settings=PackageSettings(failed_completes=row[31], mastery_overrides_status=row[32]),
        ),
    )


def session_values(session: Session) -> dict[str, Any]:
    """What may change of a session, by the names of columns."""
    return {
        **standing_values(session.standing),
        "explicit_completion_at": session.explicit.completion_at,
        "explicit_success_at": session.explicit.success_at,
        "explicit_score_at": session.explicit.score_at,
        "user_name": session.user_name,
        "time_ms": session.time_ms,
        "session_time_ms": session.session_time_ms,
        "told_launch": session.told_launch,
        "launches": session.launches,
        "holder": session.holder,
        "runs": session.runs,
        "current_item": session.current_item,
        "is_over": session.is_over,
        "shared": json.dumps(dict(session.shared)) if session.shared else None,
        "redirect_url": session.redirect_url,
        "links_valid_from": session.links_valid_from,
        "revision": session.revision,
        "updated_at": session.updated_at,
    }


def item_of(row: Row) -> ItemState:
    """From ITEM_COLUMNS."""
    overruled, kept = row[16], row[17]
    return ItemState(
        standing=standing_of(row[:6]),
        id=row[6],
        values=row[7],
        time_ms=row[8],
        run=row[9],
        launch=row[10],
        applied=row[11],
        entry=row[12],
        is_initialized=row[13],
        is_terminated=row[14],
        is_review=row[15],
        earlier_ms=row[18],
        is_suspended=row[19],
        kept=standing_of(kept) if kept else Standing(),
        overruled={name: datetime.fromisoformat(at) for name, at in overruled.items()} if overruled else {},
    )


def item_values(item: ItemState) -> dict[str, Any]:
    """By the names of columns. Escapes to ASCII: what is no Unicode is kept all the same."""
    return {
        **standing_values(item.standing),
        "item_id": item.id,
        "cmi_data": json.dumps(item.values),
        "time_ms": item.time_ms,
        "run": item.run,
        "launch": item.launch,
        "applied": item.applied,
        "entry": item.entry,
        "is_initialized": item.is_initialized,
        "is_terminated": item.is_terminated,
        "is_review": item.is_review,
        "kept": _kept(item.kept),
        "earlier_ms": item.earlier_ms,
        "is_suspended": item.is_suspended,
        "overruled": _overruled(item),
    }


def _overruled(item: ItemState) -> str | None:
    return json.dumps({name: at.isoformat() for name, at in item.overruled.items()}) if item.overruled else None


def _kept(standing: Standing) -> str | None:
    """In the order of STANDING_NAMES; most items keep nothing."""
    return None if standing == Standing() else json.dumps(list(standing_values(standing).values()))


@lru_cache(1_000)
def item_key(item_id: str) -> UUID:
    """What stands for an item's identifier in the primary key."""
    return UUID(bytes=hashlib.sha256(item_id.encode("utf-8", "surrogatepass")).digest()[:16])


def launch_of(row: Row) -> Launch:
    """From LAUNCH_COLUMNS."""
    return Launch(
        id=row[0],
        number=row[1],
        begun_at=row[2],
        opened_at=row[3],
        is_review=row[4],
        told_ms=row[5],
        items={
            name: RunTime(earlier_ms=earlier, run=run, run_ms=milliseconds)
            for name, (earlier, run, milliseconds) in row[6].items()
        },
    )


def launch_values(launch: Launch) -> dict[str, Any]:
    """By the names of columns."""
    items = {name: [time.earlier_ms, time.run, time.run_ms] for name, time in launch.items.items()}
    return {
        "launch_id": launch.id,
        "number": launch.number,
        "begun_at": launch.begun_at,
        "opened_at": launch.opened_at,
        "is_review": launch.is_review,
        "told_ms": launch.told_ms,
        "items": json.dumps(items),
    }
