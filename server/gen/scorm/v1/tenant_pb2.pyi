import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Plan(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLAN_UNSPECIFIED: _ClassVar[Plan]
    PLAN_STANDARD: _ClassVar[Plan]
    PLAN_HIGH: _ClassVar[Plan]
    PLAN_UNLIMITED: _ClassVar[Plan]
PLAN_UNSPECIFIED: Plan
PLAN_STANDARD: Plan
PLAN_HIGH: Plan
PLAN_UNLIMITED: Plan

class Tenant(_message.Message):
    __slots__ = ("id", "name", "plan", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    plan: Plan
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., plan: _Optional[_Union[Plan, str]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TenantUsage(_message.Message):
    __slots__ = ("tenant", "package_count", "package_limit", "stored_bytes", "stored_bytes_limit")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORED_BYTES_LIMIT_FIELD_NUMBER: _ClassVar[int]
    tenant: Tenant
    package_count: int
    package_limit: int
    stored_bytes: float
    stored_bytes_limit: float
    def __init__(self, tenant: _Optional[_Union[Tenant, _Mapping]] = ..., package_count: _Optional[int] = ..., package_limit: _Optional[int] = ..., stored_bytes: _Optional[float] = ..., stored_bytes_limit: _Optional[float] = ...) -> None: ...
