"""The ACP backend against a scripted agent: a real process, driven through the port."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trio
from attrs import define, field

from a2abackends.acp import ACP, Limits, open_acp
from a2abackends.presets import PRESETS
from a2acore.backend import (
    AgentFailed,
    AgentRefused,
    Answer,
    Asking,
    Backend,
    BadSettings,
    Choices,
    Credential,
    FileChange,
    Notice,
    Permission,
    Saying,
    Settings,
    Text,
    ToolCall,
    Usage,
)
from a2acore.model import Message, Metadata, Part, Role, Task

AGENT = str(Path(__file__).with_name("fake_acp_agent.py"))
PATIENCE = 20  # seconds that a backend may be at work before it is called hung

Answerer = Callable[[Asking], Awaitable[Answer]]


async def _refuse_to_answer(asking: Asking) -> Answer:
    raise AssertionError(f"nobody expected {asking}")


async def allow(asking: Asking) -> Answer:
    return Answer(allowed=True)


async def deny(asking: Asking) -> Answer:
    return Answer(allowed=False)


async def never(asking: Asking) -> Answer:
    await trio.sleep_forever()
    raise AssertionError


@define(eq=False)
class Heard:
    """A turn that writes down what is said and asked."""

    parts: tuple[Part, ...]
    workspace: Path
    answer: Answerer = _refuse_to_answer
    context_id: str = "context"
    choices: Choices = Choices()
    references: tuple[Task, ...] = ()
    sessions: dict[str, Metadata | None] = field(factory=dict)
    """What was kept, by conversation; shared by turns that follow each other."""
    task_id: str = field(factory=lambda: uuid4().hex)
    metadata: Metadata = field(factory=dict)
    said: list[Saying] = field(factory=list)
    asked: list[Asking] = field(factory=list)
    withdrawn: list[Asking] = field(factory=list)
    _news: trio.Event = field(factory=trio.Event)

    @property
    def message(self) -> Message:
        return Message("message", Role.USER, self.parts, context_id=self.context_id)

    @property
    def conversation(self) -> str:
        return f"of {self.context_id}"

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts if part.text is not None)

    @property
    def session(self) -> Metadata | None:
        return self.sessions.get(self.conversation)

    def keep_session(self, session: Metadata | None) -> None:
        self.sessions[self.conversation] = session
        self._tell()

    def say(self, saying: Saying) -> None:
        self.said.append(saying)
        self._tell()

    async def ask(self, asking: Asking) -> Answer:
        self.asked.append(asking)
        self._tell()
        try:
            return await self.answer(asking)
        except trio.Cancelled:
            self.withdrawn.append(asking)
            raise

    @property
    def response(self) -> str:
        return "".join(saying.text for saying in self.said if isinstance(saying, Text))

    def all(self, kind: type) -> list[Any]:
        return [saying for saying in self.said if isinstance(saying, kind)]

    async def wait_for(self, true: Callable[[], object]) -> None:
        while not true():
            await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Heard]:
    """Makes a turn of steps for the agent, of a text, or of parts."""
    sessions: dict[str, Metadata | None] = {}

    def make(*what: Any, **options: Any) -> Heard:
        if all(isinstance(one, list) for one in what):
            what = (json.dumps(what),)
        parts = tuple(Part(text=one) if isinstance(one, str) else one for one in what)
        return Heard(parts, tmp_path, **{"sessions": sessions, **options})

    return make


@asynccontextmanager
async def fake(
    workspace: Path, *flags: str, limits: Limits | None = None, **env: str
) -> AsyncIterator[Backend]:
    settings = Settings(
        workspace,
        command=(sys.executable, AGENT, *flags),
        environment={"PATH": os.environ["PATH"], **env},
    )
    with trio.fail_after(PATIENCE):
        async with open_acp(settings, limits or Limits()) as backend:
            yield backend


@asynccontextmanager
async def running(backend: Backend, turn: Heard) -> AsyncIterator[trio.CancelScope]:
    """A turn at work; leaving the block waits for its end."""
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await backend.run(turn)

        nursery.start_soon(run)
        yield scope


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def wait_until_dead(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await trio.lowlevel.wait_readable(process)
    finally:
        os.close(process)


# A turn


async def test_what_the_agent_says_is_said_as_it_comes_and_its_stop_reason_returned(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        turn = make("hello")
        assert await backend.run(turn) == "end_turn"
        assert turn.response == "hello"


async def test_the_card_names_the_agent_once_it_has_introduced_itself(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        await backend.run(make("hello"))
        assert (backend.info.name, backend.info.version) == ("Fake Agent", "1.2")


async def test_a_second_turn_of_a_context_meets_the_same_session_in_the_same_process(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        first, second = make(["who"]), make(["who"])
        await backend.run(first)
        await backend.run(second)
    one, two = json.loads(first.response), json.loads(second.response)
    assert one["pid"] == two["pid"]
    assert (one["prompts"], two["prompts"]) == (1, 2)
    assert one["cwd"] == str(tmp_path)


async def test_two_contexts_work_at_once_in_processes_of_their_own(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    gate = tmp_path / "gate"
    async with fake(tmp_path) as backend:
        waiting = make(["who"], ["until", str(gate)], context_id="one")
        passing = make(["who"], context_id="two")
        async with running(backend, waiting):
            await waiting.wait_for(lambda: waiting.response)
            await backend.run(passing)
            gate.touch()
    assert json.loads(waiting.response)["pid"] != json.loads(passing.response)["pid"]


async def test_an_agent_that_hangs_as_it_starts_holds_up_no_other_context_and_is_given_up(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    limits = Limits(start=1)
    async with (
        fake(tmp_path, "--deaf-start", limits=limits) as backend,
        trio.open_nursery() as nursery,
    ):

        async def run(context_id: str) -> None:
            with pytest.raises(AgentFailed, match="did not answer initialize in 1 s"):
                await backend.run(make("hello", context_id=context_id))

        started_at = trio.current_time()
        nursery.start_soon(run, "one")
        await run("two")
        assert trio.current_time() - started_at < 2 * limits.start


async def test_an_agent_of_another_protocol_version_is_refused(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path, "--version", "99") as backend:
        with pytest.raises(AgentFailed, match="speaks version 99"):
            await backend.run(make("hello"))


@pytest.mark.parametrize(
    "line",
    ["5", "[]", '"text"', "null", "{", "", "npm warn something", '{"jsonrpc": "2.0"}', "\x00"],
)
async def test_a_line_that_is_no_message_is_let_pass(
    tmp_path: Path, make: Callable[..., Heard], line: str
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["raw", line], ["say", "still here"])
        await backend.run(turn)
        assert turn.response == "still here"


@pytest.mark.parametrize(
    "update",
    [
        {"sessionUpdate": "telepathy", "content": {}},
        {"sessionUpdate": "tool_call", "title": "without an id"},
        {"sessionUpdate": "agent_message_chunk", "content": 5},
        {"sessionUpdate": "available_commands_update", "availableCommands": []},
        {"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": "mine"}},
        {"no": "kind"},
        None,
    ],
)
async def test_an_update_that_tells_the_caller_nothing_is_let_pass(
    tmp_path: Path, make: Callable[..., Heard], update: Any
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["update", update], ["say", "still here"])
        await backend.run(turn)
        assert turn.said == [Text("still here")]


async def test_a_line_of_20_mb_arrives_whole(tmp_path: Path, make: Callable[..., Heard]) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["huge", 20_000_000])
        await backend.run(turn)
        assert len(turn.response) == 20_000_000


async def test_an_agent_may_flood_its_stderr(tmp_path: Path, make: Callable[..., Heard]) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["stderr", "x" * 1000, 1000], ["say", "done"])
        await backend.run(turn)
        assert turn.response == "done"


async def test_what_an_agent_asks_that_is_not_offered_is_refused(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["call", "fs/read_text_file", {"path": "/etc/passwd"}])
        await backend.run(turn)
        assert json.loads(turn.response)["error"]["code"] == -32601


# What it is given


async def test_a_message_is_given_as_blocks_that_the_agent_takes(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path, "--caps", '{"image": true, "embeddedContext": true}') as backend:
        turn = make(
            '[["prompt"]]',
            Part(raw=b"\x89PNG", media_type="image/png"),
            Part(raw=b"a,b\n", media_type="text/csv", filename="a b.csv"),
            Part(url="https://example.org/x.txt", media_type="text/plain"),
            Part(data={"a": None}),
        )
        await backend.run(turn)
    assert json.loads(turn.response) == [
        {"type": "image", "data": "iVBORw==", "mimeType": "image/png"},
        {
            "type": "resource",
            "resource": {"uri": "attachment:///a%20b.csv", "text": "a,b\n", "mimeType": "text/csv"},
        },
        {
            "type": "resource_link",
            "uri": "https://example.org/x.txt",
            "name": "x.txt",
            "mimeType": "text/plain",
        },
        {"type": "text", "text": '```json\n{\n  "a": null\n}\n```'},
    ]
    assert turn.all(Notice) == []


async def test_what_the_agent_does_not_take_is_saved_for_it_and_told(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        photo = Part(raw=b"\x89PNG", media_type="image/png", filename="a.png")
        turn = make('[["prompt"]]', photo)
        await backend.run(turn)
    place = f".a2acode/inbox/{turn.task_id}/1-a.png"
    assert (tmp_path / place).read_bytes() == b"\x89PNG"
    [block] = json.loads(turn.response)
    assert str(tmp_path / place) in block["text"]
    (notice,) = turn.all(Notice)
    assert notice.text == f"a.png was saved for the agent as {place}"


async def test_a_message_of_which_nothing_can_be_given_fails(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        with pytest.raises(AgentFailed, match="Nothing in the message"):
            await backend.run(make(Part(text="")))


# Permissions


async def test_a_permission_is_asked_with_everything_known_of_the_tool(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(
            [
                "update",
                {
                    "sessionUpdate": "tool_call",
                    "toolCallId": "t",
                    "title": "Terminal",
                    "kind": "execute",
                    "rawInput": {"command": "ls", "cwd": "/elsewhere", "env": {"A": "1"}},
                },
            ],
            ["ask", {"toolCallId": "t", "title": "ls", "rawInput": {}}],
            answer=allow,
        )
        await backend.run(turn)
    (permission,) = turn.asked
    assert isinstance(permission, Permission)
    assert permission.tool.title == "ls"
    assert permission.tool.kind == "execute"
    assert permission.tool.input == {"command": "ls", "cwd": "/elsewhere", "env": {"A": "1"}}
    assert (permission.cwd, permission.env) == ("/elsewhere", {"A": "1"})
    assert [option.kind for option in permission.options] == [
        "allow_always",
        "allow_once",
        "reject_once",
    ]


@pytest.mark.parametrize(("answer", "option"), [(allow, "once"), (deny, "no")])
async def test_a_verdict_takes_the_option_that_counts_once(
    tmp_path: Path, make: Callable[..., Heard], answer: Answerer, option: str
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["ask", {"toolCallId": "t"}], answer=answer)
        await backend.run(turn)
        assert turn.response == option


async def test_the_option_that_the_caller_picks_is_taken(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async def pick(asking: Asking) -> Answer:
        assert isinstance(asking, Permission)
        return Answer(allowed=True, option=asking.options[0])

    async with fake(tmp_path) as backend:
        turn = make(["ask", {"toolCallId": "t"}], answer=pick)
        await backend.run(turn)
        assert turn.response == "always"


async def test_a_verdict_without_an_option_cancels_and_never_says_the_opposite(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    only_yes = [{"optionId": "yes", "name": "Deny", "kind": "allow_once"}]
    async with fake(tmp_path) as backend:
        turn = make(["ask", {"toolCallId": "t"}, only_yes], answer=deny)
        await backend.run(turn)
        assert turn.response == "cancelled"


async def test_two_permissions_may_be_asked_at_once(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async def by_tool(asking: Asking) -> Answer:
        assert isinstance(asking, Permission)
        return Answer(allowed=asking.tool.id == "good")

    async with fake(tmp_path) as backend:
        turn = make(["ask_twice", {"toolCallId": "bad"}, {"toolCallId": "good"}], answer=by_tool)
        await backend.run(turn)
        assert turn.response == "no,once"


async def test_a_permission_that_the_agent_withdraws_is_no_longer_asked(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["withdraw", {"toolCallId": "t"}], answer=never)
        await backend.run(turn)
        assert turn.response == "cancelled"
        assert turn.withdrawn == turn.asked != []


async def test_a_permission_asked_between_turns_is_answered_cancelled(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        await backend.run(make(["ask_afterwards", {"toolCallId": "t"}]))
        after = make(["recall"])
        await backend.run(after)
        assert after.response == "cancelled"
        [notice] = after.all(Notice)
        assert notice.kind == "not_delivered"
        assert notice.text.endswith(": t")


async def test_a_form_that_comes_between_turns_is_cancelled_and_told_to_the_next(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    form = {"message": "Which?", "mode": "form", "requestedSchema": {"properties": {"a": {}}}}
    async with fake(tmp_path) as backend:
        await backend.run(make(["call_afterwards", "elicitation/create", form]))
        after = make(["answered"])
        await backend.run(after)
        assert json.loads(after.response) == {"action": "cancel"}
        [notice] = after.all(Notice)
        assert notice.kind == "not_delivered"
        assert "Which?" in notice.text


async def test_a_tool_that_was_denied_and_is_never_heard_of_again_has_failed(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["ask", {"toolCallId": "t", "status": "pending"}], answer=deny)
        await backend.run(turn)
        assert turn.all(ToolCall)[-1].status == "failed"


# Files


def tool(status: str, **more: Any) -> list[Any]:
    kind = "tool_call" if status == "pending" else "tool_call_update"
    update = {"sessionUpdate": kind, "toolCallId": "t", "status": status, "kind": "edit"}
    return ["update", {**update, **more}]


def diff(path: Path, old: str | None, new: str) -> list[dict[str, Any]]:
    return [{"type": "diff", "path": str(path), "oldText": old, "newText": new}]


async def test_a_snippet_of_an_edit_becomes_the_change_of_the_whole_file(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    file = tmp_path / "note.txt"
    file.write_text("one\nOLD\nthree\n")
    content = diff(file, "OLD", "NEW")
    async with fake(tmp_path) as backend:
        turn = make(
            tool("pending", content=content),
            ["ask", {"toolCallId": "t"}],
            ["write", str(file), "one\nNEW\nthree\n"],
            tool("completed"),
            answer=allow,
        )
        await backend.run(turn)
    change = FileChange(str(file), "one\nOLD\nthree\n", "one\nNEW\nthree\n")
    assert turn.all(FileChange) == [change]
    (permission,) = turn.asked
    assert isinstance(permission, Permission)
    assert permission.changes == (change,)


async def test_an_edit_that_nobody_was_asked_about_is_seen_however_fast_it_is_written(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    file = tmp_path / "note.txt"
    file.write_text("one\nOLD\nthree\n")
    async with fake(tmp_path) as backend:
        turn = make(
            tool("pending", content=diff(file, "OLD", "NEW")),
            ["write", str(file), "one\nNEW\nthree\n"],
            tool("completed"),
        )
        await backend.run(turn)
    assert turn.all(FileChange) == [FileChange(str(file), "one\nOLD\nthree\n", "one\nNEW\nthree\n")]


async def test_an_edit_that_is_heard_of_after_it_was_written_is_undone_to_see_what_was_before(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    file = tmp_path / "note.txt"
    file.write_text("one\nNEW\nthree\n")
    async with fake(tmp_path) as backend:
        turn = make(tool("completed", content=diff(file, "OLD", "NEW")))
        await backend.run(turn)
    assert turn.all(FileChange) == [FileChange(str(file), "one\nOLD\nthree\n", "one\nNEW\nthree\n")]


async def test_a_new_and_a_deleted_file_have_one_side_only(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    new, old = tmp_path / "new.txt", tmp_path / "old.txt"
    old.write_text("bye\n")
    async with fake(tmp_path) as backend:
        turn = make(
            tool("pending", locations=[{"path": str(new)}, {"path": "old.txt"}]),
            ["ask", {"toolCallId": "t"}],
            ["write", str(new), "hi\n"],
            ["delete", str(old)],
            tool("completed"),
            answer=allow,
        )
        await backend.run(turn)
    changes = {change.path: (change.before, change.after) for change in turn.all(FileChange)}
    assert changes == {str(new): (None, "hi\n"), str(old): ("bye\n", None)}


@pytest.mark.parametrize("status", ["failed", "completed", "in_progress"])
async def test_a_tool_that_changed_nothing_yields_no_change(
    tmp_path: Path, make: Callable[..., Heard], status: str
) -> None:
    file = tmp_path / "note.txt"
    file.write_text("OLD")
    async with fake(tmp_path) as backend:
        turn = make(tool("pending", content=diff(file, "OLD", "NEW")), tool(status))
        await backend.run(turn)
        assert turn.all(FileChange) == []


async def test_a_tool_that_failed_half_way_yields_what_it_did(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    file = tmp_path / "note.txt"
    async with fake(tmp_path) as backend:
        turn = make(
            tool("pending", content=diff(file, None, "all of it")),
            ["ask", {"toolCallId": "t"}],
            ["write", str(file), "all"],
            ["fail", -32603, "no space left"],
            answer=allow,
        )
        with pytest.raises(AgentFailed, match="no space left"):
            await backend.run(turn)
        assert turn.all(FileChange) == [FileChange(str(file), None, "all")]


async def test_a_file_that_is_no_text_is_only_said_to_have_changed(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    file = tmp_path / "picture"
    file.write_bytes(b"\x89PNG")
    async with fake(tmp_path) as backend:
        turn = make(
            tool("pending", locations=[{"path": str(file)}]),
            ["ask", {"toolCallId": "t"}],
            ["write", str(file), "\0 other"],
            tool("completed"),
            answer=allow,
        )
        await backend.run(turn)
        assert turn.all(FileChange) == [FileChange(str(file), None, None, binary=True)]


async def test_a_pipe_or_a_directory_that_a_tool_names_is_not_waited_for(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    async with fake(tmp_path) as backend:
        places = [{"path": str(tmp_path / "pipe")}, {"path": str(tmp_path)}, {"path": "/dev/zero"}]
        turn = make(tool("pending", locations=places), tool("completed"), ["say", "done"])
        await backend.run(turn)
        assert (turn.response, turn.all(FileChange)) == ("done", [])


# What it costs


async def test_the_cost_of_a_turn_is_what_the_session_costs_more_than_before(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    def costs(amount: float) -> dict[str, Any]:
        cost = {"amount": amount, "currency": "EUR"}
        return {"sessionUpdate": "usage_update", "used": 1, "size": 9, "cost": cost}

    tokens = {"inputTokens": 6, "outputTokens": 5, "totalTokens": 15, "cachedReadTokens": 4}
    async with fake(tmp_path) as backend:
        first = make(["update", costs(0.5)], ["end", "end_turn", tokens])
        second = make(["update", costs(0.7)], ["update", costs(0.9)])
        await backend.run(first)
        await backend.run(second)
    assert first.all(Usage) == [
        Usage(6, 5, 4, total_tokens=15, cost=0.5, currency="EUR", model="big")
    ]
    assert second.all(Usage) == [Usage(cost=0.4, currency="EUR", model="big")]


# How a turn ends


@pytest.mark.parametrize(
    ("reason", "words"),
    [("max_tokens", "token limit"), ("max_turn_requests", "number of model calls")],
)
async def test_a_limit_of_the_agent_is_a_failure_of_that_name(
    tmp_path: Path, make: Callable[..., Heard], reason: str, words: str
) -> None:
    async with fake(tmp_path) as backend:
        with pytest.raises(AgentFailed, match=words) as caught:
            await backend.run(make(["end", reason]))
        assert caught.value.stop_reason == reason


async def test_a_refusal_is_told_apart_from_a_failure(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        with pytest.raises(AgentRefused):
            await backend.run(make(["end", "refusal"]))


async def test_a_stop_reason_of_the_future_is_a_good_end(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        assert await backend.run(make(["end", "enlightenment"])) == "enlightenment"


async def test_an_agent_that_breaks_off_by_itself_has_failed(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        with pytest.raises(AgentFailed, match="broke off") as caught:
            await backend.run(make(["end", "cancelled"]))
        assert caught.value.stop_reason == "cancelled"


async def test_an_agent_that_breaks_off_because_it_was_denied_something_has_not_failed(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["ask", {"toolCallId": "t"}], ["end", "cancelled"], answer=deny)
        assert await backend.run(turn) == "cancelled"


async def test_an_error_of_the_agent_fails_the_turn_in_its_words_and_the_session_goes_on(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        with pytest.raises(AgentFailed, match=r"^Internal error: out of tea$") as caught:
            await backend.run(make(["fail", -32603, "Internal error", {"details": "out of tea"}]))
        assert caught.value.stop_reason == "error"
        after = make(["who"])
        await backend.run(after)
        assert json.loads(after.response)["prompts"] == 2


@pytest.mark.parametrize(
    ("step", "fate"),
    [
        (["exit", 3], "The agent exited with code 3"),
        (["kill"], "The agent was killed by signal 9"),
        (["close_output"], "The agent closed its output"),
    ],
)
async def test_a_dead_agent_fails_its_turn_with_its_last_words_and_the_next_turn_works(
    tmp_path: Path, make: Callable[..., Heard], step: list[Any], fate: str
) -> None:
    async with fake(tmp_path, FAKE_API_KEY="s3cr3t") as backend:
        turn = make(["say", "so far"], ["stderr", "\x1b[31mthe key s3cr3t is bad\x1b[0m"], step)
        with pytest.raises(AgentFailed) as caught:
            await backend.run(turn)
        head, *words = str(caught.value).splitlines()
        assert head.startswith(fate)
        assert words == ["the key *** is bad"]
        assert caught.value.stop_reason == "crashed"
        assert turn.response == "so far"
        after = make("hello")
        assert await backend.run(after) == "end_turn"
        assert [notice.kind for notice in after.all(Notice)] == ["memory_lost"]


async def test_a_killed_agent_harms_no_other_context(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    gate = tmp_path / "gate"
    async with fake(tmp_path) as backend:
        other = make(["say", "a"], ["until", str(gate)], ["say", "b"], context_id="other")
        async with running(backend, other):
            await other.wait_for(lambda: other.response)
            with pytest.raises(AgentFailed):
                await backend.run(make(["kill"]))
            gate.touch()
        assert other.response == "ab"


async def test_a_session_that_the_agent_forgot_is_begun_anew(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        await backend.run(make("hello"))
        lost = make(["fail_unless", str(tmp_path / "mark"), -32002], ["say", "here"])
        with pytest.raises(AgentFailed, match="forgets its sessions"):
            await backend.run(lost)
        (tmp_path / "mark").touch()
        found = make(["say", "here"])
        await backend.run(found)
        assert found.response == "here"
        assert [notice.kind for notice in found.all(Notice)] == ["memory_lost"]


# Being let in


async def test_a_login_that_is_needed_to_begin_is_asked_for_until_it_is_done(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    card = tmp_path / "card"
    async with fake(tmp_path, "--locked", str(card)) as backend:
        turn = make("hello")

        async def in_a_while(asking: Asking) -> Answer:
            if len(turn.asked) == 2:
                card.touch()
            return Answer(allowed=True)

        turn.answer = in_a_while
        assert await backend.run(turn) == "end_turn"
        assert turn.response == "hello"
        assert len(turn.asked) == 2
        assert isinstance(turn.asked[0], Credential)
        assert "Membership card" in turn.asked[0].text


async def test_a_login_that_is_needed_for_a_prompt_is_asked_for_and_the_prompt_said_again(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    card = tmp_path / "card"

    async def login(asking: Asking) -> Answer:
        card.touch()
        return Answer(allowed=True)

    async with fake(tmp_path) as backend:
        turn = make(["fail_unless", str(card), -32000], ["who"], answer=login)
        assert await backend.run(turn) == "end_turn"
        assert json.loads(turn.response)["prompts"] == 2


# Cancelling


async def test_a_cancelled_turn_ends_at_once_and_its_session_goes_on(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["say", "begun"], ["hang"])
        async with running(backend, turn) as scope:
            await turn.wait_for(lambda: turn.response)
            scope.cancel()
            cancelled_at = trio.current_time()
        assert trio.current_time() - cancelled_at < 1
        after = make(["heard"])
        await backend.run(after)
        assert json.loads(after.response)[-2:] == ["session/cancel", "session/prompt"]
        assert after.all(Notice) == []


async def test_a_permission_that_is_pending_at_a_cancellation_is_answered_cancelled(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["ask", {"toolCallId": "t"}], ["hang"], answer=never)
        async with running(backend, turn) as scope:
            await turn.wait_for(lambda: turn.asked)
            scope.cancel()
        assert turn.withdrawn == turn.asked
        assert turn.response == "cancelled"  # so the agent said, before the prompt ended


async def test_a_turn_is_cancelled_within_a_second_even_if_the_agent_takes_no_notice(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path, limits=Limits(settling=0.5)) as backend:
        deaf = make(["who"], ["until", str(tmp_path / "never")])
        async with running(backend, deaf) as scope:
            await deaf.wait_for(lambda: deaf.response)
            scope.cancel()
            cancelled_at = trio.current_time()
        assert trio.current_time() - cancelled_at < 1
        after = make(["who"])
        await backend.run(after)
        assert json.loads(after.response)["pid"] != json.loads(deaf.response)["pid"]
        assert [notice.kind for notice in after.all(Notice)] == ["memory_lost"]
        assert not is_alive(json.loads(deaf.response)["pid"])


async def test_what_a_cancelled_prompt_says_late_is_not_said_in_the_next_turn(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    gate = tmp_path / "gate"
    async with fake(tmp_path, limits=Limits(leaving=0.05)) as backend:
        slow = make(["say", "begun"], ["linger", str(gate), "too late"])
        async with running(backend, slow) as scope:
            await slow.wait_for(lambda: slow.response)
            scope.cancel()
        after = make(["who"])
        async with running(backend, after):
            await trio.testing.wait_all_tasks_blocked()
            assert after.said == []  # it waits for the other one to settle
            gate.touch()
        assert json.loads(after.response)["prompts"] == 2
        assert after.all(Notice) == []


async def test_a_turn_that_is_cancelled_while_its_agent_starts_ends_at_once(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path, "--deaf-start") as backend:
        turn = make("hello")
        with trio.move_on_after(0.2) as scope:
            await backend.run(turn)
        assert scope.cancelled_caught


# Limits


async def test_an_agent_that_says_nothing_for_too_long_is_stopped(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path, limits=Limits(silence=0.5)) as backend:
        with pytest.raises(AgentFailed, match=r"said nothing for 0\.5 s") as caught:
            await backend.run(make(["hang"]))
        assert caught.value.stop_reason == "limit"
        after = make(["heard"])
        await backend.run(after)
        assert "session/cancel" in json.loads(after.response)


async def test_a_turn_that_takes_too_long_is_stopped(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path, limits=Limits(turn=0.5)) as backend:
        with pytest.raises(AgentFailed, match=r"was not done after 0\.5 s") as caught:
            await backend.run(make(["hang"]))
        assert caught.value.stop_reason == "limit"


async def test_an_agent_that_runs_wild_when_its_time_is_up_is_stopped_for_that(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path, limits=Limits(turn=0.5, settling=0.5)) as backend:
        with pytest.raises(AgentFailed, match=r"was not done after 0\.5 s"):
            await backend.run(make(["run_wild", str(tmp_path / "tamer")]))


async def test_an_agent_that_is_not_needed_for_long_is_let_go(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path, limits=Limits(idle=0.1)) as backend:
        turn = make(["who"])
        await backend.run(turn)
        await wait_until_dead(json.loads(turn.response)["pid"])
        after = make("hello")
        await backend.run(after)
        assert [notice.kind for notice in after.all(Notice)] == ["memory_lost"]


async def test_of_too_many_idle_agents_the_one_that_idled_longest_is_let_go(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path, limits=Limits(warm=2)) as backend:
        pids = {}
        for context in ("a", "b", "a", "c"):
            turn = make(["who"], context_id=context)
            await backend.run(turn)
            pids[context] = json.loads(turn.response)["pid"]
        await wait_until_dead(pids["b"])
        assert is_alive(pids["a"])
        assert is_alive(pids["c"])


# The end of it all


async def test_closing_the_backend_ends_every_agent_and_what_it_has_started(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        agent, grandchild = make(["who"]), make(["spawn"])
        await backend.run(agent)
        await backend.run(grandchild)
        pid = json.loads(agent.response)["pid"]
        assert is_alive(pid)
    assert not is_alive(pid)
    await wait_until_dead(int(grandchild.response))


async def test_the_grandchildren_of_a_killed_agent_die_with_it_and_do_not_hold_up_its_turn(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    async with fake(tmp_path) as backend:
        turn = make(["spawn"], ["kill"])
        with pytest.raises(AgentFailed, match="signal 9"):
            await backend.run(turn)
        await wait_until_dead(int(turn.response))


async def test_what_goes_wrong_in_the_turn_itself_is_raised_there_and_nowhere_else(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    class Broken(Heard):
        def say(self, saying: Saying) -> None:
            raise ZeroDivisionError

    async with fake(tmp_path) as backend:
        broken = Broken((Part(text="hello"),), tmp_path)
        with pytest.raises(ZeroDivisionError):
            await backend.run(broken)
        after = make("hello")
        assert await backend.run(after) == "end_turn"


# Opening it


async def open_and_close(settings: Settings) -> None:
    async with ACP.open(settings):
        pass


@pytest.fixture
def bin_with(tmp_path: Path) -> Callable[..., str]:
    """Makes a directory that holds programs of these names."""

    def make(*names: str) -> str:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in names:
            (folder / name).write_text(f"#!{sys.executable}\nprint()\n")
            (folder / name).chmod(0o755)
        return str(folder)

    return make


@pytest.mark.parametrize("name", PRESETS)
async def test_a_preset_opens_when_its_binary_is_there(
    tmp_path: Path, bin_with: Callable[..., str], name: str
) -> None:
    settings = Settings(tmp_path, agent=name, environment={"PATH": bin_with(PRESETS[name].binary)})
    async with ACP.open(settings) as backend:
        assert backend.info.name == PRESETS[name].title


async def test_a_preset_is_fetched_by_npx_in_the_pinned_version_when_it_is_not_installed(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    npx = folder / "npx"
    npx.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/called"\nexec {sys.executable} {AGENT}\n')
    npx.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    async with ACP.open(Settings(tmp_path, agent="gemini", environment=environment)) as backend:
        await backend.run(make("hello"))
    preset = PRESETS["gemini"]
    called = (tmp_path / "called").read_text().split()
    prefix = f"--prefix={tmp_path}"
    assert called == ["-y", prefix, f"{preset.package}@{preset.version}", "--acp"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"agent": "hal"}, "No agent is called 'hal'; there are claude, codex, gemini, opencode"),
        ({"agent": "codex", "command": ("sh",)}, "leave out one"),
        ({"command": ("/no/such/agent",)}, "/no/such/agent was not found"),
        ({"command": (__file__,)}, "is not executable"),
        ({"agent": "codex"}, "npm install -g @agentclientprotocol/codex-acp@2.6.0"),
        ({}, "Claude Code is not installed"),
    ],
)
async def test_what_cannot_be_opened_is_refused_in_one_line(
    tmp_path: Path, asked: dict[str, Any], words: str
) -> None:
    settings = Settings(tmp_path, environment={"PATH": str(tmp_path)}, **asked)
    with pytest.raises(BadSettings) as caught:
        await open_and_close(settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_workspace_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="is no directory"):
        await open_and_close(Settings(tmp_path / "nowhere", command=(sys.executable, AGENT)))


async def test_a_workspace_that_goes_away_fails_the_turn(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    workspace = tmp_path / "there"
    workspace.mkdir()
    async with fake(workspace) as backend:
        workspace.rmdir()
        turn = make("hello")
        turn.workspace = workspace
        with pytest.raises(AgentFailed, match=r"working directory .* does not exist"):
            await backend.run(turn)


async def test_what_the_session_becomes_between_turns_is_told_in_the_next(
    tmp_path: Path, make: Callable[..., Heard]
) -> None:
    title = {"sessionUpdate": "session_info_update", "title": "Fixing the bug"}
    late = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "late"}}
    async with fake(tmp_path) as backend:
        first, second = make(["afterwards", late], ["afterwards", title]), make("hello")
        await backend.run(first)
        await backend.run(second)
        assert first.said == []
        assert [notice.data for notice in second.all(Notice)] == [{"title": "Fixing the bug"}]
        assert second.response == "hello"
