"""Requests as nobody should send them, made from the protos, the same for the same seed.

`Mutations.rest(n)` is well-formed HTTP with anything in it, `raw(n)` such a request with bytes changed, `message(n)` a
call of native gRPC. Routes and methods are those of the descriptors, so that new ones are covered without a word here.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from server.dev.gateway import blocks, routes
from tests.factories import scorm12_package

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "G-T")
TYPES = (
    "application/json", "application/json; charset=utf-16", "multipart/form-data", "multipart/form-data; boundary=b",
    "multipart/mixed; boundary=b", "application/zip", "application/grpc", "application/grpc-web+proto",
    "application/grpc+json", "application/x-www-form-urlencoded", "text/plain", "*/*", "", "a" * 2000,
)  # fmt: skip
TEXTS = (
    "", " ", "0", "-1", "1", "100", "101", "1e309", "NaN", "null", "true", "[]", "{}", "9" * 30, "2147483648", "0x10",
    "..", "../../etc/passwd", "%", "%zz", "'; DROP TABLE packages--", "<script>", "a" * 3000, "\u0000", "\ud7ff\uffff",
    "\U0001f600", "\u202e", "ä", "/", "\\", "a/b", "?", "#", ";", ",", '"', "${jndi:ldap://x}", "{{7*7}}", "\r\nx: y",
)  # fmt: skip
HEADERS = (
    ("accept", "application/xml"), ("accept-encoding", "gzip, br;q=0, zstd, *;q=0"), ("accept-encoding", "a" * 500),
    ("content-encoding", "gzip"), ("content-encoding", "br"), ("expect", "100-continue"), ("expect", "200-ok"),
    ("if-none-match", "*"), ("if-match", 'W/"x", "y'), ("range", "bytes=9-1,-0,a"), ("range", "bytes=0-" + "9" * 30),
    ("origin", "null"), ("origin", "https://x"), ("access-control-request-method", "PUT"), ("te", "trailers"),
    ("upgrade", "websocket"), ("upgrade", "h2c"), ("connection", "keep-alive"), ("grpc-timeout", "1n"),
    ("grpc-timeout", "99999999H"), ("grpc-encoding", "gzip"), ("x-http-method-override", "DELETE"),
    ("x-envoy-original-path", "/x"), ("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-max-retries", "99"),
    ("x-envoy-decorator-operation", "x"), ("x-http-status", "500"), ("x-error-json", "{}"), ("x-tenant-id", "1"),
    ("x-declared-length", "1"), ("x-local-reply", "500 x"), ("x-forwarded-for", "::1, 1.2.3.4, x"), ("cookie", "a=b"),
    ("x-forwarded-proto", "gopher"), ("authorization", "Bearer x"), ("x-api-key", "scorm_" + "A" * 86),
    ("traceparent", "00-" + "f" * 32 + "-" + "f" * 16 + "-01"), ("traceparent", "x"), ("user-agent", "a" * 9000),
    ("idempotency-key", "a" * 300), ("service-worker", "script"), ("x-a", "b" * 20_000),
)  # fmt: skip
_VARIABLE = re.compile(r"\{[a-z_.]+\}")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP/1.1 request, and how to tell of it."""

    number: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def encoded(self) -> bytes:
        """As it is sent."""
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + self.body


@dataclass(frozen=True, slots=True)
class Call:
    """One call of native gRPC."""

    number: int
    method: str
    messages: tuple[bytes, ...]
    client_streams: bool


class Mutations:
    """`ids` are packages that exist. `host` is that of the API."""

    def __init__(self, seed: int, *, host: str, key: str, ids: Sequence[str]) -> None:
        self._seed, self._host, self.key, self._ids = seed, host, key, ids
        self._methods = routes.public_methods(routes.services_of(blocks.service_files()))
        self._routes = routes.rest_routes(self._methods)
        self._inputs = {_name(method): method.input_type for method in self._methods}
        self._package = scorm12_package()

    @property
    def paths(self) -> list[str]:
        """The templates that requests are made from."""
        return sorted({route.path for route in self._routes})

    def rest(self, number: int) -> Request:
        """The request of that number."""
        dice = random.Random(f"{self._seed}-rest-{number}")
        route = dice.choice(self._routes)
        method = route.method if dice.random() < 0.8 else dice.choice(METHODS)
        body = (
            self._body(dice, self._inputs[route.rpc]) if method not in ("GET", "HEAD") or dice.random() < 0.1 else b""
        )
        headers = [
            ("host", self._host if dice.random() < 0.97 else dice.choice(("x", "127.0.0.1", "[::1]", "a:b"))),
            ("x-request-id", f"n-{number}"),
            ("content-length", str(len(body))),
        ]
        if dice.random() < 0.95:
            headers.append(("x-api-key", self.key))
        if body or dice.random() < 0.1:
            headers.append(("content-type", dice.choice(TYPES)))
        headers += dice.sample(HEADERS, dice.choice((0, 0, 1, 2, 4)))
        dice.shuffle(headers)
        return Request(number, method, self._target(dice, route), tuple(headers), body)

    def raw(self, number: int) -> bytes:
        """The bytes of a request, a few of them changed."""
        dice = random.Random(f"{self._seed}-raw-{number}")
        data = bytearray(self.rest(number).encoded())
        # Most of what a gateway reads is at the beginning.
        head = data.find(b"\r\n\r\n") + 4
        for _ in range(dice.choice((1, 1, 2, 8))):
            dice.choice(CHANGES)(dice, data, max(1, min(head, len(data))))
        return bytes(data)

    def message(self, number: int) -> Call:
        """The call of that number."""
        dice = random.Random(f"{self._seed}-grpc-{number}")
        method = dice.choice(self._methods)
        messages = []
        for _ in range(dice.choice((0, 1, 1, 2, 5)) if method.client_streaming else 1):
            data = bytearray(self._encoded(dice, method))
            if data and dice.random() < 0.6:
                dice.choice(CHANGES)(dice, data, len(data))
            messages.append(bytes(data))
        name = _name(method) if dice.random() < 0.95 else _name(method)[:-1]
        return Call(number, f"/{name}", tuple(messages), method.client_streaming)

    def _target(self, dice: random.Random, route: routes.RestRoute) -> str:
        path = _VARIABLE.sub(lambda _: self._id(dice), route.path)
        if dice.random() < 0.1:
            cut = dice.randrange(len(path) + 1)
            path = path[:cut] + dice.choice(("/", "//", "..", "%2f", "%00", ";x", "ä", "%", "/../", "*")) + path[cut:]
        names = [field.name for field in self._inputs[route.rpc].fields] + ["x", "body.data", "page.x", ""]
        query = [
            f"{dice.choice(names)}={quote(dice.choice(TEXTS), errors='surrogatepass')}"
            for _ in range(dice.choice((0, 0, 1, 2, 20)))
        ]
        # Spaces and line ends would be the head's own.
        return re.sub(r"[\s]", "+", path + ("?" + dice.choice("&;").join(query) if query else ""))

    def _id(self, dice: random.Random) -> str:
        known = dice.choice(self._ids) if dice.random() < 0.5 else dice.choice(TEXTS)
        return quote(known, safe="" if dice.random() < 0.8 else "/", errors="surrogatepass")

    def _body(self, dice: random.Random, shape: Descriptor) -> bytes:
        kind = dice.random()
        if kind < 0.5:
            return json.dumps(_json(dice, shape), ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")
        if kind < 0.7:
            name, value = dice.choice(("file", "uploaded_by", "x", "")), dice.choice(TEXTS)
            part = f'--b\r\ncontent-disposition: form-data; name="{name}"; filename="{value}"\r\n\r\n'
            data = bytearray(part.encode("utf-8", "surrogatepass") + self._package + b"\r\n--b--\r\n")
            if dice.random() < 0.7:
                dice.choice(CHANGES)(dice, data, len(data))
            return bytes(data)
        return dice.choice((b"", b"{", b"[" * 5000, b'{"a":' * 2000, b"\xff\xfe", b"null", b'""', dice.randbytes(3000)))

    def _encoded(self, dice: random.Random, method: MethodDescriptor) -> bytes:
        message = message_factory.GetMessageClass(method.input_type)()
        _fill_all(dice, message, self._ids, depth=0)
        return bytes(message.SerializeToString())


def _name(method: MethodDescriptor) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


def _json(dice: random.Random, shape: Descriptor, depth: int = 0) -> Any:
    if dice.random() < 0.1 or depth > 4:
        return dice.choice((None, [], {}, 1e308, -1, "x" * 5000, True, [[[[]]]], {"": {"": 0}}))
    told: dict[str, Any] = {}
    for field in shape.fields:
        inner: Callable[[], Any] = lambda: dice.choice((*TEXTS, 0, -1, 2**70, 1.5, None, True, [], {}))  # noqa: E731
        value = _json(dice, field.message_type, depth + 1) if field.message_type and dice.random() < 0.8 else inner()
        if dice.random() < 0.7:
            told[field.name if dice.random() < 0.9 else field.name + "x"] = value if dice.random() < 0.8 else [value]
    return told


def _fill_all(dice: random.Random, message: Any, ids: Sequence[str], *, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if dice.random() < 0.3 or field.is_repeated or depth > 3:
            continue
        if field.message_type:
            _fill_all(dice, getattr(message, field.name), ids, depth=depth + 1)
        else:
            _fill(dice, message, field, ids)


def _fill(dice: random.Random, message: Any, field: FieldDescriptor, ids: Sequence[str]) -> None:
    values: dict[int, Callable[[], Any]] = {
        FieldDescriptor.CPPTYPE_STRING: lambda: dice.choice((*ids, *TEXTS, "application/zip")),
        FieldDescriptor.CPPTYPE_BOOL: lambda: True,
        FieldDescriptor.CPPTYPE_DOUBLE: lambda: dice.choice((float("nan"), float("inf"), -1.0)),
        FieldDescriptor.CPPTYPE_FLOAT: lambda: -1.0,
    }
    value = values.get(field.cpp_type, lambda: dice.choice((0, 1, 2**31 - 1)))()
    setattr(message, field.name, value.encode() if field.type == FieldDescriptor.TYPE_BYTES else value)


def _flip(dice: random.Random, data: bytearray, end: int) -> None:
    data[dice.randrange(end) % len(data)] ^= 1 << dice.randrange(8)


def _overwrite(dice: random.Random, data: bytearray, end: int) -> None:
    data[dice.randrange(end) % len(data)] = dice.choice(b"\0\r\n \t:;%/\x7f\x80\xff")


def _insert(dice: random.Random, data: bytearray, end: int) -> None:
    at = dice.randrange(end)
    data[at:at] = dice.choice(
        (b"\r\n", b"\n", b"\0", b" ", b"\r\n\r\n", b"\xff" * 9, b"transfer-encoding: chunked\r\n")
    )


def _truncate(dice: random.Random, data: bytearray, end: int) -> None:
    del data[max(1, dice.randrange(end)) :]


def _remove(dice: random.Random, data: bytearray, end: int) -> None:
    at = dice.randrange(end)
    if at + 9 < len(data):
        del data[at : at + dice.randrange(1, 9)]


def _repeat(dice: random.Random, data: bytearray, end: int) -> None:
    at = dice.randrange(end)
    data[at:at] = data[at : at + dice.randrange(1, 200)] * dice.choice((1, 2, 50))


CHANGES = (_flip, _flip, _overwrite, _insert, _truncate, _remove, _repeat)
