"""The secrets of one installation: made once, kept in files that only their owner may read."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Files that the processes read, and the passwords of the database roles."""

    api_key_pepper_file: Path
    operator_token_file: Path
    secrets_key_file: Path
    content_signing_key_file: Path
    download_signing_key_file: Path
    preview_signing_key_file: Path
    session_token_key_file: Path
    server_password: str
    operator_password: str


def load_or_create(folder: Path) -> Secrets:
    """Reads the secrets in `folder` and makes those that are missing. The caller holds the lock of the installation."""
    return Secrets(
        api_key_pepper_file=_kept(folder / "api-key-pepper", _token),
        operator_token_file=_kept(folder / "operator-token", _token),
        secrets_key_file=_kept(folder / "secrets-key", _token),
        content_signing_key_file=_kept(folder / "content-signing-key.pem", _ed25519_pem),
        download_signing_key_file=_kept(folder / "download-signing-key.pem", _ed25519_pem),
        preview_signing_key_file=_kept(folder / "preview-signing-key.pem", _ed25519_pem),
        session_token_key_file=_kept(folder / "session-token-key", _token),
        server_password=_kept(folder / "database-server-password", _token).read_text(),
        operator_password=_kept(folder / "database-operator-password", _token).read_text(),
    )


def write_private(path: Path, text: str) -> None:
    """Writes a file of mode 0600, all or nothing, durably."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _kept(path: Path, make: Callable[[], str]) -> Path:
    if path.exists():
        path.chmod(0o600)
    else:
        write_private(path, make())
    return path


def _token() -> str:
    return secrets.token_urlsafe(32)


def _ed25519_pem() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
