"""Names inside archives: which are safe, and what they are as paths of a package."""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

_LITTER = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_DRIVE = re.compile(r"[A-Za-z]:")
# The categories Cc and Cs.
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_COMBINING = 30
# The only characters that combine with nothing themselves but are made of some that do (Tibetan vowels).
_MADE_OF_COMBINING = "\u0f73\u0f75\u0f81"


def clean_path(name: str) -> str:
    """The name with slashes only, without empty segments and dots. Safe only if `path_fault` finds nothing."""
    return "/".join(segment for segment in name.replace("\\", "/").split("/") if segment not in ("", "."))


def path_fault(name: str, *, is_dir: bool) -> str | None:
    """Why a name must not become a path, to follow its quotation in a sentence; None for one that may."""
    path = name.replace("\\", "/")
    if _CONTROLS.search(path):
        return "has control characters in its name"
    if (path.startswith("/") and path.strip("/")) or _DRIVE.match(clean_path(path)):
        return "is an absolute path"
    if any(".." in form.split("/") for form in _decodings(path)):
        return "leads out of its folder"
    if not is_dir and not clean_path(path):
        return "has no name"
    return None


def _decodings(path: str) -> Iterator[str]:
    """The path, and what it would become if someone percent-decoded it, up to three times."""
    yield path
    for _ in range(3):
        decoded = unquote(path, errors="replace").replace("\\", "/")
        if decoded == path:
            return
        yield decoded
        path = decoded


def is_litter(name: str) -> bool:
    """Whether an operating system left the file there: macOS's forks and folders, Windows' thumbnails."""
    folders, _, base = name.rpartition("/")
    return "__MACOSX" in folders.split("/") or base.lower() in _LITTER or base.startswith("._")


def fold_name(name: str) -> str:
    """What two names have in common that differ only in case or Unicode normal form."""
    return compose(compose(name).casefold())


def compose(text: str) -> str:
    """Normal form C; the text itself where more combining characters follow each other than in any language.

    To sort them takes quadratic time. The number is that of Unicode's Stream-Safe Text Format (UAX #15, 12.2).
    """
    if text.isascii():
        return text
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) or character in _MADE_OF_COMBINING else 0
        if run > _MAX_COMBINING:
            return text
    return unicodedata.normalize("NFC", text)


def show_name(name: str) -> str:
    """A hostile name made fit to be shown."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:120])
    return f"'{text}'" if len(name) <= 120 else f"'{text[:117]}...'"
