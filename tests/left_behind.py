"""A server that is killed while its agent waits for an answer, and what it has kept by then.

Started as a program, it is that server: it runs one turn, tells on a line of its own what it keeps
of the session, and says `null` when the caller is asked something.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import trio
from attrs import define

from a2abackends.acp import open_acp
from a2acore.backend import Answer, Asking, Settings
from a2acore.model import Metadata, Part
from tests.test_acp import Heard


async def leave_behind(settings: Settings, turn: Heard) -> None:
    """Have a turn begun by a server that is killed as soon as something is asked: nothing is left
    of it but what it has kept."""
    told = {
        "workspace": str(settings.workspace),
        "command": settings.command,
        "environment": settings.environment,
        "text": turn.text,
        "task_id": turn.task_id,
        "session": turn.session,
    }

    def run() -> list[Any]:
        kept: list[Any] = []
        command = [sys.executable, "-m", __name__, json.dumps(told)]
        with subprocess.Popen(
            command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE
        ) as server:
            assert server.stdout is not None
            for line in server.stdout:
                kept.append(json.loads(line))
                if kept[-1] is None:
                    server.kill()
        return kept

    *kept, end = await trio.to_thread.run_sync(run, abandon_on_cancel=True)
    assert end is None, "nothing was asked"
    for session in kept:
        turn.keep_session(session)


@define(eq=False)
class Doomed(Heard):
    """A turn that nobody answers."""

    def keep_session(self, session: Metadata | None) -> None:
        super().keep_session(session)
        print(json.dumps(session), flush=True)

    async def ask(self, asking: Asking) -> Answer:
        print("null", flush=True)
        await trio.sleep_forever()
        raise AssertionError


async def serve(told: dict[str, Any]) -> None:
    workspace = Path(told["workspace"])
    settings = Settings(workspace, command=tuple(told["command"]), environment=told["environment"])
    turn = Doomed((Part(told["text"]),), workspace, task_id=told["task_id"])
    turn.sessions[turn.conversation] = told["session"]
    async with open_acp(settings) as backend:
        await backend.run(turn)


if __name__ == "__main__":
    trio.run(serve, json.loads(sys.argv[1]))
