"""A running copy serves the player's scripts that came with it, on both of its hosts."""

import httpx
import pytest

from server.services.static_files import CACHE_CONTROL, files_of, static_hash
from tests.stack import Stack


@pytest.mark.parametrize("host", ["base", "content"])
def test_every_file_is_served_from_the_first_moment_on(stack: Stack, host: str) -> None:
    origin = stack.base_url if host == "base" else stack.content_url
    with httpx.Client(base_url=origin) as client:
        for name, content in files_of().items():
            response = client.get(f"/static/{static_hash()}/{name}")
            assert (response.status_code, response.content) == (200, content)
            assert response.headers["cache-control"] == CACHE_CONTROL
            assert response.headers["x-content-type-options"] == "nosniff"
        script = next(name for name in files_of() if name.endswith(".js"))
        response = client.get(f"/static/{static_hash()}/{script}")
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"
        unchanged = client.get(f"/static/{static_hash()}/{script}", headers={"if-none-match": response.headers["etag"]})
        assert unchanged.status_code == 304


def test_an_unknown_hash_is_not_found(stack: Stack) -> None:
    assert httpx.get(f"{stack.base_url}/static/{'0' * 16}/shell/shell.js").status_code == 404
