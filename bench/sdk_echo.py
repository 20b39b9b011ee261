"""An echo agent on the official SDK, as its documentation builds one: Starlette and uvicorn.

    python sdk_echo.py PORT

It tells a task, then that it works, a chunk for each word of the prompt, and that it is done. A
prompt with `sudo` stops for an answer first. Runs in an environment of its own.
"""

# The SDK lives in an environment of its own, where mypy does not look.
# mypy: disable-error-code="import-not-found,misc"

import sys
from typing import Any

import uvicorn
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import (
    create_agent_card_routes,
    create_jsonrpc_routes,
    create_rest_routes,
)
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Part,
    Task,
    TaskState,
    TaskStatus,
)
from starlette.applications import Starlette


class Echo(AgentExecutor):
    """Says the prompt back."""

    def __init__(self) -> None:
        self._asked: dict[str, str] = {}
        """The prompts of tasks that wait for an answer."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        task_id, context_id = context.task_id or "", context.context_id or ""
        updater = TaskUpdater(event_queue, task_id, context_id)
        if context.current_task is None:
            submitted = TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)
            await event_queue.enqueue_event(
                Task(id=task_id, context_id=context_id, status=submitted)
            )
        await updater.start_work()
        prompt = self._asked.pop(task_id, "")
        if not prompt:
            prompt = context.get_user_input()
            if "sudo" in prompt.split():
                self._asked[task_id] = prompt
                question = updater.new_agent_message([Part(text="May I?")])
                await updater.requires_input(message=question)
                return
        words = prompt.split()
        for n, word in enumerate(words):
            await updater.add_artifact(
                [Part(text=f"{word} ")],
                artifact_id="response",
                name="response",
                append=n > 0,
                last_chunk=n == len(words) - 1,
            )
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        await TaskUpdater(event_queue, context.task_id or "", context.context_id or "").cancel()


def application(port: int) -> Any:
    url = f"http://127.0.0.1:{port}/"
    card = AgentCard(
        name="SDK echo",
        description="Says the prompt back.",
        version="1.0.0",
        capabilities=AgentCapabilities(streaming=True),
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding=binding, protocol_version="1.0")
            for binding in ("JSONRPC", "HTTP+JSON")
        ],
        skills=[AgentSkill(id="echo", name="Echo", description="Echoes.", tags=["echo"])],
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
    )
    handler = DefaultRequestHandler(
        agent_executor=Echo(), task_store=InMemoryTaskStore(), agent_card=card
    )
    return Starlette(
        routes=[
            *create_agent_card_routes(card),
            *create_jsonrpc_routes(handler, rpc_url="/", enable_v0_3_compat=True),
            *create_rest_routes(handler, enable_v0_3_compat=True),
        ]
    )


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(application(port), host="127.0.0.1", port=port, log_level="warning")
