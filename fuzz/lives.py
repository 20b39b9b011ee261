"""Whatever happens to a task, it ends once, and nothing that was said or made is lost.

A walk over `lifecycle.Record`, beside a naive record that keeps everything in lists and joins it
only when it is asked.
"""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from a2acore.lifecycle import EXTENSION, TERMINAL, IllegalTransition, Record
from a2acore.model import (
    Artifact,
    Message,
    Part,
    Role,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from fuzz import strategies
from fuzz.running import walks
from tests.stage import joined

# A few names, so that things are spoken of again.
abouts = st.none() | st.fixed_dictionaries(
    {"kind": st.sampled_from(["tool", "notice"]), "id": st.sampled_from("12")}
)
states = st.sampled_from([*[TaskState.WORKING] * 12, TaskState.INPUT_REQUIRED, *TaskState])
"""Mostly the one that is not the end, so that a life is long."""
pieces = strategies.parts | st.builds(Part, text=strategies.texts)


class Life(RuleBasedStateMachine):
    """Events and messages, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.record = Record("t", "c", "owner", TaskStatus(TaskState.SUBMITTED))
        self.said: list[Message] = []
        self.current: Message | None = None
        self.made: dict[str, list[Part]] = {}
        self.ends = 0

    def message(self, about: dict[str, str] | None, role: Role) -> Message:
        number = len(self.said) + 1000 * (self.current is not None)
        metadata = None if about is None else {EXTENSION: about}
        return Message(f"{role.name} {number}", role, (Part(text="said"),), metadata=metadata)

    def settle(self) -> None:
        if self.current is not None:
            self.said.append(self.current)
            self.current = None

    @precondition(lambda self: not self.ends)
    @rule()
    def hear(self) -> None:
        heard = self.message(None, Role.USER)
        self.record.hear(heard)
        self.settle()
        self.said.append(heard)

    @rule(
        state=states,
        about=abouts,
        speaks=st.booleans(),
    )
    def status(self, state: TaskState, about: dict[str, str] | None, speaks: bool) -> None:
        message = self.message(about, Role.AGENT) if speaks else None
        event = TaskStatusUpdateEvent("t", "c", TaskStatus(state, message))
        before = self.record.task()
        try:
            self.record.apply(event)
        except IllegalTransition:
            assert self.record.task() == before
            return
        self.settle()
        self.current = message
        self.ends += state in TERMINAL
        assert self.record.state is state

    @rule(
        name=st.sampled_from("ab"),
        parts=strategies.tuples(pieces, least=1),
        append=st.booleans(),
    )
    def artifact(self, name: str, parts: tuple[Part, ...], append: bool) -> None:
        event = TaskArtifactUpdateEvent("t", "c", Artifact(name, parts), append)
        if self.ends:
            with pytest.raises(IllegalTransition):
                self.record.apply(event)
            return
        self.record.apply(event)
        known = self.made.get(name, []) if append else []
        self.made[name] = [*known, *parts]

    @invariant()
    def ends_once(self) -> None:
        assert self.ends == (self.record.state in TERMINAL)

    @invariant()
    def keeps_what_was_said(self) -> None:
        last: dict[tuple[str, str], Message] = {}
        places: list[tuple[str, str]] = []
        for message in self.said:
            about = (message.metadata or {}).get(EXTENSION)
            place = ("", message.message_id) if about is None else (about["kind"], about["id"])
            if place not in last:
                places.append(place)
            last[place] = message
        shown = self.record.task()
        assert list(shown.history) == [last[place] for place in places]
        assert shown.status.message == self.current

    @invariant()
    def keeps_what_was_made(self) -> None:
        naive = tuple(joined(Artifact(name, tuple(parts))) for name, parts in self.made.items())
        assert self.record.task().artifacts == naive


LIVES = walks("a task ends once and loses nothing", Life)
