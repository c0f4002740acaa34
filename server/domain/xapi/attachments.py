"""What statements tell of their attachments (xAPI 1.0.3 Part Two 2.4.11, IEEE 9274.1.1 4.2.2.6)."""

from typing import Any

from server.domain.xapi import texts
from server.domain.xapi.rules import Found, fault, list_of, shape, size

SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"
SIGNATURE_CONTENT_TYPE = "application/octet-stream"


def _signature_is_of_its_type(value: dict[str, Any]) -> Found:
    # 2.6: a signature is an attachment with this usage and this content type.
    if value.get("usageType") != SIGNATURE or value.get("contentType") == SIGNATURE_CONTENT_TYPE:
        return ()
    return fault(f"Must be {SIGNATURE_CONTENT_TYPE} for a signature", "contentType")


attachments = list_of(
    shape(
        {
            "usageType": texts.iri,
            "display": texts.language_map,
            "description": texts.language_map,
            "contentType": texts.media_type,
            "length": size,
            "sha2": texts.sha_2,
            "fileUrl": texts.iri,
        },
        required=("usageType", "display", "contentType", "length", "sha2"),
        also=_signature_is_of_its_type,
    )
)
