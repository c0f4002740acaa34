"""What makes two requests under one key the same."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import ValidationFailed
from server.domain.idempotency import fingerprint_of, keyed_request

TENANT, OTHER = UUID(int=1), UUID(int=2)
PARTS = st.lists(st.one_of(st.none(), st.integers(), st.text(), st.binary()))


@given(PARTS, PARTS)
def test_a_fingerprint_is_of_the_parts_and_where_they_end(left: list[object], right: list[object]) -> None:
    alike = [(type(part), part) for part in left] == [(type(part), part) for part in right]
    assert (fingerprint_of(*left) == fingerprint_of(*right)) == alike  # type: ignore[arg-type]  # what lists lose


@pytest.mark.parametrize(
    "parts", [("ab", "c"), ("a", "bc"), ("abc",), (b"ab", "c"), ("ab", "c", None), ("a", "b", "c")]
)
def test_nothing_moves_from_one_part_to_the_next(parts: tuple[str | bytes | None, ...]) -> None:
    assert (fingerprint_of(*parts) == fingerprint_of("ab", "c")) == (parts == ("ab", "c"))


def test_tenant_operation_and_parts_count_and_nothing_of_the_key_is_readable() -> None:
    same = keyed_request("key-1", tenant_id=TENANT, operation="S/M", parts=("a", 1))
    assert same == keyed_request("key-1", tenant_id=TENANT, operation="S/M", parts=("a", 1))
    assert (len(same.key_hash), len(same.fingerprint)) == (32, 32)
    for other in (
        keyed_request("key-1", tenant_id=TENANT, operation="S/N", parts=("a", 1)),
        keyed_request("key-1", tenant_id=TENANT, operation="S/M", parts=("a", "1")),
    ):
        assert (other.key_hash, other.fingerprint != same.fingerprint) == (same.key_hash, True)
    assert keyed_request("key-1", tenant_id=OTHER, operation="S/M", parts=("a", 1)).key_hash != same.key_hash


@pytest.mark.parametrize("key", ["!", "~" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324"])
def test_visible_ascii_is_a_key(key: str) -> None:
    assert keyed_request(key, tenant_id=TENANT, operation="S/M", parts=()).key_hash


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "tab\t", "line\n", "caf\u00e9", "\x7f"])
def test_anything_else_is_refused_by_name(key: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        keyed_request(key, tenant_id=TENANT, operation="S/M", parts=())
    assert refused.value.field_errors == {"Idempotency-Key": ["Must have 1 to 255 visible ASCII characters"]}
