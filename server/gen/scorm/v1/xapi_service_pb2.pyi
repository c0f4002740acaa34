from server.gen.buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import httpbody_pb2 as _httpbody_pb2
from server.gen.scorm.v1 import method_access_pb2 as _method_access_pb2
from server.gen.scorm.v1 import pagination_pb2 as _pagination_pb2
from server.gen.scorm.v1 import xapi_analytics_pb2 as _xapi_analytics_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StoreStatementsRequest(_message.Message):
    __slots__ = ("body",)
    BODY_FIELD_NUMBER: _ClassVar[int]
    body: _httpbody_pb2.HttpBody
    def __init__(self, body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ...) -> None: ...

class ListStatementsRequest(_message.Message):
    __slots__ = ("statement_id", "verb", "activity", "registration", "since", "until", "page", "limit", "cursor")
    STATEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    statement_id: str
    verb: str
    activity: str
    registration: str
    since: str
    until: str
    page: int
    limit: int
    cursor: str
    def __init__(self, statement_id: _Optional[str] = ..., verb: _Optional[str] = ..., activity: _Optional[str] = ..., registration: _Optional[str] = ..., since: _Optional[str] = ..., until: _Optional[str] = ..., page: _Optional[int] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class GetStatementRequest(_message.Message):
    __slots__ = ("statement_id",)
    STATEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    statement_id: str
    def __init__(self, statement_id: _Optional[str] = ...) -> None: ...

class ExportStatementsRequest(_message.Message):
    __slots__ = ("cursor", "since", "wait_seconds")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    since: str
    wait_seconds: int
    def __init__(self, cursor: _Optional[str] = ..., since: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class ListActorAnalyticsRequest(_message.Message):
    __slots__ = ("actor_mbox", "min_activities", "sort", "order", "page", "limit")
    ACTOR_MBOX_FIELD_NUMBER: _ClassVar[int]
    MIN_ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    actor_mbox: str
    min_activities: int
    sort: str
    order: str
    page: int
    limit: int
    def __init__(self, actor_mbox: _Optional[str] = ..., min_activities: _Optional[int] = ..., sort: _Optional[str] = ..., order: _Optional[str] = ..., page: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListActorAnalyticsResponse(_message.Message):
    __slots__ = ("actors", "pagination")
    ACTORS_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    actors: _containers.RepeatedCompositeFieldContainer[_xapi_analytics_pb2.ActorAnalytics]
    pagination: _pagination_pb2.Pagination
    def __init__(self, actors: _Optional[_Iterable[_Union[_xapi_analytics_pb2.ActorAnalytics, _Mapping]]] = ..., pagination: _Optional[_Union[_pagination_pb2.Pagination, _Mapping]] = ...) -> None: ...

class ListActivityAnalyticsRequest(_message.Message):
    __slots__ = ("activity_id", "activity_type", "package_id", "min_learners", "sort", "order", "page", "limit")
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_TYPE_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MIN_LEARNERS_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    activity_id: str
    activity_type: str
    package_id: str
    min_learners: int
    sort: str
    order: str
    page: int
    limit: int
    def __init__(self, activity_id: _Optional[str] = ..., activity_type: _Optional[str] = ..., package_id: _Optional[str] = ..., min_learners: _Optional[int] = ..., sort: _Optional[str] = ..., order: _Optional[str] = ..., page: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListActivityAnalyticsResponse(_message.Message):
    __slots__ = ("activities", "pagination")
    ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    PAGINATION_FIELD_NUMBER: _ClassVar[int]
    activities: _containers.RepeatedCompositeFieldContainer[_xapi_analytics_pb2.ActivityAnalytics]
    pagination: _pagination_pb2.Pagination
    def __init__(self, activities: _Optional[_Iterable[_Union[_xapi_analytics_pb2.ActivityAnalytics, _Mapping]]] = ..., pagination: _Optional[_Union[_pagination_pb2.Pagination, _Mapping]] = ...) -> None: ...
