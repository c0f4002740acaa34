"""The servicer of `scorm.v1.SessionService`."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import grpc
from google.protobuf import struct_pb2

from server.domain.cmi.durations import format_iso
from server.domain.sessions import run_data
from server.domain.sessions.model import Completion, ItemState, Score, Session, Success
from server.domain.sessions.updates import SessionUpdate
from server.gen.scorm.v1 import pagination_pb2, session_pb2, session_service_pb2, session_service_pb2_grpc
from server.rpc import context as calls
from server.rpc.fields import given
from server.rpc.idempotency import request_of, tell_created, tell_done
from server.rpc.pagination import pagination
from server.rpc.times import timestamp
from server.services.session_links import OpenedLink, SessionLinks
from server.services.session_ports import SessionFilter
from server.services.sessions import NewSession, SessionPage, Sessions, SessionView

Context = grpc.aio.ServicerContext[Any, Any]
# Below it a JSON number that is whole is exactly what it seems to be.
_EXACT = 2**53


class SessionServicer(session_service_pb2_grpc.SessionServiceServicer):
    """Converts, calls, converts."""

    def __init__(self, *, sessions: Sessions, links: SessionLinks, base_url: str) -> None:
        self._sessions = sessions
        self._links = links
        self._base_url = base_url

    async def CreateSession(
        self, request: session_service_pb2.CreateSessionRequest, context: Context
    ) -> session_service_pb2.CreateSessionResponse:
        wanted = NewSession(
            package_id=request.package_id,
            user_id=request.user_id,
            user_name=request.user_name or None,
            new_attempt=request.new_attempt,
            redirect_url=request.redirect_url or None,
        )
        keyed = request_of("SessionService/CreateSession", request)
        view, is_new, replayed = await self._sessions.create(wanted, tenant_id=calls.current().tenant_id, request=keyed)
        session = view.session
        if is_new:
            location = f"/api/v1/sessions/{session.id}"
            tell_created(context, location=location, replayed=replayed, revision=session.revision)
        else:
            tell_done(context, calls.etag(session.revision), replayed=replayed)
        link = self._links.link(tenant_id=session.tenant_id, session_id=session.id)
        return session_service_pb2.CreateSessionResponse(
            session=detailed(view), launch_url=self._url(link), launch_url_expires_at=timestamp(link.expires_at)
        )

    async def ListSessions(
        self, request: session_service_pb2.ListSessionsRequest, context: Context
    ) -> session_service_pb2.ListSessionsResponse:
        found = await self._sessions.list(
            _filter(request),
            tenant_id=calls.current().tenant_id,
            page=given(request, "page"),
            limit=given(request, "limit"),
            cursor=given(request, "cursor"),
        )
        return session_service_pb2.ListSessionsResponse(
            sessions=map(_told, found.sessions), pagination=_pagination(found), next_cursor=found.next_cursor
        )

    async def GetSession(
        self, request: session_service_pb2.GetSessionRequest, context: Context
    ) -> session_service_pb2.GetSessionResponse:
        view = await self._sessions.get(tenant_id=calls.current().tenant_id, session_id=request.session_id)
        calls.tell(context, calls.etag(view.session.revision))
        return session_service_pb2.GetSessionResponse(session=detailed(view))

    async def UpdateSession(
        self, request: session_service_pb2.UpdateSessionRequest, context: Context
    ) -> session_service_pb2.UpdateSessionResponse:
        call = calls.current()
        texts, faults = _texts(request.cmi_data)
        faults |= call.faults
        session = await self._sessions.update(
            _update(request, texts, faults),
            tenant_id=call.tenant_id,
            session_id=request.session_id,
            if_match=call.metadata.get("if-match"),
            faults=faults,
        )
        calls.tell(context, calls.etag(session.revision))
        return session_service_pb2.UpdateSessionResponse(
            success=True, session_id=str(session.id), updated_at=timestamp(session.updated_at)
        )

    async def DeleteSession(
        self, request: session_service_pb2.DeleteSessionRequest, context: Context
    ) -> session_service_pb2.DeleteSessionResponse:
        call = calls.current()
        deleted = await self._sessions.delete(
            tenant_id=call.tenant_id, session_id=request.session_id, if_match=call.metadata.get("if-match")
        )
        return session_service_pb2.DeleteSessionResponse(success=True, session_id=str(deleted))

    async def LaunchSession(
        self, request: session_service_pb2.LaunchSessionRequest, context: Context
    ) -> session_service_pb2.LaunchSessionResponse:
        launch_id, link, replayed = await self._links.launch(
            tenant_id=calls.current().tenant_id,
            session_id=request.session_id,
            expires_in_seconds=given(request, "expires_in_seconds"),
            redirect_url=request.redirect_url or None,
            request=request_of("SessionService/LaunchSession", request),
        )
        url = self._url(link)
        tell_created(context, location=url, replayed=replayed)
        return session_service_pb2.LaunchSessionResponse(
            launch_url=url,
            launch_url_expires_at=timestamp(link.expires_at),
            launch_id=str(launch_id),
            session_id=request.session_id.lower(),
        )

    async def RevokeSessionLaunches(
        self, request: session_service_pb2.RevokeSessionLaunchesRequest, context: Context
    ) -> session_service_pb2.RevokeSessionLaunchesResponse:
        revoked, replayed = await self._links.revoke(
            tenant_id=calls.current().tenant_id,
            session_id=request.session_id,
            request=request_of("SessionService/RevokeSessionLaunches", request),
        )
        tell_done(context, replayed=replayed)
        return session_service_pb2.RevokeSessionLaunchesResponse(success=True, session_id=str(revoked))

    def _url(self, link: OpenedLink) -> str:
        return f"{self._base_url}/player/session/{link.token}"


def _told(session: Session) -> dict[str, Any]:
    """A session as lists tell it. Not a message yet: one that is put into another is copied."""
    standing = session.standing
    return {
        "id": str(session.id),
        "package_id": str(session.package_id),
        "tenant_id": str(session.tenant_id),
        "user_id": session.user_id,
        "user_name": session.user_name,
        "completion_status": standing.completion.value,
        "success_status": standing.success.value,
        "score": _score(standing.score),
        "attempts": session.attempt,
        "time_spent_seconds": session.time_ms // 1000,
        "session_time": None if session.session_time_ms is None else format_iso(session.session_time_ms),
        "created_at": timestamp(session.created_at),
        "updated_at": timestamp(session.updated_at),
        "package": session_pb2.SessionPackage(title=session.package.title, version=session.package.version),
        "launches": session.launches,
    }


def detailed(view: SessionView) -> session_pb2.Session:
    """A session with everything that is known of it."""
    course, current = view.course, view.session.current_item
    items: dict[str, dict[str, Any]] = {}
    for identifier, item in course.launchable.items():
        state = view.items.get(identifier, ItemState(id=identifier))
        items[identifier] = {
            "id": identifier,
            "title": item.title,
            "completion_status": state.standing.completion.value,
            "success_status": state.standing.success.value,
            "score": _score(state.standing.score),
            "cmi_data": _text(run_data.told_values(state, version=course.version)),
            "time_spent_seconds": state.time_ms // 1000,
        }
    shown = items.get(course.only.identifier if course.only else current or "")
    return session_pb2.Session(
        **_told(view.session),
        items=items.values(),
        cmi_data=shown["cmi_data"] if shown else None,
        current_item_id=current,
    )


def _text(values: Mapping[str, str]) -> Mapping[str, str]:
    """Protobuf takes Unicode only: of what courses store, halves of characters are shown as U+FFFD."""
    if "".join(values.values()).isascii():
        return values
    return {name: value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for name, value in values.items()}


def _score(score: Score) -> session_pb2.Score | None:
    if not score.is_known:
        return None
    return session_pb2.Score(scaled=score.scaled, raw=score.raw, min=score.min, max=score.max)


def _filter(request: session_service_pb2.ListSessionsRequest) -> SessionFilter:
    return SessionFilter(
        package_id=UUID(request.package_id) if request.HasField("package_id") else None,
        user_id=request.user_id if request.HasField("user_id") else None,
        completion=Completion(request.completion_status) if request.HasField("completion_status") else None,
        success=Success(request.success_status) if request.HasField("success_status") else None,
    )


def _texts(given: Mapping[str, struct_pb2.Value]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The values of elements as texts, and what is wrong with those that have none."""
    # Protobuf keeps no order of its own: sorted, the same request has the same answer.
    texts = {name: text for name in sorted(given) if (text := _as_text(given[name])) is not None}
    return texts, {f"cmi_data.{name}": ["Must be a text"] for name in sorted(given) if name not in texts}


def _as_text(value: struct_pb2.Value) -> str | None:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return str(int(number)) if number.is_integer() and abs(number) < _EXACT else repr(number)
        case "bool_value":
            return "true" if value.bool_value else "false"
    return None


def _update(
    request: session_service_pb2.UpdateSessionRequest, texts: dict[str, str], faults: Mapping[str, list[str]]
) -> SessionUpdate:
    """Leaves out what is faulty already: the rest is judged all the same."""

    def is_sound(name: str) -> bool:
        return request.HasField(name) and name not in faults

    score = request.score
    return SessionUpdate(
        cmi_data=texts,
        completion=Completion(request.completion_status) if is_sound("completion_status") else None,
        success=Success(request.success_status) if is_sound("success_status") else None,
        score=Score(**{part: getattr(score, part) for part in ("scaled", "raw", "min", "max") if score.HasField(part)})
        if request.HasField("score")
        else None,
        session_time=request.session_time if is_sound("session_time") else None,
        suspend_data=request.suspend_data if request.HasField("suspend_data") else None,
        item_id=request.item_id if is_sound("item_id") else None,
        launch_id=request.launch_id if is_sound("launch_id") else None,
    )


def _pagination(page: SessionPage) -> pagination_pb2.Pagination:
    return pagination(page=page.page, limit=page.limit, total=page.total)
