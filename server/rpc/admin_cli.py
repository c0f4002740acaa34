"""`python -m server admin …`: AdminService on the command line. Each command prints one JSON object.

The address and the operator token come from ADMIN_ADDRESS and OPERATOR_TOKEN_FILE, or from the files `admin-address`
and `operator-token` that `make run` writes to VAR_DIR (the repository's `var`).
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from server.gen.scorm.v1 import admin_service_pb2 as pb
from server.gen.scorm.v1 import admin_service_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
PLANS = ("standard", "high", "unlimited")
Command = Callable[[admin_service_pb2_grpc.AdminServiceStub, argparse.Namespace, Any], Message]


def main(arguments: Sequence[str]) -> int:
    """Runs one command; the exit status is 1 if the service refused it and 2 if it was not understood."""
    options = _parser().parse_args(arguments)
    try:
        address, token = _endpoint()
        with grpc.insecure_channel(address) as channel:
            stub = admin_service_pb2_grpc.AdminServiceStub(channel)
            response = options.command(stub, options, (("x-operator-token", token),))
    except OSError as error:
        return _fail(
            "UNAVAILABLE", f"{error}. Is the platform running, and are ADMIN_ADDRESS, OPERATOR_TOKEN_FILE set?"
        )
    except grpc.RpcError as error:  # always also the call itself, with code and details
        return _fail(*_refusal(error))
    print(json.dumps(_to_json(response)))
    return 0


def _endpoint() -> tuple[str, str]:
    var = Path(os.environ.get("VAR_DIR") or ROOT / "var")
    address = os.environ.get("ADMIN_ADDRESS") or (var / "admin-address").read_text().strip()
    token_file = Path(os.environ.get("OPERATOR_TOKEN_FILE") or var / "operator-token")
    return address, token_file.read_text().strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m server admin", description="Administers tenants and their keys.")
    nouns = parser.add_subparsers(required=True, metavar="NOUN")
    _tenant_commands(nouns)
    _key_commands(nouns)
    _limit_commands(nouns)
    usage = nouns.add_parser("usage", help="what tenants use of what they may use")
    usage.add_argument("--tenant", metavar="ID", help="only this tenant")
    usage.set_defaults(command=_usage)
    return parser


def _tenant_commands(nouns: Any) -> None:
    verbs = nouns.add_parser("tenant", help="tenants").add_subparsers(required=True, metavar="VERB")
    create = verbs.add_parser("create", help="makes a tenant")
    create.add_argument("name", metavar="NAME")
    create.set_defaults(command=lambda stub, o, m: stub.CreateTenant(pb.CreateTenantRequest(name=o.name), metadata=m))


def _key_commands(nouns: Any) -> None:
    verbs = nouns.add_parser("key", help="API keys").add_subparsers(required=True, metavar="VERB")
    create = verbs.add_parser("create", help="makes a key and shows its secret, once")
    create.add_argument("--tenant", metavar="ID", required=True)
    create.add_argument("--scopes", metavar="SCOPE,…", required=True, help="read, write, delete, lrs:…")
    create.add_argument("--name", metavar="N", default="")
    create.add_argument("--expires-at", metavar="TIME", type=_time, help="RFC 3339; never, if not given")
    create.set_defaults(command=_create_key)
    listing = verbs.add_parser("list", help="lists keys, without secrets")
    listing.add_argument("--tenant", metavar="ID", help="only this tenant's")
    listing.set_defaults(
        command=lambda stub, o, m: stub.ListApiKeys(pb.ListApiKeysRequest(tenant_id=o.tenant), metadata=m)
    )
    revoke = verbs.add_parser("revoke", help="revokes a key: refused everywhere within 5 seconds")
    revoke.add_argument("id", metavar="ID")
    revoke.set_defaults(
        command=lambda stub, o, m: stub.RevokeApiKey(pb.RevokeApiKeyRequest(api_key_id=o.id), metadata=m)
    )


def _limit_commands(nouns: Any) -> None:
    quotas = nouns.add_parser("quota", help="quotas").add_subparsers(required=True, metavar="VERB")
    quota = quotas.add_parser("set", help="sets a tenant's quotas; one that is not given becomes unlimited")
    quota.add_argument("--tenant", metavar="ID", required=True)
    quota.add_argument("--packages", metavar="N", type=_count(2**32 - 1), help="packages that it may have")
    quota.add_argument(
        "--bytes",
        metavar="N",
        type=_count(2**53 - 1),
        help="bytes that may be stored for its packages: the uploaded files and what was unpacked from them",
    )
    quota.set_defaults(command=_set_quota)
    plans = nouns.add_parser("plan", help="rate limits").add_subparsers(required=True, metavar="VERB")
    plan = plans.add_parser("set", help="sets a tenant's plan")
    plan.add_argument("--tenant", metavar="ID", required=True)
    plan.add_argument("plan", choices=PLANS)
    plan.set_defaults(command=_set_plan)


def _create_key(stub: Any, options: argparse.Namespace, metadata: Any) -> Message:
    scopes = [scope.strip() for scope in options.scopes.split(",") if scope.strip()]
    request = pb.CreateApiKeyRequest(tenant_id=options.tenant, name=options.name, scopes=scopes)
    if options.expires_at is not None:
        request.expires_at.FromDatetime(options.expires_at)
    response: Message = stub.CreateApiKey(request, metadata=metadata)
    return response


def _set_quota(stub: Any, options: argparse.Namespace, metadata: Any) -> Message:
    request = pb.SetQuotaRequest(
        tenant_id=options.tenant, package_limit=options.packages, stored_bytes_limit=options.bytes
    )
    response: Message = stub.SetQuota(request, metadata=metadata)
    return response


def _set_plan(stub: Any, options: argparse.Namespace, metadata: Any) -> Message:
    request = pb.SetPlanRequest(tenant_id=options.tenant, plan=f"PLAN_{options.plan.upper()}")
    response: Message = stub.SetPlan(request, metadata=metadata)
    return response


def _usage(stub: Any, options: argparse.Namespace, metadata: Any) -> Message:
    response: Message = stub.GetUsage(pb.GetUsageRequest(tenant_id=options.tenant), metadata=metadata)
    return response


def _count(most: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) <= most):
            raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {most}")
        return int(text)

    return count


def _time(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("must be a time such as 2027-01-31T12:00:00Z") from None


def _to_json(response: Message) -> Any:
    found = MessageToDict(response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return _spell(found)


def _spell(value: Any) -> Any:
    """Plans as the command line takes them, and whole numbers without a fraction."""
    if isinstance(value, dict):
        return {key: _spell(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spell(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.startswith("PLAN_"):
        return value.removeprefix("PLAN_").lower()
    return value


def _refusal(error: Any) -> tuple[str, str]:
    reason, message = error.code().name, error.details() or ""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(request):
            message += ": " + "; ".join(f"{fault.field}: {fault.description}" for fault in request.field_violations)
    return reason, message


def _fail(code: str, message: str) -> int:
    print(json.dumps({"error": {"code": code, "message": message}}), file=sys.stderr)
    return 1
