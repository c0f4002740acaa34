"""Verifies what signed statements are signed with."""

import json
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from server.domain.errors import ValidationFailed
from server.domain.xapi.equivalence import are_equivalent
from server.domain.xapi.signatures import Signature, parse_signature
from server.domain.xapi.statements import check_statement
from server.domain.xapi.versions import Version

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def check_signature(statement: dict[str, Any], jws: bytes) -> None:
    """Raises ValidationFailed unless `jws` signs a statement that is equivalent to this one.

    A signature without a certificate is one that nobody can check here: xAPI 1.0.3 Part Two 2.6 lets it pass.
    """
    found = parse_signature(jws)
    try:
        payload = json.loads(found.payload)
        check_statement(payload, Version.V2)
    except (ValueError, RecursionError, ValidationFailed):
        raise _faulty("its payload is no statement") from None
    if not are_equivalent(payload, statement):
        raise _faulty("it signs another statement")
    if found.certificate is not None:
        _verify(found, found.certificate)


def _verify(found: Signature, certificate: bytes) -> None:
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise _faulty("x5c holds no certificate") from None
    if not isinstance(key, RSAPublicKey):
        raise _faulty("the key of its certificate is not of RSA")
    try:
        key.verify(found.signature, found.signed, PKCS1v15(), _HASHES[found.hash_name])
    except InvalidSignature:
        raise _faulty("it was not made with the key of its certificate") from None


def _faulty(why: str) -> ValidationFailed:
    return ValidationFailed.of("attachments", f"The signature is not valid: {why}")
