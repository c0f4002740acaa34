"""What goes wrong with the embedded Postgres."""


class PostgresFailed(Exception):
    """Postgres could not be started. The message says why and what it wrote last."""
