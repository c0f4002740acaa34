import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Package(_message.Message):
    __slots__ = ("id", "tenant_id", "title", "version", "launch_url", "manifest_url", "file_size_bytes", "metadata", "created_at", "updated_at", "launch_url_expires_at", "uploaded_by", "settings")
    ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_URL_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_URL_FIELD_NUMBER: _ClassVar[int]
    FILE_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_URL_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    UPLOADED_BY_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    id: str
    tenant_id: str
    title: str
    version: str
    launch_url: str
    manifest_url: str
    file_size_bytes: float
    metadata: PackageMetadata
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    launch_url_expires_at: _timestamp_pb2.Timestamp
    uploaded_by: str
    settings: PackageSettings
    def __init__(self, id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., title: _Optional[str] = ..., version: _Optional[str] = ..., launch_url: _Optional[str] = ..., manifest_url: _Optional[str] = ..., file_size_bytes: _Optional[float] = ..., metadata: _Optional[_Union[PackageMetadata, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., launch_url_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., uploaded_by: _Optional[str] = ..., settings: _Optional[_Union[PackageSettings, _Mapping]] = ...) -> None: ...

class PackageSettings(_message.Message):
    __slots__ = ("failed_completes", "mastery_overrides_status")
    FAILED_COMPLETES_FIELD_NUMBER: _ClassVar[int]
    MASTERY_OVERRIDES_STATUS_FIELD_NUMBER: _ClassVar[int]
    failed_completes: bool
    mastery_overrides_status: bool
    def __init__(self, failed_completes: _Optional[bool] = ..., mastery_overrides_status: _Optional[bool] = ...) -> None: ...

class PackageMetadata(_message.Message):
    __slots__ = ("description", "sco_count", "schema_version", "organizations", "items", "mastery_score", "language", "warnings")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SCO_COUNT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    ORGANIZATIONS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    MASTERY_SCORE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    description: str
    sco_count: int
    schema_version: str
    organizations: _containers.RepeatedCompositeFieldContainer[PackageOrganization]
    items: _containers.RepeatedCompositeFieldContainer[PackageItem]
    mastery_score: float
    language: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, description: _Optional[str] = ..., sco_count: _Optional[int] = ..., schema_version: _Optional[str] = ..., organizations: _Optional[_Iterable[_Union[PackageOrganization, _Mapping]]] = ..., items: _Optional[_Iterable[_Union[PackageItem, _Mapping]]] = ..., mastery_score: _Optional[float] = ..., language: _Optional[str] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class PackageOrganization(_message.Message):
    __slots__ = ("identifier", "title", "default")
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    identifier: str
    title: str
    default: bool
    def __init__(self, identifier: _Optional[str] = ..., title: _Optional[str] = ..., default: _Optional[bool] = ...) -> None: ...

class PackageItem(_message.Message):
    __slots__ = ("identifier", "title", "href", "scorm_type", "visible", "children")
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    HREF_FIELD_NUMBER: _ClassVar[int]
    SCORM_TYPE_FIELD_NUMBER: _ClassVar[int]
    VISIBLE_FIELD_NUMBER: _ClassVar[int]
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    identifier: str
    title: str
    href: str
    scorm_type: str
    visible: bool
    children: _containers.RepeatedCompositeFieldContainer[PackageItem]
    def __init__(self, identifier: _Optional[str] = ..., title: _Optional[str] = ..., href: _Optional[str] = ..., scorm_type: _Optional[str] = ..., visible: _Optional[bool] = ..., children: _Optional[_Iterable[_Union[PackageItem, _Mapping]]] = ...) -> None: ...
