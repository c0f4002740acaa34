import datetime

from server.gen.buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from server.gen.scorm.v1 import method_access_pb2 as _method_access_pb2
from server.gen.scorm.v1 import pagination_pb2 as _pagination_pb2
from server.gen.scorm.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateSessionRequest(_message.Message):
    __slots__ = ("package_id", "user_id", "user_name", "new_attempt", "redirect_url")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URL_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    user_id: str
    user_name: str
    new_attempt: bool
    redirect_url: str
    def __init__(self, package_id: _Optional[str] = ..., user_id: _Optional[str] = ..., user_name: _Optional[str] = ..., new_attempt: _Optional[bool] = ..., redirect_url: _Optional[str] = ...) -> None: ...

class CreateSessionResponse(_message.Message):
    __slots__ = ("session", "launch_url", "launch_url_expires_at")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_URL_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_URL_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    launch_url: str
    launch_url_expires_at: _timestamp_pb2.Timestamp
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ..., launch_url: _Optional[str] = ..., launch_url_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("package_id", "user_id", "completion_status", "success_status", "page", "limit", "cursor")
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_STATUS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_STATUS_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    package_id: str
    user_id: str
    completion_status: str
    success_status: str
    page: int
    limit: int
    cursor: str
    def __init__(self, package_id: _Optional[str] = ..., user_id: _Optional[str] = ..., completion_status: _Optional[str] = ..., success_status: _Optional[str] = ..., page: _Optional[int] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions", "pagination", "next_cursor")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[_session_pb2.SessionSummary]
    pagination: _pagination_pb2.Pagination
    next_cursor: str
    def __init__(self, sessions: _Optional[_Iterable[_Union[_session_pb2.SessionSummary, _Mapping]]] = ..., pagination: _Optional[_Union[_pagination_pb2.Pagination, _Mapping]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class GetSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class UpdateSessionRequest(_message.Message):
    __slots__ = ("session_id", "cmi_data", "completion_status", "success_status", "score", "session_time", "suspend_data", "item_id", "launch_id")
    class CmiDataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _struct_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CMI_DATA_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_STATUS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_STATUS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SESSION_TIME_FIELD_NUMBER: _ClassVar[int]
    SUSPEND_DATA_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    cmi_data: _containers.MessageMap[str, _struct_pb2.Value]
    completion_status: str
    success_status: str
    score: _session_pb2.Score
    session_time: str
    suspend_data: str
    item_id: str
    launch_id: str
    def __init__(self, session_id: _Optional[str] = ..., cmi_data: _Optional[_Mapping[str, _struct_pb2.Value]] = ..., completion_status: _Optional[str] = ..., success_status: _Optional[str] = ..., score: _Optional[_Union[_session_pb2.Score, _Mapping]] = ..., session_time: _Optional[str] = ..., suspend_data: _Optional[str] = ..., item_id: _Optional[str] = ..., launch_id: _Optional[str] = ...) -> None: ...

class UpdateSessionResponse(_message.Message):
    __slots__ = ("success", "session_id", "updated_at")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    success: bool
    session_id: str
    updated_at: _timestamp_pb2.Timestamp
    def __init__(self, success: _Optional[bool] = ..., session_id: _Optional[str] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeleteSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class DeleteSessionResponse(_message.Message):
    __slots__ = ("success", "session_id")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    success: bool
    session_id: str
    def __init__(self, success: _Optional[bool] = ..., session_id: _Optional[str] = ...) -> None: ...

class LaunchSessionRequest(_message.Message):
    __slots__ = ("session_id", "expires_in_seconds", "redirect_url")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_URL_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    expires_in_seconds: int
    redirect_url: str
    def __init__(self, session_id: _Optional[str] = ..., expires_in_seconds: _Optional[int] = ..., redirect_url: _Optional[str] = ...) -> None: ...

class LaunchSessionResponse(_message.Message):
    __slots__ = ("launch_url", "launch_url_expires_at", "launch_id", "session_id")
    LAUNCH_URL_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_URL_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    launch_url: str
    launch_url_expires_at: _timestamp_pb2.Timestamp
    launch_id: str
    session_id: str
    def __init__(self, launch_url: _Optional[str] = ..., launch_url_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., launch_id: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class RevokeSessionLaunchesRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class RevokeSessionLaunchesResponse(_message.Message):
    __slots__ = ("success", "session_id")
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    success: bool
    session_id: str
    def __init__(self, success: _Optional[bool] = ..., session_id: _Optional[str] = ...) -> None: ...
