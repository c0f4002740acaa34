"""How a call of the strict LRS is read, over REST, over gRPC, and as a form that stands for another request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from google.api import httpbody_pb2

from server.domain.errors import InvalidRequest, ValidationFailed
from server.domain.media_types import kind_of
from server.domain.xapi.versions import Version, negotiate
from server.rpc import context as calls
from server.rpc.lrs_access import FIRST_ROOT, tunnelled_method
from server.rpc.lrs_multipart import MAX_CONTENT_TYPE_LENGTH

SECOND_ROOT = "/xapi"
VERSION_HEADER = "x-experience-api-version"
_FORM = "application/x-www-form-urlencoded"
# What a form may hold in place of headers (xAPI 1.0.3 Part Three 1.3).
_HEADERS = frozenset(
    {
        "authorization",
        "x-experience-api-version",
        "content-type",
        "content-length",
        "if-match",
        "if-none-match",
        "accept",
        "accept-encoding",
        "accept-language",
    }
)
_MOST_FIELDS = 100
# One that came in a form, or over gRPC, was never a header; one that is stored becomes one when it is told.
_NO_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LrsCall:
    """A request as the specification knows it. `root` is what its path begins with."""

    version: Version
    method: str
    parameters: Mapping[str, str]
    body: bytes
    content_type: str
    if_match: str | None
    if_none_match: str | None
    accept_language: str | None
    root: str


def read_call(
    method: str,
    told: Mapping[str, str | None],
    body: httpbody_pb2.HttpBody | None,
    *,
    allowed: Mapping[str, frozenset[str]],
) -> LrsCall:
    """The request that the RPC of this HTTP method was called with, or that its form stands for.

    `told` are the message's fields under the specification's names: what counts over gRPC. Over REST the query itself
    does. Every parameter must be in `allowed` for the method, and given once; a method that is not in it is none of the
    resource. Raises InvalidRequest, ValidationFailed.
    """
    call = calls.current()
    metadata = call.metadata
    path, _, query = metadata.get("x-envoy-original-path", "").partition("?")
    default = version_of(path)
    content_type = (body.content_type if body is not None else "") or metadata.get("content-type", "")
    data = body.data if body is not None else b""
    headers: Mapping[str, str] = metadata
    if not call.transcoded:
        parameters = {name: value for name, value in told.items() if value is not None}
    else:
        parameters = _fields(query, "The query")
        tunnelled = tunnelled_method(method, metadata)
        if tunnelled is not None:
            method = tunnelled
            parameters, data, content_type, headers = _form(method, parameters, data, content_type, metadata)
    version = negotiate(headers.get(VERSION_HEADER), default)
    call.response_metadata[:] = [pair for pair in call.response_metadata if pair[0] != VERSION_HEADER]
    call.response_metadata.append((VERSION_HEADER, version.header))
    _check_parameters(parameters, allowed, method)
    _check_content_type(content_type)
    return LrsCall(
        version=version,
        method=method,
        parameters=parameters,
        body=data,
        content_type=content_type,
        if_match=headers.get("if-match"),
        if_none_match=headers.get("if-none-match"),
        accept_language=headers.get("accept-language"),
        root=FIRST_ROOT if default is Version.V1 else SECOND_ROOT,
    )


def version_of(path: str) -> Version:
    """The version of the surface that a path is on; 2.0 over gRPC, where there is none."""
    return Version.V1 if path.startswith(FIRST_ROOT) else Version.V2


def _form(
    method: str, parameters: Mapping[str, str], data: bytes, content_type: str, metadata: Mapping[str, str]
) -> tuple[dict[str, str], bytes, str, Mapping[str, str]]:
    """Parameters, body, content type and headers of the request of this method that a form stands for."""
    if parameters.keys() != {"method"}:
        raise InvalidRequest("With `method`, every other parameter belongs into the form")
    if data and kind_of(content_type) != _FORM:
        raise InvalidRequest(f"With `method`, the body must be {_FORM}")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not a valid form") from error
    fields = _fields(text, "The body", strict=bool(data))
    if method in ("PUT", "POST") and "content" not in fields:
        raise ValidationFailed.of("content", "Is required")
    headers = _once([(name.lower(), value) for name, value in fields.items() if name.lower() in _HEADERS])
    content = fields.get("content", "").encode()
    rest = {name: value for name, value in fields.items() if name.lower() not in _HEADERS and name != "content"}
    # What is sent this way is JSON unless it says otherwise.
    return rest, content, headers.get("content-type", "application/json"), {**metadata, **headers}


def _fields(text: str, what: str, *, strict: bool = False) -> dict[str, str]:
    """Names and values as forms have them; a strict one has no empty and no bare part. Raises InvalidRequest."""
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=strict, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise InvalidRequest(f"{what} is not a valid form of at most {_MOST_FIELDS} fields in UTF-8") from error
    return _once(pairs)


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValidationFailed({name: ["Must be given only once"] for name in names if names.count(name) > 1})
    return found


def _check_parameters(parameters: Mapping[str, str], allowed: Mapping[str, frozenset[str]], method: str) -> None:
    known = allowed.get(method)
    if known is None:
        # The key was judged by what it asked for: it must not be served as something else.
        raise InvalidRequest(f"This resource does not have {method}")
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise ValidationFailed({name: ["Is not a parameter of this request"] for name in unknown})


def _check_content_type(content_type: str) -> None:
    if len(content_type) > MAX_CONTENT_TYPE_LENGTH or _NO_HEADER.search(content_type):
        raise InvalidRequest(f"Content-Type must be at most {MAX_CONTENT_TYPE_LENGTH} characters of a header")
