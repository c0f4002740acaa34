"""What learners' pages ask, without a browser: pages, launches, navigation, previews."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from server.domain.ids import new_id
from server.services.session_ports import RunLink, SessionLink
from server.storage.session_tokens import SessionTokens
from tests.factories import scorm12_package, scorm2004_package
from tests.gateway.players import BROWSER, STATUS, Player, assert_refused, data_of
from tests.gateway.test_documented_packages import client, error_of, upload
from tests.gateway.test_documented_sessions import read
from tests.gateway.test_session_attempts import launch, post
from tests.stack import Stack, tenant_of


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
def tokens(stack: Stack) -> SessionTokens:
    """Signs as the copy itself does."""
    return SessionTokens((stack.var / "session-token-key").read_bytes().strip())


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


# Pages ---------------------------------------------------------------------------------------------------------------


def test_a_link_opens_the_shell_and_changes_nothing(
    stack: Stack, api: httpx.Client, session: Any, session_id: str
) -> None:
    for _ in range(2):
        answer = httpx.get(session["launch_url"], headers=BROWSER)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert f"frame-src {stack.content_url};" in policy
        assert "frame-ancestors" not in policy
        assert "unsafe" not in policy
        assert not {"set-cookie", "x-frame-options", "cross-origin-opener-policy"} & set(answer.headers)
        data = data_of(answer)
        assert (data["session"], data["learner"], data["preview"]) == (session_id, "Ada Lovelace", False)
        assert data["title"] == 'Course "Title" </script>'
        assert data["contentOrigin"] == stack.content_url
        assert "<title>Course &quot;Title&quot; &lt;/script&gt;</title>" in answer.text
    assert read(api, session_id) == session["session"]
    headed = httpx.head(session["launch_url"], headers=BROWSER)
    assert (headed.status_code, headed.content) == (200, b"")


def test_every_script_and_style_of_the_pages_is_there(stack: Stack, session: Any, player: Player) -> None:
    pages = {
        stack.base_url: httpx.get(session["launch_url"]).text,
        stack.content_url: httpx.get(player.played["deliver"]["runUrl"]).text,
    }
    for origin, page in pages.items():
        found = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
        assert found
        for path in found:
            assert httpx.get(origin + path).status_code == 200, path


def test_the_run_page_has_what_the_course_needs(stack: Stack, session_id: str, player: Player) -> None:
    url = player.played["deliver"]["runUrl"]
    assert url.startswith(f"{stack.content_url}/player/run/")
    answer = httpx.get(url, headers=BROWSER)
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "set-cookie" not in answer.headers
    run = player.run
    assert (run["session"], run["item"], run["version"], run["recording"]) == (session_id, "ITEM-1", "1.2", True)
    assert (run["launch"], run["run"], run["acknowledged"]) == (1, 1, 0)
    assert run["shellOrigin"] == stack.base_url
    assert {
        "cmi.core.student_id": "ada",
        "cmi.core.student_name": "Ada Lovelace",
        "cmi.core.entry": "ab-initio",
        "cmi.core.lesson_mode": "normal",
        "cmi.core.total_time": "0000:00:00.00",
    }.items() <= run["values"].items()
    assert httpx.get(stack.content_url + run["href"]).status_code == 200


ROUTES = [("GET", ""), ("POST", "/launch"), ("POST", "/navigate")]
NAVIGATION = b'{"launch":"x","request":"continue"}'


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "é", "x" * 3000])
def test_a_token_that_is_none_is_not_found(stack: Stack, token: str) -> None:
    for base in (f"{stack.base_url}/player/session/", f"{stack.base_url}/player/preview/"):
        assert_refused("GET", f"{base}{token}", 404, "NOT_FOUND")
        assert_refused("POST", f"{base}{token}/launch", 404, "NOT_FOUND")
    assert_refused("GET", f"{stack.content_url}/player/run/{token}", 404, "NOT_FOUND")


def test_no_token_opens_what_it_was_not_made_for(stack: Stack, session: Any, player: Player) -> None:
    link, run = session["launch_url"].rpartition("/")[2], player.played["deliver"]["runUrl"].rpartition("/")[2]
    assert_refused("GET", f"{stack.base_url}/player/session/{run}", 404, "NOT_FOUND")
    assert_refused("GET", f"{stack.base_url}/player/preview/{link}", 404, "NOT_FOUND")
    assert_refused("GET", f"{stack.content_url}/player/run/{link}", 404, "NOT_FOUND")
    assert_refused("GET", f"{stack.base_url}/player/session/{link[:-2]}xx", 404, "NOT_FOUND")
    assert httpx.get(f"{stack.content_url}/player/session/{link}").status_code == 404
    assert httpx.get(f"{stack.base_url}/player/run/{run}").status_code == 404
    assert httpx.get(f"{stack.base_url}/api/v1/sessions", headers={"X-API-Key": link}).status_code == 401


def signed_link(tokens: SessionTokens, key: str, session_id: str, *, made: timedelta, ends: timedelta) -> str:
    now = datetime.now(UTC)
    return tokens.sign_session(
        SessionLink(
            tenant_id=UUID(tenant_of(key)), session_id=UUID(session_id), issued_at=now + made, expires_at=now + ends
        )
    )


def test_a_link_that_has_expired_is_gone(stack: Stack, key: str, tokens: SessionTokens, session_id: str) -> None:
    base = f"{stack.base_url}/player/session"
    hour = timedelta(hours=1)
    over = signed_link(tokens, key, session_id, made=-24 * hour, ends=-timedelta(seconds=1))
    for method, path in ROUTES[:2]:
        assert_refused(method, f"{base}/{over}{path}", 410, "GONE")
    answer = httpx.post(f"{base}/{over}/navigate", content=NAVIGATION)
    assert (answer.status_code, error_of(answer)["code"]) == (410, "GONE")
    good = signed_link(tokens, key, session_id, made=timedelta(), ends=hour)
    # The launch that holds the session goes on, however long the learner takes.
    launch = httpx.post(f"{base}/{good}/launch").json()["launch"]["id"]
    leaving = httpx.post(f"{base}/{over}/navigate", json={"launch": launch, "request": "suspendAll"})
    assert (leaving.status_code, leaving.json()["ended"]) == (200, True)
    assert httpx.get(f"{base}/{good}").status_code == 200
    missing = signed_link(tokens, key, str(new_id(datetime.now(UTC))), made=timedelta(), ends=hour)
    assert_refused("GET", f"{base}/{missing}", 410, "GONE")


def test_a_link_in_use_is_renewed(stack: Stack, key: str, tokens: SessionTokens, session_id: str) -> None:
    base = f"{stack.base_url}/player/session"
    half = signed_link(tokens, key, session_id, made=-timedelta(hours=13), ends=timedelta(hours=11))
    renewed = httpx.post(f"{base}/{half}/launch").json()["token"]
    link = tokens.read_session(renewed)
    assert link is not None
    assert link.expires_at - datetime.now(UTC) > timedelta(hours=23)
    assert httpx.get(f"{base}/{renewed}").status_code == 200


@pytest.mark.parametrize("how", ["revoked", "session deleted", "package deleted"])
def test_what_is_over_is_gone_for_every_call(
    api: httpx.Client, package_id: str, session_id: str, player: Player, how: str
) -> None:
    match how:
        case "revoked":
            assert api.post(f"/api/v1/sessions/{session_id}/revoke").status_code == 200
        case "session deleted":
            assert api.delete(f"/api/v1/sessions/{session_id}").status_code == 200
        case _:
            assert api.delete(f"/api/v1/packages/{package_id}").status_code == 200
    for method, path in ROUTES[:2]:
        assert_refused(method, player.url + path, 410, "GONE")
    assert_refused("GET", player.played["deliver"]["runUrl"], 410, "GONE")
    for answer in (player.navigate("exitAll"), player.commit({STATUS: "completed"})):
        assert (answer.status_code, error_of(answer)["code"]) == (410, "GONE")


# Launch and navigation -----------------------------------------------------------------------------------------------


def test_a_launch_tells_where_the_learner_is(api: httpx.Client, session_id: str, player: Player) -> None:
    played = player.played
    assert played["launch"]["number"] == 1
    assert [entry["id"] for entry in played["items"]] == ["ITEM-1"]
    assert played["deliver"]["item"] == "ITEM-1"
    assert (played["ended"], played["redirectUrl"]) == (False, None)
    assert played["status"] == {"completion": "incomplete", "success": "unknown", "timeSpentSeconds": 0}
    told = read(api, session_id)
    assert (told["launches"], told["current_item_id"], told["completion_status"]) == (1, "ITEM-1", "incomplete")


def test_a_link_of_a_launch_opens_that_launch_once(api: httpx.Client, session_id: str) -> None:
    made = launch(api, session_id)
    first = Player(made["launch_url"]).begin()
    assert first.played["launch"] == {"id": made["launch_id"], "number": 1}
    again = Player(made["launch_url"]).begin()
    assert again.played["launch"]["number"] == 2
    assert read(api, session_id)["launches"] == 2


def test_a_launch_begins_only_if_the_session_is_held_as_its_page_knows(api: httpx.Client, package_id: str) -> None:
    url = post(api, package_id).json()["launch_url"]
    begun = httpx.post(f"{url}/launch", json={"holder": 0}).json()
    assert begun["launch"]["number"] == 1
    for _ in range(2):
        assert httpx.post(f"{url}/launch", json={"holder": 0}).json() == {"holder": 1}
    assert httpx.post(f"{url}/launch", json={"holder": 1}).json()["launch"]["number"] == 2
    assert httpx.post(f"{url}/launch").json()["launch"]["number"] == 3
    for body in ({"holder": -1}, {"holder": "1"}, {"holder": True}):
        refused = httpx.post(f"{url}/launch", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


def test_the_redirect_url_is_told_to_the_player(api: httpx.Client, package_id: str) -> None:
    made = post(api, package_id, redirect_url="https://lms.example/done?a=b#c").json()
    assert Player(made["launch_url"]).begin().played["redirectUrl"] == "https://lms.example/done?a=b#c"
    later = launch(api, made["session"]["id"], redirect_url="https://other.example/")
    player = Player(later["launch_url"]).begin()
    assert player.played["redirectUrl"] == "https://other.example/"
    ended = player.navigate("exitAll").json()
    assert (ended["ended"], ended["deliver"], ended["redirectUrl"]) == (True, None, "https://other.example/")


def test_the_learner_goes_from_item_to_item(api: httpx.Client) -> None:
    package_id = upload(api, scorm2004_package(scos=3))["package_id"]
    made = post(api, str(package_id)).json()
    player = Player(made["launch_url"]).begin()
    seen = [player.played["deliver"]["item"]]
    for request, target in (("continue", None), ("choice", "ITEM-3"), ("previous", None), ("jump", "ITEM-1")):
        player.show(player.navigate(request, target=target).json())
        seen.append(player.played["deliver"]["item"])
    assert seen == ["ITEM-1", "ITEM-2", "ITEM-3", "ITEM-2", "ITEM-1"]
    assert player.played["controls"] == {"continue": True, "previous": False, "choice": True}
    assert read(api, made["session"]["id"])["current_item_id"] == "ITEM-1"
    for request, target in (("choice", "ITEM-9"), ("previous", None)):
        waits = player.navigate(request, target=target).json()
        assert (waits["deliver"], waits["ended"]) == (None, False)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"launch": 5}, {"launch"}),
        ({"request": "sideways"}, {"request"}),
        ({"request": None, "launch": None}, {"request", "launch"}),
        ({"request": "choice", "target": None}, {"target"}),
        ({"request": ["continue"]}, {"request"}),
    ],
)
def test_a_navigation_that_is_malformed_is_named(player: Player, fields: dict[str, Any], names: set[str]) -> None:
    body = {"launch": player.played["launch"]["id"], "request": "continue", **fields}
    answer = httpx.post(f"{player.url}/navigate", json=body)
    assert answer.status_code == 400
    assert set(error_of(answer)["details"]["fieldErrors"]) == names


def test_a_newer_launch_takes_the_session_over(api: httpx.Client, session_id: str, player: Player) -> None:
    assert player.commit({STATUS: "incomplete"}).status_code == 200
    newer = Player(player.url).begin()
    for answer in (player.commit({STATUS: "completed"}), player.navigate("exitAll")):
        assert (answer.status_code, error_of(answer)["code"]) == (409, "CONFLICT")
    assert_refused("GET", player.played["deliver"]["runUrl"], 409, "CONFLICT")
    assert newer.run["values"]["cmi.core.entry"] == "resume"
    assert newer.commit({STATUS: "completed"}).status_code == 200
    assert read(api, session_id)["completion_status"] == "completed"


# Previews ------------------------------------------------------------------------------------------------------------


def test_a_preview_is_played_and_nothing_is_recorded(stack: Stack, api: httpx.Client) -> None:
    package_id = upload(api, scorm2004_package(scos=2))["package_id"]
    made = api.post(f"/api/v1/packages/{package_id}/preview", json={"redirect_url": "https://lms.example/"}).json()
    url = made["preview"]["launch_url"]
    shell = httpx.get(url, headers=BROWSER)
    assert data_of(shell)["preview"] is True
    assert shell.headers["cache-control"] == "no-store"
    player = Player(url).begin()
    assert (player.run["recording"], player.run["item"]) == (False, "ITEM-1")
    assert player.played["redirectUrl"] == "https://lms.example/"
    assert httpx.get(stack.content_url + player.run["href"]).status_code == 200
    assert player.commit({"cmi.completion_status": "completed"}).json() == {"applied": 1}
    player.show(player.navigate("continue").json())
    assert player.played["deliver"]["item"] == "ITEM-2"
    assert player.navigate("exitAll").json()["ended"] is True
    assert api.get("/api/v1/sessions").json()["pagination"]["total"] == 0
    api.delete(f"/api/v1/packages/{package_id}")
    assert_refused("GET", url, 410, "GONE")
    assert_refused("POST", f"{url}/launch", 410, "GONE")
    assert_refused("GET", player.played["deliver"]["runUrl"], 410, "GONE")


def test_a_preview_of_an_item_that_is_none_shows_nothing(
    stack: Stack, key: str, tokens: SessionTokens, package_id: str
) -> None:
    now = datetime.now(UTC)
    link = RunLink(
        tenant_id=UUID(tenant_of(key)),
        package_id=UUID(package_id),
        session_id=None,
        launch=0,
        run=0,
        item_id="ITEM-9",
        issued_at=now,
        expires_at=now + timedelta(hours=1),
    )
    assert_refused("GET", f"{stack.content_url}/player/run/{tokens.sign_run(link)}", 409, "CONFLICT")
