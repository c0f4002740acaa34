"""The servicer of `scorm.v1.ImportService`."""

from dataclasses import asdict
from typing import Any

import grpc
from google.protobuf import json_format

from server.domain.imports import ImportFailure, ImportJob
from server.gen.scorm.v1 import import_job_pb2, import_service_pb2, import_service_pb2_grpc, pagination_pb2
from server.rpc import context as calls
from server.rpc.errors import render
from server.rpc.idempotency import request_of, tell_created, tell_done
from server.rpc.times import timestamp
from server.services.imports import ImportPage, Imports

Context = grpc.aio.ServicerContext[Any, Any]


class ImportServicer(import_service_pb2_grpc.ImportServiceServicer):
    """Converts, calls, converts."""

    def __init__(self, imports: Imports) -> None:
        self._imports = imports

    async def CreateImport(
        self, request: import_service_pb2.CreateImportRequest, context: Context
    ) -> import_service_pb2.CreateImportResponse:
        job, replayed = await self._imports.create(
            tenant_id=calls.current().tenant_id,
            url=request.url,
            uploaded_by=request.uploaded_by or None,
            title=request.title or None,
            request=request_of("ImportService/CreateImport", request),
        )
        tell_created(context, location=f"/api/v1/imports/{job.id}", replayed=replayed)
        return import_service_pb2.CreateImportResponse(import_job=to_message(job))

    async def GetImport(
        self, request: import_service_pb2.GetImportRequest, context: Context
    ) -> import_service_pb2.GetImportResponse:
        job = await self._imports.get(tenant_id=calls.current().tenant_id, import_job_id=request.import_id)
        return import_service_pb2.GetImportResponse(import_job=to_message(job))

    async def ListImports(
        self, request: import_service_pb2.ListImportsRequest, context: Context
    ) -> import_service_pb2.ListImportsResponse:
        found = await self._imports.list(
            tenant_id=calls.current().tenant_id,
            page=request.page if request.HasField("page") else None,
            limit=request.limit if request.HasField("limit") else None,
            cursor=request.cursor if request.HasField("cursor") else None,
            status=request.status if request.HasField("status") else None,
        )
        return import_service_pb2.ListImportsResponse(
            import_jobs=map(to_message, found.jobs), pagination=_pagination(found), next_cursor=found.next_cursor
        )

    async def CancelImport(
        self, request: import_service_pb2.CancelImportRequest, context: Context
    ) -> import_service_pb2.CancelImportResponse:
        job, replayed = await self._imports.cancel(
            tenant_id=calls.current().tenant_id,
            import_job_id=request.import_id,
            request=request_of("ImportService/CancelImport", request),
        )
        tell_done(context, replayed=replayed)
        return import_service_pb2.CancelImportResponse(import_job=to_message(job))


def failure_of(error: BaseException) -> ImportFailure:
    """What a caller may know of an error, to be kept with the job."""
    rendered = render(error)
    return ImportFailure(code=rendered.reason, message=rendered.message, details=rendered.details)


def to_message(job: ImportJob) -> import_job_pb2.ImportJob:
    """An import as it is told."""
    return import_job_pb2.ImportJob(
        id=str(job.id),
        tenant_id=str(job.tenant_id),
        url=job.url,
        status=job.status.value,
        bytes_received=job.bytes_received,
        bytes_total=job.bytes_total,
        package_id=str(job.package_id) if job.package_id else None,
        error=json_format.ParseDict(asdict(job.failure), import_job_pb2.ImportError()) if job.failure else None,
        created_at=timestamp(job.created_at),
        started_at=timestamp(job.started_at) if job.started_at else None,
        finished_at=timestamp(job.finished_at) if job.finished_at else None,
        updated_at=timestamp(job.updated_at),
    )


def _pagination(page: ImportPage) -> pagination_pb2.Pagination:
    return pagination_pb2.Pagination(page=page.page, limit=page.limit, total=page.total, total_pages=page.total_pages)
