from server.gen.buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from server.gen.scorm.v1 import import_job_pb2 as _import_job_pb2
from server.gen.scorm.v1 import method_access_pb2 as _method_access_pb2
from server.gen.scorm.v1 import pagination_pb2 as _pagination_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateImportRequest(_message.Message):
    __slots__ = ("url", "uploaded_by", "title")
    URL_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_BY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    url: str
    uploaded_by: str
    title: str
    def __init__(self, url: _Optional[str] = ..., uploaded_by: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...

class CreateImportResponse(_message.Message):
    __slots__ = ("import_job",)
    IMPORT_JOB_FIELD_NUMBER: _ClassVar[int]
    import_job: _import_job_pb2.ImportJob
    def __init__(self, import_job: _Optional[_Union[_import_job_pb2.ImportJob, _Mapping]] = ...) -> None: ...

class GetImportRequest(_message.Message):
    __slots__ = ("import_id",)
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    def __init__(self, import_id: _Optional[str] = ...) -> None: ...

class GetImportResponse(_message.Message):
    __slots__ = ("import_job",)
    IMPORT_JOB_FIELD_NUMBER: _ClassVar[int]
    import_job: _import_job_pb2.ImportJob
    def __init__(self, import_job: _Optional[_Union[_import_job_pb2.ImportJob, _Mapping]] = ...) -> None: ...

class ListImportsRequest(_message.Message):
    __slots__ = ("page", "limit", "cursor", "status")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    page: int
    limit: int
    cursor: str
    status: str
    def __init__(self, page: _Optional[int] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ..., status: _Optional[str] = ...) -> None: ...

class ListImportsResponse(_message.Message):
    __slots__ = ("import_jobs", "pagination", "next_cursor")
    IMPORT_JOBS_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    import_jobs: _containers.RepeatedCompositeFieldContainer[_import_job_pb2.ImportJob]
    pagination: _pagination_pb2.Pagination
    next_cursor: str
    def __init__(self, import_jobs: _Optional[_Iterable[_Union[_import_job_pb2.ImportJob, _Mapping]]] = ..., pagination: _Optional[_Union[_pagination_pb2.Pagination, _Mapping]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class CancelImportRequest(_message.Message):
    __slots__ = ("import_id",)
    IMPORT_ID_FIELD_NUMBER: _ClassVar[int]
    import_id: str
    def __init__(self, import_id: _Optional[str] = ...) -> None: ...

class CancelImportResponse(_message.Message):
    __slots__ = ("import_job",)
    IMPORT_JOB_FIELD_NUMBER: _ClassVar[int]
    import_job: _import_job_pb2.ImportJob
    def __init__(self, import_job: _Optional[_Union[_import_job_pb2.ImportJob, _Mapping]] = ...) -> None: ...
