"""Rules of the parts of a statement where they are finer than being there: interactions, scores, what fits together."""

from decimal import Decimal
from typing import Any

import pytest

from server.domain.errors import ValidationFailed
from server.domain.xapi.actors import parse_filter_agent
from server.domain.xapi.rules import MOST_FAULTS
from server.domain.xapi.statements import check_statement
from server.domain.xapi.versions import Version
from tests.factories.statements import VERBS, a_statement, activity, agent

ID = "01890000-0000-7000-8000-000000000001"
REFERENCE = {"objectType": "StatementRef", "id": ID}
ATTACHMENT = {
    "usageType": "https://x.org/u", "display": {"en": "x"}, "contentType": "text/plain", "length": 1, "sha2": "a" * 64,
}  # fmt: skip
SIGNATURE = {**ATTACHMENT, "usageType": "http://adlnet.gov/expapi/attachments/signature"}


def paths(value: Any, version: Version = Version.V2) -> set[str]:
    try:
        check_statement(value, version)
    except ValidationFailed as failed:
        return set(failed.field_errors)
    return set()


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        ({"interactionType": "choice", "choices": [{"id": "a"}, {"id": "b", "description": {"en": "B"}}]}, None),
        ({"interactionType": "sequencing", "choices": []}, None),
        ({"interactionType": "matching", "source": [{"id": "a"}], "target": [{"id": "a"}]}, None),
        ({"interactionType": "performance", "steps": [{"id": "a"}]}, None),
        ({"interactionType": "true-false", "correctResponsesPattern": ["true"]}, None),
        ({"interactionType": "numeric", "correctResponsesPattern": []}, None),
        ({"interactionType": "other"}, None),
        ({"interactionType": "Choice"}, "interactionType"),
        ({"interactionType": ["choice"]}, "interactionType"),
        ({"correctResponsesPattern": ["a"]}, "interactionType"),
        ({"choices": []}, "interactionType"),
        ({"interactionType": "true-false", "choices": [{"id": "a"}]}, "choices"),
        ({"interactionType": "choice", "scale": []}, "scale"),
        ({"interactionType": "choice", "choices": {"id": "a"}}, "choices"),
        ({"interactionType": "choice", "choices": [{"id": "a"}, {"id": "a"}]}, "choices"),
        ({"interactionType": "choice", "choices": [{}]}, "choices[0].id"),
        ({"interactionType": "choice", "choices": [{"id": 1}]}, "choices[0].id"),
        ({"interactionType": "likert", "scale": [{"id": "a", "description": "x"}]}, "scale[0].description"),
        ({"interactionType": "likert", "scale": [{"id": "a", "x": 1}]}, "scale[0].x"),
        ({"interactionType": "fill-in", "correctResponsesPattern": "a"}, "correctResponsesPattern"),
        ({"interactionType": "fill-in", "correctResponsesPattern": [1]}, "correctResponsesPattern[0]"),
    ],
)
def test_an_interaction_has_the_components_of_its_type(definition: dict[str, Any], fault: str | None) -> None:
    found = paths(a_statement(object={"id": "https://x.org/a", "definition": definition}))
    assert found == (set() if fault is None else {f"object.definition.{fault}"})


@pytest.mark.parametrize(
    ("score", "faults"),
    [
        ({}, set()),
        ({"scaled": 1}, set()),
        ({"scaled": -1.0}, set()),
        ({"scaled": Decimal("0.1")}, set()),
        ({"raw": 5, "min": 5, "max": 6}, set()),
        ({"raw": 1.5, "min": Decimal(1), "max": 2}, set()),
        ({"raw": 10**400, "min": 1.5}, set()),
        ({"scaled": Decimal("1.00000000000000000000001")}, {"scaled"}),
        ({"scaled": True}, {"scaled"}),
        ({"scaled": "0.5"}, {"scaled"}),
        ({"scaled": float("nan")}, {"scaled"}),
        ({"scaled": Decimal("sNaN")}, {"scaled"}),
        ({"raw": float("inf")}, {"raw"}),
        ({"raw": Decimal("NaN"), "min": 0, "max": 1}, {"raw"}),
        ({"min": 1, "max": 1}, {"min"}),
        ({"min": 2, "max": 1}, {"min"}),
        ({"raw": 0, "min": 1, "max": 2}, {"raw"}),
        ({"raw": 3, "max": 2}, {"raw"}),
        ({"raw": 3, "mean": 2}, {"mean"}),
    ],
)
def test_a_score_is_in_its_bounds(score: dict[str, Any], faults: set[str]) -> None:
    assert paths(a_statement(result={"score": score})) == {f"result.score.{name}" for name in faults}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"length": 0}, None),
        ({"length": 3.0}, None),
        ({"length": Decimal(3)}, None),
        ({"sha2": "A" * 128}, None),
        ({"contentType": "text/plain; charset=utf-8"}, None),
        ({"length": 3.5}, "length"),
        ({"length": "3"}, "length"),
        ({"length": True}, "length"),
        ({"length": float("inf")}, "length"),
        ({"sha2": "a" * 63}, "sha2"),
        ({"contentType": ""}, "contentType"),
        ({"contentType": "text"}, "contentType"),
        ({"contentType": "text/plain\r\nx: y"}, "contentType"),
        ({"fileUrl": "file.pdf"}, "fileUrl"),
        ({"display": "x"}, "display"),
    ],
)
def test_attachments_are_told_in_their_formats(change: dict[str, Any], fault: str | None) -> None:
    found = paths(a_statement(attachments=[ATTACHMENT, {**ATTACHMENT, **change}]))
    assert found == (set() if fault is None else {f"attachments[1].{fault}"})


def test_a_signature_has_its_own_content_type() -> None:
    assert not paths(a_statement(attachments=[{**SIGNATURE, "contentType": "application/octet-stream"}]))
    assert paths(a_statement(attachments=[SIGNATURE])) == {"attachments[0].contentType"}


@pytest.mark.parametrize("name", ["revision", "platform"])
@pytest.mark.parametrize(
    "target", [{"objectType": "Agent", **agent("bob")}, REFERENCE, {"objectType": "SubStatement", **a_statement()}]
)
def test_only_activities_have_a_revision_and_a_platform(name: str, target: dict[str, Any]) -> None:
    assert not paths(a_statement(context={name: "x"}))
    assert paths(a_statement(object=target, context={name: "x"})) == {f"context.{name}"}


def test_a_sub_statement_follows_the_rules_of_statements() -> None:
    inner = a_statement(
        object=REFERENCE, context={"platform": "x"}, verb={"id": "x"}, attachments=[{**ATTACHMENT, "length": -1}]
    )
    found = paths(a_statement(object={"objectType": "SubStatement", **inner}))
    assert found == {"object.context.platform", "object.verb.id", "object.attachments[0].length"}


@pytest.mark.parametrize("name", ["id", "stored", "version", "authority"])
def test_a_sub_statement_has_nothing_of_what_identifies_a_statement(name: str) -> None:
    value = {"id": ID, "stored": "2026-01-01T00:00:00Z", "version": "1.0.0", "authority": agent("eve")}[name]
    assert not paths(a_statement(**{name: value}))
    found = paths(a_statement(object={"objectType": "SubStatement", **a_statement(**{name: value})}))
    assert found == {f"object.{name}"}


def test_sub_statements_do_not_nest() -> None:
    inner = {"objectType": "SubStatement", **a_statement()}
    found = paths(a_statement(object={"objectType": "SubStatement", **a_statement(object=inner)}))
    assert found == {"object.object.objectType"}


def test_a_voiding_statement_names_a_statement_also_within_another() -> None:
    voided = {"verb": {"id": VERBS + "voided"}}
    assert not paths(a_statement(object=REFERENCE, **voided))
    assert paths(a_statement(**voided)) == {"object.objectType"}
    inner = {"objectType": "SubStatement", **a_statement(**voided)}
    assert paths(a_statement(object=inner)) == {"object.object.objectType"}


@pytest.mark.parametrize(
    ("authority", "is_good"),
    [
        ({"objectType": "Group", "member": [agent("app"), agent("user")]}, True),
        ({"objectType": "Group", "member": [agent("a"), agent("b"), agent("c")]}, False),
        ({"objectType": "Group", "member": [agent("a")]}, False),
        ({"objectType": "Group"}, False),
        ({"objectType": "Group", "mbox": "mailto:g@x.org", "member": [agent("a"), agent("b")]}, False),
    ],
)
def test_an_authority_is_an_agent_or_an_application_with_its_user(authority: dict[str, Any], is_good: bool) -> None:
    assert paths(a_statement(authority=authority)) == (set() if is_good else {"authority"})


@pytest.mark.parametrize(
    ("version", "told", "is_good"),
    [
        (Version.V1, "1.0", True),
        (Version.V1, "1.0.9", True),
        (Version.V1, "2.0.0", False),
        (Version.V2, "1.0.3", True),
        (Version.V2, "2.0.0", True),
        (Version.V2, "2.0", True),
        (Version.V2, "2.1.0", False),
        (Version.V2, "1.1.0", False),
        (Version.V2, "0.9.9", False),
    ],
)
def test_a_version_is_one_that_is_spoken(version: Version, told: str, is_good: bool) -> None:
    assert paths(a_statement(version=told), version) == (set() if is_good else {"version"})


@pytest.mark.parametrize("timestamp", ["2026-01-02T03:04:05", "20260102T030405Z", "2026-01-02T03:04Z"])
def test_the_newer_version_wants_timestamps_of_rfc_3339(timestamp: str) -> None:
    assert not paths(a_statement(timestamp=timestamp), Version.V1)
    assert paths(a_statement(timestamp=timestamp), Version.V2) == {"timestamp"}


@pytest.mark.parametrize(
    ("one", "fault"),
    [
        ({"objectType": "contextAgent", "agent": agent("a")}, None),
        ({"objectType": "contextAgent", "agent": agent("a"), "relevantTypes": ["urn:x:y"]}, None),
        ({"agent": agent("a")}, "objectType"),
        ({"objectType": "contextGroup", "agent": agent("a")}, "objectType"),
        ({"objectType": "contextAgent"}, "agent"),
        ({"objectType": "contextAgent", "agent": {"objectType": "Group", "member": [agent("a")]}}, "agent.objectType"),
        ({"objectType": "contextAgent", "agent": agent("a"), "relevantTypes": []}, "relevantTypes"),
        ({"objectType": "contextAgent", "agent": agent("a"), "relevantTypes": ["abc"]}, "relevantTypes[0]"),
        ({"objectType": "contextAgent", "agent": agent("a"), "group": 1}, "group"),
    ],
)
def test_a_context_agent_has_its_parts(one: dict[str, Any], fault: str | None) -> None:
    found = paths(a_statement(context={"contextAgents": [one]}))
    assert fault is None or f"context.contextAgents[0].{fault}" in found
    assert bool(found) is (fault is not None)


@pytest.mark.parametrize(
    "value", [{"extensions": {"urn:x:y": None}}, {"extensions": {"urn:x:y": [None, {"a": None}]}}, {"extensions": {}}]
)
def test_null_is_allowed_within_extensions_only(value: dict[str, Any]) -> None:
    assert not paths(a_statement(result=value, context=value, object={"id": "urn:x:y", "definition": value}))
    assert paths(a_statement(context={"extensions": None})) == {"context.extensions"}
    assert paths(a_statement(verb={"id": "urn:x:y", "display": {"en": None}})) == {"verb.display.en"}


def test_of_endless_faults_only_so_many_are_told() -> None:
    assert len(paths(a_statement(attachments=[0] * 100_000))) == MOST_FAULTS
    assert len(paths(a_statement(**{f"x{number}": 1 for number in range(10_000)}))) == MOST_FAULTS
    display = {f"{number}": "x" for number in range(10_000)}
    assert len(paths(a_statement(verb={"id": "urn:x:y", "display": display}))) == MOST_FAULTS


def test_a_name_of_the_senders_is_told_short_and_readable() -> None:
    assert paths(a_statement(**{"x" * 1_000_000: 1})) == {"x" * 100}
    assert paths(a_statement(**{"\ud800": 1})) == {"?"}


@pytest.mark.parametrize(
    ("value", "identifier"),
    [
        ({"mbox": "mailto:Ada@EXAMPLE.com"}, "mbox|mailto:Ada@example.com"),
        ({"mbox_sha1sum": "AB" * 20}, "mbox_sha1sum|" + "ab" * 20),
        ({"openid": "https://x.org/Me"}, "openid|https://x.org/Me"),
        ({"account": {"homePage": "https://x.org", "name": 'a"é'}}, r'account|["https://x.org","a\"é"]'),
        ({"objectType": "Group", "mbox": "mailto:g@x.org", "member": [agent("a")]}, "mbox|mailto:g@x.org"),
    ],
)
def test_an_agent_to_filter_by_is_known_by_its_identifier(value: dict[str, Any], identifier: str) -> None:
    assert parse_filter_agent(value) == identifier


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("ada", "agent"),
        (None, "agent"),
        ({}, "agent"),
        ({"mbox": "ada@example.com"}, "agent.mbox"),
        ({**agent("a"), "openid": "https://x.org"}, "agent"),
        ({"objectType": "Group", "member": [agent("a")]}, "agent"),
        ({"objectType": "Activity", **agent("a")}, "agent.objectType"),
        (activity("a"), "agent.definition"),
    ],
)
def test_what_no_agent_can_be_found_by_is_refused(value: object, path: str) -> None:
    with pytest.raises(ValidationFailed) as failed:
        parse_filter_agent(value)
    assert path in failed.value.field_errors
