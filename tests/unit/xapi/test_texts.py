"""Strings with a format: identifiers and languages."""

import pytest

from server.domain.xapi.texts import is_iri, is_language_tag, is_uuid, language
from server.domain.xapi.texts import mbox as address

ID = "01890000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    "tag",
    [
        "en", "en-US", "EN-us", "ase", "cmn", "zh-Hans", "zh-Hant-TW", "sr-Latn-RS", "es-419", "de-1996",
        "sl-rozaj-biske", "zh-cmn-Hans-CN", "de-CH-x-phonebk", "en-a-myext-b-another", "x-whatever", "und", "i-klingon",
        "en-GB-oed", "art-lojban", "zh-min", "hy-Latn-IT-arevela",
    ],
)  # fmt: skip
def test_a_language_tag_has_the_form_of_rfc_5646(tag: str) -> None:
    assert is_language_tag(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "", "e", "something", "a12345", "en_US", "en-", "-en", "en--US", "en-a", "en-x", "en-toolongsubtag", "12",
        "i-x", "zh-z-aaa-z-bbb-c-ccc", "de-1996-1996", "en US", "en-US\n", "é", "x", "en-" + "abcde-" * 50 + "fghij",
    ],
)  # fmt: skip
def test_anything_else_is_no_language_tag(tag: str) -> None:
    assert not is_language_tag(tag)
    assert language(tag)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/a?b=c#d", True),
        ("urn:uuid:01890000-0000-7000-8000-000000000001", True),
        ("tag:adlnet.gov,2013:expapi:0.9:activities:org", True),
        ("https://example.org/日本語/ñ", True),
        ("svn+ssh://x.org", True),
        ("example.org/a", False),
        ("//example.org/a", False),
        ("/a", False),
        ("", False),
        ("http:", False),
        ("1http://x.org", False),
        ("ab=c://x.org", False),
        ("https://x.org/a b", False),
        ("https://x.org/\x00", False),
        ("https://x.org/\ud800", False),
        ("https://x.org/<a>", False),
        ("https://x.org/a\n", False),
        (r"C:\temp", False),
    ],
)
def test_an_iri_has_a_scheme_and_no_character_that_iris_cannot_have(text: str, expected: bool) -> None:
    assert is_iri(text) is expected


@pytest.mark.parametrize(
    "text", ["", ID[:-1], ID + "0", "{" + ID + "}", "urn:uuid:" + ID, ID.replace("-", ""), ID[:-1] + "g"]
)
def test_a_uuid_has_its_standard_form(text: str) -> None:
    assert is_uuid(ID)
    assert is_uuid(ID.upper())
    assert not is_uuid(text)


@pytest.mark.parametrize("mbox", ["mailto:a+b@x.org", "mailto:ä@x.org", "mailto:o'neil@mail.x.org"])
def test_an_address_is_mailto_and_an_address(mbox: str) -> None:
    assert not address(mbox)


@pytest.mark.parametrize(
    "mbox",
    ["mailto:", "mailto:a", "mailto:@x.org", "mailto:a@", "a@x.org", "MAILTO:a@x.org", "mailto:a@b@c", "mailto:a b@c",
     "mailto:a@x.org?subject=x", "mailto:a@x.org,b@x.org", "http://a@x.org", "mailto:a@x.org\n"],
)  # fmt: skip
def test_any_other_address_is_refused(mbox: str) -> None:
    assert address(mbox)
