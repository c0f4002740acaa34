"""What the core takes from a call's metadata."""

from typing import Any
from uuid import UUID

import pytest

from server.rpc import context


class Metadata:
    """As much of a servicer's context as `begin` looks at."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = pairs

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._pairs


def request_id(*pairs: tuple[str, str]) -> str:
    given: Any = Metadata(*pairs)
    return context.begin(given).request_id


@pytest.mark.parametrize("told", ["a", "A.b_c-9", "x" * 128, "5b0e1f0a-1111-1111-8111-111111111111", "beyJ"])
def test_a_well_formed_request_id_is_kept(told: str) -> None:
    assert request_id(("x-request-id", told)) == told


@pytest.mark.parametrize(
    "told", ["", "x" * 129, "a b", "a\n", "{}", "scorm_AbC-_9", "my-scorm_AbC-_9", "eyJhbGciOiJFZERTQSJ9.eyJh.c-_2"]
)
def test_a_key_a_token_and_what_is_malformed_are_replaced(told: str) -> None:
    assert UUID(request_id(("x-request-id", told))).version == 4


def test_a_call_without_an_id_gets_one() -> None:
    assert UUID(request_id()).version == 4
