"""Activities, their definitions and interactions (xAPI 1.0.3 Part Two 2.4.4.1, IEEE 9274.1.1 4.2.2.3)."""

from typing import Any

from server.domain.xapi import texts
from server.domain.xapi.rules import Found, Rule, exactly, fault, list_of, shape, text, under

# Which lists of components each type of interaction has.
COMPONENT_LISTS: dict[str, tuple[str, ...]] = {
    "true-false": (),
    "choice": ("choices",),
    "fill-in": (),
    "long-fill-in": (),
    "matching": ("source", "target"),
    "performance": ("steps",),
    "sequencing": ("choices",),
    "likert": ("scale",),
    "numeric": (),
    "other": (),
}
COMPONENTS = ("choices", "scale", "source", "target", "steps")
INTERACTION_PROPERTIES = frozenset({"interactionType", "correctResponsesPattern", *COMPONENTS})

_component = shape({"id": text, "description": texts.language_map}, required=("id",))
_component_list = list_of(_component)


def _components(value: Any) -> Found:
    found = _component_list(value)
    if found:
        return found
    names = [component["id"] for component in value]
    return () if len(set(names)) == len(names) else fault("Must not have the same id twice")


def _interaction_type(value: Any) -> Found:
    if isinstance(value, str) and value in COMPONENT_LISTS:
        return ()
    return fault(f"Must be one of {', '.join(COMPONENT_LISTS)}")


def _is_of_one_interaction(value: dict[str, Any]) -> Found:
    if INTERACTION_PROPERTIES.isdisjoint(value):
        return ()
    if "interactionType" not in value:
        return fault("Is required with the other properties of an interaction", "interactionType")
    kind = value["interactionType"]
    if not isinstance(kind, str) or kind not in COMPONENT_LISTS:
        return ()
    found: Found = ()
    for name in COMPONENTS:
        if name in value and name not in COMPONENT_LISTS[kind]:
            found += under(name, fault(f"An interaction of type {kind} has none"))
    return found


_definition_rules: dict[str, Rule] = {
    "name": texts.language_map,
    "description": texts.language_map,
    "type": texts.iri,
    "moreInfo": texts.iri,
    "interactionType": _interaction_type,
    "correctResponsesPattern": list_of(text),
    **dict.fromkeys(COMPONENTS, _components),
    "extensions": texts.extensions,
}
definition = shape(_definition_rules, also=_is_of_one_interaction)
activity = shape({"objectType": exactly("Activity"), "id": texts.iri, "definition": definition}, required=("id",))
