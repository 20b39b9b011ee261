"""Driver of the official Python SDK's 1.x line. Run by `tests.kit.sdks` alone."""

# The SDK lives in an environment of its own, where mypy does not look.
# mypy: disable-error-code="import-not-found"

from contextlib import aclosing
from typing import Any
from uuid import uuid4

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import (
    AuthenticationInfo,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import JSON_RPC_ERROR_CODE_MAP

from tests.kit.clients.driver import (
    PATIENCE,
    WEBHOOK_CREDENTIALS,
    WEBHOOK_TOKEN,
    Client,
    Document,
    Events,
    main,
    state_word,
)


class Client10:
    def __init__(self, card: Any, clients: dict[bool, Any], webhook: Any) -> None:
        self._card = card
        self._webhook = webhook
        self._clients = clients  # by whether it streams

    async def card(self) -> Document:
        return card_of(self._card)

    async def extended_card(self) -> Document:
        request = GetExtendedAgentCardRequest()
        return card_of(await self._clients[True].get_extended_agent_card(request))

    async def list_tasks(self, context_id: str) -> list[Document]:
        request = ListTasksRequest(context_id=context_id)
        return [task_of(task) for task in (await self._clients[True].list_tasks(request)).tasks]

    def send(self, prompt: str) -> Events:
        return self._say(self._clients[False], prompt)

    def stream(self, prompt: str) -> Events:
        return self._say(self._clients[True], prompt)

    async def _say(self, client: Any, prompt: str) -> Events:
        parts = [Part(text=prompt)]
        message = Message(role=Role.ROLE_USER, message_id=uuid4().hex, parts=parts)
        request = SendMessageRequest(message=message)
        async with aclosing(client.send_message(request)) as events:
            async for event in events:
                yield described(event)

    async def get(self, task_id: str) -> Document:
        return task_of(await self._clients[True].get_task(GetTaskRequest(id=task_id)))

    async def cancel(self, task_id: str) -> Document:
        return task_of(await self._clients[True].cancel_task(CancelTaskRequest(id=task_id)))

    async def subscribe(self, task_id: str) -> Events:
        request = SubscribeToTaskRequest(id=task_id)
        async with aclosing(self._clients[True].subscribe(request)) as events:
            async for event in events:
                yield described(event)

    async def set_webhook(self, task_id: str, id: str) -> Document:
        config = TaskPushNotificationConfig(task_id=task_id, id=id)
        config.MergeFrom(self._webhook)
        return webhook_of(await self._clients[True].create_task_push_notification_config(config))

    async def get_webhook(self, task_id: str, id: str) -> Document:
        request = GetTaskPushNotificationConfigRequest(task_id=task_id, id=id)
        return webhook_of(await self._clients[True].get_task_push_notification_config(request))

    async def list_webhooks(self, task_id: str) -> list[Document] | None:
        request = ListTaskPushNotificationConfigsRequest(task_id=task_id)
        listing = await self._clients[True].list_task_push_notification_configs(request)
        return [webhook_of(config) for config in listing.configs]

    async def delete_webhook(self, task_id: str, id: str) -> None:
        request = DeleteTaskPushNotificationConfigRequest(task_id=task_id, id=id)
        await self._clients[True].delete_task_push_notification_config(request)


def card_of(card: Any) -> Document:
    return {
        "name": card.name,
        "version": card.version,
        "streaming": card.capabilities.streaming,
        "skills": [skill.id for skill in card.skills],
        "interfaces": [
            {
                "url": each.url,
                "binding": each.protocol_binding,
                "version": each.protocol_version,
            }
            for each in card.supported_interfaces
        ],
    }


def described(event: Any) -> Document:
    kind = event.WhichOneof("payload")
    said = getattr(event, kind)
    match kind:
        case "message":
            return {"kind": "message", "task": said.task_id, "text": text_of(said.parts)}
        case "task":
            return {"kind": "task", "task": said.id, **task_of(said)}
        case "status_update":
            return {
                "kind": "status",
                "task": said.task_id,
                "state": state_of(said.status),
                "text": text_of(said.status.message.parts),
            }
    return {
        "kind": "artifact",
        "task": said.task_id,
        **artifact_of(said.artifact),
        "append": said.append,
        "last": said.last_chunk,
    }


def task_of(task: Any) -> Document:
    return {
        "id": task.id,
        "context": task.context_id,
        "state": state_of(task.status),
        "artifacts": [artifact_of(artifact) for artifact in task.artifacts],
    }


def state_of(status: Any) -> str:
    return state_word(TaskState.Name(status.state))


def artifact_of(artifact: Any) -> Document:
    return {"name": artifact.name, "text": text_of(artifact.parts)}


def webhook_of(config: Any) -> Document:
    return {
        "task": config.task_id,
        "id": config.id,
        "url": config.url,
        "token": config.token,
        "scheme": config.authentication.scheme,
        "credentials": config.authentication.credentials,
    }


def text_of(parts: Any) -> str:
    return "".join(part.text for part in parts)


async def connect(job: Document) -> Client:
    token = job["token"]
    headers = {"authorization": f"Bearer {token}"} if token else {}
    http = httpx.AsyncClient(timeout=PATIENCE, headers=headers)
    webhook = TaskPushNotificationConfig(
        url=job["webhook"],
        token=WEBHOOK_TOKEN,
        authentication=AuthenticationInfo(scheme="Bearer", credentials=WEBHOOK_CREDENTIALS),
    )
    configs = {
        streaming: ClientConfig(
            streaming=streaming,
            httpx_client=http,
            supported_protocol_bindings=[job["binding"]],
            push_notification_config=webhook if job["scenario"] == "notified" else None,
        )
        for streaming in (False, True)
    }
    # The factories come first: they make `http` announce the version that the card is asked in.
    factories = {streaming: ClientFactory(config) for streaming, config in configs.items()}
    card = await A2ACardResolver(http, job["url"]).get_agent_card()
    clients = {streaming: factory.create(card) for streaming, factory in factories.items()}
    return Client10(card, clients, webhook)


def explain(exc: Exception) -> int | None:
    for kind, code in JSON_RPC_ERROR_CODE_MAP.items():
        if isinstance(exc, kind):
            known: int = code
            return known
    return None


if __name__ == "__main__":
    main(connect, explain)
