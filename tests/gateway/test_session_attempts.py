"""Attempts and launches, as customers make, time, revoke and delete them."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.gateway.test_documented_packages import UUID7, client, error_of, upload
from tests.gateway.test_documented_sessions import create, page, read, update
from tests.gateway.test_session_faults import faults_of
from tests.stack import Stack, tenant_of

AT_ONCE = 20


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        yield opened


@pytest.fixture
def package_id(api: httpx.Client) -> str:
    return str(upload(api)["package_id"])


def post(api: httpx.Client, package_id: str, *, key: str | None = None, **fields: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"package_id": package_id, "user_id": "ada", **fields}
    return api.post("/api/v1/sessions", json=body, headers=headers)


def launch(api: httpx.Client, session_id: str, **fields: Any) -> Any:
    answer = api.post(f"/api/v1/sessions/{session_id}/launch", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_the_latest_attempt_is_found_and_a_new_one_made_where_asked(api: httpx.Client, package_id: str) -> None:
    first = post(api, package_id)
    again = post(api, package_id)
    assert (first.status_code, again.status_code) == (201, 200)
    assert "location" not in again.headers
    assert again.headers["etag"] == first.headers["etag"]
    assert again.json()["session"] == first.json()["session"]
    second = post(api, package_id, new_attempt=True)
    assert second.status_code == 201
    assert second.json()["session"]["attempts"] == 2
    assert post(api, package_id).json()["session"]["id"] == second.json()["session"]["id"]
    earlier = read(api, first.json()["session"]["id"])
    assert earlier["attempts"] == 1
    update(api, earlier["id"], {"completion_status": "completed"})
    assert read(api, second.json()["session"]["id"])["completion_status"] == "not_attempted"
    assert page(api, user_id="ada")["pagination"]["total"] == 2


def test_an_attempt_after_one_that_was_deleted_goes_on_from_what_is_left(api: httpx.Client, package_id: str) -> None:
    ids = [post(api, package_id, new_attempt=True).json()["session"]["id"] for _ in range(3)]
    api.delete(f"/api/v1/sessions/{ids[0]}")
    assert post(api, package_id, new_attempt=True).json()["session"]["attempts"] == 4


async def at_once(stack: Stack, key: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> list[Any]:
    async with httpx.AsyncClient(base_url=stack.base_url, headers={"X-API-Key": key}, timeout=60) as api:
        return await asyncio.gather(*(api.post("/api/v1/sessions", json=body, headers=headers) for _ in range(AT_ONCE)))


async def test_many_requests_at_once_make_one_session(stack: Stack, key: str, package_id: str) -> None:
    answers = await at_once(stack, key, {"package_id": package_id, "user_id": "ada"})
    assert sorted(answer.status_code for answer in answers) == [200] * (AT_ONCE - 1) + [201]
    assert len({answer.json()["session"]["id"] for answer in answers}) == 1
    with client(stack, key) as api:
        assert page(api)["pagination"]["total"] == page(api, user_id="ada")["pagination"]["total"] == 1


async def test_as_many_new_attempts_at_once_are_all_different(stack: Stack, key: str, package_id: str) -> None:
    answers = await at_once(stack, key, {"package_id": package_id, "user_id": "ada", "new_attempt": True})
    assert {answer.status_code for answer in answers} == {201}
    assert sorted(answer.json()["session"]["attempts"] for answer in answers) == list(range(1, AT_ONCE + 1))
    with client(stack, key) as api:
        assert page(api)["pagination"]["total"] == page(api, user_id="ada")["pagination"]["total"] == AT_ONCE


async def test_under_one_idempotency_key_many_at_once_make_one_attempt(stack: Stack, key: str, package_id: str) -> None:
    body = {"package_id": package_id, "user_id": "ada", "new_attempt": True}
    answers = await at_once(stack, key, body, {"Idempotency-Key": "k-1"})
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.json()["session"]["id"] for answer in made}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in made) == 1
    with client(stack, key) as api:
        assert page(api)["pagination"]["total"] == 1


def test_a_repeated_request_under_its_key_has_the_first_answer_with_a_fresh_link(
    api: httpx.Client, package_id: str
) -> None:
    first = post(api, package_id, key="k-1", new_attempt=True)
    time.sleep(0.01)
    again = post(api, package_id, key="k-1", new_attempt=True)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["session"]["id"] == first.json()["session"]["id"]
    assert again.headers["location"] == first.headers["location"]
    assert again.json()["launch_url"] != first.json()["launch_url"]
    found = post(api, package_id, key="k-2")
    assert (found.status_code, post(api, package_id, key="k-2").status_code) == (200, 200)
    other = post(api, package_id, key="k-1")
    assert (other.status_code, error_of(other)["details"]) == (409, {"idempotency_key": "another_request"})
    session_id = first.json()["session"]["id"]
    assert api.delete(f"/api/v1/sessions/{session_id}").status_code == 200
    gone = post(api, package_id, key="k-1", new_attempt=True)
    assert (gone.status_code, error_of(gone)["code"]) == (409, "CONFLICT")


def test_a_repeated_launch_under_its_key_is_the_same_launch(api: httpx.Client, package_id: str) -> None:
    session_id = create(api, package_id)["id"]
    path, headers = f"/api/v1/sessions/{session_id}/launch", {"Idempotency-Key": "l-1"}
    first, again = (api.post(path, json={}, headers=headers) for _ in range(2))
    assert first.json()["launch_id"] == again.json()["launch_id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert read(api, session_id)["launches"] == 1


def test_the_learners_name_is_what_was_said_last(api: httpx.Client, package_id: str) -> None:
    session = create(api, package_id)
    assert "user_name" not in session
    assert create(api, package_id, user_name="Ada Lovelace")["user_name"] == "Ada Lovelace"
    assert create(api, package_id)["user_name"] == "Ada Lovelace"
    renamed = create(api, package_id, user_name="Ada")
    assert renamed["user_name"] == page(api)["sessions"][0]["user_name"] == "Ada"
    assert "user_name" not in create(api, package_id, new_attempt=True)


def test_a_link_opens_the_player_for_a_day(stack: Stack, api: httpx.Client, package_id: str) -> None:
    answer = post(api, package_id).json()
    assert answer["launch_url"].startswith(f"{stack.base_url}/player/session/")
    lifetime = datetime.fromisoformat(answer["launch_url_expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=24) - timedelta(minutes=1) < lifetime <= timedelta(hours=24)
    opened = httpx.get(answer["launch_url"], headers={"accept": "text/html"})
    assert (opened.status_code, opened.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_launch_tells_its_id_and_its_link(stack: Stack, api: httpx.Client, package_id: str) -> None:
    session_id = create(api, package_id)["id"]
    answer = api.post(f"/api/v1/sessions/{session_id.upper()}/launch", json={"expires_in_seconds": 60})
    body = answer.json()
    assert answer.status_code == 201
    assert list(body) == ["launch_url", "launch_url_expires_at", "launch_id", "session_id"]
    assert UUID7.match(body["launch_id"])
    assert (body["session_id"], answer.headers["location"]) == (session_id, body["launch_url"])
    lifetime = datetime.fromisoformat(body["launch_url_expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=30) < lifetime <= timedelta(seconds=60)
    assert httpx.get(body["launch_url"]).status_code == 200
    assert read(api, session_id)["launches"] == 1
    assert api.post(f"/api/v1/sessions/{session_id}/launch").status_code == 201
    for wrong in ({"expires_in_seconds": 59}, {"expires_in_seconds": 604801}, {"redirect_url": "ftp://x"}):
        assert set(faults_of(api.post(f"/api/v1/sessions/{session_id}/launch", json=wrong))) == set(wrong)


def time_of(api: httpx.Client, session_id: str) -> tuple[float, str | None]:
    session = read(api, session_id)
    assert session["items"][0]["time_spent_seconds"] == session["time_spent_seconds"]
    return session["time_spent_seconds"], session.get("session_time")


def test_the_greatest_time_of_a_launch_counts_and_launches_add_up(api: httpx.Client, package_id: str) -> None:
    session_id = create(api, package_id)["id"]
    for told, counted in (("PT10M", 600), ("PT10M", 600), ("PT5M", 600), ("0000:11:00.99", 660), ("PT0S", 660)):
        update(api, session_id, {"session_time": told})
        assert time_of(api, session_id)[0] == counted
    first, second = (launch(api, session_id)["launch_id"] for _ in range(2))
    update(api, session_id, {"session_time": "PT1M", "launch_id": first})
    assert time_of(api, session_id) == (720, "PT1M")
    for _ in range(2):
        update(api, session_id, {"session_time": "PT2M", "launch_id": second})
        update(api, session_id, {"session_time": "PT90S", "launch_id": first})
    # 11 minutes before any launch, 90 seconds and 2 minutes.
    assert time_of(api, session_id)[0] == 870
    update(api, session_id, {"session_time": "PT3M"})
    assert time_of(api, session_id) == (930, "PT3M")


def test_time_told_as_an_element_is_the_same_time(api: httpx.Client, package_id: str) -> None:
    session_id = create(api, package_id)["id"]
    both = {"cmi_data": {"cmi.core.session_time": "00:20:00"}, "session_time": "PT20M"}
    for _ in range(2):
        update(api, session_id, both)
        assert time_of(api, session_id) == (1200, "PT20M")
    other = create(api, package_id, new_attempt=True)["id"]
    named = faults_of(api.put(f"/api/v1/sessions/{other}", json={"launch_id": launch(api, session_id)["launch_id"]}))
    assert list(named) == ["launch_id"]


def test_revoked_links_are_gone_and_new_ones_work(api: httpx.Client, package_id: str) -> None:
    first = post(api, package_id).json()
    session_id = first["session"]["id"]
    answer = api.post(f"/api/v1/sessions/{session_id}/revoke", json={})
    assert answer.text == f'{{"success":true,"session_id":"{session_id}"}}'
    assert httpx.get(first["launch_url"]).status_code == 410
    assert httpx.post(f"{first['launch_url']}/launch").status_code == 410
    renewed = launch(api, session_id)["launch_url"]
    assert httpx.get(renewed).status_code == 200
    assert api.post(f"/api/v1/sessions/{session_id}/revoke").status_code == 200
    assert httpx.get(renewed).status_code == 410


def test_deleting_answers_what_is_documented_and_only_once(api: httpx.Client, package_id: str) -> None:
    made = [post(api, package_id, user_id=user).json() for user in ("ada", "bob")]
    session_id = made[0]["session"]["id"]
    update(api, session_id, {"suspend_data": "x", "session_time": "PT1S"})
    answer = api.delete(f"/api/v1/sessions/{session_id}")
    assert answer.status_code == 200
    assert answer.text == f'{{"success":true,"session_id":"{session_id}"}}'
    path = f"/api/v1/sessions/{session_id}"
    for again in (api.delete(path), api.get(path), api.put(path, json={}), api.post(f"{path}/launch", json={})):
        assert (again.status_code, error_of(again)["code"]) == (404, "SESSION_NOT_FOUND")
    assert httpx.get(made[0]["launch_url"]).status_code == 410
    found = page(api)
    assert ([one["id"] for one in found["sessions"]], found["pagination"]["total"]) == ([made[1]["session"]["id"]], 1)
    # The learner begins anew.
    assert create(api, package_id, "ada")["attempts"] == 1


def test_with_its_package_a_session_is_gone_at_once(api: httpx.Client, package_id: str) -> None:
    kept = create(api, str(upload(api)["package_id"]))["id"]
    gone = post(api, package_id).json()
    assert page(api)["pagination"]["total"] == 2
    assert api.delete(f"/api/v1/packages/{package_id}").status_code == 200
    for filters in ({}, {"user_id": "user-abc"}, {"completion_status": "not_attempted"}):
        found = page(api, **filters)
        assert ([one["id"] for one in found["sessions"]], found["pagination"]["total"]) == ([kept], 1)
    of_it = page(api, package_id=package_id)
    assert (of_it["sessions"], of_it["pagination"]["total"]) == ([], 0)
    path = f"/api/v1/sessions/{gone['session']['id']}"
    for answer in (api.get(path), api.put(path, json={}), api.delete(path), api.post(f"{path}/launch", json={})):
        assert (answer.status_code, error_of(answer)["code"]) == (404, "SESSION_NOT_FOUND")
    assert httpx.get(gone["launch_url"]).status_code == 410
    again = post(api, package_id)
    assert (again.status_code, error_of(again)["code"]) == (404, "PACKAGE_NOT_FOUND")


def test_the_worker_counts_what_has_changed_and_removes_what_belonged_to_a_deleted_package(
    stack: Stack, api: httpx.Client, key: str, package_id: str
) -> None:
    update(api, create(api, package_id)["id"], {"completion_status": "completed"})
    kept = create(api, str(upload(api)["package_id"]))["id"]

    def count(table: str) -> int:
        with psycopg.connect(stack.database_url) as connection:
            (found,) = connection.execute(
                f"select count(*) from {table} where tenant_id = %s".encode(), (tenant_of(key),)
            ).fetchone() or (0,)
        return int(found)

    def wait_until(table: str, expected: int) -> None:
        deadline = time.monotonic() + 30
        while count(table) != expected:
            assert time.monotonic() < deadline, (table, count(table))
            time.sleep(0.2)

    wait_until("session_count_changes", 0)
    assert page(api, completion_status="completed")["pagination"]["total"] == 1
    api.delete(f"/api/v1/packages/{package_id}")
    wait_until("sessions", 1)
    wait_until("session_items", 0)
    wait_until("session_count_changes", 0)
    assert [one["id"] for one in page(api)["sessions"]] == [kept]
    assert page(api)["pagination"]["total"] == 1
