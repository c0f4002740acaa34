import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ActorAnalytics(_message.Message):
    __slots__ = ("actor_mbox", "actor_name", "total_statements", "unique_activities", "completed_count", "passed_count", "failed_count", "avg_score_scaled", "first_activity", "last_activity", "actor_account", "actor_openid", "actor_mbox_sha1sum")
    ACTOR_MBOX_FIELD_NUMBER: _ClassVar[int]
    ACTOR_NAME_FIELD_NUMBER: _ClassVar[int]
    TOTAL_STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    PASSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    AVG_SCORE_SCALED_FIELD_NUMBER: _ClassVar[int]
    FIRST_ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    ACTOR_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ACTOR_OPENID_FIELD_NUMBER: _ClassVar[int]
    ACTOR_MBOX_SHA1SUM_FIELD_NUMBER: _ClassVar[int]
    actor_mbox: str
    actor_name: str
    total_statements: int
    unique_activities: int
    completed_count: int
    passed_count: int
    failed_count: int
    avg_score_scaled: float
    first_activity: _timestamp_pb2.Timestamp
    last_activity: _timestamp_pb2.Timestamp
    actor_account: ActorAccount
    actor_openid: str
    actor_mbox_sha1sum: str
    def __init__(self, actor_mbox: _Optional[str] = ..., actor_name: _Optional[str] = ..., total_statements: _Optional[int] = ..., unique_activities: _Optional[int] = ..., completed_count: _Optional[int] = ..., passed_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., avg_score_scaled: _Optional[float] = ..., first_activity: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_activity: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actor_account: _Optional[_Union[ActorAccount, _Mapping]] = ..., actor_openid: _Optional[str] = ..., actor_mbox_sha1sum: _Optional[str] = ...) -> None: ...

class ActorAccount(_message.Message):
    __slots__ = ("home_page", "name")
    HOME_PAGE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    home_page: str
    name: str
    def __init__(self, home_page: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class ActivityAnalytics(_message.Message):
    __slots__ = ("activity_id", "activity_type", "package_id", "total_statements", "unique_learners", "completed_count", "passed_count", "failed_count", "avg_score_scaled", "first_activity", "last_activity")
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_TYPE_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TOTAL_STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_LEARNERS_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    PASSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    FAILED_COUNT_FIELD_NUMBER: _ClassVar[int]
    AVG_SCORE_SCALED_FIELD_NUMBER: _ClassVar[int]
    FIRST_ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    LAST_ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    activity_id: str
    activity_type: str
    package_id: str
    total_statements: int
    unique_learners: int
    completed_count: int
    passed_count: int
    failed_count: int
    avg_score_scaled: float
    first_activity: _timestamp_pb2.Timestamp
    last_activity: _timestamp_pb2.Timestamp
    def __init__(self, activity_id: _Optional[str] = ..., activity_type: _Optional[str] = ..., package_id: _Optional[str] = ..., total_statements: _Optional[int] = ..., unique_learners: _Optional[int] = ..., completed_count: _Optional[int] = ..., passed_count: _Optional[int] = ..., failed_count: _Optional[int] = ..., avg_score_scaled: _Optional[float] = ..., first_activity: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_activity: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
