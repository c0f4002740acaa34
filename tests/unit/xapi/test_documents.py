"""When a document may be changed."""

import hashlib

import pytest

from server.domain.errors import Conflict, DomainError, InvalidRequest, PreconditionFailed
from server.domain.xapi.documents import Resource, check_preconditions, etag_of
from server.domain.xapi.versions import Version

NOW, BEFORE = etag_of(b"now"), etag_of(b"before")
PROFILES = [Resource.AGENT_PROFILE, Resource.ACTIVITY_PROFILE]


def answer(
    method: str,
    resource: Resource,
    version: Version,
    *,
    current: str | None,
    if_match: str | None = None,
    if_none_match: str | None = None,
) -> type[DomainError] | None:
    try:
        check_preconditions(
            version=version,
            resource=resource,
            method=method,
            if_match=if_match,
            if_none_match=if_none_match,
            current_etag=current,
        )
    except DomainError as error:
        return type(error)
    return None


def test_an_entity_tag_is_a_sha_1_in_quotes() -> None:
    assert etag_of(b"x") == f'"{hashlib.sha1(b"x").hexdigest()}"'


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("resource", Resource)
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_if_match_wants_one_of_its_versions(method: str, resource: Resource, version: Version) -> None:
    for good in (NOW, f"W/{NOW}", f"{BEFORE}, {NOW}", NOW.strip('"'), "*"):
        assert answer(method, resource, version, current=NOW, if_match=good) is None
    for bad in (BEFORE, '"1234"', "", f'"{BEFORE}"', NOW[:-2] + '"'):
        assert answer(method, resource, version, current=NOW, if_match=bad) is PreconditionFailed
    for any_at_all in (NOW, "*", ""):
        assert answer(method, resource, version, current=None, if_match=any_at_all) is PreconditionFailed


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("resource", Resource)
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_if_none_match_wants_that_there_is_none(method: str, resource: Resource, version: Version) -> None:
    assert answer(method, resource, version, current=None, if_none_match="*") is None
    assert answer(method, resource, version, current=NOW, if_none_match="*") is PreconditionFailed
    assert answer(method, resource, version, current=NOW, if_none_match=NOW) is PreconditionFailed
    assert answer(method, resource, version, current=NOW, if_none_match=BEFORE) is None


@pytest.mark.parametrize(
    ("version", "resource", "new", "existing"),
    [
        *((Version.V1, profile, InvalidRequest, Conflict) for profile in PROFILES),
        *((Version.V2, profile, None, Conflict) for profile in PROFILES),
        (Version.V1, Resource.STATE, None, None),
        (Version.V2, Resource.STATE, None, Conflict),
    ],
)
def test_a_put_that_names_no_version_replaces_nothing_but_old_states(
    version: Version, resource: Resource, new: type[DomainError] | None, existing: type[DomainError] | None
) -> None:
    assert answer("PUT", resource, version, current=None) is new
    assert answer("PUT", resource, version, current=NOW) is existing


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("resource", Resource)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("current", [None, NOW])
def test_merging_and_deleting_need_no_condition(
    method: str, resource: Resource, version: Version, current: str | None
) -> None:
    assert answer(method, resource, version, current=current) is None
