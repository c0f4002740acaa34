"""The player's scripts and style: which there are, under which name they are served, and how they get there.

Everything in `server/player/static` is published to the bucket below `_static/{hash}/`, and the gateway serves it at
`/static/{hash}/`. The hash is that of all of it, so that what a page refers to never changes, and pages of an older
server find theirs while a newer one is rolled out.
"""

import hashlib
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path, PurePosixPath

from server.domain.content_types import content_type
from server.services.ports import Blobs

FOLDER = Path(__file__).resolve().parents[1] / "player" / "static"
CACHE_CONTROL = "public, max-age=31536000, immutable"
# Of the hash: enough to tell releases apart.
_DIGITS = 16
_AT_ONCE = 8


def files_of(folder: Path = FOLDER) -> dict[str, bytes]:
    """Name below the folder and content of each file, in order of name. What begins with a dot is none."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    names = sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
    return {name: (folder / name).read_bytes() for name in names}


def hash_of(files: Mapping[str, bytes]) -> str:
    """16 hexadecimal digits that stand for names and contents."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        # With their lengths: else one file's end could be another's beginning.
        for part in (name.encode(), content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:_DIGITS]


@cache
def static_hash() -> str:
    """That of the files that came with this server: pages refer to `/static/{hash}/…`."""
    return hash_of(files_of())


def publish(*, blobs: Blobs, files: Mapping[str, bytes]) -> int:
    """Writes what is not there yet and says how many files that were. Never deletes. Blocking.

    May be repeated, and run by several at once. Raises Unavailable.
    """
    root = f"_static/{hash_of(files)}/"
    there = {found.name: found.size_bytes for found in blobs.list(root)}
    missing = [name for name, content in files.items() if there.get(root + name) != len(content)]

    def write(name: str) -> None:
        blobs.upload(
            root + name,
            io.BytesIO(files[name]),
            size_bytes=len(files[name]),
            content_type=_type_of(name),
            cache_control=CACHE_CONTROL,
        )

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="publish") as pool:
        list(pool.map(write, missing))
    return len(missing)


def _type_of(name: str) -> str:
    """As a course's file of that name would be served; all text here is UTF-8."""
    kind = content_type(name) if PurePosixPath(name).suffix else "text/plain"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") and "charset" not in kind else kind
