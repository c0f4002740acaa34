"""When two statements say the same."""

import copy
import random
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.xapi.equivalence import are_equivalent
from tests.factories.statements import VERBS, a_statement, activity, agent

GROUP = {"objectType": "Group", "member": [agent("bob"), agent("cyd"), agent("dee")]}


def rich(**properties: Any) -> dict[str, Any]:
    return a_statement(
        actor=GROUP,
        result={"score": {"raw": 1, "scaled": 0.5}, "duration": "PT1.234S", "extensions": {"urn:x:y": [1, 2]}},
        context={
            "registration": str(uuid4()) if not properties else "01890000-0000-7000-8000-00000000000a",
            "contextActivities": {"parent": [activity("one"), activity("two")]},
        },
        **properties,
    )


BASE = rich(timestamp="2026-01-02T03:04:05Z")


@pytest.mark.parametrize(
    "change",
    [
        {"id": str(uuid4()), "stored": "2026-01-01T00:00:00Z", "version": "1.0.3", "authority": agent("eve")},
        {"timestamp": "2026-01-02T05:04:05.000+02:00"},
        {"verb": {**BASE["verb"], "display": {"en": "did"}}},
        {"object": {"id": BASE["object"]["id"]}},
        {"actor": {**GROUP, "member": GROUP["member"][::-1]}},
        {"result": {**BASE["result"], "score": {"raw": Decimal("1.0"), "scaled": Decimal("0.50")}}},
        {"result": {**BASE["result"], "duration": "PT1.239S"}},
        {"context": {**BASE["context"], "registration": BASE["context"]["registration"].upper()}},
    ],
)
def test_what_says_nothing_else_is_the_same(change: dict[str, Any]) -> None:
    other = {**BASE, **change}
    assert are_equivalent(BASE, other)
    assert are_equivalent(other, BASE)


@pytest.mark.parametrize(
    "change",
    [
        {"actor": agent("ada")},
        {"verb": {"id": VERBS + "failed"}},
        {"object": activity("other")},
        {"timestamp": "2026-01-02T03:04:06Z"},
        {"result": {**BASE["result"], "success": True}},
        {"result": {**BASE["result"], "score": {"raw": 2, "scaled": 0.5}}},
        {"result": {**BASE["result"], "score": {"raw": True, "scaled": 0.5}}},
        {"result": {**BASE["result"], "extensions": {"urn:x:y": [2, 1]}}},
        {"result": {**BASE["result"], "duration": "PT1.24S"}},
        {"context": {**BASE["context"], "platform": "x"}},
        {"context": {**BASE["context"], "contextActivities": {"parent": [activity("one")]}}},
    ],
)
def test_what_says_something_else_is_another(change: dict[str, Any]) -> None:
    other = {**BASE, **change}
    assert not are_equivalent(BASE, other)
    assert not are_equivalent(other, BASE)


def test_a_single_context_activity_is_an_array_of_it() -> None:
    alone, listed = (
        a_statement(context={"contextActivities": {"other": one}}) for one in (activity("a"), [activity("a")])
    )
    assert are_equivalent(alone, listed)


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_orders_that_mean_nothing_do_not_count(chance: random.Random) -> None:
    other = copy.deepcopy(BASE)
    chance.shuffle(other["actor"]["member"])
    chance.shuffle(other["context"]["contextActivities"]["parent"])
    names = list(other)
    chance.shuffle(names)
    other = {name: other[name] for name in names}
    assert are_equivalent(BASE, other)
    assert are_equivalent(other, BASE)
    assert are_equivalent(other, other)
