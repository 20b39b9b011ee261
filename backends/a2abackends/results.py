"""What a task came to, for another task that refers to it. Pure."""

from __future__ import annotations

from msgspec import structs

from a2acore.model import Part, Task

DIFF = "text/x-diff"
ON_THE_WAY = frozenset({"thinking", "plan"})
"""The artifacts that tell how it came about, and are no results."""


def results_of(task: Task) -> tuple[Part, ...]:
    """The parts of its artifacts, each named by the task's id and what it is.

    Where the agent had a last word on how it ended, that is a part as well.
    """
    parts = [
        _named(part, artifact.name or artifact.artifact_id, task)
        for artifact in task.artifacts
        if artifact.artifact_id not in ON_THE_WAY
        for part in artifact.parts
        if part.text != ""
    ]
    said = task.status.message.parts if task.status.message is not None else ()
    parts += [_named(part, "status", task) for part in said if part.text]
    return tuple(parts)


def headline(task: Task) -> str:
    """Which task it is, and how it stands."""
    return f"task {task.id} ({task.status.state.name.lower().replace('_', ' ')})"


def _named(part: Part, otherwise: str, task: Task) -> Part:
    name = f"{task.id}/{part.filename or otherwise}"
    # A diff bears the name of the file that it changes, and is not that file.
    return structs.replace(part, filename=f"{name}.diff" if part.media_type == DIFF else name)
