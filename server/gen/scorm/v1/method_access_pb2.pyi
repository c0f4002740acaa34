from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LrsResource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LRS_RESOURCE_UNSPECIFIED: _ClassVar[LrsResource]
    LRS_RESOURCE_STATEMENTS: _ClassVar[LrsResource]
    LRS_RESOURCE_STATE: _ClassVar[LrsResource]
    LRS_RESOURCE_PROFILE: _ClassVar[LrsResource]

class Origin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORIGIN_UNSPECIFIED: _ClassVar[Origin]
    ORIGIN_BASE: _ClassVar[Origin]
    ORIGIN_CONTENT: _ClassVar[Origin]

class Scope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCOPE_UNSPECIFIED: _ClassVar[Scope]
    SCOPE_PUBLIC: _ClassVar[Scope]
    SCOPE_READ: _ClassVar[Scope]
    SCOPE_WRITE: _ClassVar[Scope]
    SCOPE_DELETE: _ClassVar[Scope]
    SCOPE_OPERATOR: _ClassVar[Scope]

class RateClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RATE_CLASS_UNSPECIFIED: _ClassVar[RateClass]
    RATE_CLASS_NONE: _ClassVar[RateClass]
    RATE_CLASS_READ: _ClassVar[RateClass]
    RATE_CLASS_WRITE: _ClassVar[RateClass]
    RATE_CLASS_UPLOAD: _ClassVar[RateClass]
    RATE_CLASS_XAPI: _ClassVar[RateClass]
LRS_RESOURCE_UNSPECIFIED: LrsResource
LRS_RESOURCE_STATEMENTS: LrsResource
LRS_RESOURCE_STATE: LrsResource
LRS_RESOURCE_PROFILE: LrsResource
ORIGIN_UNSPECIFIED: Origin
ORIGIN_BASE: Origin
ORIGIN_CONTENT: Origin
SCOPE_UNSPECIFIED: Scope
SCOPE_PUBLIC: Scope
SCOPE_READ: Scope
SCOPE_WRITE: Scope
SCOPE_DELETE: Scope
SCOPE_OPERATOR: Scope
RATE_CLASS_UNSPECIFIED: RateClass
RATE_CLASS_NONE: RateClass
RATE_CLASS_READ: RateClass
RATE_CLASS_WRITE: RateClass
RATE_CLASS_UPLOAD: RateClass
RATE_CLASS_XAPI: RateClass
ACCESS_FIELD_NUMBER: _ClassVar[int]
access: _descriptor.FieldDescriptor

class MethodAccess(_message.Message):
    __slots__ = ("scope", "rate_class", "origin", "lrs_resource")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    RATE_CLASS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    LRS_RESOURCE_FIELD_NUMBER: _ClassVar[int]
    scope: Scope
    rate_class: RateClass
    origin: Origin
    lrs_resource: LrsResource
    def __init__(self, scope: _Optional[_Union[Scope, str]] = ..., rate_class: _Optional[_Union[RateClass, str]] = ..., origin: _Optional[_Union[Origin, str]] = ..., lrs_resource: _Optional[_Union[LrsResource, str]] = ...) -> None: ...
