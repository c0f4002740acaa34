"""Fields of messages that may be absent."""

from typing import Any

from google.protobuf.message import Message


def given(message: Message, name: str) -> Any:
    """The value of an optional field; None where it was not given."""
    return getattr(message, name) if message.HasField(name) else None
