import pytest

from server.domain.manifest import Edition, launch, summarise
from server.domain.manifest.model import CompletionThreshold, DataMap
from server.domain.packages import PackageItem, PackageMetadata, PackageOrganization
from tests.factories import manifest12, manifest2004
from tests.unit.manifests import faults_of, first_item, in_item, parse


def in_item12(content: str) -> str:
    return manifest12().replace("</title></item>", f"</title>{content}</item>")


def test_a_scorm_12_manifest_is_read_whole() -> None:
    manifest = parse(manifest12(title="Fire & Rescue", mastery_score=80))
    assert (manifest.identifier, manifest.manifest_version) == ("COURSE", "1.0")
    assert (manifest.version, manifest.edition) == ("1.2", Edition.SCORM_1_2)
    assert (manifest.schema, manifest.schema_version) == ("ADL SCORM", "1.2")
    assert (manifest.title, manifest.metadata.title, manifest.language) == ("Fire & Rescue", "Fire & Rescue", "en")
    assert manifest.default_organization == manifest.organization.identifier == "ORG"
    item = first_item(manifest)
    assert (item.identifier, item.title, item.resource, item.url) == ("ITEM-1", "Lesson 1", "RES-1", "sco1/index.html")
    assert (item.scorm_type, item.visible, item.mastery_score) == ("sco", True, 80.0)
    resource = manifest.resources[0]
    assert (resource.identifier, resource.type, resource.scorm_type) == ("RES-1", "webcontent", "sco")
    assert resource.files == ("sco1/index.html", "sco1/picture.png")
    assert resource.dependencies == ("SHARED",)
    assert manifest.warnings == ()


@pytest.mark.parametrize(
    ("edition", "expected"),
    [("2nd", Edition.SCORM_2004_2ND), ("3rd", Edition.SCORM_2004_3RD), ("4th", Edition.SCORM_2004_4TH)],
)
def test_the_editions_of_scorm_2004_are_told_apart(edition: str, expected: Edition) -> None:
    manifest = parse(manifest2004(edition=edition))
    assert (manifest.version, manifest.edition, manifest.warnings) == ("2004", expected, ())


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("1.2", "1.2"),
        ("1.1", "1.2"),
        ("SCORM 1.2", "1.2"),
        ("1.3", "2004 2nd Edition"),
        ("CAM 1.3", "2004 2nd Edition"),
        ("2004 CAM 1.3", "2004 2nd Edition"),
        ("2004", "2004 2nd Edition"),
        ("2004 2nd Edition", "2004 2nd Edition"),
        ("2004 3rd Edition", "2004 3rd Edition"),
        (" 2004  3RD edition ", "2004 3rd Edition"),
        ("SCORM 2004 4th Edition", "2004 4th Edition"),
        ("2004 4th", "2004 4th Edition"),
    ],
)
def test_the_declared_edition_is_read_in_all_its_spellings(declared: str, expected: str) -> None:
    text = manifest2004() if expected != "1.2" else manifest12().replace(">1.2<", ">2004 4th Edition<")
    manifest = parse(text.replace("2004 4th Edition", declared))
    assert (manifest.edition.value, manifest.warnings) == (expected, ())


def test_the_items_of_scorm_12_have_their_own_elements() -> None:
    item = first_item(
        parse(
            in_item12(
                '<adlcp:prerequisites type="aicc_script">ITEM-0 &amp; ~ITEM-9</adlcp:prerequisites>'
                "<adlcp:maxtimeallowed>00:30:00</adlcp:maxtimeallowed>"
                "<adlcp:timelimitaction>Exit, no message</adlcp:timelimitaction>"
                "<adlcp:datafromlms> key=value\n</adlcp:datafromlms>"
                "<adlcp:masteryscore>72.5</adlcp:masteryscore>"
            )
        )
    )
    assert item.prerequisites == "ITEM-0 & ~ITEM-9"
    assert item.max_time_allowed == "00:30:00"
    assert item.time_limit_action == "exit,no message"
    assert item.data_from_lms == " key=value\n"
    assert item.mastery_score == 72.5


@pytest.mark.parametrize("score", ["-1", "101", "eighty", "nan", "inf", "80%"])
def test_a_mastery_score_that_is_none_is_ignored_with_a_warning(score: str) -> None:
    manifest = parse(in_item12(f"<adlcp:masteryscore>{score}</adlcp:masteryscore>"))
    assert first_item(manifest).mastery_score is None
    assert manifest.warnings == (f"'{score}' is no masteryscore from 0 to 100; it was ignored",)


def test_the_items_of_scorm_2004_have_their_own_elements() -> None:
    item = first_item(
        in_item(
            "<adlcp:timeLimitAction>continue,message</adlcp:timeLimitAction><adlcp:dataFromLMS>a b</adlcp:dataFromLMS>"
            '<adlcp:completionThreshold completedByMeasure="true" minProgressMeasure="0.75" progressWeight="0.5"/>'
            '<adlcp:data><adlcp:map targetID="bucket"/>'
            '<adlcp:map targetID="other" readSharedData="false" writeSharedData="0"/></adlcp:data>'
            "<adlnav:presentation><adlnav:navigationInterface><adlnav:hideLMSUI>continue</adlnav:hideLMSUI>"
            "<adlnav:hideLMSUI>ExitAll</adlnav:hideLMSUI></adlnav:navigationInterface></adlnav:presentation>"
        )
    )
    assert (item.time_limit_action, item.data_from_lms) == ("continue,message", "a b")
    assert item.completion_threshold == CompletionThreshold(
        completed_by_measure=True, min_progress_measure=0.75, progress_weight=0.5
    )
    assert item.data_maps == (
        DataMap(target="bucket"),
        DataMap(target="other", read_shared_data=False, write_shared_data=False),
    )
    assert item.hidden_controls == ("continue", "exitAll")


def test_the_completion_threshold_of_the_third_edition_is_text_and_always_counts() -> None:
    item = first_item(in_item("<adlcp:completionThreshold> 0.6 </adlcp:completionThreshold>", edition="3rd"))
    assert item.completion_threshold == CompletionThreshold(completed_by_measure=True, min_progress_measure=0.6)


def test_an_empty_completion_threshold_of_the_fourth_edition_has_the_defaults() -> None:
    item = first_item(in_item("<adlcp:completionThreshold/>"))
    assert item.completion_threshold == CompletionThreshold(
        completed_by_measure=False, min_progress_measure=1.0, progress_weight=1.0
    )


def test_an_organization_has_attributes_of_its_own() -> None:
    organization = parse(
        manifest2004().replace(
            '<organization identifier="ORG">',
            '<organization identifier="ORG" structure="flat" adlseq:objectivesGlobalToSystem="false" '
            'adlcp:sharedDataGlobalToSystem="false"><imsss:sequencing><imsss:controlMode flow="true"/>'
            "</imsss:sequencing>",
        )
    ).organization
    assert organization.structure == "flat"
    assert not organization.objectives_global_to_system
    assert not organization.shared_data_global_to_system
    assert organization.sequencing.control_mode.flow


def test_metadata_are_read_from_the_lom_record() -> None:
    manifest = parse(
        manifest2004().replace(
            "</lom:general>",
            '<lom:keyword><lom:string language="en">fire</lom:string></lom:keyword>'
            "<lom:keyword><lom:string>rescue</lom:string></lom:keyword></lom:general>"
            "<lom:educational><lom:typicalLearningTime><lom:duration>PT30M</lom:duration></lom:typicalLearningTime>"
            "</lom:educational>",
        )
    )
    assert manifest.metadata.keywords == ("fire", "rescue")
    assert manifest.metadata.typical_learning_time == "PT30M"
    assert manifest.metadata.description == "Course description"


def test_metadata_in_a_file_of_its_own_are_noted() -> None:
    manifest = in_item("<metadata><adlcp:location>meta/item.xml</adlcp:location></metadata>")
    assert first_item(manifest).metadata.locations == ("meta/item.xml",)


@pytest.mark.parametrize(
    ("language", "expected"),
    [("de-CH", "de-CH"), ("pt_BR", "pt-BR"), ("x-none", None), ("none", None), ("german!", None)],
)
def test_only_a_language_tag_is_a_language(language: str, expected: str | None) -> None:
    text = manifest2004().replace(">en<", f">{language}<").replace('language="en"', "")
    assert parse(text).language == expected


def test_the_title_is_the_organizations_else_the_records_else_the_files() -> None:
    no_title = "<title></title><item"
    assert parse(manifest12(title="A")).title == "A"
    text = manifest12(title="A").replace("<title>A</title><item", no_title)
    assert parse(text).title == "A"
    assert parse(text.replace(">A</imsmd:langstring>", "></imsmd:langstring>"), title="the file").title == "the file"


def test_a_summary_shows_the_default_organization_as_a_tree() -> None:
    text = manifest2004(scos=3, passing_score=0.8).replace(
        '<item identifier="ITEM-2"', '<item identifier="PART"><title>Part</title><item identifier="ITEM-2"'
    )
    text = text.replace("</organization>", '</item></organization><organization identifier="OTHER"/>').replace(
        'identifier="RES-3" type="webcontent" adlcp:scormType="sco"',
        'identifier="RES-3" type="webcontent" adlcp:scormType="asset"',
    )

    def leaf(number: int, kind: str) -> PackageItem:
        return PackageItem(
            identifier=f"ITEM-{number}",
            title=f"Lesson {number}",
            href=f"sco{number}/index.html",
            scorm_type=kind,
            visible=True,
        )

    assert summarise(parse(text, scos=3)) == PackageMetadata(
        description="Course description",
        sco_count=2,
        schema_version="2004 4th Edition",
        organizations=(
            PackageOrganization(identifier="ORG", title="Workplace Safety Essentials", default=True),
            PackageOrganization(identifier="OTHER", title="", default=False),
        ),
        items=(
            leaf(1, "sco"),
            PackageItem(
                identifier="PART",
                title="Part",
                href=None,
                scorm_type=None,
                visible=True,
                children=(leaf(2, "sco"), leaf(3, "asset")),
            ),
        ),
        mastery_score=0.8,
        language="en",
        warnings=(),
    )


def test_the_mastery_score_is_of_the_first_item_that_has_one() -> None:
    text = manifest12(scos=2).replace("Lesson 2</title>", "Lesson 2</title><adlcp:masteryscore>70</adlcp:masteryscore>")
    assert summarise(parse(text, scos=2)).mastery_score == 70.0
    assert summarise(parse(manifest2004())).mastery_score is None


def test_a_course_begins_at_its_first_item_that_launches_something() -> None:
    text = manifest12(scos=2, parameters="?lang=en#start").replace(
        '<item identifier="ITEM-1"', '<item identifier="INTRO"><title>Intro</title></item><item identifier="ITEM-1"'
    )
    target = launch(parse(text, scos=2))
    assert (target.item, target.path, target.scorm_type) == ("ITEM-1", "sco1/index.html?lang=en#start", "sco")


def test_an_item_of_scorm_12_may_have_items_below_it_and_launch_something() -> None:
    text = (
        manifest12(scos=2)
        .replace("</title></item><item", "</title><item", 1)
        .replace("Lesson 2</title></item>", "Lesson 2</title></item></item>")
    )
    manifest = parse(text, scos=2)
    assert first_item(manifest).url == "sco1/index.html"
    assert first_item(manifest).children[0].url == "sco2/index.html"


def test_only_leaves_of_scorm_2004_launch_something() -> None:
    text = (
        manifest2004(scos=2)
        .replace("</title></item><item", "</title><item", 1)
        .replace("Lesson 2</title></item>", "Lesson 2</title></item></item>")
    )
    manifest = parse(text, scos=2)
    assert first_item(manifest).url is None
    assert launch(manifest).item == "ITEM-2"
    assert manifest.warnings == (
        "Item 'ITEM-1' (Lesson 1) has items below it and a resource of its own, which cannot be launched",
    )


def test_a_launchable_file_that_is_missing_is_named_with_its_item() -> None:
    assert faults_of(manifest12(scos=3)) == [
        "Item 'ITEM-2' (Lesson 2) launches 'sco2/index.html', which is not in the package",
        "Item 'ITEM-3' (Lesson 3) launches 'sco3/index.html', which is not in the package",
    ]


def test_of_many_missing_files_ten_are_named() -> None:
    faults = faults_of(manifest12(scos=30))
    assert len(faults) == 11
    assert faults[-1] == "and 19 more faults of this kind"


def test_a_listed_file_that_is_missing_is_only_worth_a_warning() -> None:
    manifest = parse(manifest12().replace("sco1/picture.png", "sco1/missing.png"))
    assert manifest.resources[0].files == ("sco1/index.html",)
    assert manifest.warnings == ("1 file that the manifest lists is not in the package, such as 'sco1/missing.png'",)


def test_a_sco_of_another_site_is_refused_because_it_cannot_reach_its_run_time() -> None:
    [fault] = faults_of(manifest12().replace('href="sco1/index.html">', 'href="https://example.com/sco.html">'))
    assert fault == (
        "Item 'ITEM-1' (Lesson 1) launches 'https://example.com/sco.html' from another site: "
        "a SCO must be in the package, or it cannot reach its run-time"
    )


def test_an_asset_of_another_site_is_tolerated_but_nothing_to_begin_with() -> None:
    text = manifest2004(scos=2).replace(
        'scormType="sco" href="sco1/index.html"', 'scormType="asset" href="http://example.com/a b.html?q=1"'
    )
    manifest = parse(text, scos=2)
    assert first_item(manifest).url == "http://example.com/a%20b.html?q=1"
    assert launch(manifest).item == "ITEM-2"
    assert len(manifest.warnings) == 1


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "file:///c:/x.html", "data:text/html,x", "C:\\x.html", "mailto:a@b"]
)
def test_other_schemes_than_the_webs_lead_to_nothing(href: str) -> None:
    [fault] = faults_of(manifest12().replace('href="sco1/index.html">', f'href="{href}">'))
    assert fault == f"Item 'ITEM-1' (Lesson 1) launches '{href}', which is not in the package"


def test_a_package_without_a_launchable_item_or_resource_is_refused() -> None:
    text = manifest12().replace(' identifierref="RES-1"', "").replace(' href="sco1/index.html">', ">", 1)
    assert faults_of(text) == ["The manifest has nothing that can be launched: no item and no resource with an href"]


def test_a_resource_package_with_a_single_sco_launches_it() -> None:
    start, end = "<organizations", "</organizations>"
    text = manifest12()
    text = text[: text.index(start)] + "<organizations/>" + text[text.index(end) + len(end) :]
    manifest = parse(text)
    assert launch(manifest).path == "sco1/index.html"
    assert [item.identifier for item in manifest.organization.walk()] == ["RES-1"]
    assert manifest.title == "Workplace Safety Essentials"
    assert manifest.warnings == (
        "No organization launches anything; the only launchable resource, 'RES-1', is launched",
    )


def test_of_a_resource_package_the_only_sco_is_launched_whatever_assets_there_are() -> None:
    text = manifest12(scos=2).replace(' identifierref="RES-1"', "").replace(' identifierref="RES-2"', "")
    text = text.replace('identifier="RES-1" type="webcontent" adlcp:scormtype="sco"', 'identifier="RES-1"')
    assert launch(parse(text, scos=2)).path == "sco2/index.html"


def test_a_resource_package_with_several_scos_is_refused() -> None:
    text = manifest12(scos=2).replace(' identifierref="RES-1"', "").replace(' identifierref="RES-2"', "")
    assert faults_of(text, names=["sco2/index.html"]) == [
        "No organization launches anything, and 2 resources could be launched: the manifest must say which, by an item"
    ]


@pytest.mark.parametrize(
    ("root", "words"),
    [
        (
            '<manifest xmlns="http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1"><metadata/></manifest>',
            "Common Cartridge",
        ),
        ("<manifest><metadata><schema>IMS Common Cartridge</schema></metadata></manifest>", "Common Cartridge"),
        ('<manifest xmlns="http://www.imsglobal.org/xsd/imscp_v1p1"><organizations/></manifest>', "plain IMS content"),
        ('<manifest xmlns="http://www.imsglobal.org/xsd/imsqti_v2p1"/>', "QTI"),
        ("<courseStructure/>", "its root element is <coursestructure>"),
    ],
)
def test_what_is_not_scorm_is_refused_saying_what_it_is(root: str, words: str) -> None:
    [fault] = faults_of(root)
    assert words in fault
