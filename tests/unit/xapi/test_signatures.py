"""How signatures of statements are taken apart."""

import base64
import json
from typing import Any

import pytest

from server.domain.errors import ValidationFailed
from server.domain.xapi.signatures import is_signature, parse_signature, x5c_of

PAYLOAD = b'{"verb": {"id": "urn:x:y"}}'


def encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def jws(header: Any, payload: bytes = PAYLOAD, signature: bytes = b"\xff\xfe\xfd") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return b".".join(map(encoded, (text, payload, signature)))


@pytest.mark.parametrize(("algorithm", "hash_name"), [("RS256", "sha256"), ("RS384", "sha384"), ("RS512", "sha512")])
def test_a_signature_is_taken_apart(algorithm: str, hash_name: str) -> None:
    certificate = base64.b64encode(b"DER\xfb\xff").decode()
    header = {"alg": algorithm, "x5c": [certificate, "chain"]}
    whole = jws(header)
    found = parse_signature(whole)
    assert (found.header, found.payload, found.signature) == (header, PAYLOAD, b"\xff\xfe\xfd")
    assert (found.signed, found.hash_name, found.certificate) == (whole.rpartition(b".")[0], hash_name, b"DER\xfb\xff")


def test_a_signature_without_a_certificate_has_none() -> None:
    assert x5c_of({"alg": "RS256"}) is None
    assert parse_signature(jws({"alg": "RS256"})).certificate is None


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"..",
        b"a.b",
        jws({"alg": "RS256"}) + b".x",
        jws({"alg": "RS256"}) + b"\n",
        jws({"alg": "RS256"}) + b"=",
        jws({"alg": "RS256"}, signature=b""),
        jws({"alg": "RS256"}).replace(b".", b".!", 1),
        jws({"alg": "HS256"}),
        jws({"alg": "none"}),
        jws({"alg": "ES256"}),
        jws({"alg": "rs256"}),
        jws({"alg": ["RS256"]}),
        jws({}),
        jws(["RS256"]),
        jws(b"{'alg': 'RS256'}"),
        jws(b"\xff"),
        jws(b"[" * 100_000),
        jws({"alg": "RS256", "crit": ["b64"], "b64": False}),
        jws({"alg": "RS256", "x5c": []}),
        jws({"alg": "RS256", "x5c": "MIID"}),
        jws({"alg": "RS256", "x5c": [1]}),
        jws({"alg": "RS256", "x5c": ["-_-_"]}),
        jws({"alg": "RS256", "x5c": ["é"]}),
    ],
)
def test_anything_else_is_no_signature(whole: bytes) -> None:
    with pytest.raises(ValidationFailed) as failed:
        parse_signature(whole)
    assert list(failed.value.field_errors) == ["attachments"]


def test_an_attachment_says_that_it_is_a_signature() -> None:
    assert is_signature({"usageType": "http://adlnet.gov/expapi/attachments/signature"})
    assert not is_signature({"usageType": "http://adlnet.gov/expapi/attachments/Signature"})
    assert not is_signature({})
