"""Which edition of SCORM a manifest is written for."""

import re

from server.domain.errors import ValidationFailed
from server.domain.manifest.model import Edition
from server.domain.manifest.reading import Element, attribute, child, local_name, namespace, text_of
from server.domain.manifest.values import Notes, show

_CONTENT_PACKAGING = re.compile(r"//www\.ims(project|global)\.org/xsd/ims_?cp_(root)?v1p\d", re.IGNORECASE)
_NOT_SCORM = (
    (("imsccv1p", "/imscc/"), "an IMS Common Cartridge"),
    (("imsqti", "/qti"), "a QTI test"),
    (("imsld_v1p",), "an IMS Learning Design"),
)


def read_edition(root: Element, schema: str, schema_version: str, notes: Notes) -> Edition:
    """The declared edition, else the one that namespaces and elements show. Raises ValidationFailed if not SCORM."""
    signs = _Signs(root)
    _refuse_other_formats(root, schema, signs)
    declared = _declared(schema_version)
    inferred = signs.edition()
    if declared is not None:
        if signs.namespace_version and (declared is Edition.SCORM_1_2) != (signs.namespace_version == "1.2"):
            notes.add(
                f"The manifest declares SCORM {declared} but uses the namespaces of SCORM {signs.namespace_version}"
            )
        return declared
    if inferred is None:
        raise ValidationFailed.of(
            "file", "The manifest is a plain IMS content package: nothing in it says that it is SCORM"
        )
    wrong = f"names the unknown schemaversion {show(schema_version)}" if schema_version else "has no schemaversion"
    notes.add(f"The manifest {wrong}; it is taken for SCORM {inferred}")
    return inferred


def _declared(text: str) -> Edition | None:
    words = text.lower().replace("scorm", " ").replace("adl", " ").split()
    plain = " ".join(words)
    if re.fullmatch(r"v?1\.[012](\.\d)?", plain):
        return Edition.SCORM_1_2
    # The 2nd Edition's conformance text is "CAM 1.3", and the 1st Edition's; both have the same data model.
    if re.fullmatch(r"(2004 )?(cam )?1\.3(\.1)?|2004( 1st edition)?", plain):
        return Edition.SCORM_2004_2ND
    for pattern, edition in (
        (r"2004 (2nd|second|2)\b", Edition.SCORM_2004_2ND),
        (r"2004 (3rd|third|3)\b", Edition.SCORM_2004_3RD),
        (r"2004 (4th|fourth|4)\b", Edition.SCORM_2004_4TH),
    ):
        if re.match(pattern, plain):
            return edition
    return None


class _Signs:
    """What a manifest's namespaces, elements and attributes give away."""

    def __init__(self, root: Element) -> None:
        spaces = {space for space in root.nsmap.values() if space}
        self.root_namespace = namespace(root)
        self.fourth = self.sequencing = False
        self.scorm_type: str | None = None
        for element in root.iter("*"):
            spaces.add(namespace(element))
            if local_name(element) == "resource":
                spaces.update(str(key)[1:].partition("}")[0] for key in element.attrib if str(key).startswith("{"))
            self._look_at(element)
        self.namespaces = " ".join(sorted(spaces)).lower()

    @property
    def namespace_version(self) -> str | None:
        """ "1.2" or "2004" by ADL's namespaces, None if there are none or both."""
        old, new = "adlcp_rootv1p" in self.namespaces, "adlcp_v1p3" in self.namespaces
        if old == new:
            return None
        return "1.2" if old else "2004"

    def edition(self) -> Edition | None:
        """The edition without regard to what is declared; None where nothing is ADL's."""
        if self.fourth:
            return Edition.SCORM_2004_4TH
        if self.namespace_version == "1.2" or self.scorm_type == "scormtype":
            return Edition.SCORM_1_2
        modern = self.namespace_version == "2004" or self.sequencing or "adlcp_v1p3" in self.namespaces
        return Edition.SCORM_2004_3RD if modern or self.scorm_type else None

    def _look_at(self, element: Element) -> None:
        name = local_name(element)
        if name == "resource":
            keys = (str(key).rpartition("}")[2] for key in element.attrib)
            self.scorm_type = self.scorm_type or next((key for key in keys if key.lower() == "scormtype"), None)
        elif name == "sequencing":
            self.sequencing = True
        elif name == "completionthreshold":
            self.fourth = self.fourth or attribute(element, "minprogressmeasure") is not None
        elif name == "objectives":
            self.fourth = self.fourth or "adlseq" in namespace(element)
        elif name == "map":
            self.fourth = self.fourth or "adlcp" in namespace(element)


def _refuse_other_formats(root: Element, schema: str, signs: _Signs) -> None:
    if local_name(root) != "manifest":
        raise ValidationFailed.of(
            "file", f"imsmanifest.xml is no manifest: its root element is <{local_name(root)[:60]}>"
        )
    if "adlcp" in signs.namespaces:
        return
    clue = f"{signs.root_namespace} {schema}".lower()
    for marks, name in _NOT_SCORM:
        if any(mark in clue for mark in marks) or (name.endswith("Cartridge") and "common cartridge" in clue):
            raise ValidationFailed.of("file", f"This looks like {name}; only SCORM packages are accepted")


def note_namespaces(root: Element, notes: Notes) -> None:
    """Says so where the manifest is not in a namespace of IMS Content Packaging."""
    space = namespace(root)
    if not space:
        notes.add("The manifest has no namespace; it was read as IMS Content Packaging")
    elif not _CONTENT_PACKAGING.search(space):
        notes.add(f"The manifest is in the unknown namespace {show(space)}; it was read as IMS Content Packaging")


def schema_of(root: Element) -> tuple[str, str]:
    """<schema> and <schemaversion> as written, "" where they are absent."""
    metadata = child(root, "metadata")
    return text_of(child(metadata, "schema")), text_of(child(metadata, "schemaversion"))
