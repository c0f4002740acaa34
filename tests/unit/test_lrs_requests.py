"""How a call of the strict LRS is read: the query as it was sent, over gRPC the message, and forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from google.api import httpbody_pb2

from server.domain.errors import InvalidRequest, ValidationFailed
from server.domain.xapi.versions import Version
from server.rpc import context as calls
from server.rpc.lrs_requests import LrsCall, read_call

FIRST, SECOND = "/xapi/1.0.3/activities/state", "/xapi/activities/state"
FORM = "application/x-www-form-urlencoded"
_NAMED = frozenset({"stateId", "agent"})
ALLOWED = {"GET": _NAMED | {"since"}, "HEAD": _NAMED | {"since"}, "PUT": _NAMED, "POST": _NAMED, "DELETE": _NAMED}
VERSIONS = {FIRST: "1.0.3", SECOND: "2.0.0"}


@dataclass(frozen=True)
class Read:
    """What was read, and what the answer is told to say."""

    call: LrsCall
    told: list[tuple[str, str]]


def read(
    path: str | None,
    method: str = "GET",
    *,
    told: Mapping[str, str | None] | None = None,
    body: bytes = b"",
    body_type: str = "",
    allowed: Mapping[str, frozenset[str]] = ALLOWED,
    **headers: str | None,
) -> Read:
    """Reads a call of this path and query; None is native gRPC. A header that is None is not sent."""
    version = "2.0.0" if path is None else VERSIONS[path.partition("?")[0]]
    sent: dict[str, str | None] = {"x_experience_api_version": version, **headers}
    metadata = {name.replace("_", "-"): value for name, value in sent.items() if value is not None}
    if path is not None:
        metadata |= {"x-envoy-original-path": path, "x-envoy-original-method": method}
    call = calls.Call(request_id="r", transcoded=path is not None, metadata=metadata)
    before = calls.CURRENT.set(call)
    try:
        message = httpbody_pb2.HttpBody(content_type=body_type, data=body)
        return Read(read_call(method, told or {}, message, allowed=allowed), call.response_metadata)
    finally:
        calls.CURRENT.reset(before)


def form(
    method: str,
    fields: Mapping[str, str] | bytes,
    *,
    query: str = "",
    x_experience_api_version: str | None = "1.0.3",
    if_match: str | None = None,
) -> LrsCall:
    """Reads a form that stands for another request."""
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return read(
        f"{FIRST}?method={method}{query}",
        "POST",
        body=body,
        body_type=FORM,
        x_experience_api_version=x_experience_api_version,
        if_match=if_match,
    ).call


def faults(
    path: str | None, method: str = "GET", *, told: Mapping[str, str | None] | None = None
) -> dict[str, list[str]]:
    with pytest.raises(ValidationFailed) as failure:
        read(path, method, told=told)
    return failure.value.field_errors


def test_over_rest_the_query_counts_as_it_was_sent() -> None:
    call = read(f"{SECOND}?stateId=a%20b+c%C3%BC%26&agent=", told={"stateId": "other", "since": "x"}).call
    assert call.parameters == {"stateId": "a b cü&", "agent": ""}
    assert (call.method, call.root, call.version) == ("GET", "/xapi", Version.V2)


def test_over_grpc_the_message_counts() -> None:
    call = read(None, told={"stateId": "s", "agent": None}).call
    assert (call.parameters, call.root, call.version) == ({"stateId": "s"}, "/xapi", Version.V2)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("stateID=s", ["stateID"]),
        ("stateId=a&stateId=a", ["stateId"]),
        ("stateId=a&x=1&y=2", ["x", "y"]),
        ("m%65thod=GET", ["method"]),
    ],
)
def test_what_is_unknown_repeated_or_in_another_case_is_named(query: str, named: list[str]) -> None:
    assert sorted(faults(f"{SECOND}?{query}")) == named


def test_what_a_method_does_not_have_is_refused_over_grpc_too() -> None:
    assert read(f"{SECOND}?since=x").call.parameters == {"since": "x"}
    assert list(faults(f"{SECOND}?since=x", "DELETE")) == ["since"]
    assert list(faults(None, "DELETE", told={"since": "x"})) == ["since"]


@pytest.mark.parametrize("query", ["&".join(f"x{number}=1" for number in range(101)), "stateId=%FF"])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest):
        read(f"{SECOND}?{query}")


@pytest.mark.parametrize(
    ("path", "sent", "version"),
    [(FIRST, "1.0", Version.V1), (SECOND, "2.0.0", Version.V2), (SECOND, "1.0.2", Version.V1)],
)
def test_the_version_asked_for_is_told(path: str, sent: str, version: Version) -> None:
    found = read(path, x_experience_api_version=sent)
    assert found.call.version is version
    assert found.told == [("x-experience-api-version", version.header)]


@pytest.mark.parametrize(("path", "sent"), [(FIRST, None), (SECOND, None), (None, None), (FIRST, "2.0.0")])
def test_without_a_version_or_with_another_there_is_no_call(path: str | None, sent: str | None) -> None:
    with pytest.raises(InvalidRequest):
        read(path, x_experience_api_version=sent)


def test_the_content_type_is_the_bodys_else_the_headers() -> None:
    assert read(SECOND, "PUT", body=b"x", body_type="a/b", content_type="c/d").call.content_type == "a/b"
    assert read(SECOND, "PUT", body=b"x", content_type="c/d").call.content_type == "c/d"
    assert read(SECOND, "PUT", body=b"x").call.content_type == ""
    # A tab may stand where a space may.
    assert read(SECOND, "PUT", body=b"x", body_type="a/b;\tc=d").call.content_type == "a/b;\tc=d"


# It is stored with a document, and told as a header of its own when that is read.
@pytest.mark.parametrize("kind", ["text/plain\r\nx-more: yes", "text/plain\n", "a\0b", "a\x7f", "a/" + "b" * 1000])
def test_a_content_type_that_is_no_header_is_refused_whichever_way_it_came(kind: str) -> None:
    with pytest.raises(InvalidRequest):
        form("PUT", {"stateId": "s", "Content-Type": kind, "content": "x"})
    with pytest.raises(InvalidRequest):
        read(None, "PUT", told={"stateId": "s"}, body=b"x", body_type=kind)


def test_a_form_stands_for_the_request_that_it_holds() -> None:
    call = form(
        "PUT",
        {
            "stateId": "s",
            "content": "ü &=",
            "content-TYPE": "text/plain",
            "If-Match": '"a"',
            "If-None-Match": "*",
            "Accept-Language": "de",
            "Authorization": "Basic x",
            "Content-Length": "5",
        },
    )
    assert (call.method, call.parameters, call.body) == ("PUT", {"stateId": "s"}, "ü &=".encode())
    assert (call.content_type, call.if_match, call.if_none_match) == ("text/plain", '"a"', "*")
    assert (call.accept_language, call.root, call.version) == ("de", "/xapi/1.0.3", Version.V1)


def test_a_form_for_a_read_needs_no_content_and_may_be_empty() -> None:
    assert form("GET", {"stateId": "s", "since": "x"}).parameters == {"stateId": "s", "since": "x"}
    assert form("DELETE", b"").parameters == {}


def test_headers_of_the_form_count_before_those_of_its_request() -> None:
    fields = {"X-Experience-API-Version": "1.0.1", "If-Match": "a"}
    call = form("GET", fields, x_experience_api_version=None, if_match="b")
    assert (call.version, call.if_match) == (Version.V1, "a")
    with pytest.raises(InvalidRequest):
        form("GET", {"X-Experience-API-Version": "0.8"})


@pytest.mark.parametrize(
    "fields",
    [
        b'{"stateId": "s", "content": "{}"}',
        b"stateId=%FF&content=x",
        "stateId=ü&content=x".encode(),
        b"stateId=s",
        b"stateId&content=x",
        b"stateId=a&stateId=b&content=x",
        b"stateId=s&content=x&content=y",
        b"stateId=s&content=x&If-Match=a&if-match=b",
        b"stateId=s&content=x&since=y",
        b"&".join(b"x%d=1" % number for number in range(101)),
        b"",
    ],
)
def test_a_form_that_cannot_be_read_or_has_no_content_to_store_is_refused(fields: bytes) -> None:
    with pytest.raises(InvalidRequest):
        form("PUT", fields)


def test_beside_a_form_the_query_holds_the_method_only() -> None:
    with pytest.raises(InvalidRequest):
        form("GET", {}, query="&stateId=s")


def test_a_form_that_says_that_it_is_something_else_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        read(f"{FIRST}?method=GET", "POST", body=b"stateId=s", body_type="application/json")


@pytest.mark.parametrize(
    ("path", "real"),
    [
        (f"{SECOND}?method=GET", "POST"),
        (f"{FIRST}?method=POST", "PUT"),
        (f"{FIRST}?method=GET", "GET"),
        (f"{FIRST}?method=PATCH", "POST"),
        (f"{FIRST}?method=get", "POST"),
        (f"{FIRST}?method=GET&method=PUT", "POST"),
        (f"{FIRST}?method=", "POST"),
    ],
)
def test_only_a_post_of_the_first_version_stands_for_another_method(path: str, real: str) -> None:
    with pytest.raises(InvalidRequest):
        read(path, real, body_type=FORM)


def test_a_method_that_the_resource_does_not_have_is_refused_even_without_parameters() -> None:
    # Its key was judged by that method: it must not be served as another.
    with pytest.raises(InvalidRequest):
        read(f"{FIRST}?method=PUT", "POST", body=b"content=x", body_type=FORM, allowed={"GET": frozenset()})
