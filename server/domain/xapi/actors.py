"""Agents and groups (xAPI 1.0.3 Part Two 2.4.2, IEEE 9274.1.1 4.2.2.1)."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from server.domain.xapi import texts
from server.domain.xapi.rules import Found, Rule, by_type, exactly, fault, list_of, refuse, shape, text, under

IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")

_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_ACCOUNT = shape({"homePage": texts.iri, "name": text}, required=("homePage", "name"))
_IDENTIFIER_RULES: dict[str, Rule] = {
    "mbox": texts.mbox,
    "mbox_sha1sum": texts.sha_1,
    "openid": texts.iri,
    "account": _ACCOUNT,
}


def _identifiers(value: dict[str, Any]) -> int:
    return ("mbox" in value) + ("mbox_sha1sum" in value) + ("openid" in value) + ("account" in value)


def _is_identified(value: dict[str, Any]) -> Found:
    if _identifiers(value) == 1:
        return ()
    return fault("Must have exactly one of mbox, mbox_sha1sum, openid and account")


def _is_identified_or_lists_members(value: dict[str, Any]) -> Found:
    identifiers = _identifiers(value)
    if identifiers > 1:
        return _is_identified(value)
    if identifiers == 0 and not value.get("member"):
        return fault("Must have members, since it has none of mbox, mbox_sha1sum, openid and account")
    return ()


def _is_two_agents(value: dict[str, Any]) -> Found:
    # 2.4.9: an application and a user that it acts for, as three-legged OAuth knows them.
    member = value.get("member")
    if _identifiers(value) or not isinstance(member, list) or len(member) != 2:
        return fault("As a group it must be anonymous and have exactly two members")
    return ()


# 2.4.2.2: groups have no groups among their members, so that nothing here calls itself.
agent = shape({"objectType": exactly("Agent"), "name": text, **_IDENTIFIER_RULES}, also=_is_identified)
_GROUP_RULES = {"objectType": exactly("Group"), "name": text, "member": list_of(agent), **_IDENTIFIER_RULES}
group = shape(_GROUP_RULES, required=("objectType",), also=_is_identified_or_lists_members)
_identified_group = shape(_GROUP_RULES, required=("objectType",), also=_is_identified)
_authority_group = shape(_GROUP_RULES, required=("objectType",), also=_is_two_agents)

actor = by_type({"Agent": agent, "Group": group}, default="Agent")
authority = by_type({"Agent": agent, "Group": _authority_group}, default="Agent")
# Part Three 2.1.3: what statements are looked for by.
identified = by_type({"Agent": agent, "Group": _identified_group}, default="Agent")


@lru_cache(16_384)
def _account(home_page: str, name: str) -> str:
    return "account|" + _as_json([home_page, name])


def ifi_of(agent: Mapping[str, Any]) -> str | None:
    """An agent's or group's inverse functional identifier as text, None without one (xAPI 1.0.3 Part Two 2.4.2.3).

    What compares without case is in lower case: a hash, and the domain of an address. An address and its own hash are
    two identifiers.
    """
    mbox = agent.get("mbox")
    if mbox is not None:
        return f"mbox|{lower_domain(mbox)}"
    account = agent.get("account")
    if account is not None:
        return _account(account["homePage"], account["name"])
    openid = agent.get("openid")
    if openid is not None:
        return f"openid|{openid}"
    hashed = agent.get("mbox_sha1sum")
    return None if hashed is None else f"mbox_sha1sum|{hashed.lower()}"


def lower_domain(mbox: str) -> str:
    """An address as it compares: its domain without case (xAPI 1.0.3 Part Two 2.3.1)."""
    local, at, domain = mbox.rpartition("@")
    return local + at + domain.lower()


def parse_filter_agent(value: object) -> str:
    """The identifier of an agent or identified group to filter by. Raises ValidationFailed under `agent`."""
    refuse(under("agent", identified(value)))
    assert isinstance(value, dict)
    identifier = ifi_of(value)
    assert identifier is not None
    return identifier
