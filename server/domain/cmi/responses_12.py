"""CMIFeedback of SCORM 1.2: what a student answered and what would have been right, by the interaction's type.

The book wants single characters for choices. Authoring tools write whole words, and every system takes them, so only
the shape is checked. Blank is an answer to everything: the book's likert, and any question that was left out.
"""

import re

from server.domain.cmi.texts import is_identifier, is_real

_TRUE_FALSE = re.compile(r"0|1|t|f|true|false", re.IGNORECASE)


def fault(interaction: str | None, text: str) -> str | None:
    """What is wrong with a response or pattern; None if nothing is, or the type is not known."""
    if text == "":
        return None
    match interaction:
        case "true-false" if not _TRUE_FALSE.fullmatch(text):
            return "Must be 0, 1, t, f, true or false, as the interaction is true-false"
        case "choice" | "sequencing" if not all(_items(text)):
            return f"Must be choices with commas between, such as a,b,c, as the interaction is {interaction}"
        case "matching" if not all(_is_pair(item) for item in _items(text)):
            return "Must be pairs such as a.1,b.2, as the interaction is matching"
        case "numeric" if not is_real(text):
            return "Must be a number, as the interaction is numeric"
        case "likert" if not is_identifier(text):
            return "Must be one choice, without white space, as the interaction is likert"
    return None


def _items(text: str) -> list[str]:
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    return [item.strip(" ") for item in text.split(",")]


def _is_pair(item: str) -> bool:
    left, dot, right = item.partition(".")
    return left != "" and dot != "" and right != ""
