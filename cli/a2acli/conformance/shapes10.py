"""The types of line 1.0 that a server writes (A2A 1.0.1 section 4, `a2a.proto`)."""

from __future__ import annotations

from a2acli.conformance.shapes import Judge, Table

STATES = (
    "TASK_STATE_SUBMITTED|TASK_STATE_WORKING|TASK_STATE_COMPLETED|TASK_STATE_FAILED"
    "|TASK_STATE_CANCELED|TASK_STATE_INPUT_REQUIRED|TASK_STATE_REJECTED|TASK_STATE_AUTH_REQUIRED"
)

TABLE: Table = {
    "Task": {
        "id": "string!",
        "contextId": "string",
        "status": "TaskStatus!",
        "artifacts": "[Artifact]",
        "history": "[Message]",
        "metadata": "object",
    },
    "TaskStatus": {"state": f"={STATES}!", "message": "Message", "timestamp": "time"},
    "Message": {
        "messageId": "string!",
        "contextId": "string",
        "taskId": "string",
        "role": "=ROLE_USER|ROLE_AGENT!",
        "parts": "[Part]!+",
        "metadata": "object",
        "extensions": "[string]",
        "referenceTaskIds": "[string]",
    },
    "Part": {
        "!one": "text|raw|url|data",
        "text": "string",
        "raw": "base64",
        "url": "string",
        "data": "any",
        "metadata": "object",
        "filename": "string",
        "mediaType": "string",
    },
    "Artifact": {
        "artifactId": "string!",
        "name": "string",
        "description": "string",
        "parts": "[Part]!+",
        "metadata": "object",
        "extensions": "[string]",
    },
    "TaskStatusUpdateEvent": {
        "taskId": "string!",
        "contextId": "string!",
        "status": "TaskStatus!",
        "metadata": "object",
    },
    "TaskArtifactUpdateEvent": {
        "taskId": "string!",
        "contextId": "string!",
        "artifact": "Artifact!",
        "append": "bool",
        "lastChunk": "bool",
        "metadata": "object",
    },
    "StreamResponse": {
        "!one": "task|message|statusUpdate|artifactUpdate",
        "task": "Task",
        "message": "Message",
        "statusUpdate": "TaskStatusUpdateEvent",
        "artifactUpdate": "TaskArtifactUpdateEvent",
    },
    "SendMessageResponse": {"!one": "task|message", "task": "Task", "message": "Message"},
    "ListTasksResponse": {
        "tasks": "[Task]!",
        "nextPageToken": "string!",
        "pageSize": "int!",
        "totalSize": "int!",
    },
    "TaskPushNotificationConfig": {
        "tenant": "string",
        "id": "string",
        "taskId": "string",
        "url": "string!",
        "token": "string",
        "authentication": "AuthenticationInfo",
    },
    "AuthenticationInfo": {"scheme": "string!", "credentials": "string"},
    "ListTaskPushNotificationConfigsResponse": {
        "configs": "[TaskPushNotificationConfig]",
        "nextPageToken": "string",
    },
    # The card
    "AgentCard": {
        "name": "string!",
        "description": "string!",
        "supportedInterfaces": "[AgentInterface]!+",
        "provider": "AgentProvider",
        "version": "string!",
        "documentationUrl": "string",
        "capabilities": "AgentCapabilities!",
        "securitySchemes": "{SecurityScheme}",
        "securityRequirements": "[SecurityRequirement]",
        "defaultInputModes": "[string]!",
        "defaultOutputModes": "[string]!",
        "skills": "[AgentSkill]!",
        "signatures": "[AgentCardSignature]",
        "iconUrl": "string",
    },
    "AgentInterface": {
        "url": "string!",
        "protocolBinding": "string!",
        "tenant": "string",
        "protocolVersion": "string!",
    },
    "AgentProvider": {"url": "string!", "organization": "string!"},
    "AgentCapabilities": {
        "streaming": "bool",
        "pushNotifications": "bool",
        "extensions": "[AgentExtension]",
        "extendedAgentCard": "bool",
    },
    "AgentExtension": {
        "uri": "string",
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
        "securityRequirements": "[SecurityRequirement]",
    },
    "AgentCardSignature": {"protected": "string!", "signature": "string!", "header": "object"},
    "SecurityRequirement": {"schemes": "{StringList}"},
    "StringList": {"list": "[string]"},
    "SecurityScheme": {
        "!one": (
            "apiKeySecurityScheme|httpAuthSecurityScheme|oauth2SecurityScheme"
            "|openIdConnectSecurityScheme|mtlsSecurityScheme"
        ),
        "apiKeySecurityScheme": "APIKeySecurityScheme",
        "httpAuthSecurityScheme": "HTTPAuthSecurityScheme",
        "oauth2SecurityScheme": "OAuth2SecurityScheme",
        "openIdConnectSecurityScheme": "OpenIdConnectSecurityScheme",
        "mtlsSecurityScheme": "MutualTlsSecurityScheme",
    },
    "APIKeySecurityScheme": {
        "description": "string",
        "location": "=query|header|cookie!",
        "name": "string!",
    },
    "HTTPAuthSecurityScheme": {
        "description": "string",
        "scheme": "string!",
        "bearerFormat": "string",
    },
    "OAuth2SecurityScheme": {
        "description": "string",
        "flows": "OAuthFlows!",
        "oauth2MetadataUrl": "string",
    },
    "OpenIdConnectSecurityScheme": {"description": "string", "openIdConnectUrl": "string!"},
    "MutualTlsSecurityScheme": {"description": "string"},
    "OAuthFlows": {
        "!one": "authorizationCode|clientCredentials|implicit|password|deviceCode",
        "authorizationCode": "AuthorizationCodeOAuthFlow",
        "clientCredentials": "ClientCredentialsOAuthFlow",
        "implicit": "OldOAuthFlow",
        "password": "OldOAuthFlow",
        "deviceCode": "DeviceCodeOAuthFlow",
    },
    "AuthorizationCodeOAuthFlow": {
        "authorizationUrl": "string!",
        "tokenUrl": "string!",
        "refreshUrl": "string",
        "scopes": "{string}!",
        "pkceRequired": "bool",
    },
    "ClientCredentialsOAuthFlow": {
        "tokenUrl": "string!",
        "refreshUrl": "string",
        "scopes": "{string}!",
    },
    "DeviceCodeOAuthFlow": {
        "deviceAuthorizationUrl": "string!",
        "tokenUrl": "string!",
        "refreshUrl": "string",
        "scopes": "{string}!",
    },
    "OldOAuthFlow": {
        "authorizationUrl": "string",
        "tokenUrl": "string",
        "refreshUrl": "string",
        "scopes": "{string}",
    },
}

JUDGE = Judge(TABLE, open=False, zone=True)
