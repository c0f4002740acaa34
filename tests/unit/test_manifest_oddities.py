"""What real packages do and real systems tolerate."""

import codecs
import re

import pytest

from server.domain.manifest import launch
from tests.factories import manifest12, manifest2004
from tests.unit.manifests import faults_of, first_item, items_of, parse

SECOND = (
    '<organization identifier="B"><item identifier="I2" identifierref="RES-2"><title>b</title></item></organization>'
)
UMLAUTS = "Brände löschen – 火災"


def with_href(href: str, *, base: str = "") -> str:
    attribute = f' xml:base="{base}"' if base else ""
    return manifest12().replace('href="sco1/index.html">', f'href="{href}"{attribute}>')


@pytest.mark.parametrize(
    ("bom", "encoding", "declared"),
    [
        (codecs.BOM_UTF8, "utf-8", "UTF-8"),
        (b"", "utf-8", "utf8"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
        (b"", "utf-16-le", "UTF-16"),
        (b"", "utf-16-be", "UTF-16"),
        (codecs.BOM_UTF8, "utf-8", "ISO-8859-1"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    ],
)
def test_every_unicode_encoding_is_read(bom: bytes, encoding: str, declared: str) -> None:
    manifest = parse(bom + manifest12(title=UMLAUTS).replace("UTF-8", declared).encode(encoding))
    assert (manifest.title, manifest.warnings) == (UMLAUTS, ())


@pytest.mark.parametrize("declared", ["ISO-8859-1", "windows-1252", "latin1"])
def test_western_encodings_are_read_as_browsers_do(declared: str) -> None:
    manifest = parse(manifest12(title="Brände – €").replace("UTF-8", declared).encode("cp1252"))
    assert (manifest.title, manifest.warnings) == ("Brände – €", ())


def test_a_declared_east_asian_encoding_is_read() -> None:
    assert parse(manifest12(title="火災").replace("UTF-8", "Shift_JIS").encode("shift_jis")).title == "火災"


def test_windows_1252_that_claims_to_be_utf8_is_read_with_a_warning() -> None:
    manifest = parse(manifest12(title="Brände – €").encode("cp1252"))
    assert manifest.title == "Brände – €"
    assert manifest.warnings == (
        "imsmanifest.xml is not in the encoding that it claims (utf-8); it was read as Windows-1252",
    )


@pytest.mark.parametrize("declared", ["utf-16", "unicode", "rot13", "zlib_codec", "x-nonsense"])
def test_utf8_that_claims_another_encoding_is_read_with_a_warning(declared: str) -> None:
    manifest = parse(manifest12(title=UMLAUTS).replace("UTF-8", declared).encode())
    assert manifest.title == UMLAUTS
    assert len(manifest.warnings) == 1
    assert f"'{declared}'" in manifest.warnings[0]


def test_white_space_before_the_declaration_is_tolerated() -> None:
    assert parse("\n  " + manifest12()).title == "Workplace Safety Essentials"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (manifest12().replace("<schemaversion>1.2</schemaversion>", ""), "1.2"),
        (manifest12().replace("<schemaversion>1.2<", "<schemaversion>7<"), "1.2"),
        (manifest2004(edition="2nd").replace("CAM 1.3", ""), "2004 3rd Edition"),
        (
            manifest2004()
            .replace("2004 4th Edition", "")
            .replace("</title></item>", '</title><adlcp:completionThreshold minProgressMeasure="1"/></item>'),
            "2004 4th Edition",
        ),
    ],
)
def test_a_missing_or_unknown_edition_is_inferred(text: str, expected: str) -> None:
    manifest = parse(text)
    assert manifest.edition.value == expected
    assert len(manifest.warnings) == 1
    assert f"it is taken for SCORM {expected}" in manifest.warnings[0]


def test_an_edition_that_contradicts_the_namespaces_is_believed_with_a_warning() -> None:
    manifest = parse(manifest2004().replace("2004 4th Edition", "1.2"))
    assert manifest.version == "1.2"
    assert manifest.warnings == ("The manifest declares SCORM 1.2 but uses the namespaces of SCORM 2004",)


def test_wrong_and_missing_namespaces_are_tolerated() -> None:
    wrong = manifest12().replace("http://www.imsproject.org/xsd/imscp_rootv1p1p2", "http://example.com/ns")
    assert launch(parse(wrong)).path == "sco1/index.html"
    assert "unknown namespace 'http://example.com/ns'" in parse(wrong).warnings[0]
    bare = (
        "<manifest><metadata><schemaversion>1.2</schemaversion></metadata><organizations><organization>"
        '<item identifierref="R"/></organization></organizations><resources>'
        '<resource identifier="R" href="sco1/index.html" scormtype="SCO"/></resources></manifest>'
    )
    manifest = parse(bare)
    assert (launch(manifest).path, manifest.title) == ("sco1/index.html", "fallback")
    assert manifest.warnings == (
        "The manifest has no namespace; it was read as IMS Content Packaging",
        "An organization has no identifier; it is called 'organization-1'",
        "An item has no identifier; it is called 'item-2'",
        "Item 'item-2' has no title; its identifier is shown",
    )


def test_prefixes_that_are_not_declared_are_tolerated() -> None:
    text = manifest12(mastery_score=60).replace(' xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_rootv1p2"', "")
    manifest = parse(text)
    assert (launch(manifest).path, first_item(manifest).mastery_score) == ("sco1/index.html", 60.0)
    assert manifest.resources[0].scorm_type == "sco"
    assert manifest.warnings == ("imsmanifest.xml uses the prefix 'adlcp' without declaring its namespace",)


def test_several_prefixes_that_are_not_declared_are_tolerated_past_a_comment() -> None:
    text = re.sub(r" xmlns:\w+=\"[^\"]*\"", "", manifest2004(passing_score=0.5)).replace(
        "<manifest", "<!-- <a> --><manifest"
    )
    manifest = parse(text)
    assert first_item(manifest).sequencing.primary_objective.min_normalized_measure == 0.5
    assert len(manifest.warnings) == 3


def test_other_faults_than_prefixes_are_never_repaired() -> None:
    text = manifest12().replace(' xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_rootv1p2"', "")
    text = text.replace("<resources>", "<resources>" + "<resource adlcp:scormtype='sco'/>" * 500)
    [fault] = faults_of(text.replace("</resources>", ""))
    assert fault.startswith("imsmanifest.xml is not well-formed XML")


def test_other_namespaces_of_the_same_family_are_no_fault() -> None:
    text = manifest12().replace(
        "http://www.imsproject.org/xsd/imscp_rootv1p1p2", "http://www.imsglobal.org/xsd/imscp_v1p1"
    )
    assert parse(text).warnings == ()


def test_element_and_attribute_names_in_other_case_are_understood() -> None:
    text = manifest12().replace("identifierref=", "identifierRef=").replace("scormtype", "ScormType")
    assert launch(parse(text)).path == "sco1/index.html"


def test_without_a_default_the_first_organization_is_launched() -> None:
    manifest = parse(manifest12().replace(' default="ORG"', ""))
    assert (manifest.default_organization, manifest.warnings) == ("ORG", ())


def test_a_default_that_does_not_exist_is_replaced_by_the_first() -> None:
    manifest = parse(manifest12().replace('default="ORG"', 'default="GONE"'))
    assert manifest.default_organization == "ORG"
    assert manifest.warnings == ("The default organization 'GONE' does not exist; the first one is launched",)


def test_of_several_organizations_the_default_is_launched() -> None:
    text = manifest12(scos=2).replace("</organizations>", SECOND + "</organizations>")
    assert launch(parse(text.replace('default="ORG"', 'default="B"'), scos=2)).path == "sco2/index.html"
    none = parse(text.replace(' default="ORG"', ""), scos=2)
    assert launch(none).path == "sco1/index.html"
    assert none.warnings == ("No organization is declared as the default; the first one is launched",)


def test_a_default_that_launches_nothing_gives_way_to_one_that_does() -> None:
    text = manifest12().replace(
        '<organization identifier="ORG">', '<organization identifier="E"/><organization identifier="ORG">'
    )
    manifest = parse(text.replace('default="ORG"', 'default="E"'))
    assert manifest.default_organization == "ORG"
    assert manifest.warnings == ("The organization 'E' launches nothing; 'ORG' is launched",)


def test_missing_files_of_other_organizations_are_warnings() -> None:
    text = manifest12(scos=2).replace("</organizations>", SECOND + "</organizations>")
    text = text.replace('<item identifier="ITEM-2" identifierref="RES-2">', '<item identifier="ITEM-2">')
    manifest = parse(text)
    assert manifest.warnings[-1] == (
        "Item 'I2' (b) launches 'sco2/index.html', which is not in the package; the organization is not the default"
    )


@pytest.mark.parametrize(
    ("entry", "href", "url"),
    [
        ("a/my page.html", "a/my page.html", "a/my%20page.html"),
        ("a/my page.html", "a/my%20page.html", "a/my%20page.html"),
        ("a/my%20page.html", "a/my%20page.html", "a/my%2520page.html"),
        ("a/100%.html", "a/100%.html", "a/100%25.html"),
        ("ä/ü.html", "ä/ü.html", "%C3%A4/%C3%BC.html"),
        ("ä/ü.html", "%C3%A4/%C3%BC.html", "%C3%A4/%C3%BC.html"),
        ("ü.html", "%FC.html", "%C3%BC.html"),
        ("u\u0308.html", "ü.html", "u%CC%88.html"),
        ("ü.html", "u\u0308.html", "%C3%BC.html"),
        ("a/b.html", "./a/../a/b.html", "a/b.html"),
        ("a/b.html", "../../a/b.html", "a/b.html"),
        ("a/b.html", "a/b.html?x=1&amp;y=ü z#f", "a/b.html?x=1&y=%C3%BC%20z#f"),
        ("a/b.html", "a/b.html#f?x", "a/b.html#f?x"),
        ("c#1.html", "c#1.html", "c%231.html"),
        ("c?1.html", "c?1.html", "c%3F1.html"),
        ("a/x:y.html", "a/x:y.html", "a/x%3Ay.html"),
        ("x:y.html", "x:y.html", "x%3Ay.html"),
        ("a/b+c&amp;d.html", "a/b+c&amp;amp;d.html", "a/b+c&amp;d.html"),
        ("日本/語.html", "日本/語.html", "%E6%97%A5%E6%9C%AC/%E8%AA%9E.html"),
    ],
)
def test_an_href_is_decoded_and_becomes_the_url_of_the_real_entry(entry: str, href: str, url: str) -> None:
    manifest = parse(with_href(href), names=[entry])
    assert first_item(manifest).url == url
    assert manifest.resources[0].path == entry
    assert manifest.warnings == ()


@pytest.mark.parametrize(
    ("href", "base", "words"),
    [
        ("sco1\\index.html", "", "has backslashes"),
        (".\\sco1\\index.html", "", "has backslashes"),
        ("SCO1/Index.HTML", "", "is written 'sco1/index.html' in the package"),
        ("/sco1/index.html", "", "begins with a slash"),
        ("index.html", "sco1", "has an xml:base without a slash at its end"),
        ("sco1/index.html", "elsewhere/", "was found without its xml:base only"),
    ],
)
def test_a_wrong_href_is_repaired_with_a_warning(href: str, base: str, words: str) -> None:
    # The files listed beside it have the same xml:base.
    text = with_href(href, base=base).replace('<file href="sco1/index.html"/><file href="sco1/picture.png"/>', "")
    manifest = parse(text)
    assert first_item(manifest).url == "sco1/index.html"
    assert len(manifest.warnings) == 1
    assert words in manifest.warnings[0]


def test_xml_base_applies_from_the_outside_inwards() -> None:
    text = with_href("page.html", base="three/").replace("<resources>", '<resources xml:base="two/">')
    text = text.replace('version="1.0" xmlns', 'version="1.0" xml:base="one/" xmlns')
    manifest = parse(text, names=["one/two/three/page.html"])
    assert first_item(manifest).url == "one/two/three/page.html"
    assert manifest.resources[0].base == "one/two/three/"


@pytest.mark.parametrize(
    ("href", "parameters", "url"),
    [
        ("sco1/index.html", "?a=1", "sco1/index.html?a=1"),
        ("sco1/index.html", "a=1", "sco1/index.html?a=1"),
        ("sco1/index.html", "&amp;a=1", "sco1/index.html?a=1"),
        ("sco1/index.html", "?&amp;?a=1", "sco1/index.html?a=1"),
        ("sco1/index.html?b=2", "?a=1", "sco1/index.html?b=2&a=1"),
        ("sco1/index.html", "#f", "sco1/index.html#f"),
        ("sco1/index.html#g", "#f", "sco1/index.html#g"),
        ("sco1/index.html#g", "a=1", "sco1/index.html?a=1#g"),
        ("sco1/index.html#g", "a=1#f", "sco1/index.html?a=1#g"),
        ("sco1/index.html", "a=1#f", "sco1/index.html?a=1#f"),
        ("sco1/index.html", "a=b c&amp;d=50%", "sco1/index.html?a=b%20c&d=50%25"),
        ("sco1/index.html", "a=%20", "sco1/index.html?a=%20"),
        ("sco1/index.html", "?", "sco1/index.html"),
        ("sco1/index.html", "  ", "sco1/index.html"),
    ],
)
def test_parameters_join_the_href(href: str, parameters: str, url: str) -> None:
    text = with_href(href).replace('identifierref="RES-1">', f'identifierref="RES-1" parameters="{parameters}">')
    assert first_item(parse(text)).url == url


def test_items_may_refer_to_resources_of_nested_manifests() -> None:
    text = manifest12()
    start, end = text.index("<resources>"), text.index("</manifest>")
    nested = f'<manifest identifier="SUB" xml:base="sub/"><organizations/>{text[start:end]}</manifest>'
    manifest = parse(text[:start] + "<resources/>" + nested + "</manifest>", names=["sub/sco1/index.html"])
    assert launch(manifest).path == "sub/sco1/index.html"


def test_an_item_may_refer_to_a_nested_manifest_as_a_whole() -> None:
    nested = (
        '<manifest identifier="SUB"><organizations default="S"><organization identifier="S"><title>Sub</title>'
        '<item identifier="DEEP" identifierref="RES-1"><title>Deep</title></item>'
        "</organization></organizations></manifest>"
    )
    text = (
        manifest12()
        .replace('identifierref="RES-1">', 'identifierref="SUB">', 1)
        .replace("</manifest>", nested + "</manifest>")
    )
    manifest = parse(text)
    assert [item.identifier for item in items_of(manifest)] == ["ITEM-1", "DEEP"]
    assert launch(manifest).item == "DEEP"


def test_nested_manifests_that_refer_to_each_other_come_to_an_end() -> None:
    def nested(name: str, other: str) -> str:
        return (
            f'<manifest identifier="{name}"><organizations><organization identifier="O-{name}">'
            f'<item identifier="I-{name}" identifierref="{other}"><title>t</title></item>'
            '<item identifierref="RES-1"><title>t</title></item>'
            "</organization></organizations></manifest>"
        )

    text = manifest12().replace('identifierref="RES-1">', 'identifierref="A">', 1)
    text = text.replace("</manifest>", nested("A", "B") + nested("B", "A") + "</manifest>")
    manifest = parse(text)
    assert "Item 'I-B' refers to the manifest that it is part of; this was ignored" in manifest.warnings


def test_an_item_without_a_title_shows_its_identifier() -> None:
    manifest = parse(manifest12().replace("<title>Lesson 1</title>", ""))
    assert first_item(manifest).title == "ITEM-1"
    assert manifest.warnings == ("Item 'ITEM-1' has no title; its identifier is shown",)


@pytest.mark.parametrize(
    ("written", "visible"),
    [("true", True), ("false", False), ("0", False), ("1", True), ("FALSE", False), (" false ", False), ("no", False)],
)
def test_isvisible_is_read_in_all_its_spellings(written: str, visible: bool) -> None:
    manifest = parse(
        manifest12().replace('<item identifier="ITEM-1"', f'<item isvisible="{written}" identifier="ITEM-1"')
    )
    assert (first_item(manifest).visible, manifest.warnings) == (visible, ())


def test_an_isvisible_that_is_no_boolean_is_ignored_with_a_warning() -> None:
    manifest = parse(manifest12().replace('<item identifier="ITEM-1"', '<item isvisible="perhaps" identifier="ITEM-1"'))
    assert first_item(manifest).visible
    assert manifest.warnings == ("'perhaps' is no value for 'isvisible' of <item>; it was ignored",)


def test_a_launched_resource_without_a_scormtype_is_taken_for_a_sco() -> None:
    manifest = parse(manifest12().replace(' adlcp:scormtype="sco"', ""))
    assert first_item(manifest).scorm_type == "sco"
    assert manifest.resources[0].scorm_type is None
    assert manifest.warnings == ("The resource 'RES-1' has no scormType; it is taken for a SCO",)


def test_of_resources_with_the_same_identifier_the_first_counts() -> None:
    manifest = parse(manifest12(scos=2).replace('identifier="RES-2"', 'identifier="RES-1"'), scos=2)
    assert [resource.identifier for resource in manifest.resources] == ["RES-1", "SHARED"]
    assert "The resource 'RES-1' is declared twice; the first one counts" in manifest.warnings


def test_items_with_the_same_identifier_stay_apart() -> None:
    manifest = parse(manifest12(scos=3).replace('identifier="ITEM-3"', 'identifier="ITEM-1"'), scos=3)
    assert [item.identifier for item in items_of(manifest)] == ["ITEM-1", "ITEM-2", "ITEM-1-2"]
    assert manifest.warnings == ("The identifier 'ITEM-1' is used twice; the second item is called 'ITEM-1-2'",)


def test_white_space_in_identifiers_is_none() -> None:
    text = (
        manifest12()
        .replace('identifier="RES-1"', 'identifier="\n  RES-1 "')
        .replace('default="ORG"', 'default=" ORG "')
    )
    manifest = parse(text.replace('<item identifier="ITEM-1"', '<item identifier=" ITEM-1\t"'))
    assert (first_item(manifest).identifier, manifest.resources[0].identifier) == ("ITEM-1", "RES-1")
    assert manifest.warnings == ()


def test_an_item_that_refers_to_nothing_only_groups() -> None:
    text = manifest12(scos=2).replace('identifierref="RES-1"', 'identifierref="GONE"')
    manifest = parse(text, scos=2)
    assert launch(manifest).item == "ITEM-2"
    assert manifest.warnings == ("Item 'ITEM-1' refers to the resource 'GONE', which does not exist",)


def test_a_single_sco_is_launched_even_if_the_item_refers_to_nothing() -> None:
    manifest = parse(manifest12().replace('identifierref="RES-1"', 'identifierref="GONE"'))
    assert launch(manifest).path == "sco1/index.html"
    assert len(manifest.organizations) == 2


def test_warnings_are_limited() -> None:
    items = "".join(f'<item identifier="X{n}"/>' for n in range(300))
    manifest = parse(manifest12().replace("</organization>", items + "</organization>"))
    assert len(manifest.warnings) == 101
    assert manifest.warnings[-1] == "There are 200 more warnings"


@pytest.mark.parametrize(
    "text", ["", "   ", "not xml", "<manifest>", "<a></b>", "PK\3\4", "<manifest>&nbsp;</manifest>"]
)
def test_what_is_not_xml_is_refused(text: str) -> None:
    [fault] = faults_of(text)
    assert fault.startswith("imsmanifest.xml is not")


def test_a_base_that_is_no_uri_is_ignored() -> None:
    manifest = parse(manifest12().replace("<resources", '<resources xml:base="http://[x/"'))
    assert manifest.warnings == ("The xml:base 'http://[x/' is no URI; it was ignored",)
    assert first_item(manifest).url == "sco1/index.html"
