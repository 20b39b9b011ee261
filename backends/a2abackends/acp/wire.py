"""The Agent Client Protocol, wire version 1: what an agent says. What it asks is in `requests`.

Written for reading what agents really send: members that are not here are skipped, each field may
be missing or null, and what is deep inside and differs from agent to agent stays `Any` until
somebody looks at it. An update of a kind that is not here does not decode, and is let go.

Source: agentclientprotocol.com, schema/v1; the stable part of it.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

PROTOCOL_VERSION = 1
AUTH_REQUIRED = frozenset({-32000, 401})
"""-32000 by the specification; gemini passes on the HTTP status of its model."""
NOT_FOUND = -32002
MANY = 1000
"""Steps of a plan, things that a tool shows, ways to answer: nobody could look at more, and to show
them takes time that others wait for. What brings more is no plan, and no tool, of ours."""
METHOD_NOT_FOUND = -32601


class Shape(Struct, frozen=True, rename="camel"):
    """What all of them share: frozen, camelCase."""


def _meta() -> Any:
    return msgspec.field(name="_meta", default=None)


# Content


class Resource(Shape, frozen=True):
    """An embedded file: text or blob (base64)."""

    uri: str | None = None
    mime_type: str | None = None
    text: str | None = None
    blob: str | None = None


class Block(Shape, frozen=True):
    """A ContentBlock of any type: text, image, audio, resource_link, resource, or a stranger's."""

    type: str = ""
    text: str | None = None
    data: str | None = None
    """Base64."""
    mime_type: str | None = None
    uri: str | None = None
    name: str | None = None
    resource: Resource | None = None


class ToolContent(Shape, frozen=True):
    """Something a tool call shows: content, diff or terminal."""

    type: str = ""
    content: Block | None = None
    path: str | None = None
    old_text: str | None = None
    new_text: str | None = None


class ToolLocation(Shape, frozen=True):
    """A place in a file."""

    path: str
    line: int | None = None


# Updates: what session/update carries


class Update(Shape, frozen=True, tag_field="sessionUpdate"):
    """Something the agent does."""


class UserMessageChunk(Update, frozen=True, tag="user_message_chunk"):
    """What we said, said again: on a replay."""

    content: Block


class AgentMessageChunk(Update, frozen=True, tag="agent_message_chunk"):
    """A piece of a message."""

    content: Block
    message_id: str | None = None


class AgentThoughtChunk(Update, frozen=True, tag="agent_thought_chunk"):
    """A piece of thinking."""

    content: Block
    message_id: str | None = None


class ToolCallFields(Shape, frozen=True):
    """What may be said of a tool call, at once or bit by bit. A list replaces the one before."""

    tool_call_id: str
    title: str | None = None
    name: str | None = None
    kind: str | None = None
    status: str | None = None
    content: Annotated[list[Any], Meta(max_length=MANY)] | None = None
    locations: list[Any] | None = None
    raw_input: Any = None
    raw_output: Any = None
    meta: Any = _meta()


class ToolCallStart(ToolCallFields, frozen=True, tag_field="sessionUpdate", tag="tool_call"):
    """A tool is used."""


class ToolCallUpdate(
    ToolCallFields, frozen=True, tag_field="sessionUpdate", tag="tool_call_update"
):
    """More is known of it."""


class PlanStep(Shape, frozen=True):
    """One entry of a plan."""

    content: str
    priority: str | None = None
    status: str | None = None


class PlanUpdate(Update, frozen=True, tag="plan"):
    """The whole plan."""

    entries: Annotated[list[PlanStep], Meta(max_length=MANY)]


class AvailableCommands(Update, frozen=True, tag="available_commands_update"):
    """Slash commands: for people at an editor."""


class CurrentMode(Update, frozen=True, tag="current_mode_update"):
    """The mode has changed."""

    current_mode_id: str


class ConfigOption(Shape, frozen=True):
    """Something that can be set: a model, a mode, an effort."""

    id: str
    name: str | None = None
    category: str | None = None
    current_value: Any = None
    options: list[Any] | None = None
    """What it can be set to, one by one or in groups."""


class ConfigOptions(Update, frozen=True, tag="config_option_update"):
    """All that can be set, with what it is set to."""

    config_options: list[ConfigOption]


class SessionInfo(Update, frozen=True, tag="session_info_update"):
    """The session's title."""

    title: str | None = None


class Cost(Shape, frozen=True):
    """Money."""

    amount: float
    currency: str


class UsageUpdate(Update, frozen=True, tag="usage_update"):
    """How full the context is, and what the session has cost since it began."""

    cost: Cost | None = None
    meta: Any = _meta()


AnyUpdate = (
    UserMessageChunk
    | AgentMessageChunk
    | AgentThoughtChunk
    | ToolCallStart
    | ToolCallUpdate
    | PlanUpdate
    | AvailableCommands
    | CurrentMode
    | ConfigOptions
    | SessionInfo
    | UsageUpdate
)


class SessionUpdate(Shape, frozen=True):
    """session/update."""

    session_id: str
    update: AnyUpdate


# Other calls of the agent's


class PermissionOption(Shape, frozen=True):
    """A way to answer."""

    option_id: str
    name: str | None = None
    kind: str | None = None


class PermissionRequest(Shape, frozen=True):
    """session/request_permission."""

    session_id: str
    tool_call: ToolCallFields
    options: Annotated[list[PermissionOption], Meta(max_length=MANY)]


class CancelRequest(Shape, frozen=True):
    """$/cancel_request."""

    request_id: str | int | float


# Answers to our calls


class PromptCapabilities(Shape, frozen=True):
    """What may stand in a prompt, beside text and links."""

    image: bool | None = None
    audio: bool | None = None
    embedded_context: bool | None = None


class McpCapabilities(Shape, frozen=True):
    """How an agent reaches a server of tools, beside starting it."""

    http: bool | None = None
    sse: bool | None = None


class SessionCapabilities(Shape, frozen=True):
    """What can be done with a session, beside making one; an object, empty or not, is a yes."""

    resume: Any = None
    close: Any = None


class AgentCapabilities(Shape, frozen=True):
    """What the agent can do."""

    load_session: bool | None = None
    prompt_capabilities: PromptCapabilities | None = None
    mcp_capabilities: McpCapabilities | None = None
    session_capabilities: SessionCapabilities | None = None


class Implementation(Shape, frozen=True):
    """Who somebody is."""

    name: str | None = None
    title: str | None = None
    version: str | None = None


class AuthMethod(Shape, frozen=True):
    """A way to be let in."""

    id: str | None = None
    name: str | None = None
    description: str | None = None


class InitializeResult(Shape, frozen=True):
    """initialize."""

    protocol_version: int
    agent_capabilities: AgentCapabilities | None = None
    agent_info: Implementation | None = None
    auth_methods: list[AuthMethod] | None = None


class Modes(Shape, frozen=True):
    """The modes of a session."""

    current_mode_id: str | None = None
    available_modes: list[Any] | None = None


class Models(Shape, frozen=True):
    """The models of a session: no longer in the specification, but gemini knows no other way."""

    current_model_id: str | None = None
    available_models: list[Any] | None = None


class SessionState(Shape, frozen=True):
    """session/load, session/resume, and what they share with session/new."""

    modes: Modes | None = None
    models: Models | None = None
    config_options: list[ConfigOption] | None = None


class NewSessionResult(SessionState, frozen=True, kw_only=True):
    """session/new."""

    session_id: str


class ConfigOptionsResult(Shape, frozen=True):
    """session/set_config_option."""

    config_options: list[ConfigOption] | None = None


class PromptResult(Shape, frozen=True):
    """session/prompt."""

    stop_reason: str = "end_turn"
    usage: Any = None
    """Tokens of the turn: totalTokens, inputTokens and so on. The work is done, however an agent
    counts it."""
    meta: Any = _meta()


def look(value: Any, *path: str) -> Any:
    """What lies at a path inside JSON of no fixed form, or None."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
