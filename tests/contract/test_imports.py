"""An import becomes one package or none, and says which, whatever happens on the way."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from server.domain.errors import Conflict, ImportNotFound, Unavailable, ValidationFailed
from server.domain.ids import new_id
from server.domain.imports import ImportJob, ImportStatus
from server.storage import jobs
from tests.contract.imports_fixtures import SEALER, Importer, eventually, importer_on
from tests.contract.uploads_fixtures import MIB, NOTHING, Bucket, Host, running_host
from tests.databases import Dsns
from tests.factories import scorm12_package
from tests.rows import store_tenant
from tests.web_server import Answer, WebServer, answer, raw, running

ROOT = Path(__file__).resolve().parents[2]
COURSE = scorm12_package(title="Fire drill", files={"large.bin": os.urandom(MIB)})


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with running() as server:
        server.answers["/course.zip"] = answer(200, COURSE)
        yield server


@pytest.fixture
def importer(host: Host, dsns: Dsns) -> Importer:
    return importer_on(host, dsns)


def broken_off(body: bytes = COURSE, *, at: int = 300_000) -> Answer:
    """The beginning of a file, and then nothing more for long."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return raw(head + body[:at], end=False)


async def counts(importer: Importer) -> dict[str, int]:
    """Totals as lists tell them; those that are not 0."""
    found = {}
    for status in (None, *ImportStatus):
        page = await importer.api.list(
            tenant_id=importer.host.tenant_id, page=None, limit=100, cursor=None, status=status
        )
        assert page.total == len(page.jobs)
        found[status or "all"] = page.total
    return {name: total for name, total in found.items() if total}


async def test_a_file_becomes_a_package_and_its_secret_url_is_forgotten(importer: Importer, web: WebServer) -> None:
    asked = await importer.ask(web.url("/course.zip?signature=s3cret"), title=" My own title ", uploaded_by="user-1")
    assert (asked.status, asked.url) == (ImportStatus.QUEUED, web.url("/course.zip"))
    (sealed,) = importer.sealed_urls()
    assert sealed is not None
    assert b"s3cret" not in sealed
    await importer.run_waiting()
    job = await importer.state(asked)
    assert job.status is ImportStatus.SUCCEEDED
    assert (job.bytes_received, job.bytes_total) == (len(COURSE), len(COURSE))
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.started_at <= job.finished_at
    assert job.package_id is not None
    package = await importer.host.package(job.package_id)
    assert package is not None
    assert (package.title, package.uploaded_by) == ("My own title", "user-1")
    assert web.asked[0].target == "/course.zip?signature=s3cret"
    assert importer.sealed_urls() == [None]
    assert importer.waiting() == []
    assert await counts(importer) == {"all": 1, "succeeded": 1}


async def test_without_a_title_the_manifests_counts(importer: Importer, web: WebServer) -> None:
    job = await importer.ask(web.url("/course.zip"))
    await importer.run_waiting()
    package_id = (await importer.state(job)).package_id
    assert package_id is not None
    package = await importer.host.package(package_id)
    assert package is not None
    assert package.title == "Fire drill"


NO_ZIP = {"code": "VALIDATION_ERROR", "fieldErrors": {"file": ["The file is no ZIP archive, or it is truncated"]}}


def of_url(fault: str) -> dict[str, Any]:
    return {"code": "VALIDATION_ERROR", "fieldErrors": {"url": [fault]}}


REFUSED: list[tuple[Answer, dict[str, Any]]] = [
    (answer(404, b"secret page"), of_url("The server at this URL answered 404")),
    (answer(403), of_url("The server at this URL answered 403")),
    (answer(204), of_url("The server at this URL answered 204")),
    (answer(304), of_url("The server at this URL answered 304")),
    (answer(200, b"<html>Log in</html>"), NO_ZIP),
    (answer(200, b""), NO_ZIP),
    (answer(200, COURSE[:-100]), NO_ZIP),
    (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", end=False),
        {"code": "PAYLOAD_TOO_LARGE", "limit_bytes": 50 * MIB},
    ),
]


async def test_what_is_no_package_fails_at_once_as_an_upload_would(importer: Importer, web: WebServer) -> None:
    for answered, told in REFUSED:
        web.answers["/x"] = answered
        job = await importer.ask(web.url("/x"))
        await importer.run_waiting()
        failed = await importer.state(job)
        assert (failed.status, failed.attempts) == (ImportStatus.FAILED, 1)
        assert failed.failure is not None
        assert {"code": failed.failure.code, **failed.failure.details} == told
        assert "secret" not in str(failed)
    assert set(importer.sealed_urls()) == {None}
    assert importer.waiting() == []
    assert await counts(importer) == {"all": len(REFUSED), "failed": len(REFUSED)}
    assert await importer.host.left() == NOTHING


async def test_a_quota_fails_an_import_as_it_does_an_upload(importer: Importer, web: WebServer) -> None:
    await importer.host.set_quota(stored_bytes=1000)
    job = await importer.ask(web.url("/course.zip"))
    await importer.run_waiting()
    failure = (await importer.state(job)).failure
    assert failure is not None
    assert (failure.code, failure.details) == ("QUOTA_EXCEEDED", {"limit": 1000, "current": 0})
    assert await importer.host.left() == NOTHING


async def test_a_server_that_fails_for_a_moment_is_asked_again(importer: Importer, web: WebServer) -> None:
    web.answers["/x"] = answer(503, Retry_After="40")
    job = await importer.ask(web.url("/x"))
    await importer.run_waiting()
    waiting = await importer.state(job)
    assert (waiting.status, waiting.attempts, waiting.failure) == (ImportStatus.QUEUED, 1, None)
    ((status, due),) = importer.waiting()
    assert status == "todo"
    assert 35 < due <= 40
    web.answers["/x"] = answer(200, COURSE)
    importer.make_due()
    await importer.run_waiting()
    assert (await importer.state(job)).status is ImportStatus.SUCCEEDED
    assert await counts(importer) == {"all": 1, "succeeded": 1}


async def test_a_time_to_come_again_that_is_none_is_ignored(importer: Importer, web: WebServer) -> None:
    importer = importer.with_limits(attempts=1)
    for told in ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "soon", "-1", "9" * 5000):
        web.answers["/x"] = answer(503, Retry_After=told)
        job = await importer.ask(web.url("/x"))
        await importer.run_waiting()
        failed = await importer.state(job)
        assert failed.failure is not None
        assert (failed.failure.code, failed.failure.message) == ("BAD_GATEWAY", "The server at this URL answered 503")


@pytest.mark.parametrize("answered", [answer(500), answer(429), broken_off()], ids=["500", "429", "broken-off"])
async def test_a_server_that_fails_again_and_again_fails_the_import(
    importer: Importer, web: WebServer, answered: Answer
) -> None:
    web.answers["/x"] = answered
    importer = importer.with_limits(attempts=3, idle_seconds=0.2)
    job, pauses = await importer.ask(web.url("/x")), []
    for _ in range(3):
        await importer.run_waiting()
        pauses += [round(due) for _, due in importer.waiting()]
        importer.make_due()
    failed = await importer.state(job)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (ImportStatus.FAILED, "BAD_GATEWAY")
    assert pauses == [5, 15]
    assert len(web.asked) == 3
    assert await importer.host.left() == NOTHING


async def test_every_run_is_told_with_how_it_ended_and_its_time(importer: Importer, web: WebServer) -> None:
    told: list[tuple[str, float]] = []
    runs = replace(importer.runs, observe=lambda outcome, seconds: told.append((outcome, seconds)))
    web.answers |= {"/late": answer(503), "/page": answer(200, b"<html>"), "/slow": broken_off()}

    async def begin(target: str) -> tuple[ImportJob, "asyncio.Task[None]"]:
        job = await importer.ask(web.url(target))
        return job, asyncio.create_task(runs.run(tenant_id=job.tenant_id, import_job_id=job.id))

    for target in ("/course.zip", "/page"):
        await (await begin(target))[1]
    with pytest.raises(Unavailable):
        await (await begin("/late"))[1]
    for end in ("lost", "stopped"):
        job, run = await begin("/slow")
        await importer.until(job, lambda now: now.bytes_received > 0)
        if end == "lost":
            await importer.cancel(job)
        else:
            run.cancel()
        await asyncio.wait([run])
    assert [outcome for outcome, _ in told] == ["succeeded", "failed", "put_off", "lost", "stopped"]
    assert all(0 < seconds < 20 for _, seconds in told)


async def test_a_full_spool_puts_an_import_off_and_does_not_fail_it(
    storage: Bucket, dsns: Dsns, tmp_path: Path, web: WebServer
) -> None:
    async with running_host(dsns, storage, tmp_path, spool_bytes=300_000) as host:
        importer = importer_on(host, dsns)
        job = await importer.ask(web.url("/course.zip"))
        for _ in range(7):
            await importer.run_waiting()
            importer.make_due()
        waiting = await importer.state(job)
        assert (waiting.status, waiting.attempts) == (ImportStatus.QUEUED, 0)
        # But not for ever.
        host.clock.ahead = timedelta(days=1, seconds=1)
        await importer.run_waiting()
        failure = (await importer.state(job)).failure
        assert failure is not None
        assert failure.code == "SERVICE_UNAVAILABLE"


async def test_a_job_that_kills_its_worker_again_and_again_is_given_up(importer: Importer, web: WebServer) -> None:
    importer = importer.with_limits(attempts=2)
    job = await importer.ask(web.url("/course.zip"))
    for _ in range(2):
        # What a run leaves that dies right after its beginning.
        assert await importer.runs._begin(job.tenant_id, job.id)
    await importer.run_waiting()
    failed = await importer.state(job)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (ImportStatus.FAILED, "INTERNAL_ERROR")
    assert web.asked == []


async def test_progress_is_told_while_it_runs(importer: Importer, web: WebServer) -> None:
    web.answers["/x"] = broken_off()
    job = await importer.ask(web.url("/x"))
    async with importer.worker():
        now = await importer.until(job, lambda now: now.bytes_received >= 300_000)
        assert (now.status, now.bytes_received, now.bytes_total) == (ImportStatus.RUNNING, 300_000, len(COURSE))
        assert await counts(importer) == {"all": 1, "running": 1}


async def test_a_cancelled_import_that_waits_is_never_begun(importer: Importer, web: WebServer) -> None:
    job = await importer.ask(web.url("/course.zip"))
    cancelled = await importer.cancel(job)
    assert cancelled.status is ImportStatus.CANCELLED
    assert await importer.cancel(job) == cancelled
    await importer.run_waiting()
    assert await importer.state(job) == cancelled
    assert web.asked == []
    assert importer.sealed_urls() == [None]
    assert await counts(importer) == {"all": 1, "cancelled": 1}


@pytest.mark.parametrize("answered", [broken_off(), raw(b"", end=False)], ids=["amid-the-file", "before-the-answer"])
async def test_a_running_import_that_is_cancelled_stops_and_leaves_nothing(
    importer: Importer, web: WebServer, answered: Answer
) -> None:
    web.answers["/x"] = answered
    job = await importer.ask(web.url("/x"))
    running = asyncio.create_task(importer.runs.run(tenant_id=job.tenant_id, import_job_id=job.id))
    await importer.until(job, lambda now: now.status is ImportStatus.RUNNING and bool(web.asked))
    await importer.cancel(job)
    # It looks every 0.1 s here, every second otherwise.
    await asyncio.wait_for(running, 5)
    assert (await importer.state(job)).status is ImportStatus.CANCELLED
    assert await importer.host.left() == NOTHING


async def test_an_import_that_is_cancelled_at_the_last_moment_makes_no_package(
    importer: Importer, web: WebServer
) -> None:
    importer = importer.with_limits(report_seconds=60)
    job = await importer.ask(web.url("/x"))

    async def cancel_before_the_end(asked: Any, writer: asyncio.StreamWriter) -> None:
        await importer.cancel(job)
        await answer(200, COURSE)(asked, writer)

    web.answers["/x"] = cancel_before_the_end
    await importer.run_waiting()
    assert (await importer.state(job)).status is ImportStatus.CANCELLED
    assert await importer.host.left() == NOTHING


async def test_an_import_that_has_succeeded_is_not_taken_for_lost(host: Host, dsns: Dsns, web: WebServer) -> None:
    importer, told = importer_on(host.answering_late(), dsns).with_limits(report_seconds=0.05), list[str]()
    runs = replace(importer.runs, observe=lambda outcome, seconds: told.append(outcome))
    job = await importer.ask(web.url("/course.zip"))
    await runs.run(tenant_id=job.tenant_id, import_job_id=job.id)
    assert told == ["succeeded"]
    assert (await importer.state(job)).status is ImportStatus.SUCCEEDED


async def test_what_has_ended_cannot_be_cancelled(importer: Importer, web: WebServer) -> None:
    for target in ("/course.zip", "/nothing"):
        job = await importer.ask(web.url(target))
        await importer.run_waiting()
        with pytest.raises(Conflict, match="already"):
            await importer.cancel(job)


async def test_a_job_of_another_tenant_is_not_there(importer: Importer, web: WebServer) -> None:
    job = await importer.ask(web.url("/course.zip"))
    other = (await store_tenant(importer.host.operator_database)).id
    for wanted in (str(job.id), str(new_id(importer.host.clock.now())), "no-uuid", ""):
        for call in (importer.api.get, importer.api.cancel):
            with pytest.raises(ImportNotFound):
                await call(tenant_id=other, import_job_id=wanted)
    page = await importer.api.list(tenant_id=other, page=None, limit=None, cursor=None, status=None)
    assert (page.jobs, page.total, page.total_pages) == ([], 0, 0)


async def test_two_runs_of_one_job_make_one_package(importer: Importer, web: WebServer) -> None:
    """The first seems dead to the rescue, but is only slow."""
    web.answers["/x"] = broken_off()
    job = await importer.ask(web.url("/x"))
    first = asyncio.create_task(importer.runs.run(tenant_id=job.tenant_id, import_job_id=job.id))
    await importer.until(job, lambda now: now.bytes_received > 0)
    web.answers["/x"] = answer(200, COURSE)
    await importer.runs.run(tenant_id=job.tenant_id, import_job_id=job.id)
    await asyncio.wait_for(first, 5)
    done = await importer.state(job)
    assert (done.status, done.attempts) == (ImportStatus.SUCCEEDED, 2)
    names, packages, spooled = await importer.host.left()
    assert (packages, spooled) == (1, 0)
    assert {name.split("/")[3] for name in names} == {str(done.package_id)}
    # And a third finds nothing to do.
    await importer.runs.run(tenant_id=job.tenant_id, import_job_id=job.id)
    assert (await importer.host.usage()).package_count == 1


async def test_two_runs_that_publish_at_the_same_time_make_one_package(importer: Importer, web: WebServer) -> None:
    importer = importer.with_limits(report_seconds=60)
    both = asyncio.Barrier(2)

    async def together(asked: Any, writer: asyncio.StreamWriter) -> None:
        await both.wait()
        await answer(200, COURSE)(asked, writer)

    web.answers["/x"] = together
    job = await importer.ask(web.url("/x"))
    ids = {"tenant_id": job.tenant_id, "import_job_id": job.id}
    await asyncio.gather(importer.runs.run(**ids), importer.runs.run(**ids))
    done = await importer.state(job)
    names, packages, _ = await importer.host.left()
    assert (done.status, packages) == (ImportStatus.SUCCEEDED, 1)
    assert {name.split("/")[3] for name in names} == {str(done.package_id)}


async def test_a_killed_worker_leaves_one_package_in_the_end_and_nothing_else(
    importer: Importer, web: WebServer, storage: Bucket, tmp_path: Path
) -> None:
    web.answers["/x"] = broken_off()
    job = await importer.ask(web.url("/x"))
    dsns = importer.dsns
    arguments = [dsns.server, dsns.operator, storage.url, str(tmp_path / "other")]
    command = [sys.executable, "-m", "tests.contract.import_process", *arguments]
    worker = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        await importer.until(job, lambda now: now.bytes_received >= 300_000)
    finally:
        worker.kill()
        await worker.wait()
    assert (await importer.state(job)).status is ImportStatus.RUNNING
    web.answers["/x"] = answer(200, COURSE)
    async with importer.app() as app:
        assert await jobs.rescue_stalled(app, lost_seconds=0) == 1
    await importer.run_waiting()
    done = await importer.state(job)
    assert (done.status, done.attempts) == (ImportStatus.SUCCEEDED, 2)
    importer.host.clock.ahead = timedelta(minutes=5)
    assert await importer.host.sweep() == 1
    names, packages, _ = await importer.host.left()
    assert packages == 1
    assert {name.split("/")[3] for name in names} == {str(done.package_id)}
    assert importer.waiting() == []


async def test_an_import_goes_on_elsewhere_when_its_worker_stops(importer: Importer, web: WebServer) -> None:
    web.answers["/x"] = broken_off()
    job = await importer.ask(web.url("/x"))
    async with importer.worker():
        await importer.until(job, lambda now: now.bytes_received > 0)
    assert [status for status, _ in importer.waiting()] == ["todo"]
    assert await importer.host.left() == NOTHING
    web.answers["/x"] = answer(200, COURSE)
    importer.make_due()
    await importer.run_waiting()
    assert (await importer.state(job)).status is ImportStatus.SUCCEEDED


async def test_one_tenant_leaves_room_for_others(importer: Importer) -> None:
    """Two lanes each: whatever one tenant has queued before, another begins at once."""
    begun: list[UUID] = []
    end = asyncio.Event()

    async def hold(*, tenant_id: UUID, import_job_id: UUID) -> None:
        begun.append(tenant_id)
        await end.wait()

    other = (await store_tenant(importer.host.operator_database)).id
    for _ in range(30):
        await importer.ask("http://127.0.0.1/")
    await importer.api.create(tenant_id=other, url="http://127.0.0.1/", uploaded_by=None, title=None)
    async with importer.worker(handler=hold, concurrency=4):
        await eventually(lambda: other in begun)
        assert begun.count(importer.host.tenant_id) == jobs.IMPORT_LANES
        end.set()
        # The lanes go on.
        await eventually(lambda: len(begun) > 1 + jobs.IMPORT_LANES)


async def test_imports_that_pause_keep_no_other_waiting(importer: Importer, web: WebServer) -> None:
    web.answers |= {"/long": answer(503, Retry_After="600"), "/short": answer(503, Retry_After="40")}
    pausing = [await importer.ask(web.url(target)) for target in ["/long"] * 3 + ["/short"] * 3]
    # As many as there are lanes at a time: what pauses lets the next begin.
    await importer.run_waiting()
    assert {(await importer.state(job)).attempts for job in pausing} == {1}
    good = [await importer.ask(web.url("/course.zip")) for _ in range(4)]
    await importer.run_waiting()
    assert {(await importer.state(job)).status for job in good} == {ImportStatus.SUCCEEDED}
    web.answers["/short"] = answer(200, COURSE)
    importer.make_due(within_seconds=60)
    await importer.run_waiting()
    assert [(await importer.state(job)).status.value for job in pausing] == ["queued"] * 3 + ["succeeded"] * 3


async def test_a_tenant_may_have_so_many_imports_waiting_and_no_more(importer: Importer) -> None:
    with psycopg.connect(importer.dsns.owner) as connection:
        connection.execute(
            "insert into import_job_counts (tenant_id, queued) values (%s, 999)", (importer.host.tenant_id,)
        )
    await importer.ask("http://127.0.0.1/")
    with pytest.raises(Unavailable, match="1000 imports"):
        await importer.ask("http://127.0.0.1/")
    assert len(importer.waiting()) == 1


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        ({"url": ""}, {"url"}),
        ({"url": "ftp://example.com/"}, {"url"}),
        ({"url": "http://10.0.0.1/x.zip"}, {"url"}),
        ({"url": "http://2130706433/"}, {"url"}),
        ({"url": "x", "title": "t" * 501, "uploaded_by": "u" * 256}, {"url", "title", "uploaded_by"}),
        ({"url": "http://127.0.0.1/", "title": "a\0b", "uploaded_by": "\0"}, {"title", "uploaded_by"}),
    ],
)
async def test_everything_that_is_wrong_is_said_at_once_and_nothing_queued(
    importer: Importer, asked: dict[str, str], faults: set[str]
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await importer.ask(**asked)
    assert set(refused.value.field_errors) == faults
    assert importer.waiting() == []


async def test_lists_are_complete_by_page_and_by_cursor_and_by_status(importer: Importer) -> None:
    asked = [await importer.ask(f"http://127.0.0.1/{number}") for number in range(7)]
    for job in asked[::2]:
        await importer.cancel(job)
    newest_first = [job.id for job in reversed(asked)]
    waiting = [job.id for job in reversed(asked[1::2])]

    async def page(**changes: Any) -> tuple[list[UUID], int, int, str | None]:
        wanted = {"page": None, "limit": None, "cursor": None, "status": None} | changes
        found = await importer.api.list(tenant_id=importer.host.tenant_id, **wanted)
        return [job.id for job in found.jobs], found.total, found.total_pages, found.next_cursor

    assert (await page(page=2, limit=3))[:3] == (newest_first[3:6], 7, 3)
    assert await page(page=4, limit=3) == ([], 7, 3, None)
    assert (await page(status="queued", limit=2))[:3] == (waiting[:2], 3, 2)
    for status, expected in ((None, newest_first), ("queued", waiting)):
        seen, cursor = [], None
        while True:
            ids, _, _, cursor = await page(status=status, limit=2, cursor=cursor)
            seen += ids
            if cursor is None:
                break
        assert seen == expected
    with pytest.raises(ValidationFailed) as refused:
        await page(status="done")
    assert set(refused.value.field_errors) == {"status"}


async def test_a_sealed_url_opens_in_its_place_only(importer: Importer, web: WebServer) -> None:
    sealed = SEALER.seal("https://a.example/?secret", place="here")
    assert SEALER.open(sealed, place="here") == "https://a.example/?secret"
    assert SEALER.seal("https://a.example/?secret", place="here") != sealed
    for broken, place in ((sealed, "there"), (sealed[:-1], "here"), (b"\x02" + sealed[1:], "here"), (b"", "here")):
        with pytest.raises(Exception, match="cannot be opened"):
            SEALER.open(broken, place=place)


async def test_a_url_that_cannot_be_opened_any_more_fails_without_a_word_of_it(
    importer: Importer, web: WebServer
) -> None:
    other_key = type(SEALER)(b"y" * 32)
    importer = replace(importer, runs=replace(importer.runs, sealer=other_key)).with_limits(attempts=1)
    job = await importer.ask(web.url("/course.zip"))
    await importer.run_waiting()
    failed: ImportJob = await importer.state(job)
    assert failed.failure is not None
    assert (failed.status, failed.failure.code) == (ImportStatus.FAILED, "INTERNAL_ERROR")
    assert web.asked == []
