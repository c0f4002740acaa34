"""The API key of a call: `X-API-Key`, and for the strict LRS HTTP Basic too (xAPI 1.0.3 Part Three 4)."""

import base64
import binascii
from collections.abc import Mapping

from server.domain.api_keys import KeyText
from server.domain.errors import Unauthorized

LONGEST = 512


def key_of(headers: Mapping[str, str], *, basic: bool) -> str | None:
    """The text of the key, or None. With `basic` it may be the password of a user whose name is the key's id.

    Raises Unauthorized for a user name that is another one, for what is no Basic, and for two keys that differ.
    """
    given = headers.get("x-api-key")
    authorization = headers.get("authorization") if basic else None
    if not authorization:
        return given
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > LONGEST:
        raise Unauthorized
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode("ascii").partition(":")
    except (ValueError, binascii.Error):
        raise Unauthorized from None
    key = KeyText.parse(password)
    if key is None or user.lower() != str(key.key_id) or given not in (None, "", password):
        raise Unauthorized
    return password
