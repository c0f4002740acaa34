from google.api import annotations_pb2 as _annotations_pb2
from google.api import httpbody_pb2 as _httpbody_pb2
from server.gen.scorm.v1 import method_access_pb2 as _method_access_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PutStatementRequest(_message.Message):
    __slots__ = ("body", "statement_id")
    BODY_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    body: _httpbody_pb2.HttpBody
    statement_id: str
    def __init__(self, body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ..., statement_id: _Optional[str] = ...) -> None: ...

class PostStatementsRequest(_message.Message):
    __slots__ = ("body",)
    BODY_FIELD_NUMBER: _ClassVar[int]
    body: _httpbody_pb2.HttpBody
    def __init__(self, body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ...) -> None: ...

class QueryStatementsRequest(_message.Message):
    __slots__ = ("statement_id", "voided_statement_id", "agent", "verb", "activity", "registration", "related_activities", "related_agents", "since", "until", "limit", "format", "attachments", "ascending")
    STATEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    VOIDED_STATEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    RELATED_ACTIVITIES_FIELD_NUMBER: _ClassVar[int]
    RELATED_AGENTS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ATTACHMENTS_FIELD_NUMBER: _ClassVar[int]
    ASCENDING_FIELD_NUMBER: _ClassVar[int]
    statement_id: str
    voided_statement_id: str
    agent: str
    verb: str
    activity: str
    registration: str
    related_activities: str
    related_agents: str
    since: str
    until: str
    limit: str
    format: str
    attachments: str
    ascending: str
    def __init__(self, statement_id: _Optional[str] = ..., voided_statement_id: _Optional[str] = ..., agent: _Optional[str] = ..., verb: _Optional[str] = ..., activity: _Optional[str] = ..., registration: _Optional[str] = ..., related_activities: _Optional[str] = ..., related_agents: _Optional[str] = ..., since: _Optional[str] = ..., until: _Optional[str] = ..., limit: _Optional[str] = ..., format: _Optional[str] = ..., attachments: _Optional[str] = ..., ascending: _Optional[str] = ...) -> None: ...

class QueryMoreStatementsRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class DocumentRequest(_message.Message):
    __slots__ = ("body", "activity_id", "agent", "registration", "state_id", "profile_id", "since")
    BODY_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    STATE_ID_FIELD_NUMBER: _ClassVar[int]
    PROFILE_ID_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    body: _httpbody_pb2.HttpBody
    activity_id: str
    agent: str
    registration: str
    state_id: str
    profile_id: str
    since: str
    def __init__(self, body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ..., activity_id: _Optional[str] = ..., agent: _Optional[str] = ..., registration: _Optional[str] = ..., state_id: _Optional[str] = ..., profile_id: _Optional[str] = ..., since: _Optional[str] = ...) -> None: ...

class GetActivityRequest(_message.Message):
    __slots__ = ("activity_id", "body")
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    activity_id: str
    body: _httpbody_pb2.HttpBody
    def __init__(self, activity_id: _Optional[str] = ..., body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ...) -> None: ...

class GetAgentRequest(_message.Message):
    __slots__ = ("agent", "body")
    AGENT_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    agent: str
    body: _httpbody_pb2.HttpBody
    def __init__(self, agent: _Optional[str] = ..., body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ...) -> None: ...

class GetAboutRequest(_message.Message):
    __slots__ = ("body",)
    BODY_FIELD_NUMBER: _ClassVar[int]
    body: _httpbody_pb2.HttpBody
    def __init__(self, body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ...) -> None: ...
