"""What statements of every kind are found by."""

import hashlib
import time
from typing import Any
from uuid import UUID

import pytest

from server.domain.xapi.keys import Facts, facts_of, key, related
from tests.factories.statements import OURS, VERBS, a_statement, activity, agent

ID = "01890000-0000-7000-8000-00000000000A"
REFERENCE = {"objectType": "StatementRef", "id": ID}


def facts(**properties: Any) -> Facts:
    return facts_of(a_statement(**properties), OURS.agent)


def mail(name: str) -> str:
    return f"mbox|mailto:{name}@example.com"


def test_a_key_is_the_start_of_a_hash_of_kind_and_text() -> None:
    assert key("verb", "é").bytes == hashlib.sha256("verb:é".encode()).digest()[:16]
    assert key("verb", "x" * 1000).bytes == hashlib.sha256(b"verb:" + b"x" * 1000).digest()[:16]
    assert key("verb", "\ud800") == key("verb", "\ud800") != key("agent", "\ud800")
    assert related("agent", "x") == (key("agent", "x"), key("related_agent", "x"))


@pytest.mark.parametrize("where", ["actor", "object"])
def test_a_group_is_found_by_itself_and_its_members(where: str) -> None:
    group = {"objectType": "Group", "mbox": "mailto:crew@example.com", "member": [agent("bob"), agent("cyd")]}
    found = facts(**{where: group}).keys
    assert {key("agent", mail(name)) for name in ("crew", "bob", "cyd")} <= set(found)
    assert len(set(found)) == len(found)


def test_an_anonymous_group_is_told_apart_by_its_members_whatever_their_order() -> None:
    first, second = (
        facts(actor={"objectType": "Group", "member": [agent(name) for name in names]}) for names in ("ab", "ba")
    )
    third = facts(actor={"objectType": "Group", "member": [agent("a")]})
    assert first.actor == second.actor != third.actor
    assert {key("agent", mail("a")), key("agent", mail("b"))} <= set(first.keys)


def test_an_address_and_its_hash_are_two_actors() -> None:
    address = "mailto:ada@example.com"
    hashed = hashlib.sha1(address.encode()).hexdigest()
    assert facts(actor={"mbox": address}).actor != facts(actor={"mbox_sha1sum": hashed}).actor
    assert facts(actor={"mbox_sha1sum": hashed}).actor == facts(actor={"mbox_sha1sum": hashed.upper()}).actor


def test_everyone_in_the_context_is_related() -> None:
    context = {
        "instructor": agent("ina"),
        "team": {"objectType": "Group", "member": [agent("tom")]},
        "contextAgents": [{"objectType": "contextAgent", "agent": agent("cas")}],
        "contextGroups": [{"objectType": "contextGroup", "group": {"objectType": "Group", "member": [agent("gil")]}}],
        "contextActivities": {"parent": activity("p"), "grouping": [activity("g"), activity("h")]},
    }
    found = set(facts(context=context).keys)
    assert {key("related_agent", mail(name)) for name in ("ina", "tom", "cas", "gil")} <= found
    assert {key("related_activity", activity(name)["id"]) for name in "pgh"} <= found
    assert not {key("agent", mail(name)) for name in ("ina", "tom", "cas", "gil")} & found


def test_what_is_in_a_sub_statement_is_related_only() -> None:
    inner = a_statement(
        actor=agent("bob"),
        verb={"id": VERBS + "passed"},
        object=activity("inner"),
        context={"instructor": agent("ina"), "contextActivities": {"other": activity("more")}, "registration": ID},
    )
    told = facts(object={"objectType": "SubStatement", **inner})
    assert {key("related_agent", mail(name)) for name in ("bob", "ina")} <= set(told.keys)
    assert {key("related_activity", activity(name)["id"]) for name in ("inner", "more")} <= set(told.keys)
    assert (told.activity, told.activity_id, told.registration, told.refers_to) == (None, None, None, None)
    assert not {key("agent", mail("bob")), key("verb", VERBS + "passed"), key("registration", ID.lower())} & set(
        told.keys
    )


def test_an_agent_as_object_is_found_like_the_actor() -> None:
    told = facts(object={"objectType": "Agent", **agent("bob")})
    assert {key("agent", mail("ada")), key("agent", mail("bob"))} <= set(told.keys)
    assert told.actor == key("agent", mail("ada"))
    assert told.activity is None


def test_a_voiding_statement_tells_what_it_voids() -> None:
    told = facts(id=ID, verb={"id": VERBS + "voided"}, object=REFERENCE)
    assert (told.is_voiding, told.refers_to, told.statement_id) == (True, UUID(ID), UUID(ID))
    other = facts(object=REFERENCE)
    assert (other.is_voiding, other.refers_to, other.statement_id) == (False, UUID(ID), None)


def test_a_registration_is_found_whatever_its_case() -> None:
    upper, lower = (facts(context={"registration": text}) for text in (ID, ID.lower()))
    assert upper.registration == lower.registration == UUID(ID)
    assert upper.keys == lower.keys


def test_time_grows_no_faster_than_a_group() -> None:
    members = [agent(f"member{number}") for number in range(20_000)]
    begun = time.process_time()
    told = facts(actor={"objectType": "Group", "member": members}, context={"instructor": agent("ina")})
    # A hundred times what it takes; with every member compared to every other it would be minutes.
    assert time.process_time() - begun < 10
    assert len(told.keys) > 20_000
