"""The parts of a LOM record (IEEE 1484.12.3 in SCORM 2004, IMS Learning Resource Metadata 1.2 in SCORM 1.2)."""

import re

from server.domain.manifest.model import Metadata
from server.domain.manifest.reading import XML_LANG, Element, attribute, child, children, text_of

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_TEXTS = ("langstring", "string")
_DURATIONS = ("datetime", "duration")

MAX_KEYWORDS = 100
MAX_TEXT = 10_000


def read_metadata(parent: Element) -> Metadata:
    """What the <metadata> of an element says; empty values where it has none or keeps it in a file."""
    holder = child(parent, "metadata")
    if holder is None:
        return Metadata()
    lom = child(holder, "lom")
    if lom is None:
        lom = child(holder, "record")
    general = child(lom, "general")
    title, title_language = _text(child(general, "title"))
    description, _ = _text(child(general, "description"))
    return Metadata(
        title=title,
        description=description,
        language=language_tag(text_of(child(general, "language"))) or language_tag(title_language),
        keywords=_keywords(general),
        typical_learning_time=_learning_time(lom),
        locations=tuple(text for element in children(holder, "location") if (text := text_of(element))),
    )


def language_of(root: Element, metadata: Metadata) -> str | None:
    """The language of a whole manifest: of its record, else of the document."""
    return metadata.language or language_tag(root.get(XML_LANG) or "")


def language_tag(text: str) -> str | None:
    """A well-formed RFC 5646 tag, None for anything else. LOM's "x-none" and "none" mean no language."""
    text = text.strip()
    if not _LANGUAGE.fullmatch(text) or len(text) > 35 or text.lower() == "none":
        return None
    return text.replace("_", "-")


def _text(element: Element | None) -> tuple[str, str]:
    """A LangString's first text, and its language; plain text, which is wrong but common, is taken too."""
    if element is None:
        return "", ""
    for text in children(element, *_TEXTS):
        language = text.get(XML_LANG) or attribute(text, "language") or ""
        return text_of(text)[:MAX_TEXT], language
    return text_of(element)[:MAX_TEXT], ""


def _keywords(general: Element | None) -> tuple[str, ...]:
    words = []
    for element in children(general, "keyword"):
        texts = list(children(element, *_TEXTS)) or [element]
        words += [word[:MAX_TEXT] for text in texts if (word := text_of(text))]
    return tuple(dict.fromkeys(words))[:MAX_KEYWORDS]


def _learning_time(lom: Element | None) -> str | None:
    element = child(lom, "educational", "typicallearningtime")
    return next((text_of(time) for time in children(element, *_DURATIONS)), text_of(element)) or None
