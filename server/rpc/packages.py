"""The servicer of `scorm.v1.PackageService`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from server.domain.errors import InvalidRequest
from server.domain.packages import Package, PackageItem, PackageMetadata
from server.gen.scorm.v1 import package_pb2, package_service_pb2, package_service_pb2_grpc
from server.rpc import context as calls
from server.rpc.idempotency import request_told, tell_created
from server.rpc.multipart import UploadForm, parse_form
from server.services.idempotent_uploads import IdempotentUploads
from server.services.packages import Packages
from server.services.ports import Clock, ContentSigner

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the signed URLs of a package."""

    signer: ContentSigner
    clock: Clock
    content_base_url: str

    def add_to(self, message: package_pb2.Package, package: Package) -> package_pb2.Package:
        """Sets launch_url, manifest_url and launch_url_expires_at."""
        signed = self.signer.sign(tenant_id=package.tenant_id, package_id=package.id, now=self.clock.now())
        root = f"{self.content_base_url}/content/{signed.token}"
        message.launch_url = f"{root}/{package.launch_path}"
        message.manifest_url = f"{root}/{package.manifest_path}"
        message.launch_url_expires_at.FromDatetime(signed.expires_at)
        return message


class PackageServicer(package_service_pb2_grpc.PackageServiceServicer):
    """Converts, calls, converts."""

    def __init__(self, *, packages: Packages, uploads: IdempotentUploads | None, links: Links) -> None:
        self._packages = packages
        self._uploads = uploads
        self._links = links

    async def ListPackages(
        self, request: package_service_pb2.ListPackagesRequest, context: Context
    ) -> package_service_pb2.ListPackagesResponse:
        found = await self._packages.list(
            tenant_id=calls.current().tenant_id,
            page=request.page if request.HasField("page") else None,
            limit=request.limit if request.HasField("limit") else None,
            cursor=request.cursor if request.HasField("cursor") else None,
        )
        return package_service_pb2.ListPackagesResponse(
            packages=[self._links.add_to(to_message(package), package) for package in found.packages],
            count=found.count,
            next_cursor=found.next_cursor,
        )

    async def GetPackage(self, request: package_service_pb2.GetPackageRequest, context: Context) -> package_pb2.Package:
        package = await self._packages.get(tenant_id=calls.current().tenant_id, package_id=request.package_id)
        return self._links.add_to(to_message(package), package)

    async def DeletePackage(
        self, request: package_service_pb2.DeletePackageRequest, context: Context
    ) -> package_service_pb2.DeletePackageResponse:
        deleted = await self._packages.delete(tenant_id=calls.current().tenant_id, package_id=request.package_id)
        return package_service_pb2.DeletePackageResponse(success=True, package_id=str(deleted))

    async def UploadPackage(
        self, request_iterator: AsyncIterator[package_service_pb2.UploadPackageRequest], context: Context
    ) -> package_service_pb2.UploadPackageResponse:
        if self._uploads is None:
            raise RuntimeError("uploads are served by the role `upload`")
        form, call = await _open_form(request_iterator), calls.current()
        declared_bytes = _declared_bytes(call)
        package, replayed = await self._uploads.upload(
            tenant_id=call.tenant_id,
            source=form,
            declared_bytes=declared_bytes,
            request=request_told("PackageService/UploadPackage", declared_bytes, form.uploaded_by, form.filename),
        )
        links = self._links.add_to(package_pb2.Package(), package)
        await tell_created(context, location=f"/api/v1/packages/{package.id}", replayed=replayed)
        return package_service_pb2.UploadPackageResponse(
            package_id=str(package.id),
            title=package.title,
            version=package.version,
            launch_url=links.launch_url,
            manifest_url=links.manifest_url,
        )


async def _open_form(requests: AsyncIterator[package_service_pb2.UploadPackageRequest]) -> UploadForm:
    """Reads the first message, which says what the others are."""
    try:
        first = await anext(requests)
    except StopAsyncIteration:
        raise InvalidRequest("The upload has no body") from None
    return parse_form(
        first.body.content_type,
        _data(first, requests),
        uploaded_by=first.uploaded_by or None,
        filename=first.filename or None,
    )


def _declared_bytes(call: calls.Call) -> int | None:
    """How long the gateway was told that the body is; None where it was not told."""
    text = call.metadata.get("x-declared-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def _data(
    first: package_service_pb2.UploadPackageRequest,
    rest: AsyncIterator[package_service_pb2.UploadPackageRequest],
) -> AsyncIterator[bytes]:
    yield first.body.data
    async for request in rest:
        yield request.body.data


def to_message(package: Package) -> package_pb2.Package:
    """A package without its links."""
    return package_pb2.Package(
        id=str(package.id),
        tenant_id=str(package.tenant_id),
        title=package.title,
        version=package.version,
        file_size_bytes=package.file_size_bytes,
        metadata=_metadata(package.metadata) if package.metadata else None,
        created_at=_timestamp(package.created_at),
        updated_at=_timestamp(package.updated_at),
        uploaded_by=package.uploaded_by,
    )


def _metadata(metadata: PackageMetadata) -> package_pb2.PackageMetadata:
    return package_pb2.PackageMetadata(
        description=metadata.description,
        sco_count=metadata.sco_count,
        schema_version=metadata.schema_version,
        organizations=[
            package_pb2.PackageOrganization(
                identifier=organization.identifier, title=organization.title, default=organization.default
            )
            for organization in metadata.organizations
        ],
        items=[_item(item) for item in metadata.items],
        mastery_score=metadata.mastery_score,
        language=metadata.language,
        warnings=metadata.warnings,
    )


def _item(item: PackageItem) -> package_pb2.PackageItem:
    return package_pb2.PackageItem(
        identifier=item.identifier,
        title=item.title,
        href=item.href,
        scorm_type=item.scorm_type,
        visible=item.visible,
        children=[_item(child) for child in item.children],
    )


def _timestamp(at: Any) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(at)
    return timestamp
