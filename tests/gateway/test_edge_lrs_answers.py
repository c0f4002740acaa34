"""What answers of the strict LRS have when they leave the edge."""

import gzip
import json
import time
from typing import Any

import grpc
import httpx
import pytest

from server.domain import errors
from server.gen.scorm.v1 import lrs_service_pb2 as pb
from server.gen.scorm.v1.lrs_service_pb2_grpc import LrsServiceStub
from tests.edge import Edge
from tests.gateway.edge_lrs import CONSISTENT, LARGEST, MIB, answers, basic, behaving, new_key, raises
from tests.gateway.lrs import FIRST, SECOND, VERSION_OF
from tests.gateway.test_edge_answers import assert_error, exchange
from tests.gateway.test_native_grpc import refusal


@pytest.mark.parametrize("root", [FIRST, SECOND])
def test_every_answer_says_the_version(edge: Edge, lrs_client: httpx.Client, lrs_key: str, root: str) -> None:
    state = f"{root}/activities/state"
    reader = {"authorization": basic(new_key(edge, scopes=("read",)))}
    statuses = {
        200: lrs_client.get(state),
        204: lrs_client.put(state, content=b"x", headers=behaving(edge, answers(b"", "", ("x-http-status", "204")))),
        400: lrs_client.get(state, headers=behaving(edge, raises(errors.InvalidRequest("Why")))),
        401: lrs_client.get(state, headers={"authorization": "x"}),
        403: lrs_client.put(state, content=b"x", headers=reader),
        404: lrs_client.get(f"{root}/nowhere"),
        405: lrs_client.patch(state),
        409: lrs_client.put(state, content=b"x", headers=behaving(edge, raises(errors.Conflict("Why")))),
        412: lrs_client.put(state, content=b"x", headers=behaving(edge, raises(errors.PreconditionFailed()))),
        413: lrs_client.put(state, content=b"x" * (LARGEST + 1)),
        500: lrs_client.get(state, headers=behaving(edge, raises(RuntimeError()))),
        503: lrs_client.get(state, headers=behaving(edge, raises(errors.Unavailable()))),
    }
    assert {status: answer.status_code for status, answer in statuses.items()} == {one: one for one in statuses}
    versions = {status: answer.headers.get_list("x-experience-api-version") for status, answer in statuses.items()}
    assert versions == {status: [VERSION_OF[root]] for status in statuses}
    assert "www-authenticate" not in {
        name for status, answer in statuses.items() if status != 401 for name in answer.headers
    }
    for elsewhere in ("/api/v1/packages", "/xapi2", "/api/health", "/nowhere/xapi/"):
        assert "x-experience-api-version" not in lrs_client.get(elsewhere).headers


@pytest.mark.parametrize("root", [FIRST, SECOND, "/api"])
def test_answers_that_no_filter_sees_say_it_where_the_path_is_known(
    edge: Edge, lrs_client: httpx.Client, lrs_key: str, root: str
) -> None:
    # Refused before the filters, and one that the transcoder cannot pass on.
    escaped = lrs_client.get(f"{root}/statements%2Fmore")
    assert_error(escaped, 400, "BAD_REQUEST")
    too_large = behaving(edge, answers(b"x" * (33 * MIB), "text/plain"))
    path = "/api/v1/xapi/statements" if root == "/api" else f"{root}/activities/state"
    untold = lrs_client.get(path, headers=too_large | {"x-api-key": lrs_key})
    assert_error(untold, 500, "INTERNAL_ERROR")
    for response in (escaped, untold):
        said = [VERSION_OF[root]] if root in VERSION_OF else []
        assert response.headers.get_list("x-experience-api-version") == said
    # Of what is no HTTP no path is known.
    received = exchange(edge, f"GET {root}/statements HTTP/1.1\r\nhost: localhost\r\nx-long: {'x' * 70_000}\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 431 ")
    assert b"x-experience-api-version" not in received


@pytest.mark.parametrize("root", [FIRST, SECOND])
def test_the_version_that_the_core_says_counts(edge: Edge, lrs_client: httpx.Client, root: str) -> None:
    said = ("x-experience-api-version", "1.0.2")
    for behaviour in (answers(b"{}", "application/json", said), raises(errors.NotFound(), said)):
        response = lrs_client.get(f"{root}/statements", headers=behaving(edge, behaviour))
        assert response.headers.get_list("x-experience-api-version") == ["1.0.2"]


def test_what_the_core_tells_beside_an_answer_becomes_headers(edge: Edge, lrs_client: httpx.Client) -> None:
    told = (
        ("etag", '"a1"'),
        ("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT"),
        ("content-disposition", "attachment"),
        CONSISTENT,
    )
    response = lrs_client.get(f"{SECOND}/activities/state", headers=behaving(edge, answers(b"x", "text/plain", *told)))
    assert (response.status_code, response.content) == (200, b"x")
    assert set(told) <= set(response.headers.items())


@pytest.mark.parametrize("late", [False, True])
def test_what_the_core_tells_beside_an_error_becomes_headers_too(
    edge: Edge, lrs_client: httpx.Client, late: bool
) -> None:
    refuse = raises(errors.ValidationFailed.of("limit", "Must be a number"), CONSISTENT)

    def behaviour(request: Any, context: Any) -> Any:
        if late:
            context.send_initial_metadata(())
            time.sleep(0.05)
        return refuse(request, context)

    response = lrs_client.get(f"{SECOND}/statements?limit=x", headers=behaving(edge, behaviour))
    assert_error(response, 400, "VALIDATION_ERROR", {"fieldErrors": {"limit": ["Must be a number"]}})
    assert response.headers[CONSISTENT[0]] == CONSISTENT[1]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("application/json", b'{"statements":[],"more":""}'),
        ("application/json", b"null"),
        ("multipart/mixed; boundary=abc", b"--abc\r\n\r\n{}\r\n--abc--"),
        ("application/octet-stream", bytes(range(256))),
        ("text/html", b"<script>1</script>"),
        ('text/plain; charset="UTF-8"', "ü".encode()),
        ("application/json", b""),
    ],
)
def test_answers_come_as_the_core_gave_them(edge: Edge, lrs_client: httpx.Client, kind: str, data: bytes) -> None:
    response = lrs_client.get(f"{SECOND}/activities/state", headers=behaving(edge, answers(data, kind)))
    assert (response.content, response.headers["content-type"]) == (data, kind)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_large_document_comes_back_whole_and_its_head_alone(edge: Edge, lrs_client: httpx.Client) -> None:
    data = bytes(range(256)) * (LARGEST // 256)
    headers = behaving(edge, answers(data, "application/octet-stream", ("etag", '"a"')))
    assert lrs_client.get(f"{SECOND}/activities/state", headers=headers).content == data
    head = lrs_client.head(f"{SECOND}/activities/state", headers=headers)
    assert (head.status_code, head.headers["content-length"]) == (200, str(LARGEST))
    assert lrs_client.get(f"{SECOND}/statements").json() == {"rpc": "QueryStatements"}


def test_heads_and_answers_without_a_body_leave_the_connection_in_step(edge: Edge, lrs_key: str) -> None:
    empty = behaving(edge, answers(b"", "", ("x-http-status", "204"), ("etag", '"a"')))
    failing = behaving(edge, raises(errors.PreconditionFailed()))
    mark = behaving(edge, answers(b"MARK", "text/plain"))

    def ask(method: str, headers: dict[str, str]) -> str:
        head = [f"{method} {SECOND}/activities/state HTTP/1.1", "host: localhost", f"authorization: {basic(lrs_key)}"]
        return "\r\n".join([*head, *(f"{name}: {value}" for name, value in headers.items()), "", ""])

    received = exchange(
        edge,
        ask("HEAD", mark),
        ask("PUT", empty),
        ask("HEAD", failing),
        ask("HEAD", empty),
        ask("DELETE", empty),
        ask("GET", mark),
    ).decode()
    told = received.split("HTTP/1.1 ")[1:]
    assert [one[:3] for one in told] == ["200", "204", "412", "204", "204", "200"]
    bodies = [one.partition("\r\n\r\n")[2] for one in told]
    assert bodies == ["", "", "", "", "", "MARK"]
    assert "content-length: 4\r\n" in told[0]
    for one in (told[1], told[3], told[4]):
        assert "\ncontent-length" not in one
        assert "\ncontent-type" not in one
        assert 'etag: "a"\r\n' in one


def test_a_failed_condition_is_412_over_rest_and_failed_precondition_over_grpc(
    edge: Edge, lrs_client: httpx.Client, lrs_key: str
) -> None:
    headers = behaving(edge, raises(errors.PreconditionFailed()))
    response = lrs_client.put(f"{SECOND}/agents/profile", content=b"x", headers=headers)
    assert_error(response, 412, "PRECONDITION_FAILED")
    with grpc.insecure_channel(f"localhost:{edge.port}") as channel, pytest.raises(grpc.RpcError) as failure:
        LrsServiceStub(channel).PutAgentProfile(
            pb.DocumentRequest(), metadata=(("x-api-key", lrs_key), *headers.items())
        )
    assert refusal(failure.value)[1].reason == "PRECONDITION_FAILED"
    assert failure.value.code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_nothing_of_the_lrs_is_compressed_and_tags_stay_strong(
    edge: Edge, lrs_client: httpx.Client, encoding: str
) -> None:
    data = json.dumps(["x" * 100] * 100).encode()
    headers = behaving(edge, answers(data, "application/json", ("etag", '"strong"')))
    headers["accept-encoding"] = encoding
    for root in (FIRST, SECOND):
        response = lrs_client.get(f"{root}/activities/state", headers=headers)
        assert (response.content, response.headers["etag"]) == (data, '"strong"')
        assert "content-encoding" not in response.headers
        assert response.headers["content-length"] == str(len(data))


def test_the_documented_surface_is_compressed(edge: Edge, lrs_key: str) -> None:
    data = json.dumps(["x" * 100] * 100).encode()
    headers = {**behaving(edge, answers(data, "application/json")), "accept-encoding": "gzip"}
    with edge.client(lrs_key) as client, client.stream("GET", "/api/v1/xapi/statements", headers=headers) as response:
        raw = b"".join(response.iter_raw())
    assert (response.headers["content-encoding"], gzip.decompress(raw)) == ("gzip", data)


def test_browsers_may_ask_from_elsewhere_with_basic(edge: Edge, lrs_client: httpx.Client) -> None:
    asked = {
        "origin": "https://courses.example",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "authorization,content-type,if-match,x-experience-api-version",
    }
    with edge.client() as bare:
        preflight = bare.options(f"{FIRST}/activities/state", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://courses.example"
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    allowed = {name.strip().lower() for name in preflight.headers["access-control-allow-headers"].split(",")}
    assert set(asked["access-control-request-headers"].split(",")) <= allowed
    for headers in ({}, {"authorization": "x"}):
        response = lrs_client.get(f"{FIRST}/statements", headers={"origin": "https://courses.example", **headers})
        assert response.headers["access-control-allow-origin"] == "https://courses.example"
        shown = {name.strip().lower() for name in response.headers["access-control-expose-headers"].split(",")}
        assert {"x-experience-api-version", "x-experience-api-consistent-through", "etag", "last-modified"} <= shown
