"""Makes the demo tenant and its key: `python -m server.dev.demo KEY_FILE`, with ADMIN_ADDRESS and OPERATOR_TOKEN_FILE.

A program of its own, so that the supervisor, which forks, never loads gRPC.
"""

import os
import sys
from pathlib import Path

import grpc

from server.dev.secrets import write_private
from server.domain.api_keys import SCOPES
from server.gen.scorm.v1 import admin_service_pb2 as pb
from server.gen.scorm.v1.admin_service_pb2_grpc import AdminServiceStub

NAME = "demo"
WAIT_SECONDS = 20


class Demo:
    """The demo tenant, through the AdminService."""

    def __init__(self, channel: grpc.Channel, *, operator_token: str) -> None:
        self._stub = AdminServiceStub(channel)
        self._metadata = (("x-operator-token", operator_token),)

    def renew_key(self, key_file: Path) -> None:
        """Writes a new key of the tenant to `key_file`, then revokes the keys of that name that were there before."""
        tenant_id = self._tenant_id()
        listed = self._stub.ListApiKeys(
            pb.ListApiKeysRequest(tenant_id=tenant_id), metadata=self._metadata, timeout=WAIT_SECONDS
        )
        request = pb.CreateApiKeyRequest(tenant_id=tenant_id, name=NAME, scopes=sorted(SCOPES))
        created = self._stub.CreateApiKey(request, metadata=self._metadata, timeout=WAIT_SECONDS)
        write_private(key_file, created.secret + "\n")
        for key in listed.api_keys:
            if key.name == NAME and not key.HasField("revoked_at"):
                self._stub.RevokeApiKey(
                    pb.RevokeApiKeyRequest(api_key_id=key.id), metadata=self._metadata, timeout=WAIT_SECONDS
                )

    def _tenant_id(self) -> str:
        """The oldest tenant of that name; a new one if there is none."""
        usage = self._stub.GetUsage(
            pb.GetUsageRequest(), metadata=self._metadata, timeout=WAIT_SECONDS, wait_for_ready=True
        )
        for found in usage.tenants:
            if found.tenant.name == NAME:
                return str(found.tenant.id)
        created = self._stub.CreateTenant(
            pb.CreateTenantRequest(name=NAME), metadata=self._metadata, timeout=WAIT_SECONDS
        )
        return str(created.tenant.id)


def main() -> None:
    """Renews the key in the file that the argument names."""
    token = Path(os.environ["OPERATOR_TOKEN_FILE"]).read_text().strip()
    with grpc.insecure_channel(os.environ["ADMIN_ADDRESS"]) as channel:
        Demo(channel, operator_token=token).renew_key(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
