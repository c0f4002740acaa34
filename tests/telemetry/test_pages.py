"""Metrics of a whole running copy: the gateway's and every process's."""

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest

from tests.factories import scorm12_package
from tests.stack import Stack, tenant_of
from tests.telemetry.pages import pages, samples, targets, total
from tests.web_server import answer, redirect, running

PACKAGES = "/scorm.v1.PackageService/"
# What a label may say; none of it comes from callers.
LABELS = {
    "code",
    "database_role",
    "generation",
    "le",
    "loop",
    "method",
    "operation",
    "outcome",
    "python",
    "queue",
    "reason",
    "result",
    "role",
}
LABELS |= {"task", "version"}


def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.1)


def test_what_callers_do_is_counted_where_it_is_done(stack: Stack) -> None:
    key, before = stack.new_tenant(), pages(stack)
    package = scorm12_package()
    with httpx.Client(base_url=stack.base_url, headers={"X-API-Key": key}) as api:
        files = {"file": ("course.zip", package, "application/zip")}
        uploaded = api.post("/api/v1/packages", files=files, data={"uploaded_by": "user-1"}).json()
        for _ in range(10):
            assert api.get(f"/api/v1/packages/{uploaded['package_id']}").status_code == 200
        assert api.get("/api/v1/packages/none").status_code == 404
        assert httpx.get(uploaded["launch_url"]).status_code == 200
        assert api.delete(f"/api/v1/packages/{uploaded['package_id']}").status_code == 200

    def more(name: str, *processes: str, **labels: str) -> float:
        now = pages(stack)
        return sum(
            total(now[process], name, **labels) - total(before[process], name, **labels) for process in processes
        )

    serve = ("serve-1", "serve-2")
    assert more("scorm_rpc_handled_total", *serve, method=f"{PACKAGES}GetPackage", code="OK") == 10
    assert more("scorm_rpc_duration_seconds_count", *serve, method=f"{PACKAGES}GetPackage") == 11
    assert more("scorm_errors_total", *serve, reason="PACKAGE_NOT_FOUND") == 1
    assert more("scorm_jobs_enqueued_total", *serve, task="delete_package_files") == 1
    assert more("scorm_key_cache_lookups_total", *serve) > 0
    assert more("scorm_uploads_ended_total", "upload-1", outcome="stored") == 1
    assert more("scorm_uploads_received_bytes_total", "upload-1") == len(package)
    assert more("scorm_storage_requests_total", "upload-1", operation="upload", outcome="answered") > 0
    eventually(lambda: more("scorm_jobs_succeeded_total", "worker", task="delete_package_files") >= 1)
    assert more("scorm_sweeper_removed_objects_total", "worker") > 0
    main = {"envoy_http_conn_manager_prefix": "main"}
    assert more("envoy_http_downstream_rq_xx", "envoy", **main, envoy_response_code_class="2") >= 13
    assert more("envoy_http_downstream_rq_xx", "envoy", **main, envoy_response_code_class="4") == 1
    assert more("envoy_http_jwt_authn_allowed", "envoy") == 1
    assert more("envoy_http_ext_authz_ok", "envoy") >= 2


async def test_imports_are_counted_where_they_run_and_refusals_where_they_happen(stack: Stack) -> None:
    before = pages(stack)
    headers = {"X-API-Key": stack.new_tenant()}
    async with running() as web, httpx.AsyncClient(base_url=stack.base_url, headers=headers, timeout=30) as api:
        web.answers |= {"/course.zip": answer(200, scorm12_package()), "/inside": redirect("http://10.0.0.1/")}
        for target in ("/course.zip", "/inside"):
            asked = await api.post("/api/v1/imports", json={"url": web.url(target)})
            location = asked.headers["location"]
            async with asyncio.timeout(30):
                while (await api.get(location)).json()["import_job"]["status"] in ("queued", "running"):  # noqa: ASYNC110 - as clients do
                    await asyncio.sleep(0.05)
        assert (await api.post("/api/v1/imports", json={"url": "http://10.0.0.1/"})).status_code == 400
    now = pages(stack)

    def more(name: str, *processes: str, **labels: str) -> float:
        return sum(total(now[p], name, **labels) - total(before[p], name, **labels) for p in processes)

    assert more("scorm_import_runs_total", "worker", outcome="succeeded") == 1
    assert more("scorm_import_runs_total", "worker", outcome="failed") == 1
    assert more("scorm_import_run_seconds_count", "worker") == 2
    assert more("scorm_egress_refused_total", "worker", reason="address") == 1
    assert more("scorm_egress_refused_total", "serve-1", "serve-2", reason="address") == 1


def test_no_label_is_a_callers(stack: Stack) -> None:
    key = stack.new_tenant()
    with httpx.Client(base_url=stack.base_url, headers={"X-API-Key": key}) as api:
        for path in ("/api/v1/packages/secret-id", "/secret-path", "/api/v1/packages?cursor=secret-cursor"):
            api.get(path, headers={"user-agent": "secret-agent", "x-request-id": "secret-request"})
    for process, page in pages(stack).items():
        assert "secret" not in page
        assert key not in page
        assert tenant_of(key) not in page
        if process != "envoy":
            assert {label for sample in samples(page) for label in sample.labels} <= LABELS
        assert len(page.splitlines()) < 1500


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/config_dump"),
        ("GET", "/stats"),
        ("GET", "/stats/prometheus/../../config_dump"),
        ("GET", "/stats/prometheus%2f..%2f..%2fconfig_dump"),
        ("POST", "/quitquitquit"),
        ("POST", "/stats/prometheus"),
    ],
)
def test_the_gateways_page_opens_nothing_else_of_its_administration(stack: Stack, method: str, path: str) -> None:
    root = targets(stack)["envoy"].removesuffix("/stats/prometheus")
    request = httpx.Request(method, root)
    request.url = request.url.copy_with(raw_path=path.encode())
    with httpx.Client() as client:
        assert client.send(request).status_code == 404
        assert client.get(f"{stack.base_url}/stats/prometheus").status_code == 404
