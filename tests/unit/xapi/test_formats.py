"""The forms in which statements are told, and languages."""

import copy
from typing import Any

import pytest

from server.domain.xapi.formats import (
    as_canonical,
    as_exact,
    as_ids,
    has_lone_activities,
    merge_definitions,
)
from server.domain.xapi.languages import in_one_language, parse_accept_language
from server.domain.xapi.statements import check_statement
from server.domain.xapi.versions import Version
from tests.factories.statements import VERBS, a_statement, agent

NAMED = {"objectType": "Activity", "id": "urn:x:y", "definition": {"name": {"en": "N", "de": "M"}}}
CREW = {"objectType": "Group", "name": "Crew", "mbox": "mailto:crew@x.org", "member": [agent("bob")]}
CROWD = {"objectType": "Group", "name": "Crowd", "member": [agent("bob"), agent("cyd")]}


def told_of(**context: Any) -> dict[str, Any]:
    return a_statement(
        actor=CROWD,
        verb={"id": VERBS + "passed", "display": {"en": "passed", "de": "bestand"}},
        object=NAMED,
        context=context,
    )


def test_ids_keep_only_what_identifies() -> None:
    told = as_ids(
        {"authority": agent("eve")}
        | told_of(
            instructor=agent("ina"),
            team=CREW,
            contextActivities={"parent": NAMED},
            contextAgents=[{"objectType": "contextAgent", "agent": agent("cas"), "relevantTypes": ["urn:a:b"]}],
            contextGroups=[{"objectType": "contextGroup", "group": CREW}],
        )
    )
    crew = {"objectType": "Group", "mbox": "mailto:crew@x.org"}
    members = [{"mbox": f"mailto:{name}@example.com"} for name in ("bob", "cyd")]
    assert told["actor"] == {"objectType": "Group", "member": members}
    assert told["verb"] == {"id": VERBS + "passed"}
    assert told["object"] == {"id": "urn:x:y"}
    assert told["authority"] == {"mbox": "mailto:eve@example.com"}
    assert told["context"] == {
        "instructor": {"mbox": "mailto:ina@example.com"},
        "team": crew,
        "contextActivities": {"parent": [{"id": "urn:x:y"}]},
        "contextAgents": [
            {"objectType": "contextAgent", "agent": {"mbox": "mailto:cas@example.com"}, "relevantTypes": ["urn:a:b"]}
        ],
        "contextGroups": [{"objectType": "contextGroup", "group": crew}],
    }


def test_agents_as_objects_stay_agents() -> None:
    told = as_ids(a_statement(object={"objectType": "Agent", **agent("bob")}))
    assert told["object"] == {"objectType": "Agent", "mbox": "mailto:bob@example.com"}


@pytest.mark.parametrize(
    "statement",
    [
        a_statement(object={"objectType": "StatementRef", "id": "01890000-0000-7000-8000-000000000001"}),
        a_statement(object={"objectType": "SubStatement", **told_of(contextActivities={"other": NAMED})}),
        told_of(team=CREW),
    ],
)
def test_every_form_is_a_statement_and_leaves_the_original_alone(statement: dict[str, Any]) -> None:
    before = copy.deepcopy(statement)
    for told in (as_ids(statement), as_canonical(statement, ["de"], {"urn:x:y": {}}), as_exact(statement)):
        check_statement(told, Version.V2)
    assert statement == before


def test_exact_differs_only_by_arrays_of_context_activities() -> None:
    lone, listed = told_of(contextActivities={"other": NAMED}), told_of(contextActivities={"other": [NAMED]})
    assert as_exact(lone) == listed == as_exact(listed)
    assert has_lone_activities(lone)
    assert not has_lone_activities(listed)
    inner = a_statement(object={"objectType": "SubStatement", **lone})
    assert has_lone_activities(inner)
    assert not has_lone_activities(as_exact(inner))
    assert not has_lone_activities(a_statement())


def test_canonical_has_one_language_and_the_known_definition() -> None:
    known = {
        "name": {"en": "Known", "de": "Bekannt", "fr": "Connu"},
        "interactionType": "choice",
        "choices": [{"id": "a", "description": {"en": "A", "fr": "Á"}}, {"id": "b"}],
        "extensions": {"urn:e:x": {"en": 1, "de": 2}},
    }
    statement = {
        **told_of(contextActivities={"parent": [{"id": "urn:x:y"}, {"id": "urn:x:z"}]}),
        "attachments": [{"display": {"en": "E", "fr": "F"}, "description": {"de": "D"}, "length": 1}],
    }
    told = as_canonical(statement, ["fr", "de"], {"urn:x:y": known})
    definition = {
        **known,
        "name": {"fr": "Connu"},
        "choices": [{"id": "a", "description": {"fr": "Á"}}, {"id": "b"}],
    }
    assert told["object"] == {**NAMED, "definition": definition}
    assert told["context"]["contextActivities"]["parent"] == [
        {"id": "urn:x:y", "definition": definition},
        {"id": "urn:x:z"},
    ]
    assert told["verb"]["display"] == {"de": "bestand"}
    assert told["attachments"] == [{"display": {"fr": "F"}, "description": {"de": "D"}, "length": 1}]
    assert told["actor"] == CROWD


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        (None, []),
        ("", []),
        ("de", ["de"]),
        ("en-GB, en;q=0.9, *;q=0.1", ["en-gb", "en", "*"]),
        ("fr;q=0.5,de;q=0.8,en", ["en", "de", "fr"]),
        ("de;q=0,en", ["en"]),
        ("de ; q = 0.3 , en;Q=1.0", ["en", "de"]),
        ("de,;q=1,é,x_y,en;q=2,fr", ["de", "fr"]),
    ],
)
def test_languages_are_in_the_order_in_which_they_are_wanted(header: str | None, languages: list[str]) -> None:
    assert parse_accept_language(header) == languages


def test_of_endless_languages_only_so_many_are_read() -> None:
    assert len(parse_accept_language(",".join(["de"] * 100_000))) == 50


@pytest.mark.parametrize(
    ("tags", "languages", "chosen"),
    [
        (["en", "de"], ["de"], "de"),
        (["en", "de-CH"], ["de"], "de-CH"),
        (["en", "DE"], ["de"], "DE"),
        (["en", "den"], ["de"], "en"),
        (["en", "de"], ["de-at"], "de"),
        (["en", "de-CH"], ["de-at"], "de-CH"),
        (["en", "de", "de-AT"], ["de-at"], "de-AT"),
        (["en", "de"], ["fr", "de"], "de"),
        (["en", "de"], ["fr"], "en"),
        (["en", "de"], ["*"], "en"),
        (["en", "de"], [], "en"),
    ],
)
def test_the_language_that_suits_best_is_chosen(tags: list[str], languages: list[str], chosen: str) -> None:
    assert in_one_language(dict.fromkeys(tags, "x"), languages) == {chosen: "x"}


def test_no_language_is_chosen_of_none() -> None:
    assert in_one_language({}, ["de"]) == {}


def test_a_definition_is_what_several_statements_told() -> None:
    older = {
        "name": {"en": "old", "de": "alt"},
        "type": "urn:t:1",
        "moreInfo": "https://x.org/1",
        "extensions": {"urn:e:1": 1, "urn:e:2": 1},
        "interactionType": "choice",
        "choices": [{"id": "a", "description": {"en": "A"}}, {"id": "b"}],
        "correctResponsesPattern": ["a"],
    }
    newer = {
        "name": {"en": "new"},
        "description": {"en": "more"},
        "type": "urn:t:2",
        "extensions": {"urn:e:2": 2},
        "choices": [{"id": "a", "description": {"de": "Ä"}}, {"id": "c"}],
        "interactionType": "choice",
    }
    assert merge_definitions(older, newer) == {
        "name": {"en": "new", "de": "alt"},
        "description": {"en": "more"},
        "type": "urn:t:2",
        "moreInfo": "https://x.org/1",
        "extensions": {"urn:e:1": 1, "urn:e:2": 2},
        "interactionType": "choice",
        "choices": [{"id": "a", "description": {"en": "A", "de": "Ä"}}, {"id": "c"}],
        "correctResponsesPattern": ["a"],
    }


def test_another_type_of_interaction_takes_nothing_over() -> None:
    older = {"interactionType": "choice", "choices": [{"id": "a"}], "correctResponsesPattern": ["a"], "type": "urn:t:1"}
    merged = merge_definitions(older, {"interactionType": "true-false"})
    assert merged == {"interactionType": "true-false", "type": "urn:t:1"}
    assert merge_definitions(older, {}) == older
    assert merge_definitions({}, older) == older
