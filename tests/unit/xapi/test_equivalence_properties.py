"""What holds of the comparison of all statements, and of what is none."""

import copy
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.xapi.equivalence import are_equivalent
from tests.factories.statements import VERBS, a_statement, activity, agent

REGISTRATION = "01890000-0000-7000-8000-00000000000a"
REFERENCE = {"objectType": "StatementRef", "id": REGISTRATION}

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
agents = st.sampled_from("abcd").map(agent)
groups = st.builds(lambda members: {"objectType": "Group", "member": members}, st.lists(agents, min_size=1, max_size=4))
contexts = st.fixed_dictionaries(
    {},
    optional={
        "registration": st.just(REGISTRATION),
        "instructor": agents | groups,
        "team": groups,
        "contextActivities": st.dictionaries(
            st.sampled_from(["parent", "grouping", "other"]), st.lists(st.sampled_from("xyz").map(activity), max_size=4)
        ),
        "extensions": st.dictionaries(st.just("urn:e:x"), json_values),
    },
)
statements = st.builds(
    a_statement,
    actor=agents | groups,
    verb=st.sampled_from(["passed", "failed"]).map(lambda verb: {"id": VERBS + verb, "display": {"en": verb}}),
    object=st.sampled_from("xyz").map(activity) | st.just(REFERENCE),
    result=st.fixed_dictionaries(
        {}, optional={"score": json_values, "duration": st.sampled_from(["PT1S", "PT1.001S"])}
    ),
    context=contexts,
    timestamp=st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00", "2026-01-02T03:04:06Z"]),
)
# A statement with whatever in the place of one of its properties: signed payloads may be anything.
anything = st.builds(
    lambda one, name, value: {**one, name: value}, statements, st.sampled_from([*a_statement()]), json_values
)


@given(statements | anything)
def test_each_is_equivalent_to_itself(one: dict[str, Any]) -> None:
    assert are_equivalent(one, one)
    assert are_equivalent(one, copy.deepcopy(one))


@given(statements | anything, statements | anything)
def test_neither_is_the_first(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert are_equivalent(one, other) is are_equivalent(other, one)


@given(statements, st.randoms(use_true_random=False))
def test_no_order_counts_that_means_nothing(one: dict[str, Any], chance: random.Random) -> None:
    assert are_equivalent(one, shuffled(one, chance))


def shuffled(value: Any, chance: random.Random, name: str = "") -> Any:
    """The same with properties, members and context activities in another order; not the arrays of others."""
    if isinstance(value, dict):
        names = list(value)
        chance.shuffle(names)
        return {
            one: value[one] if one in ("extensions", "score") else shuffled(value[one], chance, one) for one in names
        }
    if isinstance(value, list) and name in ("member", "parent", "grouping", "other"):
        return chance.sample(value, len(value))
    return value


@given(json_values)
def test_a_change_within_extensions_is_a_change(value: Any) -> None:
    one = a_statement(result={"extensions": {"urn:e:x": [value, "here"]}})
    other = a_statement(result={"extensions": {"urn:e:x": [value, "there"]}})
    assert not are_equivalent(one, other)


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        (1, 1.0, True),
        (1, Decimal("1.00"), True),
        (0.1, Decimal("0.1"), True),
        (1e2, 100, True),
        (10**30, Decimal("1E+30"), True),
        (0, -0.0, True),
        (0.1, Decimal("0.1000000000000000055511151231257827"), False),
        (12345678901234567890, 12345678901234567891, False),
        (1, True, False),
        (0, False, False),
        (1, "1", False),
        (None, False, False),
        ("", None, False),
        ([], {}, False),
        ([1, 2], [2, 1], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": None}, {}, False),
        ("é", "e\u0301", False),
    ],
)
def test_values_compare_as_json(one: Any, other: Any, are_equal: bool) -> None:
    first, second = (a_statement(context={"extensions": {"urn:e:x": value}}) for value in (one, other))
    assert are_equivalent(first, second) is are_equal


def test_depth_does_not_matter() -> None:
    first: Any = 1
    second: Any = 2
    for _ in range(100_000):
        first, second = [first], [second]
    one, other = (a_statement(result={"extensions": {"urn:e:x": value}}) for value in (first, second))
    assert are_equivalent(one, one)
    assert not are_equivalent(one, other)


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        ({"actor": agent("a")}, {"actor": {**agent("a"), "objectType": "Agent"}}, True),
        ({"actor": {"mbox": "mailto:a@X.org"}}, {"actor": {"mbox": "mailto:a@x.org"}}, True),
        ({"actor": {"mbox": "mailto:A@x.org"}}, {"actor": {"mbox": "mailto:a@x.org"}}, False),
        ({"actor": {"mbox_sha1sum": "AB" * 20}}, {"actor": {"mbox_sha1sum": "ab" * 20}}, True),
        ({"actor": {"openid": "https://X.org"}}, {"actor": {"openid": "https://x.org"}}, False),
        # 2.3.1 excepts no names.
        ({"actor": {**agent("a"), "name": "A"}}, {"actor": {**agent("a"), "name": "B"}}, False),
        ({"object": activity("a")}, {"object": {**activity("a"), "objectType": "Activity"}}, True),
        ({"object": activity("a")}, {"object": {"id": activity("a")["id"].upper()}}, False),
        ({"object": REFERENCE}, {"object": {**REFERENCE, "id": REGISTRATION.upper()}}, True),
        (
            {"context": {"statement": REFERENCE}},
            {"context": {"statement": {**REFERENCE, "id": REGISTRATION.upper()}}},
            True,
        ),
        ({"context": {"language": "en-US"}}, {"context": {"language": "en-us"}}, True),
        ({"context": {"platform": "A"}}, {"context": {"platform": "a"}}, False),
        ({"attachments": [{"sha2": "a"}]}, {}, True),
        ({"timestamp": "2026-01-02T03:04:05Z"}, {}, True),
        ({"timestamp": "2026-01-02T03:04:05Z"}, {"timestamp": "20260102T0304"}, False),
        ({"result": {"duration": "PT60M"}}, {"result": {"duration": "PT1H"}}, False),
    ],
)
def test_each_property_compares_in_its_way(one: dict[str, Any], other: dict[str, Any], are_equal: bool) -> None:
    assert are_equivalent(a_statement(**one), a_statement(**other)) is are_equal
    inner, outer = ({"objectType": "SubStatement", **a_statement(**value)} for value in (one, other))
    if "timestamp" not in one:
        assert are_equivalent(a_statement(object=inner), a_statement(object=outer)) is are_equal


def test_the_timestamp_of_a_sub_statement_is_its_senders() -> None:
    def told(**properties: Any) -> dict[str, Any]:
        return a_statement(object={"objectType": "SubStatement", **a_statement(**properties)})

    assert not are_equivalent(told(), told(timestamp="2026-01-02T03:04:05Z"))
    assert are_equivalent(told(timestamp="2026-01-02T04:04:05+01:00"), told(timestamp="2026-01-02T03:04:05Z"))


def test_context_agents_compare_one_by_one() -> None:
    def told(*names: str, **properties: Any) -> dict[str, Any]:
        entries = [{"objectType": "contextAgent", "agent": {**agent(name), **properties}} for name in names]
        return a_statement(context={"contextAgents": entries})

    assert are_equivalent(told("a", "b"), told("a", "b", objectType="Agent"))
    assert not are_equivalent(told("a", "b"), told("a", "c"))
