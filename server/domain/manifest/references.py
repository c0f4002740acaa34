"""What an href means: which entry of the package, and which URL opens it."""

import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urljoin

from server.domain.errors import ValidationFailed
from server.domain.zip_names import compose, fold_name

# Items share what their resources refer to, and resources their xml:base: a long one would be there thousands of times.
MAX_REFERENCE_BYTES = 4096

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_WEB = re.compile(r"(https?:)?//[^/]", re.IGNORECASE)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNSAFE_IN_SUFFIX = "!$&'()*+,;=:@/?#[]%-._~"
# No colon: the first segment of a relative reference would be taken for a scheme (RFC 3986, 4.2).
_SAFE_IN_PATH = "!$&'()*+,;=@/-._~"


@dataclass(frozen=True, slots=True)
class Target:
    """Where an href leads: `path` is an entry of the package, None for an address elsewhere.

    `url` is percent-encoded and has the query and fragment of the href. `note` says what was wrong with the href,
    to follow its quotation in a sentence.
    """

    path: str | None
    url: str
    note: str | None = None


class PackageNames:
    """The entries of a package, to be found as browsers, Windows and macOS would."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._composed = _first_of((compose(name), name) for name in sorted(names))
        self._folded = _first_of((fold_name(name), name) for name in sorted(names))

    def find(self, path: str) -> tuple[str, str | None] | None:
        """The entry of that path, and what was wrong with the path if anything."""
        if path in self._names:
            return path, None
        composed = self._composed.get(compose(path))
        if composed is not None:
            return composed, None
        folded = self._folded.get(fold_name(path))
        if folded is not None:
            return folded, f"is written '{folded}' in the package"
        return None


def _first_of(pairs: Iterator[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, name in pairs:
        found.setdefault(key, name)
    return found


def bounded(reference: str, name: str) -> str:
    """The reference as it is. Raises ValidationFailed if it is too long; `name` is that of its attribute."""
    if len(reference) > MAX_REFERENCE_BYTES or len(reference.encode()) > MAX_REFERENCE_BYTES:
        raise ValidationFailed.of("file", f"The manifest has '{name}' longer than {MAX_REFERENCE_BYTES} bytes")
    return reference


def resolve(href: str, base: str, names: PackageNames) -> Target | None:
    """What `href` under xml:base `base` leads to; None if to nothing.

    An href is a URI reference: it is split, joined and decoded as one; then as the literal name that many tools
    write. Backslashes are read as slashes.
    """
    if _WEB.match(href):
        return Target(None, quote(_STRAY_PERCENT.sub("%25", href), safe=_UNSAFE_IN_SUFFIX))
    if _SCHEME.match(href) and names.find(href) is None:
        return None
    if _WEB.match(base):
        return Target(None, quote(_STRAY_PERCENT.sub("%25", urljoin(base, href)), safe=_UNSAFE_IN_SUFFIX))
    for path, suffix, note in _readings(href, base):
        found = names.find(path)
        if found is not None:
            entry, wrong = found
            return Target(entry, url_path(entry) + encode_suffix(suffix), wrong or note)
    return None


def _readings(href: str, base: str) -> Iterator[tuple[str, str, str | None]]:
    """Paths that the href may mean, best first, with query and fragment and with what is wrong in that reading."""
    slashed, slashed_base = href.replace("\\", "/"), base.replace("\\", "/")
    note = "has backslashes; they were read as slashes" if "\\" in href + base else None
    end = min((at for at in (slashed.find("?"), slashed.find("#")) if at >= 0), default=len(slashed))
    path, suffix = slashed[:end], slashed[end:]
    folder = slashed_base.rpartition("/")[0]
    for text, rest in ((path, suffix), (slashed, "")):
        for form in dict.fromkeys((_decode(text), text)):
            if not form:
                continue
            yield _join(_decode(folder), form), rest, note
            yield _join(folder, form), rest, note
            if slashed_base and not slashed_base.endswith("/"):
                yield _join(_decode(slashed_base), form), rest, "has an xml:base without a slash at its end"
            if slashed_base:
                yield _join("", form), rest, "was found without its xml:base only"
            if form.startswith("/"):
                yield _join(_decode(folder), form.lstrip("/")), rest, "begins with a slash"


def _join(folder: str, path: str) -> str:
    joined = posixpath.normpath(posixpath.join(folder, path))
    # RFC 3986, 5.2.4: dot segments cannot climb above the root.
    while joined.startswith("../"):
        joined = joined[3:]
    return joined


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    raw = unquote_to_bytes(text)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def url_path(entry: str) -> str:
    """The entry's name as the path of a relative URL."""
    return quote(entry, safe=_SAFE_IN_PATH)


def encode_suffix(suffix: str) -> str:
    """A query and fragment with everything encoded that may not stand in a URL; what is encoded already stays."""
    return quote(_STRAY_PERCENT.sub("%25", suffix), safe=_UNSAFE_IN_SUFFIX)


def with_parameters(url: str, parameters: str) -> str:
    """The URL with an item's parameters, joined as SCORM 2004 CAM 3.4 (<item>, parameters) says.

    One deviation: a query goes before the fragment of the URL, not behind it, where no browser would send it.
    """
    rest = parameters.strip().lstrip("?&")
    if not rest:
        return url
    address, mark, fragment = url.partition("#")
    if rest.startswith("#"):
        return url if mark else address + encode_suffix(rest)
    query, hash_mark, own_fragment = rest.partition("#")
    joined = address + ("&" if "?" in address else "?") + encode_suffix(query)
    if mark:
        return f"{joined}#{fragment}"
    return joined + encode_suffix(hash_mark + own_fragment)
