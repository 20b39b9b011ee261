"""Letters that were given up, as another process than the server's sees and marks them.

The server looks every few seconds for those that are wanted again, and when it starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from a2acore.push.port import DeadLetter
from a2acore.store.sqlite import reading
from a2acore.store.sqlite.file import beside, connect
from a2acore.store.sqlite.sql import transaction


def dead_letters(path: Path) -> Sequence[DeadLetter]:
    """The letters that were given up, the oldest first.

    Raises:
        BadStore: there is no store in the file, or it cannot be read.
    """
    with beside(path) as db:
        return reading.dead_letters(db, wanted=False)


def want(path: Path, ids: Sequence[str] | None) -> Sequence[DeadLetter]:
    """Have letters tried again: those of the tasks and webhooks of these ids, or all. Tells which.

    Raises:
        BadStore: there is no store in the file, or it cannot be written.
    """
    return _change(path, ids, "UPDATE dead_letters SET wanted = 1")


def forget(path: Path, ids: Sequence[str] | None) -> Sequence[DeadLetter]:
    """Forget letters, chosen in the same way. Tells which.

    Raises:
        BadStore: there is no store in the file, or it cannot be written.
    """
    return _change(path, ids, "DELETE FROM dead_letters")


def _change(path: Path, ids: Sequence[str] | None, statement: str) -> Sequence[DeadLetter]:
    with beside(path, connect) as db, transaction(db):
        letters = [
            letter
            for letter in reading.dead_letters(db, wanted=False)
            if ids is None or letter.task_id in ids or letter.webhook_id in ids
        ]
        keys = [(letter.task_id, letter.webhook_id, letter.first) for letter in letters]
        task = "(SELECT number FROM tasks WHERE id = ?)"
        db.executemany(f"{statement} WHERE task = {task} AND webhook = ? AND first = ?", keys)
        return letters
