"""`a2acode cancel`: stop a task."""

from __future__ import annotations

import click
import trio

from a2acli.codes import DONE, FAILED
from a2acli.plain import one_line
from a2acli.target import Target, target_options
from a2acli.view import STATES
from a2acore.model import CancelTaskRequest, Task, TaskState


@click.command("cancel")
@click.argument("task_id", metavar="TASK")
@target_options
def command(target: Target, task_id: str) -> int:
    """Stop TASK. It exits with 0 when the task is canceled."""
    task = trio.run(_cancel, target, task_id)
    click.echo(f"task {one_line(task.id)} is {STATES[task.status.state]}", err=True)
    return DONE if task.status.state is TaskState.CANCELED else FAILED


async def _cancel(target: Target, task_id: str) -> Task:
    async with target.open() as client:
        return await client.cancel(CancelTaskRequest(task_id))
