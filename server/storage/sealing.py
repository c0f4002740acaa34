"""Encrypting what customers entrust to us, such as signed URLs, for the time that it lies in the database."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FORMAT = b"\x01"
_NONCE_BYTES = 12


class SealBroken(Exception):
    """It was sealed with another key, for another place, or has changed."""


class AesSealer:
    """Keeps `server.services.ports.Sealer` with AES-256-GCM, its key derived from the secret."""

    def __init__(self, secret: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"scorm-api sealed values 1").derive(secret)
        self._cipher = AESGCM(key)

    def seal(self, text: str, *, place: str) -> bytes:
        """Encrypts a text for the place where it will lie."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())

    def open(self, sealed: bytes, *, place: str) -> str:
        """Decrypts what `seal` made for that place. Raises SealBroken."""
        nonce, encrypted = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _FORMAT:
                raise InvalidTag
            return self._cipher.decrypt(nonce, encrypted, place.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise SealBroken("a sealed value cannot be opened") from error
