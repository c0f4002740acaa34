"""What a statement may be, rule by rule. ADL's suite has hundreds more: `make conformance-xapi`."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.errors import ValidationFailed
from server.domain.xapi.statements import check_statement, duplicate_id
from server.domain.xapi.versions import Version
from tests.factories.statements import a_statement, activity, agent

ID = "01890000-0000-7000-8000-000000000001"
GROUP = {"objectType": "Group", "member": [agent("bob")]}
ATTACHMENT = {
    "usageType": "https://x.org/u",
    "display": {"en": "x"},
    "contentType": "text/plain",
    "length": 1,
    "sha2": "a" * 64,
}
Faults = dict[str, list[str]]


def faults(value: Any, version: Version = Version.V2) -> set[str]:
    try:
        check_statement(value, version)
    except ValidationFailed as failed:
        return set(failed.field_errors)
    return set()


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {
            "id": ID.upper(),
            "version": "1.0.3",
            "stored": "2026-01-01T00:00:00Z",
            "timestamp": "2026-01-01T00:00:00+02:00",
        },
        {"actor": {"account": {"homePage": "https://x.org", "name": "a"}}},
        {"actor": {"mbox_sha1sum": "A" * 40}},
        {"actor": {"openid": "https://x.org/me"}},
        {"actor": GROUP},
        {"actor": {"objectType": "Group", "mbox": "mailto:team@x.org"}},
        {"object": agent("bob") | {"objectType": "Agent"}},
        {"object": {"objectType": "StatementRef", "id": ID}},
        {"object": {"objectType": "SubStatement", **a_statement()}},
        {"object": {"id": "urn:x:y", "definition": {"interactionType": "likert", "scale": [{"id": "a"}]}}},
        {"result": {"score": {"scaled": -1, "raw": 1, "min": 1, "max": 2}, "duration": "P4W", "extensions": {}}},
        {"context": {"registration": ID, "team": GROUP, "platform": "x", "language": "zh-Hans-CN"}},
        {"context": {"contextActivities": {"other": activity("one"), "parent": []}}},
        {"context": {"extensions": {"urn:x:y": None}}},
        {"attachments": [ATTACHMENT, {**ATTACHMENT, "fileUrl": "https://x.org/f", "sha2": "b" * 128}]},
        {"authority": agent("eve")},
    ],
)
def test_these_are_statements_in_both_versions(properties: dict[str, Any]) -> None:
    value = a_statement(**properties)
    before = copy.deepcopy(value)
    for version in Version:
        assert faults(value, version) == set()
    assert value == before


@pytest.mark.parametrize(
    ("properties", "path"),
    [
        ({"x": 1}, "x"),
        ({"ID": ID}, "ID"),
        ({"id": "1"}, "id"),
        ({"id": None}, "id"),
        ({"actor": {}}, "actor"),
        ({"actor": {**agent("a"), "openid": "https://x.org"}}, "actor"),
        ({"actor": {"mbox": "a@b.c"}}, "actor.mbox"),
        ({"actor": {"mbox_sha1sum": "x"}}, "actor.mbox_sha1sum"),
        ({"actor": {"openid": "x"}}, "actor.openid"),
        ({"actor": {"account": {"name": "x"}}}, "actor.account.homePage"),
        ({"actor": {"objectType": "Group"}}, "actor"),
        ({"actor": {"objectType": "Group", "member": [GROUP]}}, "actor.member[0].objectType"),
        ({"actor": {"objectType": "agent", **agent("a")}}, "actor.objectType"),
        ({"verb": {}}, "verb.id"),
        ({"verb": {"id": "completed"}}, "verb.id"),
        ({"verb": {"id": "urn:x:y", "display": {"a12345": "x"}}}, "verb.display.a12345"),
        ({"verb": {"id": "http://adlnet.gov/expapi/verbs/voided"}}, "object"),
        ({"object": {"objectType": "Course", "id": "urn:x:y"}}, "object.objectType"),
        ({"object": {"id": "x"}}, "object.id"),
        ({"object": {"id": "urn:x:y", "definition": {"type": "x"}}}, "object.definition.type"),
        ({"object": {"objectType": "StatementRef", "id": "x"}}, "object.id"),
        ({"object": {"objectType": "SubStatement", **a_statement(), "id": ID}}, "object.id"),
        ({"result": {"score": {"scaled": 1.1}}}, "result.score.scaled"),
        ({"result": {"score": {"raw": "1"}}}, "result.score.raw"),
        ({"result": {"success": "true"}}, "result.success"),
        ({"result": {"duration": "1 hour"}}, "result.duration"),
        ({"result": {"extensions": {"x": 1}}}, "result.extensions.x"),
        ({"context": {"registration": "x"}}, "context.registration"),
        ({"context": {"team": agent("a")}}, "context.team"),
        ({"context": {"contextActivities": {"parents": []}}}, "context.contextActivities.parents"),
        ({"context": {"contextActivities": {"parent": [{}]}}}, "context.contextActivities.parent[0].id"),
        ({"context": {"language": "english language"}}, "context.language"),
        ({"object": {"objectType": "StatementRef", "id": ID}, "context": {"platform": "x"}}, "context.platform"),
        ({"timestamp": "2026-01-01T00:00:00-00:00"}, "timestamp"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"version": "3.0"}, "version"),
        ({"attachments": [{}]}, "attachments[0].usageType"),
        ({"attachments": [{**ATTACHMENT, "sha2": "x"}]}, "attachments[0].sha2"),
        ({"attachments": [{**ATTACHMENT, "length": -1}]}, "attachments[0].length"),
        ({"authority": {"objectType": "Group", "member": [agent("a")]}}, "authority"),
        ({"result": None}, "result"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(properties: dict[str, Any], path: str) -> None:
    for version in Version:
        found = faults(a_statement(**properties), version)
        assert any(one == path or one.startswith((path + ".", path + "[")) for one in found), found


def test_context_agents_and_groups_came_with_2_0() -> None:
    context = {
        "contextAgents": [{"objectType": "contextAgent", "agent": agent("a"), "relevantTypes": ["urn:x:y"]}],
        "contextGroups": [{"objectType": "contextGroup", "group": GROUP}],
    }
    assert faults(a_statement(context=context), Version.V2) == set()
    assert faults(a_statement(context=context), Version.V1) == {"context.contextAgents", "context.contextGroups"}


def test_every_fault_is_told_at_once() -> None:
    value = {"actor": {"mbox": 1}, "verb": {"id": 1}, "object": {"id": 1}, "result": {"completion": 1}, "x": 1}
    assert {"actor.mbox", "verb.id", "object.id", "result.completion", "x"} <= faults(value)


@pytest.mark.parametrize("value", [None, [], "x", 1, {}])
def test_what_is_no_statement_at_all_is_refused(value: Any) -> None:
    assert faults(value)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*ATTACHMENT, *a_statement(), "id", "x"]), inner),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES, st.sampled_from(list(a_statement())))
def test_nothing_but_a_validation_error_is_raised(value: Any, inner: Any, name: str) -> None:
    for version in Version:
        faults(value, version)
        faults({**a_statement(), name: inner}, version)


def test_deep_and_long_values_are_refused_in_peace() -> None:
    deep: Any = {}
    for _ in range(5_000):
        deep = {"objectType": "SubStatement", **a_statement(), "object": deep}
    assert faults(a_statement(object=deep))
    assert faults(a_statement(timestamp="1" * 1_000_000))
    assert faults(a_statement(result={"duration": "P" + "1" * 1_000_000}))
    assert faults(a_statement(actor={"mbox": "mailto:" + "a@" * 200_000}))


def test_an_id_that_comes_twice_is_found_whatever_its_case() -> None:
    assert duplicate_id(["a", "b", "A"]) in ("a", "A")
    assert duplicate_id(["a", "b"]) is None


def test_json_text_of_a_statement_is_one() -> None:
    assert faults(json.loads(json.dumps(a_statement()))) == set()
