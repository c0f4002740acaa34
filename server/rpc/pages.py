"""What a browser is shown where it cannot be shown what it asked for."""

import base64
import hashlib
import html

from google.api import httpbody_pb2

from server.rpc.context import Call
from server.rpc.errors import Rendered

_STYLE = (
    ":root{color-scheme:light dark;--text:#1b2333;--soft:#566074;--back:#f5f8fb}"
    "@media(prefers-color-scheme:dark){:root{--text:#e8ecf3;--soft:#a3adbf;--back:#12161e}}"
    "body{font:1.0625rem/1.6 system-ui,sans-serif;max-width:32em;margin:18vh auto 2em;padding:0 1.5em;"
    "color:var(--text);background:var(--back);overflow-wrap:anywhere}"
    "h1{font-size:1.5rem;line-height:1.3;margin:0 0 .5em}p{margin:.5em 0}p+p{color:var(--soft);font-size:.8125rem}"
)
# The style by its hash, and nothing else: what is in the page can load or run nothing.
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    # No frame-ancestors: a learner whose course is shown in a frame shall see what is wrong.
    "base-uri 'none'; form-action 'none'"
)
_ROOT = "/player/"
_TOO_MANY, _FAILED = 429, 500


def wants_page(call: Call) -> bool:
    """Whether the call is a browser's for a page."""
    path, accepted = call.metadata.get("x-envoy-original-path", ""), call.metadata.get("accept", "")
    return path.startswith(_ROOT) and "text/html" in accepted.lower()


def hint(status: int) -> str:
    """What to do about an error of this HTTP status."""
    passing = status == _TOO_MANY or status >= _FAILED
    return "Try again in a moment." if passing else "Ask whoever gave you the link for a new one."


def error_page(error: Rendered, request_id: str) -> tuple[httpbody_pb2.HttpBody, tuple[tuple[str, str], ...]]:
    """The page, and the initial metadata that it comes with. The gateway has the same for errors of its own."""
    message = html.escape(error.message)
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{message}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{message}</h1><p>{hint(error.entry.http_status)}</p>"
        f"<p>{error.reason} {html.escape(request_id)}</p></body></html>"
    )
    headers = [("x-http-status", str(error.entry.http_status)), ("content-security-policy", _POLICY)]
    if error.retry_after_seconds is not None:
        headers.append(("retry-after", str(error.retry_after_seconds)))
    return httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8", data=page.encode()), tuple(headers)
