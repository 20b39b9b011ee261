"""Driver of the official Python SDK's 0.3 line. Run by `tests.kit.sdks` alone."""

# The SDK lives in an environment of its own, where mypy does not look.
# mypy: disable-error-code="import-not-found"

from contextlib import aclosing
from typing import Any
from uuid import uuid4

import httpx
from a2a.client import (
    A2ACardResolver,
    ClientConfig,
    ClientFactory,
)
from a2a.client.errors import A2AClientHTTPError, A2AClientJSONRPCError
from a2a.types import (
    GetTaskPushNotificationConfigParams,
    Message,
    Part,
    PushNotificationAuthenticationInfo,
    PushNotificationConfig,
    Role,
    Task,
    TaskIdParams,
    TaskPushNotificationConfig,
    TaskQueryParams,
    TaskStatusUpdateEvent,
    TextPart,
)

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


class Client03:
    def __init__(self, card: Any, clients: dict[bool, Any], webhook: Any) -> None:
        self._card = card
        self._webhook = webhook
        self._clients = clients  # by whether it streams

    async def card(self) -> Document:
        return card_of(self._card)

    async def extended_card(self) -> Document:
        return card_of(await self._clients[True].get_card())

    async def list_tasks(self, context_id: str) -> list[Document]:
        raise NotImplementedError("line 0.3 has no such thing")

    def send(self, prompt: str) -> Events:
        return self._say(self._clients[False], prompt)

    def stream(self, prompt: str) -> Events:
        return self._say(self._clients[True], prompt)

    async def _say(self, client: Any, prompt: str) -> Events:
        part = Part(root=TextPart(text=prompt))
        message = Message(role=Role.user, message_id=uuid4().hex, parts=[part])
        async with aclosing(client.send_message(message)) as events:
            async for event in events:
                yield described(event)

    async def get(self, task_id: str) -> Document:
        return task_of(await self._clients[True].get_task(TaskQueryParams(id=task_id)))

    async def cancel(self, task_id: str) -> Document:
        return task_of(await self._clients[True].cancel_task(TaskIdParams(id=task_id)))

    async def subscribe(self, task_id: str) -> Events:
        async with aclosing(self._clients[True].resubscribe(TaskIdParams(id=task_id))) as events:
            async for event in events:
                yield described(event)

    async def set_webhook(self, task_id: str, id: str) -> Document:
        config = self._webhook.model_copy(update={"id": id})
        named = TaskPushNotificationConfig(task_id=task_id, push_notification_config=config)
        return webhook_of(await self._clients[True].set_task_callback(named))

    async def get_webhook(self, task_id: str, id: str) -> Document:
        named = GetTaskPushNotificationConfigParams(id=task_id, push_notification_config_id=id)
        return webhook_of(await self._clients[True].get_task_callback(named))

    async def list_webhooks(self, task_id: str) -> list[Document] | None:
        return None  # the SDK cannot ask for it

    async def delete_webhook(self, task_id: str, id: str) -> None:
        pass  # nor for that


def card_of(card: Any) -> Document:
    offered = [(card.url, card.preferred_transport)]
    offered += [(each.url, each.transport) for each in card.additional_interfaces or ()]
    return {
        "name": card.name,
        "version": card.version,
        "streaming": card.capabilities.streaming,
        "skills": [skill.id for skill in card.skills],
        "interfaces": [
            {"url": url, "binding": binding, "version": card.protocol_version}
            for url, binding in offered
        ],
    }


def described(event: Any) -> Document:
    """The SDK yields a message, or the task so far together with what changed it."""
    if isinstance(event, Message):
        return {"kind": "message", "task": event.task_id, "text": text_of(event.parts)}
    task, update = event
    if update is None:
        return {"kind": "task", "task": task.id, **task_of(task)}
    if isinstance(update, TaskStatusUpdateEvent):
        said = update.status.message
        return {
            "kind": "status",
            "task": update.task_id,
            "state": state_word(update.status.state.value),
            "text": text_of(said.parts) if said else "",
            "final": update.final,
        }
    return {
        "kind": "artifact",
        "task": update.task_id,
        **artifact_of(update.artifact),
        "append": bool(update.append),
        "last": bool(update.last_chunk),
    }


def task_of(task: Task) -> Document:
    return {
        "id": task.id,
        "context": task.context_id,
        "state": state_word(task.status.state.value),
        "artifacts": [artifact_of(artifact) for artifact in task.artifacts or ()],
    }


def artifact_of(artifact: Any) -> Document:
    return {"name": artifact.name, "text": text_of(artifact.parts)}


def webhook_of(config: Any) -> Document:
    hook = config.push_notification_config
    return {
        "task": config.task_id,
        "id": hook.id,
        "url": hook.url,
        "token": hook.token,
        "scheme": hook.authentication.schemes[0],
        "credentials": hook.authentication.credentials,
    }


def text_of(parts: Any) -> str:
    return "".join(part.root.text for part in parts if isinstance(part.root, TextPart))


async def connect(job: Document) -> Client:
    token = job["token"]
    headers = {"authorization": f"Bearer {token}"} if token else {}
    http = httpx.AsyncClient(timeout=PATIENCE, headers=headers)
    card = await A2ACardResolver(http, job["url"]).get_agent_card()
    webhook = PushNotificationConfig(
        url=job["webhook"],
        token=WEBHOOK_TOKEN,
        authentication=PushNotificationAuthenticationInfo(
            schemes=["Bearer"], credentials=WEBHOOK_CREDENTIALS
        ),
    )
    clients = {
        streaming: ClientFactory(
            ClientConfig(
                streaming=streaming,
                httpx_client=http,
                supported_transports=[job["binding"]],
                push_notification_configs=[webhook] if job["scenario"] == "notified" else [],
            )
        ).create(card)
        for streaming in (False, True)
    }
    return Client03(card, clients, webhook)


def explain(exc: Exception) -> int | None:
    if isinstance(exc, A2AClientJSONRPCError):
        code: int = exc.error.code
        return code
    if isinstance(exc, A2AClientHTTPError):
        status: int = exc.status_code
        return status
    return None


if __name__ == "__main__":
    main(connect, explain)
