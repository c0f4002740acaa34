"""What players commit: stored once, however often, late or malformed it comes."""

import asyncio
import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.factories import scorm12_package
from tests.gateway.players import STATUS, Player, data_of
from tests.gateway.test_documented_packages import client, error_of, upload
from tests.gateway.test_documented_sessions import read, update
from tests.gateway.test_session_attempts import post
from tests.stack import Stack


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        yield opened


@pytest.fixture
def package_id(api: httpx.Client) -> str:
    return str(upload(api, scorm12_package(title='Course "Title" </script>'))["package_id"])


@pytest.fixture
def session(api: httpx.Client, package_id: str) -> Any:
    """A new session with its link."""
    made = post(api, package_id, user_name="Ada Lovelace")
    assert made.status_code == 201
    return made.json()


@pytest.fixture
def session_id(session: Any) -> str:
    return str(session["session"]["id"])


@pytest.fixture
def player(session: Any) -> Player:
    """It has begun."""
    return Player(session["launch_url"]).begin()


def test_a_commit_is_stored_and_told(api: httpx.Client, session_id: str, player: Player) -> None:
    values = {STATUS: "passed", "cmi.core.score.raw": "80", "cmi.core.session_time": "00:01:30.50"}
    answer = player.commit({**values, "cmi.suspend_data": "ünï"}, initialized=True)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert (body["applied"], body["rejected"]) == (1, {})
    expected = {"completion": "completed", "success": "passed", "scoreScaled": 0.8}
    assert body["items"] == {"ITEM-1": expected}
    assert body["status"] == {**expected, "timeSpentSeconds": 90}
    told = read(api, session_id)
    assert (told["completion_status"], told["success_status"]) == ("completed", "passed")
    assert (told["score"], told["time_spent_seconds"]) == ({"scaled": 0.8, "raw": 80}, 90)
    assert told["cmi_data"]["cmi.suspend_data"] == "ünï"


@pytest.mark.parametrize("kind", ["text/plain;charset=UTF-8", "application/json", "application/octet-stream", ""])
@pytest.mark.parametrize("compressed", [False, True])
def test_any_content_type_will_do_and_gzip_too(
    api: httpx.Client, session_id: str, player: Player, kind: str, compressed: bool
) -> None:
    body = json.dumps(player.body({"cmi.suspend_data": "\ud83d x" * 1000})).encode()
    answer = player.send(gzip.compress(body) if compressed else body, **{"content-type": kind})
    assert (answer.status_code, answer.json()["applied"]) == (200, 1)
    # Half a character is kept for the course, and shown as what stands for it.
    assert read(api, session_id)["cmi_data"]["cmi.suspend_data"] == "\ufffd x" * 1000
    assert data_of(httpx.get(player.played["deliver"]["runUrl"]))["values"]["cmi.suspend_data"] == "\ud83d x" * 1000


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"commit":NaN}', b"[" * 100_000, b"\x1f\x8b",
     gzip.compress(b"{}" * 50)[:-4]],
    ids=["empty", "cut", "list", "null", "text", "no text", "NaN", "deep", "gzip's start", "cut gzip"],
)  # fmt: skip
def test_what_is_no_json_object_is_a_bad_request(player: Player, content: bytes) -> None:
    answer = player.send(content)
    assert (answer.status_code, error_of(answer)["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"commit": "1", "base": -1}, {"commit", "base"}),
        ({"commit": 1.5, "base": True}, {"commit", "base"}),
        ({"commit": 2**60}, {"commit"}),
        ({"commit": None, "base": None, "values": None}, {"commit", "base", "values"}),
        ({"values": {STATUS: 5}}, {"values"}),
        ({"values": [STATUS]}, {"values"}),
        ({"ages": {STATUS: "1"}, "initialized": 1, "terminated": "yes"}, {"ages", "initialized", "terminated"}),
    ],
)
def test_a_commit_of_other_types_is_named(player: Player, fields: dict[str, Any], names: set[str]) -> None:
    answer = player.send(json.dumps({**player.body({}), **fields}).encode())
    assert answer.status_code == 400
    assert set(error_of(answer)["details"]["fieldErrors"]) == names


def test_a_commit_that_is_too_large_is_refused_however_it_is_packed(player: Player) -> None:
    bomb = gzip.compress(b'{"values":{"a":"' + b"x" * 100_000_000 + b'"}}', 9)
    assert len(bomb) < 200_000
    began = time.monotonic()
    for content in (bomb, b"x" * 3_000_000):
        answer = player.send(content)
        assert (answer.status_code, error_of(answer)["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert time.monotonic() - began < 10
    assert player.commit({STATUS: "completed"}).status_code == 200


def test_a_value_that_is_wrong_does_not_lose_the_others(api: httpx.Client, session_id: str, player: Player) -> None:
    wrong = {STATUS: "done", "cmi.core.student_id": "other", "x": "y", "cmi.comments": "a\0b"}
    answer = player.commit({**wrong, "cmi.suspend_data": "kept"})
    assert set(answer.json()["rejected"]) == set(wrong)
    assert read(api, session_id)["cmi_data"] == {"cmi.suspend_data": "kept"}


def test_a_commit_that_is_repeated_or_late_changes_nothing(api: httpx.Client, session_id: str, player: Player) -> None:
    first = player.body({"cmi.suspend_data": "1"})
    second = player.body({"cmi.suspend_data": "2", STATUS: "incomplete"}, base=1)
    answers = [player.send(json.dumps(body).encode()) for body in (first, second)]
    assert [answer.json()["applied"] for answer in answers] == [1, 2]
    before = read(api, session_id)
    for body in (second, first):
        late = player.send(json.dumps(body).encode())
        assert (late.status_code, late.json()["applied"]) == (200, 2)
    assert read(api, session_id) == before


def test_where_a_commit_is_missing_the_player_is_told_from_where(player: Player) -> None:
    assert player.commit({"cmi.suspend_data": "1"}).status_code == 200
    gap = player.commit({"cmi.suspend_data": "3"}, base=2, commit=3)
    assert (gap.status_code, gap.json()) == (200, {"resendFrom": 1})
    resent = player.commit({"cmi.suspend_data": "3"}, base=1, commit=4)
    assert resent.json()["applied"] == 4


def test_after_the_end_nothing_more_is_taken(api: httpx.Client, session_id: str, player: Player) -> None:
    assert player.commit({STATUS: "completed"}, initialized=True, terminated=True).json()["applied"] == 1
    before = read(api, session_id)
    late = player.commit({STATUS: "incomplete", "cmi.suspend_data": "late"})
    assert late.status_code == 200
    assert read(api, session_id)["cmi_data"] == before["cmi_data"]
    assert read(api, session_id)["completion_status"] == "completed"


async def test_commits_at_once_end_as_if_one_came_after_the_other(
    api: httpx.Client, session_id: str, player: Player
) -> None:
    bodies = [player.body({"cmi.suspend_data": str(n), "cmi.core.session_time": f"00:00:{n:02}"}) for n in range(1, 21)]
    async with httpx.AsyncClient(timeout=30) as http:
        answers = await asyncio.gather(*(http.post(player.commit_url, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    told = read(api, session_id)
    assert told["cmi_data"]["cmi.suspend_data"] == "20"
    assert told["time_spent_seconds"] == 20


async def test_updates_and_commits_at_once_lose_nothing(
    stack: Stack, key: str, api: httpx.Client, session_id: str, player: Player
) -> None:
    path = f"{stack.base_url}/api/v1/sessions/{session_id}"
    async with httpx.AsyncClient(timeout=30, headers={"X-API-Key": key}) as http:
        calls = []
        for number in range(10):
            calls.append(http.put(path, json={"cmi_data": {"cmi.comments": str(number)}, "session_time": "PT5S"}))
            body = player.body({"cmi.suspend_data": str(number)})
            calls.append(http.post(player.commit_url, json=body))
        answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    told = read(api, session_id)
    assert told["cmi_data"]["cmi.suspend_data"] == "9"
    assert told["cmi_data"]["cmi.comments"] in {str(number) for number in range(10)}
    assert told["time_spent_seconds"] == 5


def test_an_update_is_not_overwritten_by_what_the_player_had_set_before(
    api: httpx.Client, session_id: str, player: Player
) -> None:
    assert player.commit({"cmi.core.lesson_location": "player", "cmi.suspend_data": "p1"}).status_code == 200
    time.sleep(0.05)
    update(api, session_id, {"cmi_data": {"cmi.core.lesson_location": "caller"}})
    aged = {"cmi.core.lesson_location": 3_600_000, "cmi.suspend_data": 3_600_000}
    old = {"cmi.core.lesson_location": "player", "cmi.suspend_data": "p2"}
    assert player.commit(old, ages=aged).status_code == 200
    assert read(api, session_id)["cmi_data"]["cmi.core.lesson_location"] == "caller"
    assert read(api, session_id)["cmi_data"]["cmi.suspend_data"] == "p2"
    assert player.commit({"cmi.core.lesson_location": "newer"}).status_code == 200
    assert read(api, session_id)["cmi_data"]["cmi.core.lesson_location"] == "newer"
