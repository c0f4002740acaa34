"""What tests of the strict LRS at the edge have in common."""

import base64
from typing import Any
from uuid import UUID

from google.api import httpbody_pb2

from server.domain.api_keys import KeyText
from tests.edge import Edge
from tests.edge_upstreams import BEHAVIOUR_HEADER, Behaviour, Key, LrsCall, fail

MIB = 1024 * 1024
LARGEST = 16 * MIB
FORM = "application/x-www-form-urlencoded"
CONSISTENT = ("x-experience-api-consistent-through", "2026-01-02T03:04:05Z")


def new_key(edge: Edge, tenant: str = "lrs-tenant", **said: Any) -> str:
    """A key that the edge knows: its id counts up."""
    number = sum(key.startswith("scorm_") for key in edge.upstream.keys) + 1
    key = str(KeyText.mint(tenant_id=UUID(int=1), key_id=UUID(int=number)))
    edge.upstream.keys[key] = Key(tenant, **said)
    return key


def basic(key: str, *, user: str | None = None) -> str:
    parsed = KeyText.parse(key)
    assert parsed is not None
    return "Basic " + base64.b64encode(f"{parsed.key_id if user is None else user}:{key}".encode()).decode()


def last(edge: Edge) -> LrsCall:
    return edge.upstream.lrs_calls[-1]


def behaving(edge: Edge, behaviour: Behaviour) -> dict[str, str]:
    """The header by which a request has the core behave so."""
    name = f"lrs-{len(edge.upstream.behaviours)}"
    edge.upstream.behaviours[name] = behaviour
    return {BEHAVIOUR_HEADER: name}


def answers(data: bytes, kind: str, *told: tuple[str, str]) -> Behaviour:
    """A core that answers this, and tells the rest behind it."""

    def behaviour(_: Any, context: Any) -> Any:
        context.set_trailing_metadata(told)
        return httpbody_pb2.HttpBody(content_type=kind, data=data)

    return behaviour


def raises(error: BaseException, *told: tuple[str, str]) -> Behaviour:
    return lambda _, context: fail(context, error, *told)
