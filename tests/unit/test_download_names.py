"""Names that files are saved under."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.packages import download_name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Workplace Safety", "Workplace Safety.zip"),
        ("../../etc/passwd", "etc passwd.zip"),
        ('a\\b:c*d?e"f<g>h|i', "a b c d e f g h i.zip"),
        ("photo\u202egnp.exe", "photo gnp.exe.zip"),
        ("  . ", "package.zip"),
        ("日本" * 30, "日本" * 20 + ".zip"),
        ("😀" * 31, "😀" * 30 + ".zip"),
        ("U\u0308bung", "Übung.zip"),
    ],
)
def test_a_title_becomes_a_name(title: str, name: str) -> None:
    assert download_name(title) == name


@given(st.text(max_size=300))
def test_every_name_is_one_that_every_system_takes(title: str) -> None:
    name = download_name(title)
    assert len(name.encode()) <= 124
    assert name.isprintable()
    assert not set(name) & set('\\/:*?"<>|')
    assert not name.startswith((".", " "))
