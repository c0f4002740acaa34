"""One request through a whole copy: one trace, one request id, and no secret in what operators see."""

import asyncio
import base64
import json
import socket
import time
from typing import Any

import grpc
import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict

from server.gen.scorm.v1 import package_service_pb2 as pb
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from tests.edge import free_port
from tests.factories import scorm12_package
from tests.stack import Stack
from tests.telemetry.collector import Span
from tests.telemetry.conftest import Traced
from tests.telemetry.pages import pages
from tests.web_server import answer, raw, redirect, running

GATEWAY, SERVE, UPLOAD = "scorm-gateway", "scorm-serve", "scorm-upload"
LOGS = ("access", "envoy", "serve-1", "upload-1", "worker", "storage", "postgres", "stdout")


def get(stack: Stack, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{stack.base_url}{path}", headers=headers)


def upload(stack: Stack, key: str, request_id: str) -> Any:
    headers = {"x-api-key": key, "x-request-id": request_id}
    files = {"file": ("course.zip", scorm12_package(files={"large.bin": bytes(3_000_000)}), "application/zip")}
    answer = httpx.post(f"{stack.base_url}/api/v1/packages", headers=headers, files=files, data={"uploaded_by": "u"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def parent_of(span: Span, spans: list[Span]) -> Span:
    (parent,) = (other for other in spans if other.span_id == span.parent_id)
    return parent


def test_a_read_is_one_trace_from_the_gateway_to_postgres(traced: Traced) -> None:
    stack, collector = traced.stack, traced.collector
    key = stack.new_tenant()
    assert get(stack, "/api/v1/packages", **{"x-api-key": key, "x-request-id": "read-1"}).status_code == 200
    collector.wait_for(lambda: {GATEWAY, SERVE} <= {span.service for span in collector.of("read-1")})
    spans = collector.of("read-1")
    assert len({span.trace_id for span in spans}) == 1
    (edge,) = (span for span in spans if span.service == GATEWAY)
    (call,) = (span for span in spans if span.name == "scorm.v1.PackageService/ListPackages" and span is not edge)
    assert (edge.name, edge.parent_id) == ("scorm.v1.PackageService/ListPackages", "")
    assert (call.service, call.parent_id) == (SERVE, edge.span_id)
    assert call.attributes["rpc.method"] == "ListPackages"
    assert call.attributes["rpc.grpc.status_code"] == "0"
    statements = [span for span in spans if span.name == "postgres read"]
    assert {span.parent_id for span in statements} == {call.span_id}
    assert any(span.attributes["db.operation.name"].startswith("packages.") for span in statements)


def test_an_upload_shows_its_transactions_and_its_large_objects(traced: Traced) -> None:
    stack, collector = traced.stack, traced.collector
    upload(stack, stack.new_tenant(), "upload-1")

    def spans() -> list[Span]:
        return collector.of("upload-1")

    collector.wait_for(lambda: any(span.name.endswith("/UploadPackage") and span.service == UPLOAD for span in spans()))
    names = [span.name for span in spans()]
    assert names.count("storage upload") == 2, "the original and the large file, none of the small ones"
    statements = {span.attributes["db.operation.name"] for span in spans() if span.name == "postgres statement"}
    # And, of a key that was not used lately, the note that it was.
    assert statements >= {"uploads.begin", "uploads.finish", "quotas.charge_package", "packages.insert"}
    assert len({span.trace_id for span in spans()}) == 1
    for span in spans():
        if span.name == "postgres statement":
            assert parent_of(span, spans()).name == "postgres write"


def test_a_failure_is_found_by_the_request_id_of_its_answer(traced: Traced) -> None:
    stack, collector = traced.stack, traced.collector
    answer = get(stack, "/api/v1/packages/none", **{"x-api-key": stack.new_tenant()})
    request_id = answer.json()["request_id"]
    assert answer.headers["x-request-id"] == request_id
    collector.wait_for(lambda: {GATEWAY, SERVE} <= {span.service for span in collector.of(request_id)})
    (call,) = (span for span in collector.of(request_id) if "rpc.method" in span.attributes)
    assert call.attributes["error.type"] == "PACKAGE_NOT_FOUND"
    assert call.attributes["rpc.grpc.status_code"] == "5"
    time.sleep(1.2)  # until Envoy has written
    for log, wanted in (("access", {"route", "status"}), ("serve-1", {"method", "code"})):
        lines = [json.loads(line) for line in stack.log(log).splitlines() if request_id in line]
        (line,) = (line for line in lines if line["request_id"] == request_id)
        assert wanted <= line.keys()


def test_no_secret_is_in_any_log_metric_or_trace(traced: Traced) -> None:
    stack, collector = traced.stack, traced.collector
    key = stack.new_tenant()
    uploaded = upload(stack, key, "secrets-upload")
    link = uploaded["launch_url"]
    token = _token_in(link)
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    headers = {
        "x-api-key": key,
        "cookie": f"session={key}; other=c00kie-s3cret",
        "idempotency-key": f"idempotent-{key}",
        "user-agent": f"agent {key}",
        "referer": link,
    }
    with httpx.Client(base_url=stack.base_url, headers=headers) as api:
        api.get(f"/api/v1/packages?limit=1&api_key={key}&user_id=qu3ry-s3cret")
        api.get(f"/api/v1/packages?cursor={key}")
        api.get(f"/api/v1/packages/{key}")
        api.get(f"/api/v1/packages/{token}")
        api.delete(f"/api/v1/packages/{token}", headers={"x-request-id": key})
        api.get(f"/player/session/{token}", headers={"x-request-id": token})
        api.post(f"/player/session/{token}", headers={"content-type": "application/grpc"})
        api.post("/api/v1/packages", content=key, headers={"content-type": f"multipart/form-data; boundary={key}"})
        api.post("/api/v1/packages", files={"file": (f"{key}.zip", key.encode())}, data={"uploaded_by": "u"})
        api.get("/api/v1/packages", headers={"x-api-key": f"{key}, {key}"})
        api.get("/api/v1/packages", headers={"x-api-key": f"{key}0"})
        api.get("/xapi/statements", headers={"authorization": f"Basic {basic}"})
        package = f"/api/v1/packages/{uploaded['package_id']}"
        download = api.get(f"{package}/download").json()["download_url"]
        previewing = {"idempotency-key": f"another-{key}"}
        preview = api.post(f"{package}/preview", json={}, headers=previewing).json()["preview"]["launch_url"]
        for url in (
            download,
            preview,
            link,
            f"{link}?{key}",
            link.replace(token, f"{token}x"),
            f"{stack.content_url}/content/{token}",
        ):
            api.get(url)
    _malformed(stack, key, token)
    with grpc.insecure_channel(stack.grpc_address) as channel:
        stub, metadata = PackageServiceStub(channel), (("x-api-key", key), ("x-request-id", "secrets-grpc"))
        stub.ListPackages(pb.ListPackagesRequest(), metadata=metadata)
    collector.wait_for(lambda: {GATEWAY, SERVE} <= {span.service for span in collector.of("secrets-grpc")})
    shown = told(traced)
    tokens = [part for url in (link, download, preview) for part in _token_in(url).split(".")[1:]]
    assert leaks(shown, [key, basic, *installed(stack), *tokens, "c00kie-s3cret", "qu3ry-s3cret"]) == []
    assert "secrets-grpc" in shown["access"]
    assert "secrets-grpc" in shown["serve-1"]
    assert "secrets-upload" in shown["upload-1"]
    assert "secrets-grpc" in shown["traces"]


async def test_no_secret_of_an_import_is_in_any_log_metric_or_trace(traced: Traced) -> None:
    stack, free = traced.stack, free_port()
    secrets = {name: f"{name}-s3cret" for name in ("pa7h", "qu3ry", "r3direct", "us3r", "k3y", "answ3r", "h3ader")}
    path, query = f"/{secrets['pa7h']}", f"signature={secrets['qu3ry']}"
    headers = {"x-api-key": stack.new_tenant(), "idempotency-key": secrets["k3y"]}
    async with running() as web, httpx.AsyncClient(base_url=stack.base_url, headers=headers, timeout=30) as api:
        web.answers |= {
            f"{path}/course.zip": answer(200, scorm12_package(), Set_Cookie=secrets["h3ader"]),
            f"{path}/elsewhere": redirect(f"/{secrets['r3direct']}?{query}"),
            f"{path}/outside": redirect(f"ftp://{secrets['r3direct']}/"),
            f"{path}/page": answer(200, f"<html>{secrets['answ3r']}".encode()),
            f"{path}/busy": answer(503, secrets["answ3r"].encode()),
            f"{path}/odd": raw(f"{secrets['answ3r']}\r\n\r\n".encode()),
            f"{path}/odd-header": raw(f"HTTP/1.1 200 OK\r\n{secrets['h3ader']}\r\n\r\n".encode()),
            f"{path}/short": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"),
        }
        jobs = []
        for number, url in enumerate(
            (
                *(web.url(f"{target}?{query}") for target in web.answers),
                web.url(f"{path}/nothing?{query}"),
                web.url(f"{path}/course.zip?{query}", scheme="https"),
                f"http://127.0.0.1:{free}{path}?{query}",
                f"http://127.0.0.1:1{path}?{query}",
                f"http://{secrets['us3r']}:{secrets['us3r']}@127.0.0.1:{web.port}{path}?{query}",
            )
        ):
            # One tenant's imports would wait for each other's pauses.
            key = {"x-api-key": stack.new_tenant(), "idempotency-key": f"{secrets['k3y']}-{number}"}
            for _ in range(2):
                asked = await api.post("/api/v1/imports", json={"url": url}, headers=key)
            if asked.status_code == 201:
                jobs.append((key, asked.headers["location"]))
        assert len(jobs) == number - 1
        async with asyncio.timeout(60):
            for key, location in jobs:
                while not (await api.get(location, headers=key)).json()["import_job"].get("started_at"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        for key, location in jobs:
            await api.post(f"{location}/cancel", json={}, headers={**key, "idempotency-key": secrets["k3y"]})
    shown = told(traced)
    assert leaks(shown, [*secrets.values(), *installed(stack)]) == []
    assert "put off" in shown["worker"]


def test_a_database_that_lets_nobody_in_is_logged_without_a_password(traced: Traced) -> None:
    stack = traced.stack
    key = stack.new_tenant()
    known = (stack.var / "database-server-password").read_text().strip()
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        try:
            database.execute(b"alter role scorm_server_login password 'another'")
            database.execute(
                b"select pg_terminate_backend(pid) from pg_stat_activity where usename = 'scorm_server_login'"
            )
            deadline = time.monotonic() + 10
            # Those that are told to end may answer once more.
            while get(stack, "/api/v1/packages", **{"x-api-key": key}).status_code != 503:
                assert time.monotonic() < deadline
        finally:
            database.execute(f"alter role scorm_server_login password '{known}'".encode())
    shown = told(traced)
    assert leaks(shown, installed(stack)) == []
    assert "password authentication failed" in shown["serve-1"]


def told(traced: Traced) -> dict[str, str]:
    """Everything that operators see of the copy, by where."""
    time.sleep(1.2)  # until Envoy has written
    shown = {name: traced.stack.log(name) for name in LOGS}
    shown |= {f"metrics of {process}": page for process, page in pages(traced.stack).items()}
    return shown | {"traces": b"".join(traced.collector.exported).decode("latin-1")}


def installed(stack: Stack) -> list[str]:
    """The secrets of the copy itself."""
    names = (
        "operator-token",
        "api-key-pepper",
        "secrets-key",
        "database-server-password",
        "database-operator-password",
    )
    words = [(stack.var / name).read_text().strip() for name in names]
    keys = [path.read_text().splitlines()[1] for path in stack.var.glob("*-signing-key.pem")]
    assert len(keys) == 3
    return [*words, *keys, str(conninfo_to_dict(stack.database_url)["password"])]


def leaks(shown: dict[str, str], secrets: list[str]) -> list[tuple[str, str]]:
    """Where which secret is to be seen."""
    return [(name, secret[:12]) for name, text in shown.items() for secret in secrets if secret in text]


def _token_in(url: str) -> str:
    """The part of a link that opens something."""
    (token,) = (part for part in url.split("/") if part.startswith("eyJ"))
    return token


def _malformed(stack: Stack, key: str, token: str) -> None:
    """Requests that no client would send."""
    for request in (
        f"GET /content/{token}/a HTTP/9.9\r\nX-API-Key: {key}\r\n\r\n",
        f"GET /api/v1/packages HTTP/1.1\r\nHost: localhost\r\n{key}\r\n\r\n",
        f"GET /api/v1/packages HTTP/1.1\r\nHost: {key.replace('_', '-')}\r\nX_Api_Key: {key}\r\n\r\n",
        f"{key} / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        f"GET /..%2f{token} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", stack.port), timeout=5) as connection:
            connection.sendall(request.encode())
            connection.recv(1000)
