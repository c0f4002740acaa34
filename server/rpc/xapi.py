"""The servicer of `scorm.v1.XapiService`: statements in the manner of the other resources."""

import json
from typing import Any

import grpc
from google.api import httpbody_pb2

from server.domain.errors import UnsupportedMediaType
from server.domain.media_types import kind_of
from server.domain.xapi.content import with_stored
from server.domain.xapi.positions import stored_text
from server.domain.xapi.versions import Version
from server.gen.scorm.v1 import pagination_pb2, xapi_service_pb2_grpc
from server.gen.scorm.v1 import xapi_analytics_pb2 as analytics_pb
from server.gen.scorm.v1 import xapi_service_pb2 as pb
from server.rpc import context as calls
from server.rpc.fields import given
from server.rpc.idempotency import request_of, tell_done
from server.rpc.pagination import pagination
from server.rpc.times import timestamp
from server.rpc.xapi_json import joined, read_statements
from server.services.analytics import ActivityRow, ActorRow, Analytics, AnalyticsPage, Paging, Sums
from server.services.statement_exports import StatementExports, begins_after
from server.services.statement_lists import StatementLists, StatementQuery, format_cursor
from server.services.statements import Statements

Context = grpc.aio.ServicerContext[Any, Any]
_JSON = "application/json"
_LINES = "application/x-ndjson"


class XapiServicer(xapi_service_pb2_grpc.XapiServiceServicer):
    """Converts, calls, converts."""

    def __init__(
        self, *, statements: Statements, lists: StatementLists, exports: StatementExports, analytics: Analytics
    ) -> None:
        self._statements = statements
        self._lists = lists
        self._exports = exports
        self._analytics = analytics

    async def StoreStatements(self, request: pb.StoreStatementsRequest, context: Context) -> httpbody_pb2.HttpBody:
        keyed = request_of("XapiService/StoreStatements", request)
        _check_type(request.body.content_type)
        sent, is_list = read_statements(request.body.data)
        # Both versions' statements are welcome here; 2.0 has all of what 1.0.3 has.
        if keyed is None:
            ids = await self._statements.add(sent, caller=calls.caller(), version=Version.V2, is_list=is_list)
        else:
            ids, replayed = await self._statements.add_once(
                sent, caller=calls.caller(), version=Version.V2, is_list=is_list, request=keyed
            )
            tell_done(context, replayed=replayed)
        told: Any = [str(one) for one in ids]
        return _body(json.dumps(told if is_list else told[0]))

    async def ListStatements(self, request: pb.ListStatementsRequest, context: Context) -> httpbody_pb2.HttpBody:
        found = await self._lists.find(
            StatementQuery(
                **{
                    name: given(request, name)
                    for name in ("statement_id", "verb", "activity", "registration", "since", "until", "cursor")
                }
            ),
            tenant_id=calls.current().tenant_id,
            page=given(request, "page"),
            limit=given(request, "limit"),
        )
        told: dict[str, Any] = {
            "page": found.page,
            "limit": found.limit,
            "total": found.total.count,
            "total_pages": -(-found.total.count // found.limit),
        }
        if found.total.is_estimate:
            told["total_is_estimate"] = True
        statements = joined(with_stored(one.content, stored_text(one.position)) for one in found.statements)
        rest = {"pagination": told, "next_cursor": found.next_cursor or ""}
        return _body(f'{{"statements":{statements},{json.dumps(rest, separators=(",", ":"))[1:]}')

    async def GetStatement(self, request: pb.GetStatementRequest, context: Context) -> httpbody_pb2.HttpBody:
        found, _ = await self._statements.get(request.statement_id, tenant_id=calls.current().tenant_id)
        return _body(with_stored(found.content, stored_text(found.position)))

    async def ExportStatements(self, request: pb.ExportStatementsRequest, context: Context) -> None:  # type: ignore[override]  # writes its answers
        after = begins_after(cursor=given(request, "cursor"), since=given(request, "since"))
        pages = self._exports.pages(
            after, tenant_id=calls.current().tenant_id, wait_seconds=given(request, "wait_seconds") or 0
        )
        async for page in pages:
            lines = [with_stored(one.content, stored_text(one.position)) + "\n" for one in page]
            await context.write(httpbody_pb2.HttpBody(content_type=_LINES, data="".join(lines).encode()))
            after = page[-1].position
        end = json.dumps({"next_cursor": format_cursor(after)}, separators=(",", ":")) + "\n"
        await context.write(httpbody_pb2.HttpBody(content_type=_LINES, data=end.encode()))

    async def ListActorAnalytics(
        self, request: pb.ListActorAnalyticsRequest, context: Context
    ) -> pb.ListActorAnalyticsResponse:
        found = await self._analytics.actors(
            tenant_id=calls.current().tenant_id,
            actor_mbox=given(request, "actor_mbox"),
            min_activities=given(request, "min_activities"),
            paging=_paging(request),
        )
        return pb.ListActorAnalyticsResponse(actors=map(_actor, found.rows), pagination=_pagination(found))

    async def ListActivityAnalytics(
        self, request: pb.ListActivityAnalyticsRequest, context: Context
    ) -> pb.ListActivityAnalyticsResponse:
        found = await self._analytics.activities(
            tenant_id=calls.current().tenant_id,
            activity_id=given(request, "activity_id"),
            activity_type=given(request, "activity_type"),
            package_id=given(request, "package_id"),
            min_learners=given(request, "min_learners"),
            paging=_paging(request),
        )
        return pb.ListActivityAnalyticsResponse(activities=map(_activity, found.rows), pagination=_pagination(found))


def _paging(request: Any) -> Paging:
    return Paging(**{name: given(request, name) for name in ("sort", "order", "page", "limit")})


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "total_statements": sums.total_statements,
        "completed_count": sums.completed_count,
        "passed_count": sums.passed_count,
        "failed_count": sums.failed_count,
        "avg_score_scaled": sums.avg_score_scaled,
        "first_activity": timestamp(sums.first_activity),
        "last_activity": timestamp(sums.last_activity),
    }


def _actor(row: ActorRow) -> analytics_pb.ActorAnalytics:
    account = None
    if row.home_page is not None:
        account = analytics_pb.ActorAccount(home_page=row.home_page, name=row.account_name or "")
    return analytics_pb.ActorAnalytics(
        actor_mbox=row.mbox,
        actor_name=row.name,
        actor_account=account,
        actor_openid=row.openid,
        actor_mbox_sha1sum=row.mbox_sha1sum,
        unique_activities=row.unique_activities,
        **_sums(row.sums),
    )


def _activity(row: ActivityRow) -> analytics_pb.ActivityAnalytics:
    return analytics_pb.ActivityAnalytics(
        activity_id=row.id,
        activity_type=row.type,
        package_id=str(row.package_id) if row.package_id else None,
        unique_learners=row.unique_learners,
        **_sums(row.sums),
    )


def _pagination(found: AnalyticsPage[Any]) -> pagination_pb2.Pagination:
    return pagination(page=found.page, limit=found.limit, total=found.total)


def _body(text: str) -> httpbody_pb2.HttpBody:
    return httpbody_pb2.HttpBody(content_type=_JSON, data=text.encode())


def _check_type(told: str) -> None:
    kind = kind_of(told or calls.current().metadata.get("content-type", ""))
    if kind not in ("", _JSON, "application/grpc", "application/octet-stream"):
        raise UnsupportedMediaType(accepted=[_JSON])
