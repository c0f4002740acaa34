"""Names inside archives: which are safe, and what they are as paths of a package."""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

_LITTER = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_DRIVE = re.compile(r"[A-Za-z]:")


def clean_path(name: str) -> str:
    """The name with slashes only, without empty segments and dots. Safe only if `path_fault` finds nothing."""
    return "/".join(segment for segment in name.replace("\\", "/").split("/") if segment not in ("", "."))


def path_fault(name: str, *, is_dir: bool) -> str | None:
    """Why a name must not become a path, to follow its quotation in a sentence; None for one that may."""
    path = name.replace("\\", "/")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in path):
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
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def show_name(name: str) -> str:
    """A hostile name made fit to be shown."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return f"'{text}'" if len(text) <= 120 else f"'{text[:117]}...'"
