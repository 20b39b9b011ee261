"""`a2acode get`: where a task stands."""

from __future__ import annotations

import sys

import click
import trio

from a2acli.follow import Following, exit_code
from a2acli.jsonlines import JsonLines
from a2acli.target import Target, target_options
from a2acli.view import View, Watching
from a2acore.model import GetTaskRequest, Task


@click.command("get")
@click.argument("task_id", metavar="TASK")
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print the task as JSON.")
def command(target: Target, task_id: str, as_json: bool) -> int:
    """Show what TASK has produced, how it stands, and what it asks, if it does.

    It exits as `call` does; 0 also means that it is under way.
    """
    task = trio.run(_get, target, task_id)
    watching: Watching = JsonLines(sys.stdout) if as_json else View(sys.stdout, sys.stderr, target)
    following = Following()
    following.hear(task)
    watching.show(task)
    if following.pause is not None:
        watching.ask(following.pause)
        watching.leave(following.pause)
    watching.end()
    return exit_code(task.status)


async def _get(target: Target, task_id: str) -> Task:
    async with target.open() as client:
        return await client.get(GetTaskRequest(task_id))
