"""Turns of real agents: said, remembered, cancelled, counted; several at once."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio

from a2acore.client import Client
from a2acore.model import CancelTaskRequest, TaskArtifactUpdateEvent, TaskState
from tests.caller import Heard, allow, answering, request, tell
from tests.kit.agents import AGENTS
from tests.kit.workshop import Workshop

pytestmark = pytest.mark.agents


async def test_a_turn_is_answered_and_the_next_one_remembers_it(
    workshop: Workshop, client: Client
) -> None:
    first = await workshop.tell(client, "REMEMBER-ME")
    through = [TaskState.SUBMITTED, TaskState.WORKING, TaskState.COMPLETED]
    assert first.states == through, first.texts()
    assert first.text() == "Hello from fake"
    second = await workshop.tell(client, "SAY:second")
    assert second.text() == "second"
    assert "REMEMBER-ME" in workshop.model.asked("SAY:second").text


async def test_a_cancel_in_mid_turn_ends_it_within_a_second(
    workshop: Workshop, client: Client
) -> None:
    heard = Heard()
    async with client.stream(request("SLOW:400", context=workshop.context)) as events:
        async for event in events:
            heard.events.append(event)
            if isinstance(event, TaskArtifactUpdateEvent):
                break
        with trio.fail_after(1):
            cancelled = await client.cancel(CancelTaskRequest(heard.task_id))
        assert cancelled.status.state is TaskState.CANCELED
        async for event in events:
            heard.events.append(event)
    assert heard.end.state is TaskState.CANCELED
    after = await workshop.tell(client, "SAY:after")
    assert after.end.state is TaskState.COMPLETED, after.texts()
    assert after.text() == "after"


async def test_two_conversations_at_once_do_not_mix(workshop: Workshop, client: Client) -> None:
    contexts = {"left": workshop.context, "right": ""}
    paused: dict[str, Heard] = {}
    ended: dict[str, Heard] = {}

    async def begin(name: str) -> None:
        script = f"RUN:touch {name}.txt\nSAY:the {name} one"
        paused[name] = await tell(client, script, context=contexts[name])

    async def go_on(name: str) -> None:
        ended[name] = await tell(client, "yes", allow, **answering(paused[name]))

    for step in begin, go_on:  # both are in the middle of it before either goes on
        async with trio.open_nursery() as nursery:
            for name in contexts:
                nursery.start_soon(step, name)
    for name, other in ("left", "right"), ("right", "left"):
        assert paused[name].end.state is TaskState.INPUT_REQUIRED, paused[name].texts()
        assert ended[name].end.state is TaskState.COMPLETED, ended[name].texts()
        assert ended[name].text().endswith(f"the {name} one")
        assert (workshop.real.workspace / f"{name}.txt").exists()
        assert f"{other}.txt" not in str(paused[name].events + ended[name].events)
        assert f"{other}.txt" not in workshop.model.asked(f"touch {name}.txt").text


# Bills


async def test_tokens_are_told_of_every_turn_alone(workshop: Workshop, client: Client) -> None:
    turns = [await workshop.tell(client, "SAY:one") for _ in range(2)]
    counted = [turn.end_data["usage"]["inputTokens"] for turn in turns]
    assert counted[0] == counted[1] > 0


BILLING = [name for name, agent in AGENTS.items() if agent.bills]


@pytest.mark.parametrize("workshop", BILLING, indirect=True)
async def test_costs_are_told_of_every_turn_alone(workshop: Workshop, client: Client) -> None:
    turns = [await workshop.tell(client, "SAY:one") for _ in range(3)]
    usages = [turn.end_data["usage"] for turn in turns]
    assert {usage["currency"] for usage in usages} == {"USD"}
    costs = [usage["cost"] for usage in usages]
    assert min(costs) > 0
    # Sums would grow and grow. One of them may be higher: claude pays for a title now and then.
    assert any(after <= before for before, after in pairwise(costs))
