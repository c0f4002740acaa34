import pytest

from server.domain.content_types import cache_control, content_type


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("index.html", "text/html"),
        ("a/b/INDEX.HTM", "text/html"),
        ("page.xhtml", "application/xhtml+xml"),
        ("imsmanifest.xml", "application/xml"),
        ("app.js", "text/javascript"),
        ("module.mjs", "text/javascript"),
        ("style.css", "text/css"),
        ("data.json", "application/json"),
        ("picture.svg", "image/svg+xml"),
        ("picture.JPG", "image/jpeg"),
        ("movie.mp4", "video/mp4"),
        ("sound.mp3", "audio/mpeg"),
        ("captions.vtt", "text/vtt"),
        ("font.woff2", "font/woff2"),
        ("program.wasm", "application/wasm"),
        ("notes.txt", "text/plain; charset=utf-8"),
        ("archive.tar.gz", "application/gzip"),
        ("noending", "application/octet-stream"),
        ("folder.html/noending", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("strange.ending", "application/octet-stream"),
        ("dot.", "application/octet-stream"),
    ],
)
def test_the_type_follows_from_the_ending(name: str, expected: str) -> None:
    assert content_type(name) == expected


@pytest.mark.parametrize("name", ["index.html", "page.XHTML", "imsmanifest.xml", "schema.xsd"])
def test_documents_are_asked_for_again(name: str) -> None:
    assert cache_control(name) == "private, no-cache"


@pytest.mark.parametrize("name", ["app.js", "style.css", "movie.mp4", "noending", "html/picture.png"])
def test_everything_else_is_kept_for_an_hour(name: str) -> None:
    assert cache_control(name) == "private, max-age=3600"
