"""Enum, catalogue, proto comments and domain tree tell the same story."""

import json
import re
from pathlib import Path

import pytest
from google.rpc import error_details_pb2

from server.domain import errors
from server.rpc import errors as rendering
from server.rpc.errors import CATALOGUE, render, render_reason

PROTO = Path(__file__).resolve().parents[2] / "proto/scorm/v1/error_reason.proto"
ENUM_VALUE = re.compile(r"((?:  //.*\n)+)  ERROR_REASON_(\w+) = \d+;")
REASONS = [name.removeprefix("ERROR_REASON_") for name in rendering.REASONS.DESCRIPTOR.values_by_name][1:]
COMMENTS = {name: comment for comment, name in ENUM_VALUE.findall(PROTO.read_text())}


def domain_errors() -> list[type[errors.DomainError]]:
    """All of the tree; storage has subclasses of its own, which callers see as what they derive from."""
    found, todo = [], [errors.DomainError]
    while todo:
        subclasses = [kind for kind in todo.pop().__subclasses__() if kind.__module__ == errors.__name__]
        found += subclasses
        todo += subclasses
    return found


EXAMPLES: dict[type[errors.DomainError], errors.DomainError] = {
    errors.ValidationFailed: errors.ValidationFailed({"a.b": ["Must be c", "Must be d"]}),
    errors.UnsupportedMediaType: errors.UnsupportedMediaType(accepted=["multipart/form-data"]),
    errors.TooLarge: errors.TooLarge(what="The package", limit_bytes=10),
    errors.Stalled: errors.Stalled(least_bytes=65536, seconds=90),
    errors.MissingScope: errors.MissingScope("write"),
    errors.IdempotencyConflict: errors.IdempotencyConflict.another(),
    errors.QuotaExceeded: errors.QuotaExceeded(what="Package", limit=100, current=100),
    errors.RevisionMismatch: errors.RevisionMismatch(current_etag='"3"'),
}


def test_every_reason_of_the_proto_is_in_the_catalogue_and_no_other() -> None:
    assert set(REASONS) == set(CATALOGUE)


@pytest.mark.parametrize("reason", REASONS)
def test_the_proto_says_of_a_reason_what_the_catalogue_does(reason: str) -> None:
    entry, comment = CATALOGUE[reason], COMMENTS[reason]
    assert f" {entry.code.name}" in comment
    if "Not on the REST surface" not in comment:
        assert f"HTTP {entry.http_status}." in comment
    sample = json.loads(re.search(r"Sample: `(.*)`", comment).group(1))  # type: ignore[union-attr]  # fails if absent
    assert sample["error"]["code"] == reason
    assert set(sample) == {"error", "request_id"}


@pytest.mark.parametrize("kind", domain_errors(), ids=lambda kind: kind.__name__)
def test_every_domain_error_has_a_reason_and_is_written_as_documented(kind: type[errors.DomainError]) -> None:
    rendered = render(EXAMPLES.get(kind) or kind())
    body = json.loads(rendered.to_json("r-1"))
    assert body["request_id"] == "r-1"
    assert set(body["error"]) == {"code", "message", "details"}
    status = rendered.to_status("r-1")
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == (body["error"]["code"], "scorm-api")
    assert status.code == CATALOGUE[info.reason].code.value[0]


def test_validation_names_every_field_in_both_renderings() -> None:
    rendered = render(EXAMPLES[errors.ValidationFailed])
    assert json.loads(rendered.to_json("r"))["error"] == {
        "code": "VALIDATION_ERROR",
        "message": "Validation failed",
        "details": {"fieldErrors": {"a.b": ["Must be c", "Must be d"]}},
    }
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in rendered.to_status("r").details)
    assert [(v.field, v.description) for v in bad.field_violations] == [("a.b", "Must be c"), ("a.b", "Must be d")]


def test_the_documented_quota_error_is_written_to_the_byte() -> None:
    assert render(EXAMPLES[errors.QuotaExceeded]).to_json("r") == (
        '{"error":{"code":"QUOTA_EXCEEDED","message":"Package limit exceeded",'
        '"details":{"limit":100,"current":100}},"request_id":"r"}'
    )


def test_an_unknown_exception_tells_nothing_of_itself() -> None:
    assert "secret" not in render(RuntimeError("secret")).to_json("r")
    assert render(RuntimeError("secret")) == render_reason("INTERNAL_ERROR")
