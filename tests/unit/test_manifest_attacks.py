"""Manifests are written by strangers."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.errors import ValidationFailed
from server.domain.manifest import from_json, launch, parse_manifest, to_json
from tests.factories import course_files, manifest12, manifest2004
from tests.unit.endless import not_endless
from tests.unit.manifests import faults_of, parse

DOCTYPE_REFUSED = ["imsmanifest.xml has a document type declaration (DOCTYPE), which is not accepted"]


def with_prolog(prolog: str, *, title: str = "x") -> str:
    head, tail = manifest12(title="TITLE").split("?>", 1)
    return f"{head}?>{prolog}{tail}".replace("TITLE", title)


def test_files_cannot_be_read_through_entities(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    assert (
        faults_of(with_prolog(f'<!DOCTYPE m [<!ENTITY x SYSTEM "{secret.as_uri()}">]>', title="&x;")) == DOCTYPE_REFUSED
    )


@pytest.mark.parametrize(
    "prolog",
    [
        '<!DOCTYPE manifest SYSTEM "http://127.0.0.1:9/evil.dtd">',
        '<!DOCTYPE manifest [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]>',
        "<!DOCTYPE manifest>",
        "<!doctype manifest>",
        "<!-- <manifest> -->\n<?pi <x> ?><!DOCTYPE manifest>",
        "<!-- a --><!-- b --> <!DOCTYPE manifest []>",
    ],
)
def test_any_document_type_is_refused(prolog: str) -> None:
    assert faults_of(with_prolog(prolog)) == DOCTYPE_REFUSED


def test_a_document_type_is_refused_in_every_encoding() -> None:
    text = with_prolog("<!DOCTYPE manifest []>")
    assert faults_of(text.encode("utf-16")) == DOCTYPE_REFUSED
    assert faults_of(text.replace("UTF-8", "windows-1252").encode("cp1252")) == DOCTYPE_REFUSED


def test_a_billion_laughs_are_refused_at_once() -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = with_prolog(f'<!DOCTYPE m [<!ENTITY l0 "ha">{entities}]>', title="&l9;")
    with not_endless():
        assert faults_of(bomb) == DOCTYPE_REFUSED


def test_an_undeclared_entity_is_refused() -> None:
    [fault] = faults_of(manifest12().replace("Lesson 1", "&nbsp;"))
    assert fault.startswith("imsmanifest.xml is not well-formed XML (line 2, column ")


@pytest.mark.parametrize("depth", [98, 300, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    deep = '<item identifier="x">' * depth + "</item>" * depth
    assert faults_of(manifest12().replace("</organization>", deep + "</organization>")) == [
        "imsmanifest.xml nests elements deeper than 100"
    ]


def test_nesting_up_to_the_limit_is_read_and_stored() -> None:
    depth = 96
    deep = "".join(f'<item identifier="x{n}">' for n in range(depth)) + "<title/>" + "</item>" * depth
    manifest = parse(manifest12().replace("</organization>", deep + "</organization>"))
    assert sum(1 for _ in manifest.organization.walk()) == depth + 1
    assert from_json(to_json(manifest)) == manifest


def test_nested_manifests_cannot_be_chained_beyond_the_limit() -> None:
    def nested(number: int) -> str:
        start = "".join(f'<item identifier="d{number}-{n}">' for n in range(40))
        last = f'<item identifier="last{number}" identifierref="M{number + 1}"/>'
        return (
            f'<manifest identifier="M{number}"><organizations><organization identifier="O{number}">{start}{last}'
            f"{'</item>' * 40}</organization></organizations></manifest>"
        )

    text = manifest12().replace('identifierref="RES-1">', 'identifierref="M0">', 1)
    text = text.replace("</manifest>", "".join(nested(n) for n in range(50)) + "</manifest>")
    assert faults_of(text) == ["The manifest nests items deeper than 100"]


def test_nested_manifests_cannot_multiply_items() -> None:
    def nested(number: int) -> str:
        items = "".join(f'<item identifierref="M{number + 1}"/>' for _ in range(10))
        return (
            f'<manifest identifier="M{number}"><organizations><organization>{items}</organization></organizations>'
            "</manifest>"
        )

    text = manifest12().replace('identifierref="RES-1">', 'identifierref="M0">', 1)
    text = text.replace("</manifest>", "".join(nested(n) for n in range(12)) + "</manifest>")
    assert faults_of(text) == ["The manifest has more than 10000 items"]


def test_too_many_items_are_refused() -> None:
    many = "".join(f'<item identifier="x{n}"/>' for n in range(10_000))
    assert faults_of(manifest12().replace("</organization>", many + "</organization>")) == [
        "The manifest has more than 10000 items"
    ]


def test_many_items_are_read() -> None:
    many = "".join(f'<item identifier="x{n}" identifierref="RES-1"><title>t</title></item>' for n in range(9_999))
    with not_endless():
        manifest = parse(manifest12().replace("</organization>", many + "</organization>"))
    assert sum(1 for _ in manifest.organization.walk()) == 10_000


def test_equal_identifiers_by_the_thousand_are_told_apart() -> None:
    many = '<item identifier="x"><title>t</title></item>' * 9_999
    with not_endless():
        manifest = parse(manifest12().replace("</organization>", many + "</organization>"))
    assert len({item.identifier for item in manifest.organization.walk()}) == 10_000


def test_missing_files_by_the_hundred_thousand_do_not_take_minutes() -> None:
    files = "".join(f'<file href="a/../b\\{n}%20.png"/>' for n in range(100_000))
    with not_endless():
        manifest = parse(manifest12().replace("</resource>", files + "</resource>", 1))
    assert "At least 1000 files that the manifest lists are not in the package" in manifest.warnings[0]


def test_a_manifest_of_more_than_ten_mebibytes_is_refused() -> None:
    assert faults_of(manifest12() + " " * 10 * 1024**2) == ["imsmanifest.xml is larger than 10 MiB"]


@pytest.mark.parametrize("flood", ["<a/>" * 500_001, "<a " + " ".join(f"a{n}=''" for n in range(500_001)) + "/>"])
def test_floods_of_elements_and_attributes_are_refused(flood: str) -> None:
    assert faults_of(f"<manifest>{flood}</manifest>"[: 10 * 1024**2]) == ["imsmanifest.xml has too many elements"]


def test_a_huge_attribute_or_text_is_read_or_refused_but_never_kills() -> None:
    huge = "x" * 10_100_000
    assert faults_of(f'<manifest identifier="{huge}"/>') == [
        "imsmanifest.xml has a name, text or attribute that is too long"
    ]
    [fault] = faults_of(f"<manifest><title>{huge}</title></manifest>")
    assert fault.startswith("imsmanifest.xml has a name, text or attribute that is too long")


@pytest.mark.parametrize(
    "text",
    [
        "x" + " " * 1_000_000 + "y",
        "<?xml " * 200_000,
        "x" + "<!---->" * 200_000 + "y",
        "<!--" * 200_000,
        "<?xml?>" * 200_000,
        "<?x?> " * 200_000 + "<!--",
        "\x0b<?",
        "\x0b\x0b<!--",
    ],
)
def test_a_prolog_of_any_kind_is_judged_at_once(text: str) -> None:
    with not_endless():
        assert len(faults_of(text)) == 1


def test_a_declaration_behind_comments_is_tolerated_and_in_comments_is_none() -> None:
    declaration, rest = manifest12().split("?>", 1)
    assert parse(f"<!-- one --> <?pi?>{declaration}?>{rest}").title == parse(manifest12()).title
    assert parse(f"{declaration}?><!-- <?xml version='1.0'?> -->{rest}").title == parse(manifest12()).title


TOO_OFTEN = "The manifest uses its nested manifests or its reusable sequencing too often for their size"
TOO_MUCH = "The manifest has more than 16777216 bytes once all that its items and resources share is written out"
RULE = (
    '<imsss:preConditionRule><imsss:ruleConditions><imsss:ruleCondition condition="{}"/></imsss:ruleConditions>'
    '<imsss:ruleAction action="skip"/></imsss:preConditionRule>'
)


def in_the_end(text: str) -> list[str]:
    with not_endless():
        return faults_of(text)


def shared_sequencing(*, rules: int, items: int, condition: str = "satisfied", own: str = "") -> str:
    """A collection with one element of so many rules, and so many items that refer to it."""
    collection = (
        '<imsss:sequencingCollection><imsss:sequencing ID="S"><imsss:sequencingRules>'
        f"{RULE.format(condition) * rules}</imsss:sequencingRules></imsss:sequencing></imsss:sequencingCollection>"
    )
    text = manifest2004().replace("</manifest>", f"{collection}</manifest>")
    sequencing = f'<imsss:sequencing IDRef="S">{own}</imsss:sequencing>'
    many = "".join(f'<item identifier="x{n}"><title>t</title>{sequencing}</item>' for n in range(items))
    return text.replace("</organization>", many + "</organization>")


def nested_uses(content: str, *, uses: int) -> str:
    """An item with this inside, in a nested manifest that so many items refer to."""
    nested = (
        '<manifest identifier="M"><organizations><organization identifier="O"><item identifier="n">'
        f"<title>t</title>{content}</item></organization></organizations></manifest>"
    )
    many = "".join(f'<item identifier="x{n}" identifierref="M"><title>t</title></item>' for n in range(uses))
    return (
        manifest12().replace("</organization>", many + "</organization>").replace("</manifest>", nested + "</manifest>")
    )


def test_reusable_sequencing_cannot_multiply_what_is_stored() -> None:
    assert in_the_end(shared_sequencing(rules=1000, items=1000)) == [TOO_MUCH]


def test_reusable_sequencing_cannot_multiply_what_is_read() -> None:
    own = '<imsss:controlMode choice="false"/>'
    assert in_the_end(shared_sequencing(rules=3000, items=5000, condition="no", own=own)) == [TOO_OFTEN]


def test_reusable_sequencing_is_read_once_for_all_items() -> None:
    manifest = parse(shared_sequencing(rules=2, items=500))
    read = [item.sequencing for item in manifest.organization.items[1:]]
    assert len(read[0].pre_condition_rules) == 2
    assert all(one is read[0] for one in read)
    assert from_json(to_json(manifest)) == manifest


def test_nested_manifests_cannot_multiply_what_items_say() -> None:
    assert in_the_end(nested_uses(f"<adlcp:datafromlms>{'x' * 100_000}</adlcp:datafromlms>", uses=4000)) == [TOO_MUCH]
    assert in_the_end(nested_uses("<x/>" * 50_000, uses=4000)) == [TOO_OFTEN]


def test_a_long_href_cannot_be_shared_by_thousands_of_items() -> None:
    text = manifest12().replace('href="sco1/index.html">', f'href="sco1/index.html?{"x" * 4000}">', 1)
    many = "".join(f'<item identifier="x{n}" identifierref="RES-1" parameters="a"/>' for n in range(9000))
    assert in_the_end(text.replace("</organization>", many + "</organization>")) == [TOO_MUCH]


def test_a_long_base_cannot_be_shared_by_thousands_of_resources_or_files() -> None:
    text = manifest12().replace("<resources", f'<resources xml:base="{"a/" * 2000}"', 1)
    many = "".join(f'<resource identifier="x{n}"/>' for n in range(9000))
    assert in_the_end(text.replace("</resources>", many + "</resources>")) == [TOO_MUCH]
    files = "".join(f'<file href="imsmanifest.xml?{n}"/>' for n in range(50_000))
    assert in_the_end(text.replace("</resource>", files + "</resource>", 1)) == [
        "The manifest lists too many files under too long an xml:base"
    ]


def test_too_many_resources_are_refused() -> None:
    many = "".join(f'<resource identifier="x{n}"/>' for n in range(50_000))
    assert in_the_end(manifest12().replace("</resources>", many + "</resources>")) == [
        "The manifest has more than 50000 resources"
    ]


@pytest.mark.parametrize(
    ("old", "new", "attribute"),
    [
        ('href="sco1/index.html">', 'href="sco1/index.html?{}">', "href"),
        ("</resource>", '<file href="{}"/></resource>', "href"),
        ("<resource ", '<resource xml:base="{}" ', "xml:base"),
        ("<resource ", '<resource xml:base="\u00e9{}" ', "xml:base"),
        ('identifierref="RES-1"', 'identifierref="RES-1" parameters="{}"', "parameters"),
    ],
)
def test_references_of_more_than_four_kibibytes_are_refused(old: str, new: str, attribute: str) -> None:
    text = manifest12().replace(old, new.format("x" * 4097), 1)
    assert faults_of(text) == [f"The manifest has '{attribute}' longer than 4096 bytes"]


def test_nested_bases_are_not_joined_beyond_four_kibibytes() -> None:
    text = manifest12().replace("<resource ", f'<resource xml:base="{"x" * 3000}/" ', 1)
    text = text.replace("<resources", f'<resources xml:base="{"x" * 3000}/"', 1)
    assert faults_of(text) == ["The manifest has 'xml:base' longer than 4096 bytes"]


def test_messages_do_not_repeat_endless_text() -> None:
    [fault] = faults_of(manifest12().replace('href="sco1/index.html">', f'href="{"x" * 100_000}">'))
    assert len(fault) < 400


TAGS = ["<item>", "</item>", "<title>", "</title>", "<metadata>", "<schemaversion>", "<organizations/>", "</manifest>"]
REFERENCES = [
    "<item identifier='ITEM-1' identifierref='RES-1'>",
    "<resource identifier='RES-1' href='../x'/>",
    "<manifest identifier='RES-1'>",
    "<imsss:sequencing IDRef='x'/>",
    " xml:base='//x/'",
    " href='http://[x'",
    " parameters='%#?'",
    " isvisible='2'",
]
DIRT = [
    "&amp;",
    "\0",
    "\x0b",
    "]]>",
    "<![CDATA[",
    "<!--",
    "--",
    "<?x",
    "\ud7ff",
    "🎓",
    "\ufffe",
    "<!DOCTYPE x>",
    "%ff",
    "\\",
]


@given(
    st.sampled_from([manifest12(scos=2), manifest2004(scos=2, passing_score=0.5)]),
    st.lists(
        st.tuples(st.integers(0, 2500), st.integers(0, 60), st.sampled_from(TAGS + REFERENCES + DIRT)), max_size=4
    ),
)
@settings(max_examples=300, deadline=None)
def test_a_damaged_manifest_is_read_or_refused_but_never_fails_otherwise(
    text: str, damages: list[tuple[int, int, str]]
) -> None:
    for at, removed, piece in damages:
        text = text[:at] + piece + text[at + removed :]
    try:
        manifest = parse(text, scos=2)
        launch(manifest)
    except ValidationFailed:
        return
    assert from_json(to_json(manifest)) == manifest
    names = {"imsmanifest.xml", *course_files(2)}
    for resource in manifest.resources:
        assert resource.path is None or resource.path in names
        assert names.issuperset(resource.files)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused(data: bytes) -> None:
    with pytest.raises(ValidationFailed):
        parse_manifest(data, names=[], fallback_title="x")
