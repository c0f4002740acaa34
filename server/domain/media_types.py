"""Media types as headers tell them (RFC 9110, 8.3)."""


def kind_of(content_type: str) -> str:
    """The type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()
