"""Routes of envoy.yaml, from the protos: REST by `google.api.http`, native gRPC, and 405 for every other method."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor

from server import VERSION
from server.rpc.access import Access, access_of

_HTTP: Any = annotations_pb2.http
# A variable of a path template that binds one segment; no other form is used.
_VARIABLE = re.compile(r"\{[a-z_.]+\}")
_RETRY_READ = "*retry_read"
# Learners' pages: many, so that they have a share of the servers apart from health.
_PLAYER = "scorm.v1.PlayerService/"
UPLOAD_IDLE_SECONDS = 3600
# At least what the filter `buffer` may hold: with less, requests hang. The base host has it for all of its routes.
_BODY_BYTES = 4 * 1024 * 1024
# Of statements with attachments, and of documents.
LARGE_BODY_BYTES = 16 * 1024 * 1024
_LARGE_BUFFER = (
    '{"@type": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: '
    '{"@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute, '
    f"buffer: {{max_request_bytes: {LARGE_BODY_BYTES}}}}}}}"
)
_XAPI = "/xapi/"
# For all of a call, however slowly its request comes or its answer is read; less where it needs no key.
UNARY_SECONDS = 60
OPEN_SECONDS = 30
# Of answers that are streams: in all, and without anything moving.
EXPORT_SECONDS = 3600
EXPORT_IDLE_SECONDS = 900


@dataclass(frozen=True, slots=True)
class RestRoute:
    """One HTTP binding of an RPC. `path` is its template, such as `/api/v1/packages/{package_id}`.

    `streams` are requests that do, `answers` answers that do. What is `safe` may be asked of a second server where the
    first one broke off.
    """

    rpc: str
    method: str
    path: str
    streams: bool
    access: Access
    answers: bool = False
    safe: bool = False

    @property
    def methods(self) -> tuple[str, ...]:
        """What it answers: whoever answers GET answers HEAD, but for streams, whose head is all that they have."""
        return ("GET", "HEAD") if self.method == "GET" and not self.answers else (self.method,)

    @property
    def is_tunnel(self) -> bool:
        """Whether it is there only for forms that stand for GET: xAPI 1.0.3 Part Three 1.3."""
        return self.path.startswith(_XAPI) and self.method == "POST" and self.safe

    @property
    def variables(self) -> tuple[str, ...]:
        """The fields that the path says."""
        return tuple(variable[1:-1] for variable in _VARIABLE.findall(self.path))


class UnknownTemplate(Exception):
    """A google.api.http option has a form that no route can be made of yet."""


def services_of(files: Iterable[FileDescriptor]) -> list[ServiceDescriptor]:
    """Every service of the files, in their order."""
    return [service for file in files for service in file.services_by_name.values()]


def public_methods(services: Iterable[ServiceDescriptor]) -> list[MethodDescriptor]:
    """Every RPC that the gateway lets through. Raises MissingAccess where an RPC does not say who may call it."""
    return [method for service in services for method in service.methods if access_of(method).scope != "operator"]


def rest_routes(methods: Iterable[MethodDescriptor]) -> list[RestRoute]:
    """Every binding, longer templates first among those that might match the same path."""
    routes = [route for method in methods for route in _bindings(method)]
    return sorted(routes, key=lambda route: ("{" in route.path, -len(route.path)))


def _bindings(method: MethodDescriptor) -> Iterable[RestRoute]:
    rule: http_pb2.HttpRule = method.GetOptions().Extensions[_HTTP]
    for binding in (rule, *rule.additional_bindings):
        verb = binding.WhichOneof("pattern")
        if verb is None:
            continue
        if verb == "custom":
            raise UnknownTemplate(f"{method.full_name}: HEAD comes with GET; other methods have no route yet")
        path = getattr(binding, verb)
        if "{" in _VARIABLE.sub("", path) or "*" in path:
            raise UnknownTemplate(f"{method.full_name}: {path}")
        yield RestRoute(
            rpc=f"{method.containing_service.full_name}/{method.name}",
            method=verb.upper(),
            path=path,
            streams=method.client_streaming,
            access=access_of(method),
            answers=method.server_streaming,
            safe=_is_safe(method),
        )


def _is_safe(method: MethodDescriptor) -> bool:
    """Commits are numbered, so that a second one does no harm; and the browser of a page that goes sends them once."""
    rule: http_pb2.HttpRule = method.GetOptions().Extensions[_HTTP]
    reads = any(binding.WhichOneof("pattern") == "get" for binding in (rule, *rule.additional_bindings))
    return reads or method.name == "CommitRun"


def of_origin(routes: Iterable[RestRoute], origin: str) -> list[RestRoute]:
    """Those that the host serves, "base" or "content"."""
    return [route for route in routes if route.access.origin == origin]


def rest_lines(routes: Iterable[RestRoute]) -> list[str]:
    """The blocks `rest routes` and `content routes`."""
    return [line for route in routes for line in _rest_lines(route)]


def _rest_lines(route: RestRoute) -> list[str]:
    metadata = _access(route.access)
    if route.path == "/api/health":
        # What the gateway writes itself where no server is up.
        metadata += f', health: "{VERSION}"'
    if player := route.rpc.startswith(_PLAYER):
        metadata += ", player: true"
    if route.variables:
        metadata += f", bound: [{', '.join(_spellings(route.variables))}]"
    filters = [_context(route.access), "envoy.filters.http.grpc_json_transcoder: *enabled"]
    large = is_large(route.rpc, route.access)
    filters += _whole(streams=route.streams, large=large)
    if route.path.startswith(_XAPI):
        # Their entity tags are strong.
        filters += [f"scorm.{name}: *left_out" for name in ("zstd", "brotli", "gzip")]
    if player:
        # Its own pages ask, and no key does.
        filters += ["envoy.filters.http.cors: *left_out", "envoy.filters.http.local_ratelimit: *left_out"]
    limit = [f"  request_body_buffer_limit: {_BODY_BYTES}"] if route.access.origin == "content" else []
    if large:
        limit = [f"  request_body_buffer_limit: {LARGE_BODY_BYTES}"]
    action = _action(route.rpc, route.access, safe=route.safe, streams=route.streams, answers=route.answers)
    form = ", query_parameters: [{name: method, present_match: true}]" if route.is_tunnel else ""
    return [
        f"- name: {route.rpc}",
        f"  match: {{{_path_match(route.path)}, headers: [{_method_match(route.methods)}]{form}}}",
        f"  route: {{{action}}}",
        *limit,
        f"  metadata: {{filter_metadata: {{scorm.edge: {{{metadata}}}}}}}",
        "  typed_per_filter_config:",
        *(f"    {line}" for line in filters),
    ]


def _spellings(fields: Iterable[str]) -> Iterable[str]:
    """Of a field's name, those that the transcoder knows it by in a query: as in the proto and as in ProtoJSON."""
    for field in fields:
        yield from dict.fromkeys((field, re.sub(r"_([a-z])", lambda found: found[1].upper(), field)))


def refusal_lines(routes: Sequence[RestRoute]) -> list[str]:
    """The blocks `method not allowed` and `content method not allowed`: for each path the methods that it has."""
    allowed: dict[str, list[str]] = {}
    for route in routes:
        allowed.setdefault(route.path, []).extend(() if route.is_tunnel else route.methods)
    origins = {route.path: route.access.origin for route in routes}
    return [line for path, methods in allowed.items() for line in _refusal_lines(path, methods, origins[path])]


def _refusal_lines(path: str, methods: list[str], origin: str) -> list[str]:
    refusal = f'scope: public, class: none, refuse: METHOD_NOT_ALLOWED, allow: "{", ".join(sorted(methods))}"'
    return [
        f"- match: {{{_path_match(path)}}}",
        # The filter for CORS answers no direct response; nobody calls the content host from elsewhere.
        "  direct_response: {status: 405}" if origin == "content" else "  route: *nowhere",
        f"  metadata: {{filter_metadata: {{scorm.edge: {{{refusal}}}}}}}",
    ]


def grpc_lines(methods: Iterable[MethodDescriptor]) -> list[str]:
    """The block `grpc routes`."""
    return [line for method in methods for line in _grpc_lines(method)]


def _grpc_lines(method: MethodDescriptor) -> list[str]:
    name, access = f"{method.containing_service.full_name}/{method.name}", access_of(method)
    large = is_large(name, access)
    filters = [_context(access), *_whole(streams=method.client_streaming, large=large)]
    safe, streams, answers = _is_safe(method), method.client_streaming, method.server_streaming
    action = _action(name, access, safe=safe, streams=streams, answers=answers)
    return [
        f"- name: grpc {name}",
        f"  match: {{path: /{name}, grpc: {{}}}}",
        f"  route: {{{action}}}",
        *([f"  request_body_buffer_limit: {LARGE_BODY_BYTES}"] if large else []),
        f"  metadata: {{filter_metadata: {{scorm.edge: {{{_access(access)}}}}}}}",
        f"  typed_per_filter_config: {{{', '.join(filters)}}}",
    ]


def service_lines(methods: Iterable[MethodDescriptor]) -> list[str]:
    """The block `transcoded services`."""
    names = dict.fromkeys(method.containing_service.full_name for method in methods)
    return [f"- {name}" for name in names]


def _action(rpc: str, access: Access, *, safe: bool, streams: bool, answers: bool) -> str:
    if answers:
        # As long as it takes to read; who was cut off says where to go on.
        duration = f"max_stream_duration: {{max_stream_duration: {EXPORT_SECONDS}s}}"
        return f"cluster: serve, timeout: 0s, idle_timeout: {EXPORT_IDLE_SECONDS}s, {duration}, retry_policy: {{}}"
    if streams:
        # As long as it takes, and never twice: the body is gone.
        return f"cluster: upload, timeout: 0s, idle_timeout: {UPLOAD_IDLE_SECONDS}s, retry_policy: {{}}"
    retry = f", retry_policy: {_RETRY_READ}" if safe else ""
    public = access.scope == "public"
    duration = f"max_stream_duration: {{max_stream_duration: {OPEN_SECONDS if public else UNARY_SECONDS}s}}"
    cluster = "player" if rpc.startswith(_PLAYER) else "open, priority: HIGH" if public else "serve"
    return f"cluster: {cluster}, timeout: 15s, {duration}{retry}"


def _whole(*, streams: bool, large: bool) -> list[str]:
    """Unary requests wait in the gateway until they are whole: one that never ends holds no server."""
    if streams:
        return []
    return [f"envoy.filters.http.buffer: {_LARGE_BUFFER}" if large else "envoy.filters.http.buffer: *enabled"]


def is_large(rpc: str, access: Access) -> bool:
    """Whether its requests may be as large as statements and their attachments, or documents, are: with a key only."""
    return access.lrs_resource is not None or rpc.endswith("/StoreStatements")


def _access(access: Access) -> str:
    lrs = f", lrs: {access.lrs_resource}" if access.lrs_resource else ""
    return f"scope: {access.scope}, class: {access.rate_class}{lrs}"


def _context(access: Access) -> str:
    return (
        'envoy.filters.http.ext_authz: {"@type": *key_filter_per_route, '
        f"check_settings: {{context_extensions: {{{_access(access)}}}}}}}"
    )


def _path_match(path: str) -> str:
    if "{" not in path:
        return f"path: {path}"
    regex = "[^/]+".join(re.escape(part) for part in _VARIABLE.split(path))
    return f"safe_regex: {{regex: '{regex}'}}"


def _method_match(methods: tuple[str, ...]) -> str:
    if len(methods) == 1:
        return f'{{name: ":method", string_match: {{exact: {methods[0]}}}}}'
    return f'{{name: ":method", string_match: {{safe_regex: {{regex: {"|".join(methods)}}}}}}}'
