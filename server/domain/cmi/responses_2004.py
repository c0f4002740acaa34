"""learner_response and correct_responses.n.pattern of SCORM 2004 (RTE 4.2.9), by the interaction's type."""

import re
from collections.abc import Callable, Mapping

from server.domain.cmi.languages import is_language
from server.domain.cmi.texts import is_real, is_short_identifier, splits_language

_MATTERS = re.compile(r"\{(case_matters|order_matters)=([^}]*)\}")


def fault(interaction: str | None, text: str, *, is_pattern: bool) -> str | None:
    """What is wrong with a response or pattern; None if nothing is, or the type is not known."""
    judged = _JUDGES.get(interaction or "")
    if judged is None or judged[0](text, is_pattern):
        return None
    return f"Must be {judged[1 + is_pattern]}, as the interaction is {interaction}"


def _is_true_false(text: str, _: bool) -> bool:
    return text in ("true", "false")


def _is_choice(text: str, _: bool) -> bool:
    """A set, which may be empty; nothing is in it twice."""
    if text == "":
        return True
    chosen = text.split("[,]")
    return all(map(is_short_identifier, chosen)) and len(set(chosen)) == len(chosen)


def _is_fill_in(text: str, is_pattern: bool) -> bool:
    rest = _without_matters(text, ("case_matters", "order_matters")) if is_pattern else text
    return rest is not None and all(map(_is_localized, rest.split("[,]")))


def _is_long_fill_in(text: str, is_pattern: bool) -> bool:
    rest = _without_matters(text, ("case_matters",)) if is_pattern else text
    return rest is not None and _is_localized(rest)


def _is_likert(text: str, _: bool) -> bool:
    return is_short_identifier(text)


def _is_matching(text: str, is_pattern: bool) -> bool:
    """Pairs of source and target. A learner may have matched nothing; a pattern says something."""
    if text == "":
        return not is_pattern
    return all(_is_pair(pair) for pair in text.split("[,]"))


def _is_pair(text: str) -> bool:
    parts = text.split("[.]")
    return len(parts) == 2 and all(map(is_short_identifier, parts))


def _is_performance(text: str, is_pattern: bool) -> bool:
    rest = _without_matters(text, ("order_matters",)) if is_pattern else text
    return rest is not None and all(_is_step(step) for step in rest.split("[,]"))


def _is_step(text: str) -> bool:
    """A step's name, its answer, or both. The answer is a text, a number or a range of numbers."""
    parts = text.split("[.]")
    if len(parts) != 2 or parts == ["", ""]:
        return False
    name, answer = parts
    return (name == "" or is_short_identifier(name)) and ("[:]" not in answer or _is_range(answer))


def _is_sequencing(text: str, _: bool) -> bool:
    return all(map(is_short_identifier, text.split("[,]")))


def _is_numeric(text: str, is_pattern: bool) -> bool:
    """A number. For a pattern the book wants a range; courses write the one right number, which is what they mean."""
    return is_real(text) or (is_pattern and _is_range(text))


def _is_range(text: str) -> bool:
    """Two numbers in order. Either may be left out and then sets no bound."""
    bounds = text.split("[:]")
    if len(bounds) != 2 or not all(bound == "" or is_real(bound) for bound in bounds):
        return False
    return "" in bounds or float(bounds[0]) <= float(bounds[1])


def _is_localized(text: str) -> bool:
    language, _ = splits_language(text)
    return language is None or is_language(language)


def _without_matters(text: str, known: tuple[str, ...]) -> str | None:
    """What follows {case_matters=…} and {order_matters=…}, in any order; None where one is neither true nor false.

    They can only stand in front. After that, and after {lang=…}, the same characters are text.
    """
    start = 0
    while (found := _MATTERS.match(text, start)) and found[1] in known:
        if found[2] not in ("true", "false"):
            return None
        start = found.end()
    return text[start:]


# Its judge, and what a response and a pattern have to be.
_JUDGES: Mapping[str, tuple[Callable[[str, bool], bool], str, str]] = {
    "true-false": (_is_true_false, "true or false", "true or false"),
    "choice": (_is_choice, "different choices, such as a[,]b", "different choices, such as a[,]b"),
    "fill-in": (
        _is_fill_in,
        "texts with known languages, such as {lang=en}car[,]bus",
        "texts, such as {case_matters=true}{order_matters=false}{lang=en}car[,]bus",
    ),
    "long-fill-in": (
        _is_long_fill_in,
        "a text with a known language, such as {lang=en}car",
        "a text, such as {case_matters=true}{lang=en}car",
    ),
    "likert": (_is_likert, "one choice", "one choice"),
    "matching": (_is_matching, "pairs, such as a[.]1[,]b[.]2", "pairs, such as a[.]1[,]b[.]2"),
    "performance": (
        _is_performance,
        "steps with their answers, such as first[.]7[,]second[.]on",
        "steps with their answers, such as {order_matters=false}first[.]1[:]7[,]second[.]on",
    ),
    "sequencing": (_is_sequencing, "choices in their order, such as a[,]b", "choices in their order, such as a[,]b"),
    "numeric": (_is_numeric, "a number", "a number or a range of numbers, such as 1[:]5"),
}
