"""Every noun of the model, as hypothesis strategies: valid, and as odd as the model lets it be.

Valid means what the specification demands of a sender: a part has one content, a message has a
part. What comes back through JSON as something else is left out (a number that is no number), and
so are lone surrogates, which no JSON text in UTF-8 can hold.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from a2acore import model
from a2acore.model import (
    Artifact,
    Message,
    Part,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

texts = st.text(max_size=20) | st.sampled_from(["", "\x00", "\u2028", "💥", "null", "a\nb"])
names = st.text(min_size=1, max_size=12)
"""Of ids: anything, but something."""

whole = st.integers(-(2**53), 2**53)
json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | whole
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["TASK_STATE_WORKING", "contextId"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts | st.sampled_from(["kind", "task_id", "taskId"]), inner, max_size=3)
    ),
    max_leaves=6,
)
objects = st.dictionaries(texts, json, max_size=3)
metadata = st.none() | objects

timestamps = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
)
states = st.sampled_from([state for state in TaskState if state is not TaskState.UNSPECIFIED])
roles = st.sampled_from([Role.USER, Role.AGENT])


def tuples(inner: st.SearchStrategy[Any], *, least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(inner, min_size=least, max_size=least + 2).map(tuple)


def _part(content: dict[str, Any], rest: dict[str, Any]) -> Part:
    return Part(**content, **rest)


parts = st.builds(
    _part,
    st.fixed_dictionaries({"text": texts})
    | st.fixed_dictionaries({"raw": st.binary(max_size=20)})
    | st.fixed_dictionaries({"url": texts})
    | st.fixed_dictionaries({"data": json}),
    st.fixed_dictionaries({"metadata": metadata, "filename": texts, "media_type": texts}),
)
messages = st.builds(
    Message,
    message_id=names,
    role=roles,
    parts=tuples(parts, least=1),
    context_id=texts,
    task_id=texts,
    metadata=metadata,
    extensions=tuples(names),
    reference_task_ids=tuples(names),
)
artifacts = st.builds(
    Artifact,
    artifact_id=names,
    parts=tuples(parts, least=1),
    name=texts,
    description=texts,
    metadata=metadata,
    extensions=tuples(names),
)
statuses = st.builds(
    TaskStatus,
    state=states,
    message=st.none() | messages,
    timestamp=st.just("") | timestamps,
)
tasks = st.builds(
    Task,
    id=names,
    status=statuses,
    context_id=texts,
    artifacts=tuples(artifacts),
    history=tuples(messages),
    metadata=metadata,
)
status_updates = st.builds(
    TaskStatusUpdateEvent, task_id=names, context_id=names, status=statuses, metadata=metadata
)
artifact_updates = st.builds(
    TaskArtifactUpdateEvent,
    task_id=names,
    context_id=names,
    artifact=artifacts,
    append=st.booleans(),
    last_chunk=st.booleans(),
    metadata=metadata,
)
events = tasks | messages | status_updates | artifact_updates

# Requests

lengths = st.none() | st.integers(0, 2**31 - 1)
push_configs = st.builds(
    model.TaskPushNotificationConfig,
    url=names,
    tenant=texts,
    id=texts,
    task_id=texts,
    token=texts,
    authentication=st.none() | st.builds(model.AuthenticationInfo, scheme=names, credentials=texts),
)
configurations = st.builds(
    model.SendMessageConfiguration,
    accepted_output_modes=tuples(names),
    task_push_notification_config=st.none() | push_configs,
    history_length=lengths,
    return_immediately=st.booleans(),
)
sends = st.builds(
    model.SendMessageRequest,
    message=messages,
    tenant=texts,
    configuration=st.none() | configurations,
    metadata=metadata,
)
gets = st.builds(model.GetTaskRequest, id=names, tenant=texts, history_length=lengths)
lists = st.builds(
    model.ListTasksRequest,
    tenant=texts,
    context_id=texts,
    status=st.none() | states,
    page_size=st.none() | st.integers(1, 100),
    page_token=texts,
    history_length=lengths,
    status_timestamp_after=st.just("") | timestamps,
    include_artifacts=st.booleans(),
)
cancels = st.builds(model.CancelTaskRequest, id=names, tenant=texts, metadata=metadata)
subscribes = st.builds(model.SubscribeToTaskRequest, id=names, tenant=texts)
push_gets = st.builds(
    model.GetTaskPushNotificationConfigRequest, task_id=names, tenant=texts, id=names
)
push_lists = st.builds(
    model.ListTaskPushNotificationConfigsRequest,
    task_id=names,
    tenant=texts,
    page_size=st.integers(0, 100),
    page_token=texts,
)
push_deletes = st.builds(
    model.DeleteTaskPushNotificationConfigRequest, task_id=names, id=names, tenant=texts
)
extended_cards = st.builds(model.GetExtendedAgentCardRequest, tenant=texts)

# Answers

listings = st.builds(
    model.ListTasksResponse,
    tasks=tuples(tasks),
    next_page_token=texts,
    page_size=st.integers(1, 100),
    total_size=st.integers(0, 10_000),
)
push_listings = st.builds(
    model.ListTaskPushNotificationConfigsResponse,
    configs=tuples(push_configs),
    next_page_token=texts,
)

# The card

scopes = st.dictionaries(texts, texts, max_size=2)
requirements = st.builds(
    model.SecurityRequirement,
    schemes=st.dictionaries(
        names, st.builds(model.StringList, list=tuples(texts)), min_size=1, max_size=2
    ),
)


def _one_of(shape: type[Any], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A struct of which exactly one member is set."""
    return st.one_of([st.builds(shape, **{name: value}) for name, value in members.items()])


flows = _one_of(
    model.OAuthFlows,
    authorization_code=st.builds(
        model.AuthorizationCodeOAuthFlow,
        authorization_url=names,
        token_url=names,
        scopes=scopes,
        refresh_url=texts,
        pkce_required=st.booleans(),
    ),
    client_credentials=st.builds(
        model.ClientCredentialsOAuthFlow, token_url=names, scopes=scopes, refresh_url=texts
    ),
    implicit=st.builds(
        model.ImplicitOAuthFlow, authorization_url=texts, refresh_url=texts, scopes=scopes
    ),
    password=st.builds(model.PasswordOAuthFlow, token_url=texts, refresh_url=texts, scopes=scopes),
    device_code=st.builds(
        model.DeviceCodeOAuthFlow,
        device_authorization_url=names,
        token_url=names,
        scopes=scopes,
        refresh_url=texts,
    ),
)
schemes = _one_of(
    model.SecurityScheme,
    api_key_security_scheme=st.builds(
        model.APIKeySecurityScheme,
        location=st.sampled_from(["query", "header", "cookie"]),
        name=names,
        description=texts,
    ),
    http_auth_security_scheme=st.builds(
        model.HTTPAuthSecurityScheme, scheme=names, description=texts, bearer_format=texts
    ),
    oauth2_security_scheme=st.builds(
        model.OAuth2SecurityScheme, flows=flows, description=texts, oauth2_metadata_url=texts
    ),
    open_id_connect_security_scheme=st.builds(
        model.OpenIdConnectSecurityScheme, open_id_connect_url=names, description=texts
    ),
    mtls_security_scheme=st.builds(model.MutualTlsSecurityScheme, description=texts),
)
interfaces = st.builds(
    model.AgentInterface,
    url=names,
    protocol_binding=st.sampled_from(["JSONRPC", "HTTP+JSON", "GRPC"]),
    protocol_version=st.sampled_from(["0.3", "1.0"]),
    tenant=texts,
)
skills = st.builds(
    model.AgentSkill,
    id=names,
    name=names,
    description=names,
    tags=tuples(texts, least=1),
    examples=tuples(texts),
    input_modes=tuples(texts),
    output_modes=tuples(texts),
    security_requirements=tuples(requirements),
)
cards = st.builds(
    model.AgentCard,
    name=names,
    description=names,
    supported_interfaces=tuples(interfaces, least=1),
    version=names,
    capabilities=st.builds(
        model.AgentCapabilities,
        streaming=st.none() | st.booleans(),
        push_notifications=st.none() | st.booleans(),
        extensions=tuples(
            st.builds(
                model.AgentExtension,
                uri=names,
                description=texts,
                required=st.booleans(),
                params=metadata,
            )
        ),
        extended_agent_card=st.none() | st.booleans(),
    ),
    default_input_modes=tuples(names, least=1),
    default_output_modes=tuples(names, least=1),
    skills=tuples(skills),
    provider=st.none() | st.builds(model.AgentProvider, url=names, organization=names),
    documentation_url=st.none() | texts,
    security_schemes=st.dictionaries(names, schemes, max_size=2),
    security_requirements=tuples(requirements),
    signatures=tuples(
        st.builds(
            model.AgentCardSignature, protected=names, signature=names, header=st.none() | objects
        )
    ),
    icon_url=st.none() | texts,
)
