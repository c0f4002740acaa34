"""The form of API keys."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.api_keys import LRS_SCOPES, REST_SCOPES, KeyText, lrs_permissions

TENANT, KEY = UUID(int=1), UUID(int=2)


def test_a_key_is_url_safe_and_carries_tenant_and_id() -> None:
    text = str(KeyText.mint(tenant_id=TENANT, key_id=KEY))
    parsed = KeyText.parse(text)
    assert text.startswith("scorm_")
    assert len(text) == 92
    assert parsed is not None
    assert (parsed.tenant_id, parsed.key_id, len(parsed.secret)) == (TENANT, KEY, 32)


def test_two_keys_differ_in_their_secret_and_hash() -> None:
    one, two = (KeyText.mint(tenant_id=TENANT, key_id=KEY) for _ in range(2))
    assert one.secret != two.secret
    assert one.hash(b"p" * 32) != two.hash(b"p" * 32)
    assert one.hash(b"p" * 32) != one.hash(b"q" * 32)


def test_the_secret_is_not_in_the_representation() -> None:
    key = KeyText(TENANT, KEY, b"topsecret" * 3 + b"12345")
    assert "topsecret" not in repr(key)


@pytest.mark.parametrize("text", ["", "scorm_", "scorm_abc123...", "other_" + "A" * 86, "scorm_" + "A" * 87, "é" * 92])
def test_what_is_no_key_is_none(text: str) -> None:
    assert KeyText.parse(text) is None


def test_a_second_spelling_of_a_key_is_none() -> None:
    # 64 bytes leave 4 unused bits in the last character: only the canonical spelling counts.
    text = str(KeyText(TENANT, KEY, b"\0" * 32))
    assert KeyText.parse(text[:-1] + "B") is None


@given(st.text(max_size=120))
def test_parsing_never_fails(text: str) -> None:
    KeyText.parse(text)


@given(st.uuids(), st.uuids(), st.binary(min_size=32, max_size=32))
def test_every_key_survives_its_text(tenant: UUID, key: UUID, secret: bytes) -> None:
    original = KeyText(tenant, key, secret)
    assert KeyText.parse(str(original)) == original


OPERATIONS = ("read", "write", "delete")
RESOURCES = ("statements", "state", "profile")


def permissions(resources: tuple[str, ...], operations: tuple[str, ...]) -> frozenset[str]:
    return frozenset(f"lrs/{resource}/{operation}" for resource in resources for operation in operations)


PERMISSIONS = {
    "read": permissions(RESOURCES, ("read",)),
    "write": permissions(RESOURCES, ("write",)),
    "delete": permissions(RESOURCES, ("delete",)),
    "lrs:all": permissions(RESOURCES, OPERATIONS),
    "lrs:statements/write": permissions(("statements",), ("write",)),
    "lrs:statements/read": permissions(("statements",), ("read",)),
    "lrs:statements/read/mine": permissions(("statements",), ("read",)),
    "lrs:state": permissions(("state",), OPERATIONS),
    "lrs:profile": permissions(("profile",), OPERATIONS),
}


@pytest.mark.parametrize("scope", REST_SCOPES + LRS_SCOPES)
def test_each_scope_allows_its_part_of_the_lrs(scope: str) -> None:
    assert lrs_permissions(frozenset({scope})) == PERMISSIONS[scope]


@given(st.frozensets(st.sampled_from(REST_SCOPES + LRS_SCOPES)))
def test_scopes_together_allow_what_each_of_them_does(scopes: frozenset[str]) -> None:
    assert lrs_permissions(scopes) == frozenset().union(*(PERMISSIONS[scope] for scope in scopes))


def test_a_scope_that_nobody_knows_allows_nothing() -> None:
    assert lrs_permissions(frozenset({"lrs:statements", "lrs/statements/read", ""})) == frozenset()
