"""The servicer of `scorm.v1.PackageService`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import grpc

from server.domain.errors import InvalidRequest
from server.domain.packages import (
    Package,
    PackageChange,
    PackageItem,
    PackageMetadata,
    download_name,
    original_name,
)
from server.domain.previews import Preview
from server.gen.scorm.v1 import package_pb2, package_service_pb2, package_service_pb2_grpc
from server.rpc import context as calls
from server.rpc.context import etag
from server.rpc.idempotency import request_of, request_told, tell_created
from server.rpc.multipart import UploadForm, parse_form
from server.rpc.pacing import paced
from server.rpc.times import timestamp
from server.services.idempotent_uploads import IdempotentUploads
from server.services.packages import Packages
from server.services.ports import Clock, ContentSigner, DownloadSigner
from server.services.previews import Previews

Context = grpc.aio.ServicerContext[Any, Any]
DOWNLOAD_LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the signed URLs of a package."""

    signer: ContentSigner
    downloads: DownloadSigner
    clock: Clock
    base_url: str
    content_base_url: str

    def add_to(self, message: package_pb2.Package, package: Package) -> package_pb2.Package:
        """Sets launch_url, manifest_url and launch_url_expires_at."""
        signed = self.signer.sign(tenant_id=package.tenant_id, package_id=package.id, now=self.clock.now())
        root = f"{self.content_base_url}/content/{signed.token}"
        message.launch_url = f"{root}/{package.launch_path}"
        message.manifest_url = f"{root}/{package.manifest_path}"
        message.launch_url_expires_at.CopyFrom(timestamp(signed.expires_at))
        return message

    def launch_url(self, package: Package) -> str:
        """As `add_to` sets it."""
        return self.add_to(package_pb2.Package(), package).launch_url

    def download(self, package: Package) -> package_service_pb2.GetPackageDownloadResponse:
        """The uploaded file. Whole seconds, as a token tells them."""
        expires_at = self.clock.now().replace(microsecond=0) + DOWNLOAD_LIFETIME
        filename = download_name(package.title)
        token = self.downloads.sign(
            tenant_id=package.tenant_id,
            package_id=package.id,
            object_name=original_name(package.tenant_id, package.id),
            filename=filename,
            expires_at=expires_at,
        )
        return package_service_pb2.GetPackageDownloadResponse(
            download_url=f"{self.content_base_url}/download/{token}/{quote(filename, safe='')}",
            download_url_expires_at=timestamp(expires_at),
            filename=filename,
            file_size_bytes=package.file_size_bytes,
        )

    def preview(self, preview: Preview, token: str) -> package_service_pb2.PackagePreview:
        """The page that opens with the token."""
        return package_service_pb2.PackagePreview(
            launch_url=f"{self.base_url}/player/preview/{token}",
            expires_at=timestamp(preview.expires_at),
            package_id=str(preview.package_id),
        )


class PackageServicer(package_service_pb2_grpc.PackageServiceServicer):
    """Converts, calls, converts."""

    def __init__(
        self,
        *,
        packages: Packages,
        previews: Previews,
        uploads: IdempotentUploads | None,
        links: Links,
        upload_stall_seconds: int,
    ) -> None:
        self._packages = packages
        self._previews = previews
        self._uploads = uploads
        self._links = links
        self._upload_stall_seconds = upload_stall_seconds

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
        # Told, but never compared with If-None-Match: the links age while the version stays.
        calls.tell(context, etag(package.revision))
        return self._links.add_to(to_message(package), package)

    async def GetPackageDownload(
        self, request: package_service_pb2.GetPackageDownloadRequest, context: Context
    ) -> package_service_pb2.GetPackageDownloadResponse:
        package = await self._packages.get(tenant_id=calls.current().tenant_id, package_id=request.package_id)
        return self._links.download(package)

    async def CreatePackagePreview(
        self, request: package_service_pb2.CreatePackagePreviewRequest, context: Context
    ) -> package_service_pb2.CreatePackagePreviewResponse:
        preview, token, replayed = await self._previews.create(
            tenant_id=calls.current().tenant_id,
            package_id=request.package_id,
            expires_in_seconds=request.expires_in_seconds if request.HasField("expires_in_seconds") else None,
            redirect_url=request.redirect_url if request.HasField("redirect_url") else None,
            request=request_of("PackageService/CreatePackagePreview", request),
        )
        made = self._links.preview(preview, token)
        tell_created(context, location=made.launch_url, replayed=replayed)
        return package_service_pb2.CreatePackagePreviewResponse(preview=made)

    async def UpdatePackage(
        self, request: package_service_pb2.UpdatePackageRequest, context: Context
    ) -> package_pb2.Package:
        call = calls.current()
        package = await self._packages.update(
            tenant_id=call.tenant_id,
            package_id=request.package_id,
            change=_change(request),
            if_match=call.metadata.get("if-match"),
        )
        calls.tell(context, etag(package.revision))
        return self._links.add_to(to_message(package), package)

    async def DeletePackage(
        self, request: package_service_pb2.DeletePackageRequest, context: Context
    ) -> package_service_pb2.DeletePackageResponse:
        call = calls.current()
        deleted = await self._packages.delete(
            tenant_id=call.tenant_id, package_id=request.package_id, if_match=call.metadata.get("if-match")
        )
        return package_service_pb2.DeletePackageResponse(success=True, package_id=str(deleted))

    async def UploadPackage(
        self, request_iterator: AsyncIterator[package_service_pb2.UploadPackageRequest], context: Context
    ) -> package_service_pb2.UploadPackageResponse:
        if self._uploads is None:
            raise RuntimeError("uploads are served by the role `upload`")
        requests = paced(request_iterator, stall_seconds=self._upload_stall_seconds)
        form, call = await _open_form(requests), calls.current()
        declared_bytes = _declared_bytes(call)
        package, replayed = await self._uploads.upload(
            tenant_id=call.tenant_id,
            source=form,
            declared_bytes=declared_bytes,
            request=request_told("PackageService/UploadPackage", declared_bytes, form.uploaded_by, form.filename),
        )
        links = self._links.add_to(package_pb2.Package(), package)
        location = f"/api/v1/packages/{package.id}"
        tell_created(context, location=location, replayed=replayed, revision=package.revision)
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
        created_at=timestamp(package.created_at),
        updated_at=timestamp(package.updated_at),
        uploaded_by=package.uploaded_by,
        settings=package_pb2.PackageSettings(
            failed_completes=package.settings.failed_completes,
            mastery_overrides_status=package.settings.mastery_overrides_status,
        ),
    )


def _change(request: package_service_pb2.UpdatePackageRequest) -> PackageChange:
    settings = request.settings
    return PackageChange(
        title=request.title if request.HasField("title") else None,
        failed_completes=settings.failed_completes if settings.HasField("failed_completes") else None,
        mastery_overrides_status=(
            settings.mastery_overrides_status if settings.HasField("mastery_overrides_status") else None
        ),
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
