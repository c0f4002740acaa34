"""Rules for strings with a format: identifiers, languages, media types (xAPI 1.0.3 Part Two 2.2 and 4)."""

import re
from functools import lru_cache
from typing import Any

from server.domain.xapi.rules import MOST_FAULTS, Found, fault, matching, shown, text_of

# RFC 3987, as far as a scheme and characters that no IRI has.
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20\x7f-\x9f<>\"{}|\\^`\ud800-\udfff]+")
_MBOX = re.compile(r"mailto:[^\x00-\x20\x7f-\x9f@<>,;\ud800-\udfff]+@[^\x00-\x20\x7f-\x9f@<>,;?/\ud800-\udfff]+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")
_SHA_1 = re.compile(r"[0-9A-Fa-f]{40}")
# SHA-224, 256, 384 and 512.
_SHA_2 = re.compile(r"[0-9A-Fa-f]{56}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{96}|[0-9A-Fa-f]{128}")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")
# RFC 5646 2.1: language, script, region, variants, extensions, private use.
_LANGUAGE = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})"
    r"(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*)"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?|x(?:-[a-z0-9]{1,8})+",
    re.IGNORECASE | re.ASCII,
)
_GRANDFATHERED = re.compile(
    "en-gb-oed|i-(?:ami|bnn|default|enochian|hak|klingon|lux|mingo|navajo|pwn|tao|tay|tsu)|sgn-(?:be-fr|be-nl|ch-de)"
    "|art-lojban|cel-gaulish|no-(?:bok|nyn)|zh-(?:guoyu|hakka|min|min-nan|xiang)"
)
_LONGEST_TAG = 200

iri = matching(_IRI, "Must be an IRI with a scheme")
mbox = matching(_MBOX, "Must be mailto: and an e-mail address")
uuid = matching(_UUID, "Must be a UUID such as 01234567-89ab-4cde-8123-456789abcdef")
sha_1 = matching(_SHA_1, "Must be a SHA-1 in hexadecimal, 40 digits")
sha_2 = matching(_SHA_2, "Must be a SHA-2 in hexadecimal")
media_type = matching(_MEDIA_TYPE, "Must be a media type such as text/plain")


def is_iri(value: str) -> bool:
    """Whether this has a scheme, and no characters that IRIs cannot have (xAPI 1.0.3 Part Two 2.2)."""
    return _IRI.fullmatch(value) is not None


def is_uuid(value: str) -> bool:
    """Whether this is a UUID in the standard form of 36 characters (xAPI 1.0.3 Part Two 4.4)."""
    return _UUID.fullmatch(value) is not None


def is_language_tag(tag: str) -> bool:
    """Whether RFC 5646 can write this: sequence and lengths of its parts (xAPI 1.0.3 Part Two 2.2)."""
    return len(tag) <= _LONGEST_TAG and _is_well_formed(tag)


# Statements have few languages, over and over.
@lru_cache(maxsize=1024)
def _is_well_formed(tag: str) -> bool:
    lower = tag.lower()
    found = _LANGUAGE.fullmatch(lower)
    if found is None:
        return _GRANDFATHERED.fullmatch(lower) is not None
    # RFC 5646 2.2.5 and 2.2.6: neither a variant nor the single letter of an extension comes twice.
    variants = (found["variants"] or "").split("-")[1:]
    singles = [part for part in (found["extensions"] or "").split("-") if len(part) == 1]
    return len(set(variants)) == len(variants) and len(set(singles)) == len(singles)


language = text_of(is_language_tag, "Must be a language tag (RFC 5646)")


def language_map(value: Any) -> Found:
    """Language tags, each with a string (xAPI 1.0.3 Part Two 4.2)."""
    if not isinstance(value, dict):
        return fault("Must be an object of language tags")
    found: Found = ()
    for tag, words in value.items():
        if not is_language_tag(tag):
            found += fault("Is no language tag (RFC 5646)", shown(tag))
        elif not isinstance(words, str):
            found += fault("Must be a string", tag)
        else:
            continue
        if len(found) >= MOST_FAULTS:
            break
    return found


def extensions(value: Any) -> Found:
    """IRIs, each with any value, null too (xAPI 1.0.3 Part Two 4.1)."""
    if not isinstance(value, dict):
        return fault("Must be an object whose keys are IRIs")
    found: Found = ()
    for name in value:
        if not _IRI.fullmatch(name):
            found += fault("Is no IRI with a scheme", shown(name))
            if len(found) >= MOST_FAULTS:
                break
    return found
