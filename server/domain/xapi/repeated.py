"""Values that come again in statement after statement: the verb, the activity, the learner."""

from typing import Any


class Repeated(dict[str, Any]):
    """A property's value that is kept between statements, with what was found out about it. Never changed.

    `good_in` are the versions whose rules it keeps, `found_by` what `server.domain.xapi.keys` makes of it. It must
    stand under the same property wherever it is used.
    """

    __slots__ = ("found_by", "good_in")

    def __init__(self, value: dict[str, Any]) -> None:
        super().__init__(value)
        self.good_in: frozenset[Any] = frozenset()
        self.found_by: Any = None
