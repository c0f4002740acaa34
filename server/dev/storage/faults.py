"""Faults on demand: latency, refusals, broken connections, slow bytes."""

import json
import re
import threading
from dataclasses import dataclass, fields
from typing import Any, Literal

from server.dev.storage.errors import ApiError


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Which requests suffer, and how.

    `match` is a regular expression searched in "METHOD /target"; empty matches all. `latency_ms` and
    `bytes_per_second` slow every matching request; every `fail_every`-th fails, at most `times` of them if that is
    given. It fails with `status`, before anything was done; or `cut` breaks the connection off: "request" while half of
    the body has been read, "response" when the work is done and half of the answer has been sent.
    """

    latency_ms: float = 0
    bytes_per_second: int = 0
    fail_every: int = 0
    times: int | None = None
    status: int = 503
    cut: Literal["", "request", "response"] = ""
    match: str = ""

    @classmethod
    def parse(cls, text: bytes | str) -> "FaultPlan":
        """Reads a JSON object. Raises ApiError 400 naming what is wrong."""
        try:
            values: dict[str, Any] = dict(json.loads(text).items())
            unknown = set(values) - {field.name for field in fields(cls)}
            plan = cls(**{name: value for name, value in values.items() if name not in unknown})
            re.compile(plan.match)
            plan.latency_ms + plan.bytes_per_second + plan.fail_every + (plan.times or 0)
        except (ValueError, TypeError, AttributeError, re.error):
            raise ApiError(400, "A fault plan is a JSON object") from None
        if unknown:
            raise ApiError(400, f"Unknown in a fault plan: {', '.join(sorted(unknown))}")
        if not 400 <= plan.status <= 599 or plan.cut not in ("", "request", "response"):
            raise ApiError(400, "status is 400 to 599, cut is request or response")
        return plan


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request."""

    latency_ms: float = 0
    bytes_per_second: int = 0
    status: int | None = None
    cut: Literal["", "request", "response"] = ""


class Faults:
    """The plan in force and the count of requests that it matched."""

    def __init__(self, plan: FaultPlan) -> None:
        self._lock = threading.Lock()
        self.replace(plan)

    def replace(self, plan: FaultPlan) -> None:
        """Starts a plan with fresh counts."""
        with self._lock:
            self._plan, self._pattern = plan, re.compile(plan.match)
            self._matched = self._failed = 0

    def next(self, method: str, target: str) -> Fault:
        """Decides about the next request."""
        plan = self._plan
        if plan.match and not self._pattern.search(f"{method} {target}"):
            return Fault()
        fails = bool(plan.fail_every) and self._counts(plan)
        return Fault(
            latency_ms=plan.latency_ms,
            bytes_per_second=plan.bytes_per_second,
            status=plan.status if fails and not plan.cut else None,
            cut=plan.cut if fails else "",
        )

    def _counts(self, plan: FaultPlan) -> bool:
        with self._lock:
            self._matched += 1
            fails = self._matched % plan.fail_every == 0 and (plan.times is None or self._failed < plan.times)
            self._failed += fails
            return fails
