"""Which method a request to the strict LRS stands for: that decides what its key must be allowed to do."""

from collections.abc import Mapping
from urllib.parse import parse_qs

from server.domain.errors import InvalidRequest

FIRST_ROOT = "/xapi/1.0.3"
# What each method asks of a key.
OPERATIONS = {"GET": "read", "HEAD": "read", "PUT": "write", "POST": "write", "DELETE": "delete"}


def tunnelled_method(method: str, metadata: Mapping[str, str]) -> str | None:
    """The method that a POST with the parameter `method` stands for (xAPI 1.0.3 Part Three 1.3); None without one.

    Raises InvalidRequest for what is no method, or where there is no such thing: but for POST, and in 2.0.
    """
    path, _, query = metadata.get("x-envoy-original-path", "").partition("?")
    if "method=" not in query:
        return None
    given = parse_qs(query, keep_blank_values=True).get("method")
    if given is None:
        return None
    real = metadata.get("x-envoy-original-method", method)
    if not path.startswith(FIRST_ROOT + "/") or real != "POST":
        raise InvalidRequest("`method` is for POST requests of xAPI 1.0.3")
    if len(given) != 1 or given[0] not in OPERATIONS:
        raise InvalidRequest(f"`method` must be one of {', '.join(OPERATIONS)}")
    return given[0]


def operation(scope: str, metadata: Mapping[str, str]) -> str:
    """What the request does, "read", "write" or "delete": `scope` is that of its RPC."""
    tunnelled = tunnelled_method("", metadata) if "x-envoy-original-path" in metadata else None
    return scope if tunnelled is None else OPERATIONS[tunnelled]
