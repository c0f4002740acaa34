"""GET and PUT session, and a player's commit. The rules of the domain and the statements of the stores are the same."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel

from server.domain.cmi.durations import format_iso
from server.domain.etags import format_etag, parse_if_match
from server.domain.ids import new_id
from server.domain.manifest import from_json
from server.domain.sequencing.default import DefaultSequencer
from server.domain.sessions import model as domain
from server.domain.sessions.answers import situation
from server.domain.sessions.commits import Commit, apply_commit
from server.domain.sessions.course import Course
from server.domain.sessions.launches import unlaunched
from server.domain.sessions.run_data import run_values, told_values
from server.domain.sessions.statements import Change, Teller
from server.domain.sessions.updates import SessionUpdate, apply_update, faults_of, target_of
from server.rpc.player_json import committed, to_json
from server.services.recording import CommitAnswer
from server.storage.session_items import PostgresLaunches, PostgresSessionItems, PostgresSessionStatements
from server.storage.session_lists import PostgresSessions
from server.storage.session_tokens import SessionTokens
from server.storage.sessions import PostgresCourses
from tests.bench.baseline.database import Connection, read_all, run, writing
from tests.bench.baseline.keys import Caller, caller

SESSIONS, ITEMS, LAUNCHES = PostgresSessions(), PostgresSessionItems(), PostgresLaunches()
STATEMENTS, COURSES = PostgresSessionStatements(), PostgresCourses()
TOKENS = SessionTokens(Path(os.environ["SESSION_TOKEN_KEY_FILE"]).read_bytes().strip())
TELLER, SEQUENCER = Teller(iri_base=os.environ["BASE_URL"]), DefaultSequencer()

router = APIRouter()
courses: dict[UUID, Course] = {}


class Score(BaseModel):
    scaled: float | None = None
    raw: float | None = None
    min: float | None = None
    max: float | None = None


class Package(BaseModel):
    title: str
    version: str


class Item(BaseModel):
    id: str
    title: str
    completion_status: str
    success_status: str
    score: Score | None
    cmi_data: dict[str, str]
    time_spent_seconds: float


class Session(BaseModel):
    id: UUID
    package_id: UUID
    tenant_id: UUID
    user_id: str
    user_name: str | None
    completion_status: str
    success_status: str
    score: Score | None
    attempts: int
    time_spent_seconds: float
    session_time: str | None
    created_at: datetime
    updated_at: datetime
    package: Package
    cmi_data: dict[str, str]
    items: list[Item]
    current_item_id: str | None
    launches: int


class Found(BaseModel):
    session: Session


class Update(BaseModel):
    cmi_data: dict[str, str | float | bool] = {}
    completion_status: Literal["not_attempted", "incomplete", "completed"] | None = None
    success_status: Literal["unknown", "passed", "failed"] | None = None
    score: Score | None = None
    session_time: str | None = None
    suspend_data: str | None = None
    item_id: str | None = None


class Updated(BaseModel):
    success: bool
    session_id: UUID
    updated_at: datetime


async def course_of(session: domain.Session) -> Course:
    found = courses.get(session.package_id)
    if found is None:
        query = COURSES.manifest(tenant_id=session.tenant_id, package_id=session.package_id)
        (manifest,) = await read_all(session.tenant_id, query)
        if manifest is None:
            raise HTTPException(404)
        found = courses[session.package_id] = Course.of(from_json(manifest), size=len(manifest))
    return found


@router.get("/api/v1/sessions/{session_id}", response_model_exclude_none=True)
async def get_session(session_id: UUID, caller: Annotated[Caller, Depends(caller)], response: Response) -> Found:
    if "read" not in caller.scopes:
        raise HTTPException(403)
    ids = {"tenant_id": caller.tenant_id, "session_id": session_id}
    session, items = await read_all(caller.tenant_id, SESSIONS.get(**ids), ITEMS.all(**ids))
    if session is None:
        raise HTTPException(404)
    course, known = await course_of(session), {item.id: item for item in items}
    response.headers["etag"] = format_etag(session.revision)
    shown = [_item(course, known.get(identifier, domain.ItemState(id=identifier))) for identifier in course.launchable]
    current = course.only.identifier if course.only else session.current_item
    told = Session(
        id=session.id,
        package_id=session.package_id,
        tenant_id=session.tenant_id,
        user_id=session.user_id,
        user_name=session.user_name,
        completion_status=session.standing.completion,
        success_status=session.standing.success,
        score=_score(session.standing.score),
        attempts=session.attempt,
        time_spent_seconds=session.time_ms // 1000,
        session_time=None if session.session_time_ms is None else format_iso(session.session_time_ms),
        created_at=session.created_at,
        updated_at=session.updated_at,
        package=Package(title=session.package.title, version=session.package.version),
        cmi_data=next((item.cmi_data for item in shown if item.id == current), {}),
        items=shown,
        current_item_id=session.current_item,
        launches=session.launches,
    )
    return Found(session=told)


def _item(course: Course, item: domain.ItemState) -> Item:
    return Item(
        id=item.id,
        title=course.launchable[item.id].title,
        completion_status=item.standing.completion,
        success_status=item.standing.success,
        score=_score(item.standing.score),
        cmi_data=dict(told_values(item, version=course.version)),
        time_spent_seconds=item.time_ms // 1000,
    )


def _score(score: domain.Score) -> Score | None:
    return Score(scaled=score.scaled, raw=score.raw, min=score.min, max=score.max) if score.is_known else None


@router.put("/api/v1/sessions/{session_id}")
async def update_session(
    session_id: UUID, wanted: Update, caller: Annotated[Caller, Depends(caller)], request: Request, response: Response
) -> Updated:
    if "write" not in caller.scopes:
        raise HTTPException(403)
    update, now = _update(wanted), datetime.now(UTC)
    condition = parse_if_match(request.headers.get("if-match"))
    ids = {"tenant_id": caller.tenant_id, "session_id": session_id}
    async with writing(caller.tenant_id) as connection:
        before, items, launch = await run(connection, SESSIONS.lock(**ids), ITEMS.all(**ids), LAUNCHES.latest(**ids))
        if before is None:
            raise HTTPException(404)
        if condition.revisions is not None and before.revision not in condition.revisions:
            raise HTTPException(412)
        course, known = await course_of(before), {item.id: item for item in items}
        target = target_of(update, before, course)
        item = known.get(target, domain.ItemState(id=target)) if target is not None else None
        stored = run_values(before, item, course=course) if item else {}
        if faults := faults_of(update, stored, version=course.version):
            raise HTTPException(400, faults)
        result = apply_update(
            before,
            item,
            launch or unlaunched(before, launch_id=new_id(now), at=now),
            update,
            course=course,
            others={name: one.standing for name, one in known.items() if name != target},
            at=now,
        )
        change = Change(before=before, after=result.session, item_before=item, item_after=result.item)
        await _store(connection, change, result.launch if result.launch != launch else None, course, now)
    response.headers["etag"] = format_etag(result.session.revision)
    return Updated(success=True, session_id=result.session.id, updated_at=result.session.updated_at)


def _update(wanted: Update) -> SessionUpdate:
    given = wanted.model_fields_set
    return SessionUpdate(
        cmi_data={name: _text(value) for name, value in wanted.cmi_data.items()},
        completion=domain.Completion(wanted.completion_status) if wanted.completion_status else None,
        success=domain.Success(wanted.success_status) if wanted.success_status else None,
        score=domain.Score(**wanted.score.model_dump()) if "score" in given and wanted.score else None,
        session_time=wanted.session_time,
        suspend_data=wanted.suspend_data,
        item_id=wanted.item_id,
    )


def _text(value: str | float | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


@router.post("/player/run/{token}/commit")
async def commit_run(token: str, request: Request) -> Response:
    now, link = datetime.now(UTC), TOKENS.read_run(token)
    if link is None or link.session_id is None or link.expires_at <= now:
        raise HTTPException(410)
    given: dict[str, Any] = await request.json()
    commit = Commit(
        launch=link.launch,
        run=link.run,
        number=given["commit"],
        base=given["base"],
        values=given["values"],
        ages_ms=given.get("ages", {}),
        initialized=given.get("initialized", False),
        terminated=given.get("terminated", False),
    )
    ids = {"tenant_id": link.tenant_id, "session_id": link.session_id}
    async with writing(link.tenant_id) as connection:
        before, item, standings, launch = await run(
            connection,
            SESSIONS.lock(**ids),
            ITEMS.get(**ids, item_id=link.item_id),
            ITEMS.standings(**ids),
            LAUNCHES.numbered(**ids, number=link.launch),
        )
        if before is None or item is None or launch is None:
            raise HTTPException(410)
        course = await course_of(before)
        result = apply_commit(before, item, launch, commit, course=course, others=standings, at=now)
        if result.changed:
            change = Change(
                before=before, after=result.session, item_before=item, item_after=result.item, launch=result.launch
            )
            await _store(connection, change, result.launch if result.launch != launch else None, course, now)
    told = None
    if (result.item.standing, result.session.standing) != (item.standing, before.standing):
        after = {**standings, result.item.id: result.item.standing}
        told = situation(result.session, after, course, SEQUENCER)
    answer = CommitAnswer(result=result, situation=told)
    return Response(to_json(committed(answer)), media_type="application/json")


async def _store(
    connection: Connection, change: Change, launch: domain.Launch | None, course: Course, now: datetime
) -> None:
    ids = {"tenant_id": change.after.tenant_id, "session_id": change.after.id}
    queries: list[Any] = [SESSIONS.save(change.after)]
    if change.item_after is not None:
        queries.append(ITEMS.save(change.item_after, **ids))
    if launch is not None:
        queries.append(LAUNCHES.save(launch, **ids))
    if statements := TELLER.changed(change, course, at=now):
        queries += STATEMENTS.add(statements, tenant_id=change.after.tenant_id)
    await run(connection, *queries)
