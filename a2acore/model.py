"""The nouns of A2A, in the shape of protocol line 1.0.

Everything inside speaks these structs, whatever line a caller speaks; `a2acore.wire` translates at
the edge. They follow the fields and the order of the 1.0 data model, so encoding one with
`msgspec.json` gives its 1.0 JSON. How a field says that it was not said follows the protobuf
presence of that model:

* implicit presence (plain strings, booleans, lists, maps): the empty value, left out when written;
* explicit presence and messages: `None`, left out when written; any other value, also an empty one,
  is written;
* `Part.data`, where `null` is a value: `UNSET`.

Fields without a default are required.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType

Metadata = dict[str, Any]


class TaskState(enum.Enum):
    """Where a task stands."""

    __hash__ = object.__hash__  # each is one of a kind; that of `Enum` is slow

    UNSPECIFIED = "TASK_STATE_UNSPECIFIED"
    SUBMITTED = "TASK_STATE_SUBMITTED"
    WORKING = "TASK_STATE_WORKING"
    COMPLETED = "TASK_STATE_COMPLETED"
    FAILED = "TASK_STATE_FAILED"
    CANCELED = "TASK_STATE_CANCELED"
    INPUT_REQUIRED = "TASK_STATE_INPUT_REQUIRED"
    REJECTED = "TASK_STATE_REJECTED"
    AUTH_REQUIRED = "TASK_STATE_AUTH_REQUIRED"


class Role(enum.Enum):
    """Who speaks: the caller (user) or the agent."""

    UNSPECIFIED = "ROLE_UNSPECIFIED"
    USER = "ROLE_USER"
    AGENT = "ROLE_AGENT"


class Noun(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """What all of them share: frozen, camelCase when written, empty fields left out.

    The garbage collector does not look at them: they are many, and nothing in them leads back.
    """


# Content


class Part(Noun, frozen=True):
    """One piece of content: exactly one of the first four is set."""

    text: str | None = None
    raw: bytes | None = None
    url: str | None = None
    data: Any | UnsetType = UNSET
    metadata: Metadata | None = None
    filename: str = ""
    media_type: str = ""


class Message(Noun, frozen=True):
    """One turn of speech. `parts` holds at least one part."""

    message_id: str
    role: Role
    parts: tuple[Part, ...]
    context_id: str = ""
    task_id: str = ""
    metadata: Metadata | None = None
    extensions: tuple[str, ...] = ()
    reference_task_ids: tuple[str, ...] = ()


class Artifact(Noun, frozen=True):
    """Something the agent produced. `artifact_id` is unique within its task."""

    artifact_id: str
    parts: tuple[Part, ...]
    name: str = ""
    description: str = ""
    metadata: Metadata | None = None
    extensions: tuple[str, ...] = ()


class TaskStatus(Noun, frozen=True):
    """A state, since when (RFC 3339, UTC, milliseconds), and what the agent said about it."""

    state: TaskState
    message: Message | None = None
    timestamp: str = ""


class Task(Noun, frozen=True):
    """A piece of work: its state, what came out of it, what was said (oldest first)."""

    id: str
    status: TaskStatus
    context_id: str = ""
    artifacts: tuple[Artifact, ...] = ()
    history: tuple[Message, ...] = ()
    metadata: Metadata | None = None


# Events


class TaskStatusUpdateEvent(Noun, frozen=True):
    """A task has a new status."""

    task_id: str
    context_id: str
    status: TaskStatus
    metadata: Metadata | None = None


class TaskArtifactUpdateEvent(Noun, frozen=True):
    """An artifact, or a further piece of one when `append` is set."""

    task_id: str
    context_id: str
    artifact: Artifact
    append: bool = False
    last_chunk: bool = False
    metadata: Metadata | None = None


Event = Task | Message | TaskStatusUpdateEvent | TaskArtifactUpdateEvent
"""What a stream carries."""


# Push notification


class AuthenticationInfo(Noun, frozen=True):
    """How to authenticate to a webhook: one HTTP scheme and its credentials."""

    scheme: str
    credentials: str = ""


class TaskPushNotificationConfig(Noun, frozen=True):
    """A webhook that hears of a task."""

    url: str
    tenant: str = ""
    id: str = ""
    task_id: str = ""
    token: str = ""
    authentication: AuthenticationInfo | None = None


# Requests, one per operation


class SendMessageConfiguration(Noun, frozen=True):
    """How the caller wants to be answered."""

    accepted_output_modes: tuple[str, ...] = ()
    task_push_notification_config: TaskPushNotificationConfig | None = None
    history_length: int | None = None
    return_immediately: bool = False


class SendMessageRequest(Noun, frozen=True):
    """SendMessage and SendStreamingMessage."""

    message: Message
    tenant: str = ""
    configuration: SendMessageConfiguration | None = None
    metadata: Metadata | None = None


class GetTaskRequest(Noun, frozen=True):
    """GetTask."""

    id: str
    tenant: str = ""
    history_length: int | None = None


class ListTasksRequest(Noun, frozen=True):
    """ListTasks. `status_timestamp_after` is RFC 3339 in UTC, and inclusive."""

    tenant: str = ""
    context_id: str = ""
    status: TaskState | None = None
    page_size: int | None = None
    page_token: str = ""
    history_length: int | None = None
    status_timestamp_after: str = ""
    include_artifacts: bool = False


class ListTasksResponse(Struct, frozen=True, rename="camel"):
    """The answer to ListTasks: all four members are always written."""

    tasks: tuple[Task, ...]
    next_page_token: str
    page_size: int
    total_size: int


class CancelTaskRequest(Noun, frozen=True):
    """CancelTask."""

    id: str
    tenant: str = ""
    metadata: Metadata | None = None


class SubscribeToTaskRequest(Noun, frozen=True):
    """SubscribeToTask."""

    id: str
    tenant: str = ""


class GetTaskPushNotificationConfigRequest(Noun, frozen=True):
    """GetTaskPushNotificationConfig. An empty `id` (line 0.3 only) means the default config."""

    task_id: str
    tenant: str = ""
    id: str = ""


class ListTaskPushNotificationConfigsRequest(Noun, frozen=True):
    """ListTaskPushNotificationConfigs."""

    task_id: str
    tenant: str = ""
    page_size: int = 0
    page_token: str = ""


class ListTaskPushNotificationConfigsResponse(Struct, frozen=True, rename="camel"):
    """The answer to ListTaskPushNotificationConfigs."""

    configs: tuple[TaskPushNotificationConfig, ...]
    next_page_token: str = ""


class DeleteTaskPushNotificationConfigRequest(Noun, frozen=True):
    """DeleteTaskPushNotificationConfig."""

    task_id: str
    id: str
    tenant: str = ""


class GetExtendedAgentCardRequest(Noun, frozen=True):
    """GetExtendedAgentCard."""

    tenant: str = ""


# The agent card


class AgentInterface(Noun, frozen=True):
    """One address, and what is spoken there."""

    url: str
    protocol_binding: str
    protocol_version: str
    tenant: str = ""


class AgentProvider(Noun, frozen=True):
    """Who runs the agent."""

    url: str
    organization: str


class AgentExtension(Noun, frozen=True):
    """An extension that the agent speaks."""

    uri: str = ""
    description: str = ""
    required: bool = False
    params: dict[str, Any] | None = None


class AgentCapabilities(Noun, frozen=True):
    """The optional abilities of an agent."""

    streaming: bool | None = None
    push_notifications: bool | None = None
    extensions: tuple[AgentExtension, ...] = ()
    extended_agent_card: bool | None = None


class StringList(Noun, frozen=True):
    """The scopes that a requirement names."""

    list: tuple[str, ...] = ()


class SecurityRequirement(Noun, frozen=True):
    """Schemes that are needed together."""

    schemes: Mapping[str, StringList] = {}


class APIKeySecurityScheme(Noun, frozen=True):
    """A key in the `query`, a `header` or a `cookie`."""

    location: str
    name: str
    description: str = ""


class HTTPAuthSecurityScheme(Noun, frozen=True):
    """An HTTP authentication scheme."""

    scheme: str
    description: str = ""
    bearer_format: str = ""


class AuthorizationCodeOAuthFlow(Noun, frozen=True):
    """OAuth 2 authorization code."""

    authorization_url: str
    token_url: str
    scopes: dict[str, str]
    refresh_url: str = ""
    pkce_required: bool = False


class ClientCredentialsOAuthFlow(Noun, frozen=True):
    """OAuth 2 client credentials."""

    token_url: str
    scopes: dict[str, str]
    refresh_url: str = ""


class ImplicitOAuthFlow(Noun, frozen=True):
    """OAuth 2 implicit (deprecated)."""

    authorization_url: str = ""
    refresh_url: str = ""
    scopes: dict[str, str] = {}


class PasswordOAuthFlow(Noun, frozen=True):
    """OAuth 2 password (deprecated)."""

    token_url: str = ""
    refresh_url: str = ""
    scopes: dict[str, str] = {}


class DeviceCodeOAuthFlow(Noun, frozen=True):
    """OAuth 2 device code (RFC 8628)."""

    device_authorization_url: str
    token_url: str
    scopes: dict[str, str]
    refresh_url: str = ""


class OAuthFlows(Noun, frozen=True):
    """One flow: exactly one member is set."""

    authorization_code: AuthorizationCodeOAuthFlow | None = None
    client_credentials: ClientCredentialsOAuthFlow | None = None
    implicit: ImplicitOAuthFlow | None = None
    password: PasswordOAuthFlow | None = None
    device_code: DeviceCodeOAuthFlow | None = None


class OAuth2SecurityScheme(Noun, frozen=True):
    """OAuth 2."""

    flows: OAuthFlows
    description: str = ""
    oauth2_metadata_url: str = ""


class OpenIdConnectSecurityScheme(Noun, frozen=True):
    """OpenID Connect."""

    open_id_connect_url: str
    description: str = ""


class MutualTlsSecurityScheme(Noun, frozen=True):
    """Mutual TLS."""

    description: str = ""


class SecurityScheme(Noun, frozen=True):
    """A way to authenticate: exactly one member is set."""

    api_key_security_scheme: APIKeySecurityScheme | None = None
    http_auth_security_scheme: HTTPAuthSecurityScheme | None = None
    oauth2_security_scheme: OAuth2SecurityScheme | None = None
    open_id_connect_security_scheme: OpenIdConnectSecurityScheme | None = None
    mtls_security_scheme: MutualTlsSecurityScheme | None = None


class AgentSkill(Noun, frozen=True):
    """Something the agent can be asked for."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...]
    examples: tuple[str, ...] = ()
    input_modes: tuple[str, ...] = ()
    output_modes: tuple[str, ...] = ()
    security_requirements: tuple[SecurityRequirement, ...] = ()


class AgentCardSignature(Noun, frozen=True):
    """A detached JWS over the card."""

    protected: str
    signature: str
    header: dict[str, Any] | None = None


class AgentCard(Noun, frozen=True):
    """Who an agent is, what it can do, where and how to reach it."""

    name: str
    description: str
    supported_interfaces: tuple[AgentInterface, ...]
    version: str
    capabilities: AgentCapabilities
    default_input_modes: tuple[str, ...]
    default_output_modes: tuple[str, ...]
    skills: tuple[AgentSkill, ...]
    provider: AgentProvider | None = None
    documentation_url: str | None = None
    security_schemes: dict[str, SecurityScheme] = {}
    security_requirements: tuple[SecurityRequirement, ...] = ()
    signatures: tuple[AgentCardSignature, ...] = ()
    icon_url: str | None = None
