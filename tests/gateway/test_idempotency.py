"""The Idempotency-Key through Envoy, over REST and gRPC."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from tests.factories import scorm12_package
from tests.gateway.test_documented_packages import client, error_of
from tests.gateway.test_native_grpc import pieces
from tests.stack import Stack, tenant_of

COURSE = scorm12_package(title="Once")
BOUNDARY = "a-boundary"


@pytest.fixture
def key(stack: Stack) -> str:
    return stack.new_tenant()


@pytest.fixture
def api(stack: Stack, key: str) -> Iterator[httpx.Client]:
    with client(stack, key) as opened:
        yield opened


def post(api: httpx.Client, idempotency_key: str, *, uploaded_by: str = "user-123", **headers: str) -> httpx.Response:
    """A form whose text field comes after its file."""
    body = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="course.zip"\r\n\r\n'.encode()
        + COURSE
        + f'\r\n--{BOUNDARY}\r\ncontent-disposition: form-data; name="uploaded_by"\r\n\r\n{uploaded_by}\r\n'.encode()
        + f"--{BOUNDARY}--\r\n".encode()
    )
    headers = {
        "idempotency-key": idempotency_key,
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
        **headers,
    }
    return api.post("/api/v1/packages", content=body, headers=httpx.Headers(headers, encoding="utf-8"))


def count(api: httpx.Client) -> int:
    return int(api.get("/api/v1/packages").json()["count"])


def test_the_same_upload_again_is_answered_as_the_first_and_says_so(api: httpx.Client) -> None:
    first, again = (post(api, "key-1", origin="https://lms.example") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert "Idempotent-Replayed" in again.headers["access-control-expose-headers"]
    assert again.headers["location"] == first.headers["location"]
    for name in ("package_id", "title", "version"):
        assert again.json()[name] == first.json()[name]
    assert list(again.json()) == list(first.json())
    assert httpx.get(again.json()["launch_url"]).status_code == 200
    # The connection that the body was sent on still serves.
    assert count(api) == 1


def test_keys_belong_to_the_tenant_whichever_api_key_is_used(stack: Stack, key: str, api: httpx.Client) -> None:
    first = post(api, "key-1")
    with client(stack, stack.new_key(tenant_of(key))) as same, client(stack, stack.new_tenant()) as other:
        assert post(same, "key-1").json()["package_id"] == first.json()["package_id"]
        assert "idempotent-replayed" not in post(other, "key-1").headers


def test_a_deleted_package_is_answered_all_the_same(api: httpx.Client) -> None:
    first = post(api, "key-1")
    assert api.delete(first.headers["location"]).status_code == 200
    again = post(api, "key-1")
    assert (again.status_code, again.headers["location"]) == (201, first.headers["location"])
    assert count(api) == 0


@pytest.mark.parametrize("uploaded_by", ["user-124", "somebody-else"], ids=["same-length", "other-length"])
def test_another_request_under_the_key_is_a_conflict(api: httpx.Client, uploaded_by: str) -> None:
    assert post(api, "key-1").status_code == 201
    refused = post(api, "key-1", uploaded_by=uploaded_by)
    assert refused.status_code == 409
    assert error_of(refused) == {
        "code": "CONFLICT",
        "message": "This Idempotency-Key was used for another request",
        "details": {"idempotency_key": "another_request"},
    }
    assert count(api) == 1


def test_many_at_once_are_one_upload(stack: Stack, key: str, api: httpx.Client) -> None:
    def send(_: int) -> httpx.Response:
        with client(stack, key) as own:
            return post(own, "key-1")

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))
    stored = {answer.json()["package_id"] for answer in answers if answer.status_code == 201}
    refused = [error_of(answer) for answer in answers if answer.status_code != 201]
    assert (len(stored), count(api)) == (1, 1)
    assert all((e["code"], e["details"]) == ("CONFLICT", {"idempotency_key": "running_request"}) for e in refused)


@pytest.mark.parametrize("idempotency_key", ["", "x" * 256, "two words", "caf\u00e9"])
def test_a_malformed_key_is_refused(api: httpx.Client, idempotency_key: str) -> None:
    refused = post(api, idempotency_key)
    assert refused.status_code == 400
    assert error_of(refused)["details"] == {
        "fieldErrors": {"Idempotency-Key": ["Must have 1 to 255 visible ASCII characters"]}
    }


def test_other_methods_ignore_the_key(api: httpx.Client) -> None:
    location = post(api, "key-1").headers["location"]
    headers = {"idempotency-key": "two words"}
    assert api.get(location, headers=headers).status_code == 200
    assert api.delete(location, headers=headers).status_code == 200
    assert api.delete(location, headers=headers).status_code == 404


def test_a_refused_upload_frees_its_key(api: httpx.Client) -> None:
    headers = {"idempotency-key": "key-1", "content-type": "application/zip"}
    for _ in range(2):
        assert api.post("/api/v1/packages", content=b"no zip", headers=headers).status_code == 400
    assert post(api, "key-1").status_code == 201


def test_grpc_replays_and_refuses_too(stack: Stack, key: str) -> None:
    metadata = (("x-api-key", key), ("idempotency-key", str(uuid4())))
    with grpc.insecure_channel(stack.grpc_address) as channel:
        packages = PackageServiceStub(channel)
        first, _ = packages.UploadPackage.with_call(pieces(COURSE), metadata=metadata)
        again, call = packages.UploadPackage.with_call(pieces(COURSE), metadata=metadata)
        assert (again.package_id, again.title) == (first.package_id, "Once")
        assert dict(call.trailing_metadata())["idempotent-replayed"] == "true"
        with pytest.raises(grpc.RpcError) as refused:
            packages.UploadPackage(pieces(COURSE + b"x"), metadata=metadata)
    error: Any = refused.value
    status, info = rpc_status.from_call(error), error_details_pb2.ErrorInfo()
    assert error.code() is grpc.StatusCode.ABORTED
    assert status is not None
    assert any(detail.Unpack(info) for detail in status.details)
    assert (info.reason, dict(info.metadata)) == ("CONFLICT", {"idempotency_key": "another_request"})
