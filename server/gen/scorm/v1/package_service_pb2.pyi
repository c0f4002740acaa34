import datetime

from server.gen.buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import httpbody_pb2 as _httpbody_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from server.gen.scorm.v1 import method_access_pb2 as _method_access_pb2
from server.gen.scorm.v1 import package_pb2 as _package_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListPackagesRequest(_message.Message):
    __slots__ = ("page", "limit", "cursor")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    page: int
    limit: int
    cursor: str
    def __init__(self, page: _Optional[int] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListPackagesResponse(_message.Message):
    __slots__ = ("packages", "count", "next_cursor")
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    packages: _containers.RepeatedCompositeFieldContainer[_package_pb2.Package]
    count: int
    next_cursor: str
    def __init__(self, packages: _Optional[_Iterable[_Union[_package_pb2.Package, _Mapping]]] = ..., count: _Optional[int] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class UploadPackageRequest(_message.Message):
    __slots__ = ("body", "uploaded_by", "filename")
    BODY_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_BY_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    body: _httpbody_pb2.HttpBody
    uploaded_by: str
    filename: str
    def __init__(self, body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ..., uploaded_by: _Optional[str] = ..., filename: _Optional[str] = ...) -> None: ...

class UploadPackageResponse(_message.Message):
    __slots__ = ("package_id", "title", "version", "launch_url", "manifest_url")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_URL_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_URL_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    title: str
    version: str
    launch_url: str
    manifest_url: str
    def __init__(self, package_id: _Optional[str] = ..., title: _Optional[str] = ..., version: _Optional[str] = ..., launch_url: _Optional[str] = ..., manifest_url: _Optional[str] = ...) -> None: ...

class GetPackageRequest(_message.Message):
    __slots__ = ("package_id",)
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    def __init__(self, package_id: _Optional[str] = ...) -> None: ...

class GetPackageDownloadRequest(_message.Message):
    __slots__ = ("package_id",)
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    def __init__(self, package_id: _Optional[str] = ...) -> None: ...

class GetPackageDownloadResponse(_message.Message):
    __slots__ = ("download_url", "download_url_expires_at", "filename", "file_size_bytes")
    DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_URL_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    FILE_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    download_url: str
    download_url_expires_at: _timestamp_pb2.Timestamp
    filename: str
    file_size_bytes: float
    def __init__(self, download_url: _Optional[str] = ..., download_url_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., filename: _Optional[str] = ..., file_size_bytes: _Optional[float] = ...) -> None: ...

class CreatePackagePreviewRequest(_message.Message):
    __slots__ = ("package_id", "expires_in_seconds", "redirect_url")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URL_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    expires_in_seconds: int
    redirect_url: str
    def __init__(self, package_id: _Optional[str] = ..., expires_in_seconds: _Optional[int] = ..., redirect_url: _Optional[str] = ...) -> None: ...

class CreatePackagePreviewResponse(_message.Message):
    __slots__ = ("preview",)
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    preview: PackagePreview
    def __init__(self, preview: _Optional[_Union[PackagePreview, _Mapping]] = ...) -> None: ...

class PackagePreview(_message.Message):
    __slots__ = ("launch_url", "expires_at", "package_id")
    LAUNCH_URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    launch_url: str
    expires_at: _timestamp_pb2.Timestamp
    package_id: str
    def __init__(self, launch_url: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., package_id: _Optional[str] = ...) -> None: ...

class UpdatePackageRequest(_message.Message):
    __slots__ = ("package_id", "title", "settings")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    title: str
    settings: PackageSettingsChange
    def __init__(self, package_id: _Optional[str] = ..., title: _Optional[str] = ..., settings: _Optional[_Union[PackageSettingsChange, _Mapping]] = ...) -> None: ...

class PackageSettingsChange(_message.Message):
    __slots__ = ("failed_completes", "mastery_overrides_status")
    FAILED_COMPLETES_FIELD_NUMBER: _ClassVar[int]
    MASTERY_OVERRIDES_STATUS_FIELD_NUMBER: _ClassVar[int]
    failed_completes: bool
    mastery_overrides_status: bool
    def __init__(self, failed_completes: _Optional[bool] = ..., mastery_overrides_status: _Optional[bool] = ...) -> None: ...

class DeletePackageRequest(_message.Message):
    __slots__ = ("package_id",)
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    def __init__(self, package_id: _Optional[str] = ...) -> None: ...

class DeletePackageResponse(_message.Message):
    __slots__ = ("success", "package_id")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    success: bool
    package_id: str
    def __init__(self, success: _Optional[bool] = ..., package_id: _Optional[str] = ...) -> None: ...
