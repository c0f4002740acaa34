"""Who may do what on the strict LRS: HTTP Basic, LRS scopes, and what every answer has."""

from collections.abc import Iterator

import httpx
import pytest

from server.domain.api_keys import KeyText
from tests.gateway.lrs import FIRST, SECOND, VERSION_OF, found, lrs, new_statement, post, state_url
from tests.gateway.test_documented_packages import error_of
from tests.stack import Stack, tenant_of


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def bare(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"x-experience-api-version": "2.0.0"}
    with httpx.Client(base_url=stack.base_url, headers=headers, timeout=30) as opened:
        yield opened


def name_of(key: str) -> str:
    parsed = KeyText.parse(key)
    assert parsed is not None
    return str(parsed.key_id)


def test_a_key_comes_as_basic_or_as_a_header(stack: Stack, bare: httpx.Client, key: str) -> None:
    name = name_of(key)
    for _ in range(2):  # the second time from the edge's cache
        assert bare.get("/xapi/statements", auth=(name, key)).status_code == 200
        assert bare.get("/xapi/statements", headers={"x-api-key": key}).status_code == 200
        assert bare.get("/xapi/statements", auth=(name, key), headers={"x-api-key": key}).status_code == 200
        other = stack.new_tenant()
        for auth, headers in (
            ((name_of(other), key), {}),
            (("", key), {}),
            ((name, key[:-1]), {}),
            ((name, key), {"x-api-key": other}),
        ):
            refused = bare.get("/xapi/statements", auth=auth, headers=headers)
            assert (refused.status_code, error_of(refused)["code"]) == (401, "UNAUTHORIZED")
            assert refused.headers["www-authenticate"].startswith("Basic ")
    for nonsense in ("Basic", "Basic !", "Bearer x", "Basic " + "A" * 600):
        assert bare.get("/xapi/statements", headers={"authorization": nonsense}).status_code == 401
    # Nowhere else.
    refused = bare.get("/api/v1/packages", auth=(name, key))
    assert (refused.status_code, "www-authenticate" in refused.headers) == (401, False)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("read", {"read statements", "read state", "read profile"}),
        ("write", {"write statements", "write state", "write profile"}),
        ("delete", {"delete state", "delete profile"}),
        ("lrs:statements/read", {"read statements"}),
        ("lrs:statements/write", {"write statements"}),
        ("lrs:statements/read/mine", {"read statements"}),
        ("lrs:state", {"read state", "write state", "delete state"}),
        ("lrs:profile", {"read profile", "write profile", "delete profile"}),
        (
            "lrs:all",
            {
                "read statements",
                "write statements",
                "read state",
                "write state",
                "delete state",
                "read profile",
                "write profile",
                "delete profile",
            },
        ),
    ],
)
def test_scopes_allow_what_they_say_over_tunnels_too(stack: Stack, key: str, scope: str, allowed: set[str]) -> None:
    limited = stack.new_key(tenant_of(key), scopes=[scope])
    state = state_url(stateId="s")
    profile = "/activities/profile?activityId=https://example.com/a&profileId=p"
    with lrs(stack, limited, FIRST) as client:
        for _ in range(2):
            answers = {
                "read statements": client.get("/statements"),
                "write statements": client.post("/statements", json=new_statement()),
                "read state": client.get(state),
                "write state": client.put(state, content=b"x"),
                "delete state": client.delete(state),
                "read profile": client.get(profile),
                "write profile": client.post(profile, json={}),
                "delete profile": client.delete(profile),
            }
            assert {name for name, one in answers.items() if one.status_code != 403} == allowed
            assert (
                error_of(next(one for one in answers.values() if one.status_code == 403))["code"] == "FORBIDDEN"
                if (len(allowed) < len(answers))
                else True
            )
        tunnelled = client.post("/statements?method=GET", data={"limit": "1"})
        assert (tunnelled.status_code == 200) == ("read statements" in allowed)
        deleted = client.post("/activities/state?method=DELETE", data={"activityId": "https://x.org", "stateId": "s"})
        assert (deleted.status_code == 403) == ("delete state" not in allowed)
    with httpx.Client(base_url=stack.base_url, headers={"x-api-key": limited}) as client:
        status = client.get("/api/v1/xapi/statements").status_code
        assert (status == 200) == (scope == "read"), "LRS scopes are for /xapi only"


def test_a_key_for_its_own_finds_its_own(stack: Stack, key: str) -> None:
    tenant = tenant_of(key)
    mine = stack.new_key(tenant, scopes=["lrs:statements/write", "lrs:statements/read/mine"])
    with lrs(stack, key) as everyone, lrs(stack, mine) as narrow:
        theirs, own = new_statement(), new_statement()
        post(everyone, theirs)
        post(narrow, own)
        # It refers to mine, and is theirs all the same.
        about = new_statement(object={"objectType": "StatementRef", "id": own["id"]})
        post(everyone, about)
        assert found(narrow) == [own["id"]]
        assert found(narrow, verb=own["verb"]["id"]) == [own["id"]]
        assert narrow.get("/statements", params={"statementId": theirs["id"]}).status_code == 404
        assert narrow.get("/statements", params={"statementId": own["id"]}).status_code == 200
        assert found(everyone) == [about["id"], own["id"], theirs["id"]]


def test_a_tenant_sees_nothing_of_another(stack: Stack, key: str) -> None:
    statement = new_statement()
    with lrs(stack, key) as mine, lrs(stack, stack.new_tenant()) as other:
        post(mine, statement)
        mine.put(state_url(stateId="s"), content=b"x")
        assert found(other) == []
        assert other.get("/statements", params={"statementId": statement["id"]}).status_code == 404
        assert other.get(state_url()).json() == []
        assert post(other, {**statement, "verb": {"id": "https://x.org/other"}}) == [statement["id"]]
        assert found(mine, verb="https://x.org/other") == []


@pytest.mark.parametrize("root", [FIRST, SECOND])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "", 404),
        ("PATCH", "/statements", 405),
        ("DELETE", "/statements", 405),
        ("GET", "/statements?x=1", 400),
        ("GET", "/about", 200),
        ("HEAD", "/about", 200),
    ],
)
def test_every_answer_says_its_version(stack: Stack, key: str, root: str, method: str, path: str, status: int) -> None:
    with lrs(stack, key, root) as client:
        answer = client.request(method, path)
    assert (answer.status_code, answer.headers["x-experience-api-version"]) == (status, VERSION_OF[root])


@pytest.mark.parametrize(
    ("root", "header", "answered"),
    [
        (FIRST, None, None),
        (SECOND, None, None),
        (FIRST, "1.0", "1.0.3"),
        (FIRST, "1.0.2", "1.0.3"),
        (FIRST, "2.0.0", None),
        (SECOND, "2.0", "2.0.0"),
        (SECOND, "1.0.3", "1.0.3"),
        (SECOND, "0.95", None),
    ],
)
def test_versions_are_negotiated(stack: Stack, key: str, root: str, header: str | None, answered: str | None) -> None:
    with lrs(stack, key, root) as client:
        del client.headers["x-experience-api-version"]
        answer = client.get("/statements", headers={"x-experience-api-version": header} if header else {})
    assert answer.status_code == (200 if answered else 400)
    assert answer.headers["x-experience-api-version"] == (answered or VERSION_OF[root])


def test_large_bodies_are_taken_and_larger_ones_refused(stack: Stack, key: str) -> None:
    with lrs(stack, key) as client:
        url = state_url(stateId="large")
        content = b"x" * (15 * 1024 * 1024)
        assert client.put(url, content=content, headers={"content-type": "text/plain"}).status_code == 204
        assert client.get(url).content == content
        refused = client.put(url, content=b"x" * (17 * 1024 * 1024), headers={"content-type": "text/plain"})
        assert (refused.status_code, error_of(refused)["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert refused.headers["x-experience-api-version"] == "2.0.0"


def test_credentials_are_not_logged(stack: Stack, key: str) -> None:
    with lrs(stack, key) as client:
        client.get("/statements")
        basic = client.get("/statements").request.headers["authorization"].partition(" ")[2]
    for log in ("access", "serve-1", "serve-2", "envoy"):
        text = stack.log(log)
        assert basic not in text
        assert key not in text
