"""Sessions over native gRPC with a stock client, through Envoy."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import struct_pb2
from google.rpc import error_details_pb2

from server.gen.scorm.v1 import session_service_pb2 as pb
from server.gen.scorm.v1.package_service_pb2_grpc import PackageServiceStub
from server.gen.scorm.v1.session_pb2 import Score
from server.gen.scorm.v1.session_service_pb2_grpc import SessionServiceStub
from tests.factories import scorm12_package
from tests.gateway.test_native_grpc import Metadata, pieces, refusal
from tests.stack import Stack, tenant_of


@pytest.fixture
def channel(stack: Stack) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(stack.grpc_address) as opened:
        yield opened


@pytest.fixture
def sessions(channel: grpc.Channel) -> SessionServiceStub:
    return SessionServiceStub(channel)


@pytest.fixture
def metadata(stack: Stack) -> Metadata:
    return (("x-api-key", stack.new_tenant()),)


@pytest.fixture
def package_id(channel: grpc.Channel, metadata: Metadata) -> str:
    return PackageServiceStub(channel).UploadPackage(pieces(scorm12_package()), metadata=metadata).package_id


def texts(**values: str) -> dict[str, struct_pb2.Value]:
    """Elements by name, `__` for a point."""
    return {name.replace("__", "."): struct_pb2.Value(string_value=value) for name, value in values.items()}


def trailing(call: Any) -> dict[str, str]:
    return {key: value for key, value in call.trailing_metadata() if isinstance(value, str)}


def test_a_session_is_made_written_read_listed_launched_and_deleted(
    sessions: SessionServiceStub, metadata: Metadata, package_id: str
) -> None:
    wanted = pb.CreateSessionRequest(package_id=package_id, user_id="ada", user_name="Ada")
    created, call = sessions.CreateSession.with_call(wanted, metadata=metadata)
    session_id = created.session.id
    assert trailing(call)["etag"] == '"1"'
    assert trailing(call)["location"] == f"/api/v1/sessions/{session_id}"
    assert not created.session.HasField("score")
    assert not created.session.HasField("session_time")
    found = sessions.CreateSession(wanted, metadata=metadata)
    assert (found.session.id, found.session.attempts) == (session_id, 1)
    values = texts(cmi__core__lesson_status="completed", cmi__comments="ünï")
    values["cmi.core.score.raw"] = struct_pb2.Value(number_value=95)
    update = pb.UpdateSessionRequest(
        session_id=session_id, cmi_data=values, score=Score(scaled=0.95, raw=95), session_time="PT1H"
    )
    updated, call = sessions.UpdateSession.with_call(update, metadata=metadata)
    assert (updated.success, updated.session_id) == (True, session_id)
    etag = trailing(call)["etag"]
    read, call = sessions.GetSession.with_call(pb.GetSessionRequest(session_id=session_id), metadata=metadata)
    assert trailing(call)["etag"] == etag
    session = read.session
    assert (session.completion_status, session.success_status, session.user_name) == ("completed", "unknown", "Ada")
    assert (session.score.scaled, session.score.raw, session.score.HasField("max")) == (0.95, 95, False)
    assert (session.time_spent_seconds, session.session_time) == (3600, "PT1H")
    assert (
        dict(session.cmi_data)
        == dict(session.items[0].cmi_data)
        == {
            "cmi.comments": "ünï",
            "cmi.core.lesson_status": "completed",
            "cmi.core.score.raw": "95",
            "cmi.core.total_time": "0001:00:00.00",
        }
    )
    listed = sessions.ListSessions(
        pb.ListSessionsRequest(package_id=package_id, user_id="ada", completion_status="completed"), metadata=metadata
    )
    assert [one.id for one in listed.sessions] == [session_id]
    assert (listed.pagination.total, listed.pagination.total_pages) == (1, 1)
    launched = sessions.LaunchSession(pb.LaunchSessionRequest(session_id=session_id), metadata=metadata)
    assert launched.launch_id
    assert "/player/session/" in launched.launch_url
    assert sessions.RevokeSessionLaunches(
        pb.RevokeSessionLaunchesRequest(session_id=session_id), metadata=metadata
    ).success
    assert sessions.DeleteSession(pb.DeleteSessionRequest(session_id=session_id), metadata=metadata).success
    with pytest.raises(grpc.RpcError) as gone:
        sessions.GetSession(pb.GetSessionRequest(session_id=session_id), metadata=metadata)
    status, info = refusal(gone.value)
    assert gone.value.code() is grpc.StatusCode.NOT_FOUND
    assert (status.message, info.reason) == ("Session not found", "SESSION_NOT_FOUND")


def test_all_faults_are_told_in_the_details(sessions: SessionServiceStub, metadata: Metadata, package_id: str) -> None:
    created = sessions.CreateSession(
        pb.CreateSessionRequest(package_id=package_id, user_id="ada"), metadata=metadata
    ).session
    wrong = pb.UpdateSessionRequest(
        session_id=created.id,
        cmi_data={
            **texts(cmi__core__lesson_status="x"),
            "cmi.comments": struct_pb2.Value(null_value=struct_pb2.NULL_VALUE),
        },
        completion_status="x",
        score=Score(scaled=float("nan")),
    )
    with pytest.raises(grpc.RpcError) as error:
        sessions.UpdateSession(wrong, metadata=metadata)
    status, info = refusal(error.value)
    bad = error_details_pb2.BadRequest()
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info.reason == "VALIDATION_ERROR"
    assert any(detail.Unpack(bad) for detail in status.details)
    assert {violation.field for violation in bad.field_violations} == {
        "cmi_data.cmi.core.lesson_status",
        "cmi_data.cmi.comments",
        "completion_status",
        "score.scaled",
    }


def test_of_very_many_faults_as_many_are_told_as_a_stock_client_takes(
    sessions: SessionServiceStub, metadata: Metadata, package_id: str
) -> None:
    created = sessions.CreateSession(
        pb.CreateSessionRequest(package_id=package_id, user_id="ada"), metadata=metadata
    ).session
    values = {f"cmi.nothing.{number}": struct_pb2.Value(string_value="x") for number in range(3000)}
    with pytest.raises(grpc.RpcError) as error:
        sessions.UpdateSession(pb.UpdateSessionRequest(session_id=created.id, cmi_data=values), metadata=metadata)
    status, info = refusal(error.value)
    bad = error_details_pb2.BadRequest()
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert any(detail.Unpack(bad) for detail in status.details)
    assert len(bad.field_violations) + int(info.metadata["more_field_errors"]) == 3000
    assert len(bad.field_violations) > 20


def test_a_condition_that_fails_is_a_conflict_with_the_current_version(
    sessions: SessionServiceStub, metadata: Metadata, package_id: str
) -> None:
    created = sessions.CreateSession(
        pb.CreateSessionRequest(package_id=package_id, user_id="ada"), metadata=metadata
    ).session
    request = pb.UpdateSessionRequest(session_id=created.id, suspend_data="x")
    with pytest.raises(grpc.RpcError) as error:
        sessions.UpdateSession(request, metadata=(*metadata, ("if-match", '"7"')))
    assert error.value.code() is grpc.StatusCode.ABORTED
    info = refusal(error.value)[1]
    assert (info.reason, dict(info.metadata)) == ("CONFLICT", {"current_etag": '"1"'})


def test_keys_and_tenants_count_as_over_rest(
    stack: Stack, sessions: SessionServiceStub, metadata: Metadata, package_id: str
) -> None:
    created = sessions.CreateSession(
        pb.CreateSessionRequest(package_id=package_id, user_id="ada"), metadata=metadata
    ).session
    wanted = pb.GetSessionRequest(session_id=created.id)
    reader = stack.new_key(tenant_of(metadata[0][1]), scopes=["read"])
    assert sessions.GetSession(wanted, metadata=(("x-api-key", reader),)).session.id == created.id
    refused: list[tuple[Any, Any, Metadata, str]] = [
        (sessions.GetSession, wanted, (("x-api-key", stack.new_tenant()),), "SESSION_NOT_FOUND"),
        (sessions.GetSession, wanted, (), "UNAUTHORIZED"),
        (sessions.UpdateSession, pb.UpdateSessionRequest(session_id=created.id), (("x-api-key", reader),), "FORBIDDEN"),
    ]
    for call, request, who, reason in refused:
        with pytest.raises(grpc.RpcError) as error:
            call(request, metadata=who)
        assert refusal(error.value)[1].reason == reason
