"""Who may call which RPC, read from the method options of the protos."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from server.gen.scorm.v1 import method_access_pb2 as pb

# Not ours, and for everyone: health and reflection. Envoy's Check is no RPC of callers: the gateway has no route to it.
PUBLIC_SERVICES = frozenset(
    {
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "grpc.reflection.v1.ServerReflection",
        "envoy.service.auth.v3.Authorization",
    }
)

# The generated stub does not say which message the extension extends.
_ACCESS: Any = pb.access


@dataclass(frozen=True, slots=True)
class Access:
    """What an RPC asks of its caller.

    `scope` is "public", "read", "write", "delete" or "operator"; `rate_class` is "none", "read", "write", "upload"
    or "xapi"; `origin`, the host that serves it over HTTP, is "base" or "content". `lrs_resource`, "statements",
    "state" or "profile", is what LRS scopes of a key may be about instead.
    """

    scope: str
    rate_class: str
    origin: str = "base"
    lrs_resource: str | None = None


class MissingAccess(Exception):
    """An RPC says not who may call it."""


def access_of(method: MethodDescriptor) -> Access:
    """Reads the options of one RPC. Raises MissingAccess where one is not set: that is a build error."""
    access: pb.MethodAccess = method.GetOptions().Extensions[_ACCESS]
    if access.scope == pb.SCOPE_UNSPECIFIED or access.rate_class == pb.RATE_CLASS_UNSPECIFIED:
        raise MissingAccess(f"{method.full_name} needs the option (scorm.v1.access) with scope and rate_class")
    return Access(
        pb.Scope.Name(access.scope).removeprefix("SCOPE_").lower(),
        pb.RateClass.Name(access.rate_class).removeprefix("RATE_CLASS_").lower(),
        pb.Origin.Name(access.origin or pb.ORIGIN_BASE).removeprefix("ORIGIN_").lower(),
        pb.LrsResource.Name(access.lrs_resource).removeprefix("LRS_RESOURCE_").lower() if access.lrs_resource else None,
    )


def access_table(services: Iterable[ServiceDescriptor]) -> Mapping[str, Access]:
    """From "/package.Service/Method" to its access, for every RPC of the services."""
    return {
        f"/{service.full_name}/{method.name}": access_of(method) for service in services for method in service.methods
    }
