"""The credential for a real bucket, got with google-auth over its own protocol from a token endpoint of ours."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from server.domain.errors import Unavailable
from server.storage.credentials import fresh_access_token, keep_credential


class TokenEndpoint(ThreadingHTTPServer):
    """Answers RFC 7523 assertions with token-1, token-2, …; `claims` are those of the last."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.issued = 0
        self.refuse = False
        self.claims: dict[str, object] = {}


class Handler(BaseHTTPRequestHandler):
    server: TokenEndpoint

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.claims = jwt.decode(form["assertion"][0], options={"verify_signature": False})
        self.server.issued += 1
        body = {"access_token": f"token-{self.server.issued}", "expires_in": 3600, "token_type": "Bearer"}
        self.send_response(403 if self.server.refuse else 200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"error": "access_denied"} if self.server.refuse else body).encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenEndpoint]:
    """A service account whose tokens come from this machine."""
    server = TokenEndpoint()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "test",
        "client_email": "gateway@test.iam.gserviceaccount.com",
        "private_key": pem.decode(),
        "token_uri": f"http://127.0.0.1:{server.server_port}/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_token_may_only_read_and_says_when_it_ends(endpoint: TokenEndpoint) -> None:
    token = fresh_access_token()
    assert token.token == "token-1"
    assert timedelta(minutes=59) < token.expires_at - datetime.now(UTC) <= timedelta(minutes=60)
    assert endpoint.claims["scope"] == "https://www.googleapis.com/auth/devstorage.read_only"


def test_no_token_is_unavailable(endpoint: TokenEndpoint) -> None:
    endpoint.refuse = True
    with pytest.raises(Unavailable):
        fresh_access_token()


async def test_the_gateways_file_holds_the_token_for_nobody_else_to_read(
    endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "envoy" / "storage_credential.json"
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(keep_credential(path), timeout=2)
    (secret,) = json.loads(path.read_text())["resources"]
    assert secret["generic_secret"]["secret"]["inline_string"] == "Bearer token-1"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
