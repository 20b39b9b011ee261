"""What a turn is given beside its message: whose conversation it is, and what came with it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from a2acore.backend import AgentInfo, Choices, Text, Turn
from a2acore.errors import InvalidParams
from a2acore.lifecycle import EXTENSION
from a2acore.model import Message, Metadata, Task
from a2acore.service import ANONYMOUS, Caller, Service
from a2acore.store import MemoryStore
from a2acore.supervisor import open_supervisor
from tests.stage import WORKSPACE, Actor, get, open_stage, request, response, saying, send

STRANGER = Caller("stranger")


async def count(turn: Turn) -> None:
    """Counts the turns of a conversation in what is kept of it."""
    number = (turn.session or {"number": 0})["number"] + 1
    turn.keep_session({"number": number})
    turn.say(Text(str(number)))


async def ask(service: Service, caller: Caller, message: Message) -> Task:
    task = await service.send(caller, request(message))
    assert isinstance(task, Task)
    return task


async def test_two_callers_who_choose_one_context_id_have_two_conversations() -> None:
    async with open_stage(count) as service:
        counted = [
            response(await ask(service, caller, saying(context_id="shared")))
            for caller in (ANONYMOUS, STRANGER, ANONYMOUS)
        ]
        assert counted == ["1", "1", "2"]


async def test_what_is_kept_of_a_conversation_outlives_the_server_with_its_store() -> None:
    store = MemoryStore()
    for expected in ("1", "2"):
        async with open_stage(count, store=store) as service:
            assert response(await send(service, saying(context_id="c"))) == expected


async def test_a_session_that_is_no_json_is_refused_where_it_is_kept() -> None:
    async def play(turn: Turn) -> None:
        with pytest.raises(TypeError):
            turn.keep_session({"what": object()})
        turn.say(Text(str(turn.session)))

    async with open_stage(play) as service:
        assert response(await send(service)) == "None"


async def test_the_oldest_conversations_are_forgotten_first() -> None:
    store = MemoryStore(keep=2)
    for key in ("a", "b", "a", "c"):
        store.keep_session(key, {"key": key})
    assert [await store.session(key) for key in "abc"] == [{"key": "a"}, None, {"key": "c"}]


# Choices

CHOOSERS = AgentInfo(
    "Chooser", "Says what was chosen.", choices=frozenset({"model", "effort", "sandbox"})
)


async def tell_choices(turn: Turn) -> None:
    turn.say(Text(repr(turn.choices)))


@pytest.mark.parametrize("place", ["request", "message"])
async def test_what_a_request_chooses_reaches_the_backend(place: str) -> None:
    chosen: Metadata = {EXTENSION: {"model": "m1", "effort": "high"}}
    store = MemoryStore()
    async with open_supervisor(Actor(tell_choices, CHOOSERS), store, WORKSPACE) as supervisor:
        service = Service(supervisor, store)
        asked = request(saying(ours=chosen[EXTENSION] if place == "message" else None))
        if place == "request":
            asked = structs.replace(asked, metadata=chosen)
        task = await service.send(ANONYMOUS, asked)
        assert isinstance(task, Task)
        assert response(task) == repr(Choices(model="m1", effort="high"))


@pytest.mark.parametrize(
    ("chosen", "wrong"),
    [
        ({"mode": "plan"}, "no such thing"),
        ({"model": 1}, "must be a text"),
        ({"sandbox": "readonly"}, "must be one of read-only, workspace-write, full"),
    ],
)
async def test_what_cannot_be_chosen_is_refused_by_its_place(chosen: Any, wrong: str) -> None:
    store = MemoryStore()
    async with open_supervisor(Actor(tell_choices, CHOOSERS), store, WORKSPACE) as supervisor:
        service = Service(supervisor, store)
        with pytest.raises(InvalidParams, match=wrong) as refused:
            await send(service, saying(ours=chosen))
        [violation] = refused.value.violations
        assert violation.field == f"message.metadata['{EXTENSION}'].{next(iter(chosen))}"


# References


async def test_a_task_that_a_message_refers_to_comes_with_its_results() -> None:
    async def play(turn: Turn) -> None:
        turn.say(Text(" and ".join(response(task) for task in turn.references) or "first"))

    async with open_stage(play) as service:
        first = await send(service)
        message = structs.replace(saying(), reference_task_ids=(first.id, first.id))
        assert response(await send(service, message)) == "first"


async def test_a_reference_to_a_strangers_task_is_refused_by_its_place() -> None:
    async with open_stage(tell_choices) as service:
        theirs = await ask(service, STRANGER, saying())
        message = structs.replace(saying(), reference_task_ids=(theirs.id,))
        with pytest.raises(InvalidParams) as refused:
            await send(service, message)
        [violation] = refused.value.violations
        assert violation.field == "message.referenceTaskIds[0]"
        assert (await get(service, theirs.id, STRANGER)).id == theirs.id
