"""The types of line 0.3 that a server writes, in both readings.

JSON-RPC speaks the type definitions of the specification. On HTTP+JSON there is also the JSON form
of the proto file, which the official clients speak: no `kind`, `content` for `parts`, other words.
"""

from __future__ import annotations

from a2acli.conformance.shapes import Judge, Table

STATES = "submitted|working|input-required|completed|canceled|failed|rejected|auth-required|unknown"
PROTO_STATES = (
    "TASK_STATE_SUBMITTED|TASK_STATE_WORKING|TASK_STATE_COMPLETED|TASK_STATE_FAILED"
    "|TASK_STATE_CANCELLED|TASK_STATE_INPUT_REQUIRED|TASK_STATE_REJECTED|TASK_STATE_AUTH_REQUIRED"
)

CARD: Table = {
    "AgentCard": {
        "protocolVersion": "string!",
        "name": "string!",
        "description": "string!",
        "url": "string!",
        "preferredTransport": "string",
        "additionalInterfaces": "[AgentInterface]",
        "iconUrl": "string",
        "provider": "AgentProvider",
        "version": "string!",
        "documentationUrl": "string",
        "capabilities": "AgentCapabilities!",
        "securitySchemes": "{SecurityScheme}",
        "security": "[object]",
        "defaultInputModes": "[string]!",
        "defaultOutputModes": "[string]!",
        "skills": "[AgentSkill]!",
        "supportsAuthenticatedExtendedCard": "bool",
        "signatures": "[AgentCardSignature]",
    },
    "AgentProvider": {"organization": "string!", "url": "string!"},
    "AgentCapabilities": {
        "streaming": "bool",
        "pushNotifications": "bool",
        "stateTransitionHistory": "bool",
        "extensions": "[AgentExtension]",
    },
    "AgentExtension": {
        "uri": "string!",
        "description": "string",
        "required": "bool",
        "params": "object",
    },
    "AgentSkill": {
        "id": "string!",
        "name": "string!",
        "description": "string!",
        "tags": "[string]!",
        "examples": "[string]",
        "inputModes": "[string]",
        "outputModes": "[string]",
        "security": "[object]",
    },
    "AgentInterface": {"url": "string!", "transport": "string!"},
    "AgentCardSignature": {"protected": "string!", "signature": "string!", "header": "object"},
    "SecurityScheme": {"!by": "type"},
    "SecurityScheme/apiKey": {"in": "=query|header|cookie!", "name": "string!"},
    "SecurityScheme/http": {"scheme": "string!", "bearerFormat": "string"},
    "SecurityScheme/oauth2": {"flows": "OAuthFlows!", "oauth2MetadataUrl": "string"},
    "SecurityScheme/openIdConnect": {"openIdConnectUrl": "string!"},
    "SecurityScheme/mutualTLS": {},
    "OAuthFlows": {
        "authorizationCode": "AuthorizationCodeOAuthFlow",
        "clientCredentials": "TokenOAuthFlow",
        "implicit": "ImplicitOAuthFlow",
        "password": "TokenOAuthFlow",
    },
    "AuthorizationCodeOAuthFlow": {
        "authorizationUrl": "string!",
        "tokenUrl": "string!",
        "refreshUrl": "string",
        "scopes": "{string}!",
    },
    "TokenOAuthFlow": {"tokenUrl": "string!", "refreshUrl": "string", "scopes": "{string}!"},
    "ImplicitOAuthFlow": {
        "authorizationUrl": "string!",
        "refreshUrl": "string",
        "scopes": "{string}!",
    },
}

TABLE: Table = {
    "Task": {
        "kind": "=task!",
        "id": "string!",
        "contextId": "string!",
        "status": "TaskStatus!",
        "history": "[Message]",
        "artifacts": "[Artifact]",
        "metadata": "object",
    },
    "TaskStatus": {"state": f"={STATES}!", "message": "Message", "timestamp": "time"},
    "Message": {
        "kind": "=message!",
        "role": "=user|agent!",
        "parts": "[Part]!+",
        "messageId": "string!",
        "taskId": "string",
        "contextId": "string",
        "referenceTaskIds": "[string]",
        "extensions": "[string]",
        "metadata": "object",
    },
    "Part": {"!by": "kind"},
    "Part/text": {"kind": "=text!", "text": "string!", "metadata": "object"},
    "Part/file": {"kind": "=file!", "file": "File!", "metadata": "object"},
    "Part/data": {"kind": "=data!", "data": "object!", "metadata": "object"},
    "File": {
        "!one": "bytes|uri",
        "bytes": "base64",
        "uri": "string",
        "mimeType": "string",
        "name": "string",
    },
    "Artifact": {
        "artifactId": "string!",
        "parts": "[Part]!+",
        "name": "string",
        "description": "string",
        "extensions": "[string]",
        "metadata": "object",
    },
    "StreamResponse": {"!by": "kind"},
    "StreamResponse/status-update": {
        "kind": "=status-update!",
        "taskId": "string!",
        "contextId": "string!",
        "status": "TaskStatus!",
        "final": "bool!",
        "metadata": "object",
    },
    "StreamResponse/artifact-update": {
        "kind": "=artifact-update!",
        "taskId": "string!",
        "contextId": "string!",
        "artifact": "Artifact!",
        "append": "bool",
        "lastChunk": "bool",
        "metadata": "object",
    },
    "TaskPushNotificationConfig": {
        "taskId": "string!",
        "pushNotificationConfig": "PushNotificationConfig!",
    },
    "PushNotificationConfig": {
        "url": "string!",
        "id": "string",
        "token": "string",
        "authentication": "PushNotificationAuthenticationInfo",
    },
    "PushNotificationAuthenticationInfo": {"schemes": "[string]!", "credentials": "string"},
    **CARD,
}

TABLE = {
    **TABLE,
    "StreamResponse/task": TABLE["Task"],
    "StreamResponse/message": TABLE["Message"],
    "SendMessageResponse": {"!by": "kind"},
    "SendMessageResponse/task": TABLE["Task"],
    "SendMessageResponse/message": TABLE["Message"],
}

WRAPPED: Table = {
    **TABLE,
    "StreamResponse": {
        "!one": "task|message|statusUpdate|artifactUpdate",
        "task": "Task",
        "message": "Message",
        "statusUpdate": "StatusUpdate",
        "artifactUpdate": "ArtifactUpdate",
    },
    "StatusUpdate": TABLE["StreamResponse/status-update"],
    "ArtifactUpdate": TABLE["StreamResponse/artifact-update"],
    "SendMessageResponse": {"!one": "task|message", "task": "Task", "message": "Message"},
}
"""On HTTP+JSON the same types stand in wrappers."""

PROTO: Table = {
    "Task": {
        "id": "string!",
        "contextId": "string!",
        "status": "TaskStatus!",
        "artifacts": "[Artifact]",
        "history": "[Message]",
        "metadata": "object",
    },
    "TaskStatus": {"state": f"={PROTO_STATES}!", "message": "Message", "timestamp": "time"},
    "Message": {
        "messageId": "string",
        "contextId": "string",
        "taskId": "string",
        "role": "=ROLE_USER|ROLE_AGENT",
        "content": "[Part]",
        "metadata": "object",
        "extensions": "[string]",
    },
    "Part": {
        "!one": "text|file|data",
        "text": "string",
        "file": "File",
        "data": "Data",
        "metadata": "object",
    },
    "File": {
        "!one": "fileWithUri|fileWithBytes",
        "fileWithUri": "string",
        "fileWithBytes": "base64",
        "mimeType": "string",
        "name": "string",
    },
    "Data": {"data": "object"},
    "Artifact": {
        "artifactId": "string!",
        "name": "string",
        "description": "string",
        "parts": "[Part]!+",
        "metadata": "object",
        "extensions": "[string]",
    },
    "StreamResponse": {
        "!one": "task|message|statusUpdate|artifactUpdate",
        "task": "Task",
        "message": "Message",
        "statusUpdate": "StatusUpdate",
        "artifactUpdate": "ArtifactUpdate",
    },
    "StatusUpdate": {
        "taskId": "string!",
        "contextId": "string!",
        "status": "TaskStatus!",
        "final": "bool",  # left out when false, as all zeros are
        "metadata": "object",
    },
    "ArtifactUpdate": {
        "taskId": "string!",
        "contextId": "string!",
        "artifact": "Artifact!",
        "append": "bool",
        "lastChunk": "bool",
        "metadata": "object",
    },
    "SendMessageResponse": {"!one": "task|message", "task": "Task", "message": "Message"},
    "TaskPushNotificationConfig": {
        "name": "string!",
        "pushNotificationConfig": "PushNotificationConfig!",
    },
    "PushNotificationConfig": {
        "id": "string",
        "url": "string!",
        "token": "string",
        "authentication": "AuthenticationInfo",
    },
    "AuthenticationInfo": {"schemes": "[string]", "credentials": "string"},
    **CARD,
}

JUDGE = Judge(TABLE, open=True, zone=False)
WRAPPED_JUDGE = Judge(WRAPPED, open=True, zone=False)
PROTO_JUDGE = Judge(PROTO, open=True, zone=False)
