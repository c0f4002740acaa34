"""Which files are the player's, and under which hash."""

import hashlib
from pathlib import Path

import pytest

from server.services.static_files import FOLDER, files_of, hash_of, static_hash


def test_every_file_of_a_folder_is_found_but_those_that_begin_with_a_dot(tmp_path: Path) -> None:
    for name in ("b.js", "a/x.js", "a/.hidden", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert list(files_of(tmp_path).items()) == [("a/x.js", b"a/x.js"), ("b.js", b"b.js")]


def test_a_hash_is_that_of_names_and_contents_in_order() -> None:
    text = b"".join(len(part).to_bytes(8, "big") + part for part in (b"a", b"1", b"b", b"2"))
    assert hash_of({"b": b"2", "a": b"1"}) == hashlib.sha256(text).hexdigest()[:16]


@pytest.mark.parametrize("files", [{"a": b"2"}, {"b": b"1"}, {"a": b""}, {"a1": b""}, {"a": b"1", "b": b""}, {}])
def test_whatever_changes_the_hash_changes(files: dict[str, bytes]) -> None:
    assert hash_of(files) != hash_of({"a": b"1"})


def test_the_servers_own_hash_is_that_of_the_folder_that_came_with_it() -> None:
    assert FOLDER.parts[-3:] == ("server", "player", "static")
    assert static_hash() == hash_of(files_of(FOLDER))
    assert all(name.isascii() and " " not in name for name in files_of())
