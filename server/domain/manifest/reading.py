"""From the bytes of an untrusted manifest to elements, and how elements are read.

Elements and attributes are found by local name without regard to case: real manifests use wrong namespaces, or none.
"""

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from lxml import etree

from server.domain.errors import ValidationFailed

Element = etree._Element

MAX_BYTES = 10 * 1024**2
MAX_DEPTH = 100
# Tags and attributes together. libxml2 needs some 200 bytes for each; 10 MiB could otherwise hold millions.
MAX_NODES = 500_000

MAX_UNDECLARED_PREFIXES = 10

XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_UNDECLARED = re.compile(r"Namespace prefix ([A-Za-z_][\w.-]{0,39}) (for|on) ")
# Patterns are only matched at one place of the document, never searched for: a search that begins anew at each of its
# ten million characters takes minutes, in which no other thread runs.
_SPACE = re.compile(r"\s*+")
_DECLARATION = re.compile(r"<\?xml\s", re.IGNORECASE)
_TAG_NAME = re.compile(r"<[^\s/>]++")
_ENCODING = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Encodings of text that authoring tools write. The standard library knows others that are no encodings of text.
_ENCODINGS = re.compile(
    r"ascii|utf-(8|16|32)(-[lb]e)?|iso8859-\d+|cp(125\d|437|850|852|866|932|936|949|950)|shift_jis|euc_(jp|kr)|gb2312|"
    r"gbk|gb18030|big5|koi8-[ru]|mac-roman"
)


def parse_xml(data: bytes, warnings: list[str]) -> Element:
    """The root element. Appends to `warnings`; raises ValidationFailed where it is no XML, or not safely so."""
    if len(data) > MAX_BYTES:
        raise _refused(f"is larger than {MAX_BYTES // 1024**2} MiB")
    text = _decode(data, warnings).lstrip("\ufeff \t\r\n\0")
    if text.count("<") + text.count("=") > MAX_NODES:
        raise _refused("has too many elements")
    text = _without_declaration(text)
    if _has_doctype(text):
        raise _refused("has a document type declaration (DOCTYPE), which is not accepted")
    root = _parse(text, warnings)
    document: Any = root.getroottree().docinfo  # lxml-stubs leaves its attributes out
    if document.doctype:
        raise _refused("has a document type declaration (DOCTYPE), which is not accepted")
    _check_depth(root)
    return root


def _parse(text: str, warnings: list[str]) -> Element:
    missing = ""
    name = _TAG_NAME.match(text, _end_of_prolog(text))
    place = name.end() if name else 0
    for _ in range(MAX_UNDECLARED_PREFIXES):
        parser = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            encoding="utf-8",
        )
        try:
            return etree.fromstring((text[:place] + missing + text[place:]).encode(), parser)
        except etree.XMLSyntaxError as fault:
            # `adlcp:scormtype` without a declaration of `adlcp` is well-formed XML, only not by Namespaces in XML.
            prefix = _UNDECLARED.match(fault.msg or "")
            if prefix is None or any(entry.domain != etree.ErrorDomains.NAMESPACE for entry in parser.error_log):
                raise _refused(_reason(fault)) from None
        missing += f' xmlns:{prefix.group(1)}="urn:undeclared:{prefix.group(1)}"'
        warnings.append(f"imsmanifest.xml uses the prefix '{prefix.group(1)}' without declaring its namespace")
    raise _refused("uses too many prefixes without declaring their namespaces")


def _refused(fault: str) -> ValidationFailed:
    return ValidationFailed.of("file", f"imsmanifest.xml {fault}")


def _decode(data: bytes, warnings: list[str]) -> str:
    for bom, name in _BOMS:
        if data.startswith(bom):
            return _decode_as(name, data[len(bom) :], warnings)
    # XML 1.0, appendix F: without a byte order mark, the first characters tell two-byte encodings apart.
    if data[:2] == b"<\0":
        return _decode_as("utf-16-le", data, warnings)
    if data[:2] == b"\0<":
        return _decode_as("utf-16-be", data, warnings)
    declared = _ENCODING.search(data[:1024])
    if declared is None:
        return _decode_as("utf-8", data, warnings)
    return _decode_as(_codec(declared.group(1).decode(), warnings), data, warnings)


def _codec(declared: str, warnings: list[str]) -> str:
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        name = ""
    if not _ENCODINGS.fullmatch(name):
        warnings.append(f"imsmanifest.xml declares the unknown encoding '{declared}'; it was read as UTF-8")
        return "utf-8"
    if name.startswith(("utf-16", "utf-32")):
        warnings.append(f"imsmanifest.xml declares the encoding '{declared}' but is written in another; read as UTF-8")
        return "utf-8"
    # As browsers do: what calls itself Latin-1 or ASCII is Windows-1252 in practice.
    return "cp1252" if name in ("iso8859-1", "ascii") else name


def _decode_as(name: str, data: bytes, warnings: list[str]) -> str:
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        pass
    for fallback in ("utf-8", "cp1252", "iso8859-1"):
        try:
            text = data.decode(fallback)
        except UnicodeDecodeError:
            continue
        if name not in ("cp1252", fallback):
            shown = {"utf-8": "UTF-8"}.get(fallback, "Windows-1252")
            warnings.append(f"imsmanifest.xml is not in the encoding that it claims ({name}); it was read as {shown}")
        return text
    raise AssertionError("ISO 8859-1 decodes every byte")


def _prolog(text: str) -> Iterator[tuple[int, int]]:
    """Where each comment and processing instruction before the first element begins and ends."""
    at = _space_end(text, 0)
    while True:
        if text.startswith("<!--", at):
            close = text.find("-->", at + 4)
            end = close + 3
        elif text.startswith("<?", at):
            close = text.find("?>", at + 2)
            end = close + 2
        else:
            return
        if close < 0:
            return
        yield at, end
        at = _space_end(text, end)


def _space_end(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _end_of_prolog(text: str) -> int:
    """Where the first thing begins that is no white space, comment or processing instruction."""
    return _space_end(text, max((end for _, end in _prolog(text)), default=0))


def _without_declaration(text: str) -> str:
    """The text as it is decoded already; a declaration behind a comment is wrong, and does no harm."""
    for start, end in _prolog(text):
        if _DECLARATION.match(text, start):
            return text[:start] + text[end:]
    return text


def _has_doctype(text: str) -> bool:
    """Whether a DOCTYPE follows the prolog, which is where libxml2 looks for one."""
    at = text.find("<", _end_of_prolog(text))
    return at >= 0 and text[at : at + 9].upper() == "<!DOCTYPE"


def _reason(fault: etree.XMLSyntaxError) -> str:
    # libxml2 stops by itself at a depth of 256 and at 10 million bytes of text.
    message = fault.msg or ""
    if "depth" in message.lower():
        return f"nests elements deeper than {MAX_DEPTH}"
    if "huge" in message.lower() or "too long" in message.lower():
        return "has a name, text or attribute that is too long"
    line, column = fault.position
    return f"is not well-formed XML (line {line}, column {column})" if line else "is not XML"


def _check_depth(root: Element) -> None:
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise _refused(f"nests elements deeper than {MAX_DEPTH}")


def local_name(element: Element) -> str:
    """The element's name without namespace, in lower case."""
    return _local(str(element.tag))


def _local(name: str) -> str:
    # A hostile name may be long, and shall not be kept.
    return _known_local(name) if len(name) < 200 else _known_local.__wrapped__(name)


@lru_cache(maxsize=1024)
def _known_local(name: str) -> str:
    return name.rpartition("}")[2].lower()


def namespace(element: Element) -> str:
    """The element's namespace, "" for none."""
    head, brace, _ = str(element.tag).rpartition("}")
    return head[1:] if brace else ""


def children(element: Element | None, *names: str) -> Iterator[Element]:
    """The child elements with one of these names (lower case), or all of them."""
    if element is None:
        return
    for child in element.iterchildren(tag=etree.Element):
        if not names or local_name(child) in names:
            yield child


def child(element: Element | None, *path: str) -> Element | None:
    """The element at the end of a path of names (lower case), the first at each step; None if there is none."""
    for name in path:
        element = next(children(element, name), None)
    return element


def attribute(element: Element, name: str) -> str | None:
    """An attribute by its name (lower case) without namespace, white space collapsed. One without prefix wins."""
    found = None
    for key, value in element.attrib.items():
        if _local(str(key)) == name:
            if str(key).lower() == name:
                return collapse(str(value))
            found = collapse(str(value)) if found is None else found
    return found


def text_of(element: Element | None) -> str:
    """The element's own text with white space collapsed; "" for None."""
    return collapse("".join(str(part) for part in element.itertext())) if element is not None else ""


def collapse(text: str) -> str:
    """White space runs become one space, none at the ends: how XML Schema reads ids, URIs and tokens."""
    return " ".join(text.split())
