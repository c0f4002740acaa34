"""The form of API keys."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.api_keys import KeyText

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
