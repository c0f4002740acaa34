"""How rules for JSON values are put together so that the good case costs little.

A rule takes a value and answers its faults, each a path below the value and a sentence. Nothing is built for a value
without faults. Of one object or array about a hundred faults are told at most: no sender can make it millions.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from server.domain.errors import ValidationFailed

Found = tuple[tuple[str, str], ...]
Rule = Callable[[Any], Found]

MOST_FAULTS = 100
_LONGEST_NAME = 100


def fault(sentence: str, path: str = "") -> Found:
    """One fault, of the value itself or of what is below it."""
    return ((path, sentence),)


def under(name: str, found: Found) -> Found:
    """The faults of a part, as faults of the whole."""
    return tuple((_joined(name, path), sentence) for path, sentence in found)


def shown(name: str) -> str:
    """A property name of the sender's as it may stand in a path."""
    return name[:_LONGEST_NAME].encode("utf-8", "replace").decode()


def refuse(found: Found) -> None:
    """Raises ValidationFailed if there are faults."""
    if not found:
        return
    faults: dict[str, list[str]] = {}
    for path, sentence in found:
        faults.setdefault(path, []).append(sentence)
    raise ValidationFailed(faults)


def _joined(name: str, path: str) -> str:
    return name + path if not path or path.startswith("[") else f"{name}.{path}"


def text_of(is_valid: Callable[[str], Any], sentence: str) -> Rule:
    """A string for which the test answers something true."""
    wrong = fault(sentence)

    def rule(value: Any) -> Found:
        return () if isinstance(value, str) and is_valid(value) else wrong

    return rule


def matching(pattern: re.Pattern[str], sentence: str) -> Rule:
    """A string that matches as a whole."""
    return text_of(pattern.fullmatch, sentence)


def exactly(expected: str) -> Rule:
    """This very string."""
    wrong = fault(f"Must be {expected}")

    def rule(value: Any) -> Found:
        return () if value == expected else wrong

    return rule


def text(value: Any) -> Found:
    """Any string."""
    return () if isinstance(value, str) else fault("Must be a string")


def boolean(value: Any) -> Found:
    """true or false."""
    return () if isinstance(value, bool) else fault("Must be true or false")


def is_number(value: Any) -> bool:
    """Whether this is a finite number of JSON."""
    kind = type(value)
    if kind is int:
        return True
    if kind is float:
        return bool(value - value == 0)
    return isinstance(value, Decimal) and value.is_finite()


def number(value: Any) -> Found:
    """A number."""
    return () if is_number(value) else fault("Must be a number")


def size(value: Any) -> Found:
    """A whole number that is not negative."""
    if is_number(value) and value >= 0 and (type(value) is int or value % 1 == 0):
        return ()
    return fault("Must be a whole number, 0 or more")


def list_of(item: Rule, *, least: int = 0) -> Rule:
    """An array of what one rule takes."""
    sentence = "Must be an array" + (" that is not empty" if least else "")

    def rule(value: Any) -> Found:
        if not isinstance(value, list) or len(value) < least:
            return fault(sentence)
        for one in value:
            if item(one):
                return _faults_of_items(value, item)
        return ()

    return rule


def _faults_of_items(value: list[Any], item: Rule) -> Found:
    found: Found = ()
    for place, one in enumerate(value):
        if wrong := item(one):
            found += under(f"[{place}]", wrong)
            if len(found) >= MOST_FAULTS:
                break
    return found


def shape(
    rules: Mapping[str, Rule], *, required: Sequence[str] = (), also: Callable[[dict[str, Any]], Found] | None = None
) -> Rule:
    """An object with no other properties than these. `also` judges them together, whatever they are."""
    rule_of = dict(rules).get

    def rule(value: Any) -> Found:
        if not isinstance(value, dict):
            return fault("Must be an object")
        found: Found = ()
        for name, item in value.items():
            check = rule_of(name)
            if check is None:
                found += fault("Unknown property", shown(name))
            elif wrong := check(item):
                found += under(name, wrong)
            else:
                continue
            if len(found) >= MOST_FAULTS:
                break
        for name in required:
            if name not in value:
                found += fault("Is required", name)
        return found + also(value) if also else found

    return rule


def by_type(rules: Mapping[str, Rule], *, default: str) -> Rule:
    """An object whose objectType decides which rule it follows; without one it is the default."""
    wrong = fault(f"Must be one of {', '.join(rules)}", "objectType")
    rule_of = dict(rules).get

    def rule(value: Any) -> Found:
        if not isinstance(value, dict):
            return fault("Must be an object")
        kind = value.get("objectType", default)
        chosen = rule_of(kind) if isinstance(kind, str) else None
        return wrong if chosen is None else chosen(value)

    return rule
