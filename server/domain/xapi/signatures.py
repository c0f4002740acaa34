"""Signatures of statements: JSON web signatures in their compact form (xAPI 1.0.3 Part Two 2.6, RFC 7515).

Nothing is verified here: whoever has a library for it verifies `signature` over `signed`, and compares the payload.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.domain.errors import ValidationFailed
from server.domain.xapi.attachments import SIGNATURE

# The algorithms of 2.6, with the hash that each signs.
HASHES = {"RS256": "sha256", "RS384": "sha384", "RS512": "sha512"}
_BASE64_URL = re.compile(rb"[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A JSON web signature, taken apart. `certificate` is the signer's in DER, if there is one."""

    header: Mapping[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes
    hash_name: str
    certificate: bytes | None


def is_signature(attachment: Mapping[str, Any]) -> bool:
    """Whether what an attachment tells says that it signs its statement."""
    return attachment.get("usageType") == SIGNATURE


def parse_signature(jws: bytes) -> Signature:
    """Takes a signature apart. Raises ValidationFailed under `attachments` for what is none that xAPI takes."""
    parts = jws.split(b".")
    if len(parts) != 3:
        raise _malformed("it is no JSON web signature in compact form")
    header = _header(_decoded(parts[0]))
    signature = _decoded(parts[2])
    if not signature:
        raise _malformed("it is empty")
    return Signature(
        header=header,
        payload=_decoded(parts[1]),
        signed=parts[0] + b"." + parts[1],
        signature=signature,
        hash_name=HASHES[header["alg"]],
        certificate=x5c_of(header),
    )


def x5c_of(header: Mapping[str, Any]) -> bytes | None:
    """The signer's certificate in DER, the first of x5c (RFC 7515, 4.1.6). Raises ValidationFailed if unreadable."""
    chain = header.get("x5c")
    if chain is None:
        return None
    if not isinstance(chain, list) or not chain or not all(isinstance(one, str) for one in chain):
        raise _malformed("x5c is no list of certificates")
    try:
        return base64.b64decode(chain[0], validate=True)
    except ValueError:
        raise _malformed("x5c is no list of certificates") from None


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed("its header is no JSON") from None
    if not isinstance(header, dict):
        raise _malformed("its header is no JSON object")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in HASHES:
        raise _malformed(f"its algorithm is none of {', '.join(HASHES)}")
    # RFC 7515, 4.1.11: whoever does not know what is named there must refuse.
    if "crit" in header:
        raise _malformed("its header has critical parameters that are not known here")
    return header


def _decoded(part: bytes) -> bytes:
    if not _BASE64_URL.fullmatch(part) or len(part) % 4 == 1:
        raise _malformed("it is not in base64url")
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _malformed(why: str) -> ValidationFailed:
    return ValidationFailed.of("attachments", f"The signature is not valid: {why}")
