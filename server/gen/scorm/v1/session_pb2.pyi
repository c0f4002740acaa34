import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Session(_message.Message):
    __slots__ = ("id", "package_id", "tenant_id", "user_id", "completion_status", "success_status", "score", "attempts", "time_spent_seconds", "session_time", "created_at", "updated_at", "package", "cmi_data", "items", "user_name", "current_item_id", "launches")
    class CmiDataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_STATUS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_STATUS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    TIME_SPENT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SESSION_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    CMI_DATA_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    CURRENT_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    id: str
    package_id: str
    tenant_id: str
    user_id: str
    completion_status: str
    success_status: str
    score: Score
    attempts: int
    time_spent_seconds: float
    session_time: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    package: SessionPackage
    cmi_data: _containers.ScalarMap[str, str]
    items: _containers.RepeatedCompositeFieldContainer[SessionItem]
    user_name: str
    current_item_id: str
    launches: int
    def __init__(self, id: _Optional[str] = ..., package_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., user_id: _Optional[str] = ..., completion_status: _Optional[str] = ..., success_status: _Optional[str] = ..., score: _Optional[_Union[Score, _Mapping]] = ..., attempts: _Optional[int] = ..., time_spent_seconds: _Optional[float] = ..., session_time: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., package: _Optional[_Union[SessionPackage, _Mapping]] = ..., cmi_data: _Optional[_Mapping[str, str]] = ..., items: _Optional[_Iterable[_Union[SessionItem, _Mapping]]] = ..., user_name: _Optional[str] = ..., current_item_id: _Optional[str] = ..., launches: _Optional[int] = ...) -> None: ...

class SessionSummary(_message.Message):
    __slots__ = ("id", "package_id", "tenant_id", "user_id", "completion_status", "success_status", "score", "attempts", "time_spent_seconds", "session_time", "created_at", "updated_at", "package", "user_name", "launches")
    ID_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_STATUS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_STATUS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    TIME_SPENT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SESSION_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    id: str
    package_id: str
    tenant_id: str
    user_id: str
    completion_status: str
    success_status: str
    score: Score
    attempts: int
    time_spent_seconds: float
    session_time: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    package: SessionPackage
    user_name: str
    launches: int
    def __init__(self, id: _Optional[str] = ..., package_id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., user_id: _Optional[str] = ..., completion_status: _Optional[str] = ..., success_status: _Optional[str] = ..., score: _Optional[_Union[Score, _Mapping]] = ..., attempts: _Optional[int] = ..., time_spent_seconds: _Optional[float] = ..., session_time: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., package: _Optional[_Union[SessionPackage, _Mapping]] = ..., user_name: _Optional[str] = ..., launches: _Optional[int] = ...) -> None: ...

class SessionPackage(_message.Message):
    __slots__ = ("title", "version")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    title: str
    version: str
    def __init__(self, title: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class SessionItem(_message.Message):
    __slots__ = ("id", "title", "completion_status", "success_status", "score", "cmi_data", "time_spent_seconds")
    class CmiDataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_STATUS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_STATUS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    CMI_DATA_FIELD_NUMBER: _ClassVar[int]
    TIME_SPENT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    id: str
    title: str
    completion_status: str
    success_status: str
    score: Score
    cmi_data: _containers.ScalarMap[str, str]
    time_spent_seconds: float
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., completion_status: _Optional[str] = ..., success_status: _Optional[str] = ..., score: _Optional[_Union[Score, _Mapping]] = ..., cmi_data: _Optional[_Mapping[str, str]] = ..., time_spent_seconds: _Optional[float] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("scaled", "raw", "min", "max")
    SCALED_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    scaled: float
    raw: float
    min: float
    max: float
    def __init__(self, scaled: _Optional[float] = ..., raw: _Optional[float] = ..., min: _Optional[float] = ..., max: _Optional[float] = ...) -> None: ...
