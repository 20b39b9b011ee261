"""What an agent does, read from what it tells: plans in tools, moved files, costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from a2abackends.acp.changes import Changes
from a2abackends.acp.updates import Standing, Translator
from a2abackends.acp.wire import SessionUpdate
from a2abackends.presets import oddities_of
from a2acore.backend import FileChange, Plan, PlanEntry, Saying, ToolCall


def reading(standing: Standing | None = None) -> Translator:
    return Translator(standing or Standing(), oddities_of(""))


def say(translator: Translator, kind: str, **members: Any) -> list[Saying]:
    update = {"sessionUpdate": kind, **members}
    said = msgspec.json.encode({"sessionId": "s", "update": update})
    return translator.read(msgspec.json.decode(said, type=SessionUpdate).update)


# Plans


def todos(*steps: tuple[str, str]) -> dict[str, Any]:
    listed = [
        {"id": str(n), "content": content, "status": status, "priority": "high"}
        for n, (content, status) in enumerate(steps)
    ]
    return {"toolCallId": "t", "rawInput": {"todos": listed}}


def test_a_plan_that_is_written_down_with_a_tool_is_a_plan_each_time_it_changes() -> None:
    one = reading()
    first = say(one, "tool_call", title="todowrite", **todos(("look", "in_progress")))
    assert [type(saying) for saying in first] == [ToolCall, Plan]
    assert first[1] == Plan((PlanEntry("look", "in_progress", "high"),))
    assert Plan not in map(type, say(one, "tool_call_update", toolCallId="t", status="completed"))
    given_up = todos(("look", "completed"), ("do", "pending"), ("sleep", "cancelled"))
    [_, plan] = say(one, "tool_call_update", **given_up)
    assert plan == Plan(
        (PlanEntry("look", "completed", "high"), PlanEntry("do", "pending", "high"))
    )


@pytest.mark.parametrize("told", ["none", [], [1], [{"status": "pending"}], {"content": "a"}])
def test_what_only_looks_like_a_plan_is_none(told: Any) -> None:
    said = say(reading(), "tool_call", toolCallId="t", title="x", rawInput={"todos": told})
    assert [type(saying) for saying in said] == [ToolCall]


# Files


async def work(folder: Path, names: list[str], do: Any) -> list[FileChange]:
    """What is told of files that a tool names, and what it does."""
    changes = Changes(folder)
    await changes.look(names)
    do()
    return await changes.settle(names, done=True)


@pytest.mark.parametrize("names", [["old", "new"], ["new", "old"]])
@pytest.mark.parametrize("held", [b"1\n2\n", b"\x00\xff"])
async def test_a_file_that_is_elsewhere_afterwards_was_moved(
    names: list[str], held: bytes, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(held)
    [change] = await work(tmp_path, names, lambda: old.rename(new))
    assert (change.path, change.moved_from) == (str(new), str(old))
    text = None if b"\x00" in held else held.decode()
    assert (change.before, change.after, change.binary) == (text, text, text is None)


async def test_files_of_which_it_cannot_be_told_where_they_went_were_deleted_and_added(
    tmp_path: Path,
) -> None:
    for name, text in (("a", "same"), ("b", "same"), ("c", ""), ("e", "1")):
        (tmp_path / name).write_text(text)

    def do() -> None:
        for name in "abce":
            (tmp_path / name).unlink()
        for name, text in (("x", "same"), ("y", ""), ("z", "2")):
            (tmp_path / name).write_text(text)

    told = await work(tmp_path, [*"abcexyz"], do)
    assert [Path(change.path).name for change in told] == [*"abcexyz"]
    assert not any(change.moved_from for change in told)


async def test_a_file_that_is_copied_is_not_moved(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    [change] = await work(tmp_path, ["a", "b"], lambda: (tmp_path / "b").write_text("1"))
    assert (change.before, change.moved_from) == (None, "")


# Costs


def spend(translator: Translator, amount: float) -> float | None:
    """What a turn cost, when the session has cost so much at its end."""
    say(translator, "usage_update", used=1, size=2, cost={"amount": amount, "currency": "USD"})
    usage = translator.usage(None)
    return None if usage is None else usage.cost


def test_a_turn_costs_what_the_session_has_cost_since_the_turn_before() -> None:
    standing = Standing()
    assert [spend(reading(standing), amount) for amount in (0.25, 0.75, 0.75)] == [0.25, 0.5, 0.0]


def test_what_a_resumed_session_cost_before_is_on_no_bill_twice() -> None:
    standing = Standing(resumed=True)
    assert [spend(reading(standing), amount) for amount in (5.0, 5.25)] == [None, 0.25]


def test_a_resumed_session_whose_cost_is_known_goes_on_from_there() -> None:
    before = Standing()
    spend(reading(before), 5.0)
    standing = Standing(resumed=True, accounted=before.accounted)
    assert reading(standing).usage(None) is None, "of a turn that told no cost"
    assert spend(reading(standing), 5.5) == 0.5
