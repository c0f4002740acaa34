"""Sessions: rows of `sessions`, read with their package. Where that is gone, so is the session."""

from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Text, any_, delete, or_, select, update
from sqlalchemy.dialects import postgresql

from server.domain.etags import ANY, IfMatch
from server.domain.packages import PackageSettings
from server.domain.sessions.model import Launched, Session
from server.services.ports import Query
from server.storage import tables
from server.storage.session_rows import SESSION_COLUMNS, session_of, session_values
from server.storage.sql import Row, any_row, first, nothing, param, statement
from server.storage.tables import packages, sessions

WITH_PACKAGE = sessions.join(
    packages, (packages.c.tenant_id == sessions.c.tenant_id) & (packages.c.package_id == sessions.c.package_id)
)
OF_TENANT = (
    sessions.c.tenant_id == param("tenant", tables.UUID),
    packages.c.tenant_id == param("tenant", tables.UUID),
)
_THE_SESSION = sessions.c.session_id == param("session", tables.UUID)
_SELECT = select(*SESSION_COLUMNS).select_from(WITH_PACKAGE).where(*OF_TENANT)
_GET = statement("sessions.get", _SELECT.where(_THE_SESSION), first(session_of))
_LOCK = statement("sessions.lock", _SELECT.where(_THE_SESSION).with_for_update(of=sessions), first(session_of))
_LATEST = statement(
    "sessions.latest",
    _SELECT.where(sessions.c.package_id == param("package", tables.UUID), sessions.c.user_id == param("user", Text()))
    .order_by(sessions.c.attempt.desc())
    .limit(1),
    first(session_of),
)

_OF_PACKAGE = (
    packages.c.tenant_id == param("tenant", tables.UUID),
    packages.c.package_id == param("package", tables.UUID),
)


def _launched(row: Row) -> Launched:
    title, version, failed_completes, mastery_overrides_status = row
    settings = PackageSettings(failed_completes=failed_completes, mastery_overrides_status=mastery_overrides_status)
    return Launched(title=title, version=version, settings=settings)


_HOLD_PACKAGE = statement(
    "sessions.hold_package",
    select(packages.c.title, packages.c.version, packages.c.failed_completes, packages.c.mastery_overrides_status)
    .where(*_OF_PACKAGE)
    .with_for_update(key_share=True, read=True),
    first(_launched),
)
_MANIFEST = statement(
    "sessions.manifest",
    select(packages.c.manifest.cast(Text())).where(*_OF_PACKAGE),
    first(lambda row: str(row[0])),
)

_INSERT = statement(
    "sessions.insert",
    postgresql.insert(sessions).on_conflict_do_nothing(constraint="sessions_attempt_key").returning(sessions.c.attempt),
    any_row,
)
_CHANGING = (
    "user_name", "completion_status", "success_status", "score_scaled", "score_raw", "score_min", "score_max",
    "explicit_completion_at", "explicit_success_at", "explicit_score_at", "time_ms", "session_time_ms", "launches",
    "holder", "told_launch", "runs", "current_item", "is_over", "shared", "redirect_url", "links_valid_from",
    "revision", "updated_at",
)  # fmt: skip
_OF_SESSION = (sessions.c.tenant_id == param("tenant", tables.UUID), _THE_SESSION)
_SAVE = statement(
    "sessions.save",
    update(sessions)
    .values({name: param(f"new_{name}", sessions.c[name].type) for name in _CHANGING})
    .where(*_OF_SESSION),
    nothing,
)
_MATCHES = or_(
    param("revisions", ARRAY(BigInteger())).is_(None),
    sessions.c.revision == any_(param("revisions", ARRAY(BigInteger()))),
)
_DELETE = statement(
    "sessions.delete",
    delete(sessions)
    .where(
        *_OF_SESSION,
        _MATCHES,
        packages.c.tenant_id == param("tenant", tables.UUID),
        packages.c.package_id == sessions.c.package_id,
    )
    .returning(*SESSION_COLUMNS),
    first(session_of),
)


class PostgresSessionRows:
    """The part of `server.services.session_ports.SessionStore` that is about single sessions."""

    def get(self, *, tenant_id: UUID, session_id: UUID) -> Query[Session | None]:
        """One session."""
        return _GET.bind(tenant=tenant_id, session=session_id)

    def lock(self, *, tenant_id: UUID, session_id: UUID) -> Query[Session | None]:
        """As `get`; nobody else changes it until the transaction ends."""
        return _LOCK.bind(tenant=tenant_id, session=session_id)

    def hold_package(self, *, tenant_id: UUID, package_id: UUID) -> Query[Launched | None]:
        """The package, which nobody deletes until the transaction ends."""
        return _HOLD_PACKAGE.bind(tenant=tenant_id, package=package_id)

    def latest(self, *, tenant_id: UUID, package_id: UUID, user_id: str) -> Query[Session | None]:
        """The learner's latest attempt on the package."""
        return _LATEST.bind(tenant=tenant_id, package=package_id, user=user_id)

    def insert(self, session: Session) -> Query[bool]:
        """A new attempt. False if another one of the same number came first."""
        return _INSERT.bind(
            **session_values(session),
            tenant_id=session.tenant_id,
            session_id=session.id,
            package_id=session.package_id,
            user_id=session.user_id,
            attempt=session.attempt,
            created_at=session.created_at,
        )

    def save(self, session: Session) -> Query[None]:
        """Everything that may have changed of a locked session."""
        values = {f"new_{name}": value for name, value in session_values(session).items()}
        return _SAVE.bind(tenant=session.tenant_id, session=session.id, **values)

    def delete(self, *, tenant_id: UUID, session_id: UUID, if_match: IfMatch = ANY) -> Query[Session | None]:
        """Deletes it with its items and launches; None if there is none of those revisions."""
        revisions = None if if_match.revisions is None else list(if_match.revisions)
        return _DELETE.bind(tenant=tenant_id, session=session_id, revisions=revisions)


class PostgresCourses:
    """Keeps `server.services.session_ports.CourseStore`."""

    def manifest(self, *, tenant_id: UUID, package_id: UUID) -> Query[str | None]:
        """That of a package, in its stored form."""
        return _MANIFEST.bind(tenant=tenant_id, package=package_id)
