"""The tasks that ended last: most callers ask for theirs at once."""

from __future__ import annotations

from attrs import define, field

from a2acore.store.entries import Ended

ROOM = 16 * 1024 * 1024
"""Bytes: some thousand common tasks."""
OVERHEAD = 512
"""Bytes that each takes in memory beside what is packed, more or less."""


@define(eq=False)
class Recent:
    """As many of them as there is room for; the oldest go first."""

    _tasks: dict[str, Ended] = field(factory=dict)
    _size: int = 0

    def add(self, task: Ended) -> None:
        self._tasks[task.id] = task
        self._size += len(task.packed) + OVERHEAD
        while self._size > ROOM:
            self.drop(next(iter(self._tasks)))

    def find(self, task_id: str) -> Ended | None:
        return self._tasks.get(task_id)

    def drop(self, task_id: str) -> None:
        """Forget a task. It need not be there."""
        task = self._tasks.pop(task_id, None)
        if task is not None:
            self._size -= len(task.packed) + OVERHEAD
