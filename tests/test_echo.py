"""The echo backend, driven through its port by a caller who writes down all that is said."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from a2abackends.echo import ECHO
from a2abackends.echo.agent import MOST_CONTEXTS
from a2abackends.echo.steps import Reply, Step
from a2abackends.echo.words import WORDS
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
    Option,
    Output,
    Permission,
    Plan,
    Question,
    Saying,
    Settings,
    Text,
    Thought,
    ToolCall,
    Usage,
    find_backends,
)
from a2acore.model import Message, Metadata, Part, Role, Task

DOCS = Path(__file__).parent.parent / "docs"
EXAMPLE = DOCS / "echo-script.toml"
MANUAL = (DOCS / "echo.md").read_text()

ALLOW, DENY = Answer(allowed=True), Answer(allowed=False, words="not today")


def silence(asking: Asking) -> Answer:
    raise AssertionError(f"nobody expected {asking}")


@define(eq=False)
class Recorded:
    """A turn that keeps what is said, and answers as `answering` does."""

    workspace: Path
    message: Message
    answering: Callable[[Asking], Answer] = silence
    context_id: str = "context"
    choices: Choices = Choices()
    references: tuple[Task, ...] = ()
    session: Metadata | None = None
    task_id: str = "task"
    metadata: Metadata = field(factory=dict)
    said: list[Saying] = field(factory=list)
    asked: list[Asking] = field(factory=list)

    @property
    def conversation(self) -> str:
        return f"of {self.context_id}"

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.message.parts if part.text is not None)

    def keep_session(self, session: Metadata | None) -> None:
        self.session = session

    def say(self, saying: Saying) -> None:
        self.said.append(saying)

    async def ask(self, asking: Asking) -> Answer:
        await trio.lowlevel.checkpoint()
        self.asked.append(asking)
        return self.answering(asking)

    def of(self, kind: type[Any]) -> list[Any]:
        return [saying for saying in self.said if isinstance(saying, kind)]

    @property
    def answer(self) -> str:
        return "".join(said.text for said in self.of(Text))


@define(eq=False)
class Caller:
    """Somebody with prompts for one echo."""

    echo: Backend
    workspace: Path

    async def prompt(
        self,
        text: str,
        answer: Answer | None = None,
        *,
        parts: Sequence[Part] = (),
        **message: Any,
    ) -> Recorded:
        turn = self.turn(text, answer, parts=parts, **message)
        with trio.fail_after(30):
            await self.echo.run(turn)
        return turn

    def turn(
        self,
        text: str,
        answer: Answer | None = None,
        *,
        parts: Sequence[Part] = (),
        context_id: str = "context",
        **message: Any,
    ) -> Recorded:
        given = Message(
            **{"message_id": "m", **message}, role=Role.USER, parts=(Part(text), *parts)
        )
        answering = (lambda asking: answer) if answer else silence
        return Recorded(self.workspace, given, answering, context_id)


@pytest.fixture
async def caller(tmp_path: Path) -> Caller:
    async with ECHO.open(Settings(tmp_path)) as echo:
        return Caller(echo, tmp_path)


def scripted(workspace: Path, script: str, suffix: str = ".toml") -> Settings:
    file = workspace / f"script{suffix}"
    file.write_text(script)
    return Settings(workspace, script=file)


async def script_caller(settings: Settings) -> Caller:
    async with ECHO.open(settings) as echo:
        return Caller(echo, settings.workspace)


# Plain prompts


def test_echo_is_found_like_any_other_backend() -> None:
    assert find_backends()["echo"] is ECHO


@pytest.mark.parametrize(
    "prompt",
    [
        "hello world",
        "the quick brown fox jumps",
        "  spaces\n\tand lines \n",
        "planning sudoku in plan.md, tool-making, re-edit, /fail, slow:fast, long, how, many",
        "ſlow tools",  # a long s is no s
        "{text} {answer} {turn} {received}",
        "",
    ],
)
async def test_a_plain_prompt_is_said_back_to_the_letter(caller: Caller, prompt: str) -> None:
    turn = await caller.prompt(prompt)
    assert turn.answer == f"echo: {prompt}"
    assert {type(said) for said in turn.said} == {Text, Usage}


async def test_the_answer_is_streamed_word_by_word(caller: Caller) -> None:
    turn = await caller.prompt("hello  big world")
    assert [said.text for said in turn.of(Text)] == ["echo: ", "hello  ", "big ", "world"]


async def test_a_turn_tells_its_usage_once_and_it_adds_up(caller: Caller) -> None:
    turn = await caller.prompt("12345678")
    assert turn.of(Usage) == [
        Usage(input_tokens=2, output_tokens=4, total_tokens=6, model="echo"),
    ]
    assert turn.said[-1] is turn.of(Usage)[0]


async def test_a_turn_that_was_cancelled_does_not_go_on(caller: Caller) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await caller.prompt("hello")
    assert scope.cancelled_caught


async def test_what_came_with_the_prompt_is_listed(caller: Caller) -> None:
    turn = await caller.prompt(
        "see",
        parts=[
            Part(raw=b"\x00" * 3072, filename="photo.png", media_type="image/png"),
            Part(raw=b""),
            Part(url="https://example.com/a", media_type="text/html"),
            Part(data={"answer": "{answer}"}),
            Part(data=None),
        ],
    )
    assert turn.answer.splitlines() == [
        "received photo.png (image/png): 3072 bytes",
        "received a file: 0 bytes",
        "received a link (text/html): https://example.com/a",
        'received data: {"answer":"{answer}"}',
        "received data: null",
        "echo: see",
    ]


# Words


async def test_a_word_counts_in_any_case_and_with_punctuation_around(caller: Caller) -> None:
    turn = await caller.prompt('Please "THINK", then (Tool)!')
    assert turn.of(Thought)
    assert turn.of(ToolCall)


async def test_words_do_their_things_in_the_order_of_the_prompt(caller: Caller) -> None:
    turn = await caller.prompt("plan tool think how many")
    kinds = [type(said) for said in turn.said]
    order = [kinds.index(kind) for kind in (Plan, ToolCall, Thought, Text, Usage)]
    assert order == sorted(order)
    assert turn.answer == "this is turn 1\necho: plan tool think how many"


async def test_a_tool_call_goes_from_pending_to_its_output(caller: Caller) -> None:
    calls = (await caller.prompt("tool")).of(ToolCall)
    assert [call.status for call in calls] == ["pending", "in_progress", "completed"]
    assert len({call.id for call in calls}) == 1
    assert calls[0].input == {"command": "echo hello"}
    assert (calls[-1].output, calls[-1].exit_code) == ("hello\n", 0)


async def test_two_tool_calls_have_two_ids(caller: Caller) -> None:
    assert len({call.id for call in (await caller.prompt("tool tool")).of(ToolCall)}) == 2


async def test_edit_makes_a_file(caller: Caller) -> None:
    turn = await caller.prompt("edit")
    assert (caller.workspace / "echo.txt").read_text() == "echo was here\n"
    assert turn.of(FileChange) == [FileChange("echo.txt", None, "echo was here\n")]


async def test_edit_adds_to_the_file_named_next_and_keeps_what_it_held(caller: Caller) -> None:
    (caller.workspace / "a.md").write_bytes(b"one\r\ntwo")
    turn = await caller.prompt("edit the file `a.md`, then edit src/b.py")
    assert turn.of(FileChange) == [
        FileChange("a.md", "one\r\ntwo", "one\r\ntwo\necho was here\n"),
        FileChange("src/b.py", None, "echo was here\n"),
    ]
    assert (caller.workspace / "a.md").read_bytes() == b"one\r\ntwo\necho was here\n"
    assert (caller.workspace / "src/b.py").read_text() == "echo was here\n"


@pytest.mark.parametrize("path", ["../out.txt", "way/out.txt", "{tmp}/out.txt"])
async def test_nothing_outside_the_workspace_is_changed(tmp_path: Path, path: str) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "way").symlink_to(tmp_path)
    async with ECHO.open(Settings(workspace)) as echo:
        turn = Caller(echo, workspace).turn("edit " + path.replace("{tmp}", str(tmp_path)))
        with pytest.raises(AgentRefused, match="outside the workspace"):
            await echo.run(turn)
    assert not (tmp_path / "out.txt").exists()
    assert turn.of(ToolCall)[-1].status == "failed"


async def test_a_file_that_cannot_be_edited_fails_the_turn_and_the_tool(caller: Caller) -> None:
    (caller.workspace / "some.dir").mkdir()
    os.mkfifo(caller.workspace / "a.pipe")
    (caller.workspace / "not.text").write_bytes(b"\xff")
    for name in ("some.dir", "a.pipe", "not.text", "not.text/at.all"):
        turn = caller.turn(f"edit {name}")
        with pytest.raises(AgentFailed, match=f"cannot change {name}: "):
            await caller.echo.run(turn)
        assert turn.of(ToolCall)[-1].status == "failed"


@pytest.mark.parametrize("prompt", ["sudo wait for me", "permission", "sudo tool"])
async def test_an_allowed_permission_runs_the_tool_and_goes_on(caller: Caller, prompt: str) -> None:
    turn = await caller.prompt(prompt, ALLOW)
    assert [call.status for call in turn.of(ToolCall)] == ["pending", "in_progress", "completed"]
    assert turn.answer == f"echo: {prompt}"
    [asked] = turn.asked
    assert isinstance(asked, Permission)
    assert asked.tool == turn.of(ToolCall)[0]
    assert [option.kind for option in asked.options] == ["allow_once", "reject_once"]


async def test_a_denied_permission_says_the_words_and_ends_the_turn(caller: Caller) -> None:
    turn = await caller.prompt("sudo edit a.txt think", DENY)
    assert turn.answer == "denied: not today\n"
    assert [call.status for call in turn.of(ToolCall)] == ["pending", "cancelled"]
    assert not (caller.workspace / "a.txt").exists()
    assert not turn.of(Thought)


async def test_a_permission_to_edit_shows_the_change_before_it_is_made(caller: Caller) -> None:
    file = caller.workspace / "a.txt"
    seen = []

    def look(asking: Asking) -> Answer:
        assert isinstance(asking, Permission)
        seen.append((file.exists(), asking.changes))
        return ALLOW

    turn = caller.turn("sudo please edit a.txt")
    turn.answering = look
    await caller.echo.run(turn)
    assert seen == [(False, (FileChange("a.txt", None, "echo was here\n"),))]
    assert file.read_text() == "echo was here\n"


async def test_each_guard_asks_for_itself(caller: Caller) -> None:
    turn = await caller.prompt("sudo permission slow:0 tool sudo", ALLOW)
    assert len(turn.asked) == 3
    assert len({call.id for call in turn.of(ToolCall)}) == 4


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(True, words="blue"), "blue"),
        (Answer(True, data={"colour": "blue"}), '{"colour":"blue"}'),
        (Answer(True, words="this", data=["blue"]), 'this ["blue"]'),
        (Answer(True, Option("b", "Blue", "allow_once")), "Blue"),
        (Answer(True), "nothing"),
        (Answer(True, words="{text}"), "{text}"),
    ],
)
async def test_the_answer_to_a_question_is_said_back(
    caller: Caller, answer: Answer, said: str
) -> None:
    turn = await caller.prompt("question", answer)
    [asked] = turn.asked
    assert isinstance(asked, Question)
    assert len(asked.choices) == 3
    assert turn.answer == f"you said: {said}\necho: question"


async def test_credential_asks_to_be_let_in(caller: Caller) -> None:
    turn = await caller.prompt("credential", Answer(True, words="done"))
    assert [type(asked) for asked in turn.asked] == [Credential]
    assert turn.answer == "let in: done\necho: credential"


async def test_a_plan_changes_until_all_of_it_is_done(caller: Caller) -> None:
    plans = (await caller.prompt("plan")).of(Plan)
    assert len(set(plans)) == 3
    assert {entry.status for entry in plans[-1].entries} == {"completed"}


async def test_notices_say_their_kind(caller: Caller) -> None:
    notices = (await caller.prompt("notice title")).of(Notice)
    assert [notice.kind for notice in notices] == ["info", "title"]
    assert notices[0].data == {"asked": True}


@pytest.mark.parametrize(("prompt", "seconds"), [("slow", 10), ("slow:3", 3), ("slow:0", 0)])
async def test_slow_takes_its_seconds(
    caller: Caller, autojump_clock: MockClock, prompt: str, seconds: int
) -> None:
    start = trio.current_time()
    turn = await caller.prompt(prompt)
    assert trio.current_time() - start == seconds
    assert len(turn.of(Text)) >= seconds


async def test_a_slow_turn_is_cancelled_at_once(caller: Caller, autojump_clock: MockClock) -> None:
    turn = caller.turn("slow:999999")
    start = trio.current_time()
    with trio.move_on_after(2.5) as scope:
        await caller.echo.run(turn)
    assert scope.cancelled_caught
    assert trio.current_time() - start == 2.5
    assert turn.answer == "1 2 "
    assert turn.of(Usage)


async def test_long_says_exactly_that_many_words(caller: Caller) -> None:
    turn = await caller.prompt("long:1000")
    counted = turn.answer.splitlines()[0].split()
    assert counted == [str(number) for number in range(1, 1001)]
    assert len(turn.of(Text)) == 1000 + len(["echo:", "long:1000"])


async def test_a_long_turn_lets_others_run_meanwhile(caller: Caller) -> None:
    turn = caller.turn("long:10000")
    heard: list[int] = []

    async def listen() -> None:
        while True:
            await trio.lowlevel.checkpoint()
            heard.append(len(turn.said))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await caller.echo.run(turn)
        nursery.cancel_scope.cancel()
    assert len(set(heard)) > 50


@pytest.mark.parametrize(
    ("prompt", "error"),
    [("fail", AgentFailed), ("refuse", AgentRefused), ("crash", RuntimeError)],
)
async def test_a_turn_can_end_badly_and_tells_its_usage_first(
    caller: Caller, prompt: str, error: type[Exception]
) -> None:
    turn = caller.turn(f"think {prompt} tool")
    with pytest.raises(error, match="as asked"):
        await caller.echo.run(turn)
    assert turn.of(Thought)
    assert turn.of(Usage)
    assert not turn.of(ToolCall)


async def test_a_context_remembers_how_many_turns_it_had(caller: Caller) -> None:
    await caller.prompt("hello")
    with pytest.raises(AgentFailed):
        await caller.prompt("fail")
    assert "this is turn 3\n" in (await caller.prompt("how many?")).answer
    other = await caller.prompt("How many?", context_id="other")
    assert "this is turn 1\n" in other.answer


async def test_contexts_are_forgotten_when_there_are_too_many(caller: Caller) -> None:
    for number in range(MOST_CONTEXTS):
        await caller.prompt("hello", context_id=str(number))
    await caller.prompt("hello", context_id="0")
    await caller.prompt("hello", context_id="one more")
    assert "this is turn 3\n" in (await caller.prompt("how many", context_id="0")).answer
    assert "this is turn 1\n" in (await caller.prompt("how many", context_id="1")).answer


# After a restart


class Killed(Exception):
    """Comes in place of an answer, and ends the turn where it stands."""


async def killed(turn: Recorded, play: Callable[[Recorded], Any], at: int = 1) -> Recorded:
    """Play a turn that is killed instead of getting its `at`th answer; what is left of it."""
    answers = turn.answering

    def answer(asking: Asking) -> Answer:
        if len(turn.asked) == at:
            raise Killed
        return answers(asking)

    turn.answering = answer
    with pytest.raises(Killed):
        await play(turn)
    usage = turn.said.pop()  # nobody who is killed has such last words
    assert isinstance(usage, Usage)
    session = json.loads(json.dumps(turn.session))
    return evolve(turn, answering=answers, session=session, said=[], asked=[])


def take_files(folder: Path) -> dict[str, str]:
    """What the files of a folder hold, which are gone then."""
    files = {file.name: file.read_text() for file in folder.iterdir()}
    for name in files:
        (folder / name).unlink()
    return files


async def resumed(left: Recorded, settings: Settings | None = None) -> Recorded:
    """The rest of a turn, played by another server."""
    async with ECHO.open(settings or Settings(left.workspace)) as echo:
        await echo.resume(left)  # type: ignore[attr-defined]
    return left


@pytest.mark.parametrize(
    ("prompt", "at"),
    [
        ("think question tool", 1),
        ("tool credential question how many", 1),
        ("tool credential question how many", 2),
        ("slow:0 sudo edit a.md then permission edit b.md plan", 1),
        ("slow:0 sudo edit a.md then permission edit b.md plan", 2),
        ("sudo", 1),
    ],
)
async def test_a_resumed_turn_says_and_does_what_was_left_of_it_and_no_more(
    caller: Caller, tmp_path: Path, prompt: str, at: int
) -> None:
    yes = Answer(True, words="yes")
    whole = await caller.prompt(prompt, yes)
    written = take_files(tmp_path)
    first = caller.turn(prompt, yes, context_id="killed")
    rest = await resumed(await killed(first, caller.echo.run, at))
    assert first.said + rest.said == whole.said
    assert first.asked + rest.asked[1:] == whole.asked
    assert rest.asked[0] == first.asked[-1]
    assert take_files(tmp_path) == written


async def test_a_resumed_turn_that_is_denied_ends_there(caller: Caller) -> None:
    rest = await resumed(await killed(caller.turn("sudo edit a.md think", DENY), caller.echo.run))
    assert rest.answer == "denied: not today\n"
    assert [call.status for call in rest.of(ToolCall)] == ["cancelled"]
    assert not (caller.workspace / "a.md").exists()


NESTED = """
[[rules]]
when = { turn = "first" }
steps = [{ do = "refuse", text = "nobody comes here twice" }]

[[rules]]
steps = [
  { do = "text", text = "1" },
  { do = "permission", tool = { title = "outer" }, on_allow = [
    { do = "text", text = "2" },
    { do = "permission", tool = { title = "inner" }, on_deny = [
      { do = "text", text = "3" },
      { do = "question", text = "why?" },
      { do = "text", text = "4 {answer} {turn}" },
    ] },
    { do = "text", text = "5" },
  ] },
  { do = "text", text = "6" },
  { do = "end", reason = "done" },
  { do = "text", text = "7" },
]
"""


async def test_a_turn_is_resumed_within_the_branches_that_its_answers_took(tmp_path: Path) -> None:
    settings = scripted(tmp_path, NESTED)
    caller = await script_caller(settings)
    with pytest.raises(AgentRefused):
        await caller.prompt("hello")
    turn = caller.turn("hello")

    def answers(asking: Asking) -> Answer:
        match asking:
            case Permission(ToolCall(title=title)):
                return Answer(title == "outer")
        return Answer(True, words="because")

    turn.answering = answers
    left = await killed(turn, caller.echo.run, at=3)
    assert turn.answer == "123"
    rest = await resumed(left, settings)
    assert rest.answer == "4 because 256"


async def test_a_resumed_turn_can_be_killed_and_resumed_again(caller: Caller) -> None:
    left = await killed(caller.turn("question question how many", ALLOW), caller.echo.run)
    async with ECHO.open(Settings(caller.workspace)) as second:
        left = await killed(left, second.resume)  # type: ignore[attr-defined]
    assert left.said == []
    rest = await resumed(left)
    assert rest.answer.count("you said") == 2
    assert "this is turn 1" in rest.answer


async def test_a_context_counts_its_turns_across_a_restart(caller: Caller) -> None:
    await caller.prompt("hello")
    left = await killed(caller.turn("question", ALLOW), caller.echo.run)
    async with ECHO.open(Settings(caller.workspace)) as second:
        await second.resume(left)  # type: ignore[attr-defined]
        after = await Caller(second, caller.workspace).prompt("how many")
    assert "this is turn 3" in after.answer


async def test_a_turn_that_asks_nothing_keeps_nothing(caller: Caller) -> None:
    assert (await caller.prompt("think tool plan long:100")).session is None


@pytest.mark.parametrize("session", [None, {}, {"agent": "another"}])
async def test_a_turn_whose_place_was_not_kept_is_interrupted(
    caller: Caller, session: Metadata | None
) -> None:
    turn = evolve(caller.turn("question"), session=session)
    with pytest.raises(AgentFailed) as caught:
        await resumed(turn)
    assert caught.value.stop_reason == "interrupted"
    assert turn.said == []


async def test_the_place_of_another_task_of_the_context_is_not_taken(caller: Caller) -> None:
    left = await killed(caller.turn("question", ALLOW), caller.echo.run)
    with pytest.raises(AgentFailed) as caught:
        await resumed(evolve(left, task_id="another"))
    assert caught.value.stop_reason == "interrupted"


@pytest.mark.parametrize("steps", ["", '{ do = "text", text = "" }'])
async def test_a_turn_whose_script_asks_nothing_there_any_more_is_interrupted(
    caller: Caller, steps: str
) -> None:
    left = await killed(caller.turn("question", ALLOW), caller.echo.run)
    with pytest.raises(AgentFailed) as caught:
        await resumed(left, scripted(caller.workspace, f"[[rules]]\nsteps = [{steps}]"))
    assert caught.value.stop_reason == "interrupted"


# Settings


@pytest.mark.parametrize("given", [{"agent": "claude"}, {"command": ("agent", "--acp")}])
def test_echo_takes_no_agent(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(BadSettings, match=r"^the echo backend takes no --agent(-command)?; .+"):
        ECHO.open(Settings(tmp_path, **given))


# Scripts


@pytest.fixture
async def example(tmp_path: Path) -> Caller:
    return await script_caller(Settings(tmp_path, script=EXAMPLE))


def reply(echo: Any, text: str, **message: Any) -> tuple[Part, ...] | None:
    """What echo says to a message without making a task of it."""
    said = Message(**{"message_id": "m", **message}, role=Role.USER, parts=(Part(text),))
    key = f"of {said.context_id}" if said.context_id else ""
    parts: tuple[Part, ...] | None = echo.reply(said, key)
    return parts


async def test_the_example_answers_a_ping_without_a_task(example: Caller) -> None:
    assert reply(example.echo, "ping") == (Part("pong"),)
    assert reply(example.echo, "pinging") is None


async def test_without_a_script_every_message_makes_a_task(caller: Caller) -> None:
    assert reply(caller.echo, "ping") is None


async def test_the_example_produces_every_kind_of_part(example: Caller) -> None:
    outputs = (await example.prompt("go", message_id="artifacts-1")).of(Output)
    assert [(said.artifact.artifact_id, said.append, said.last) for said in outputs] == [
        ("report", False, False),
        ("report", True, True),
        ("artifact-3", False, True),
        ("artifact-4", False, True),
        ("artifact-5", False, True),
    ]
    [logo], [manual], [figures] = (said.artifact.parts for said in outputs[2:])
    assert logo.raw == b"\x89PNG\r\n\x1a\n"
    assert manual.url == "https://example.com/manual.pdf"
    assert figures.data == {"passed": 12, "failed": 0}


async def test_the_example_does_a_days_work_when_allowed(example: Caller) -> None:
    turn = example.turn("fix it")
    turn.answering = lambda asking: Answer(True, words="yes")
    assert await example.echo.run(turn) is None
    assert turn.answer == "Included: yes. Fixed."
    assert (example.workspace / "parser.py").read_text().startswith("for line in range")
    assert [change.path for change in turn.of(FileChange)] == ["parser.py", "CHANGES"]
    assert not (example.workspace / "CHANGES").exists()
    assert len(turn.of(Plan)) == 2
    assert [usage.cost for usage in turn.of(Usage)] == [0.02]


async def test_the_example_branches_when_denied(example: Caller) -> None:
    turn = example.turn("fix it")
    turn.answering = lambda asking: DENY if isinstance(asking, Permission) else ALLOW
    assert await example.echo.run(turn) == "denied"
    assert turn.answer == "Included: nothing. Left as it is: not today"
    assert not (example.workspace / "parser.py").exists()


async def test_the_example_tells_a_followup_from_a_first_message(example: Caller) -> None:
    await example.prompt("hello")
    assert (await example.prompt("Fix it")).answer == "Fixed already, this is turn 2."


async def test_the_example_refuses_by_metadata(example: Caller) -> None:
    acme = {"tenant": {"name": "acme", "id": 7}, "other": True}
    with pytest.raises(AgentRefused, match="Not for this tenant"):
        await example.prompt("hello", metadata=acme)
    for other in ({"tenant": {"id": 7}}, {"tenant": "acme"}, None):
        assert (await example.prompt("hello", metadata=other)).answer


async def test_the_example_waits_and_fails_after_a_login(
    example: Caller, autojump_clock: MockClock
) -> None:
    start = trio.current_time()
    with pytest.raises(AgentFailed, match="expired"):
        await example.prompt("log in", ALLOW)
    assert trio.current_time() - start == 2


async def test_the_example_crashes(example: Caller) -> None:
    with pytest.raises(RuntimeError, match="fell over"):
        await example.prompt("please fall over")


async def test_the_example_has_a_rule_for_the_rest(example: Caller) -> None:
    assert (await example.prompt("think")).answer == "Nothing to do for “think”."


async def test_a_script_can_be_json_and_leaves_what_it_does_not_match_to_the_words(
    tmp_path: Path,
) -> None:
    script = {
        "rules": [{"when": {"text": "x"}, "steps": [{"do": "text", "text": "{text}{turn} {no}"}]}]
    }
    caller = await script_caller(scripted(tmp_path, json.dumps(script), ".json"))
    assert (await caller.prompt("x")).answer == "x1 {no}"
    assert (await caller.prompt("how many")).answer == "this is turn 2\necho: how many"


async def test_everything_that_a_rule_names_must_hold(tmp_path: Path) -> None:
    caller = await script_caller(
        scripted(
            tmp_path,
            """
            [[rules]]
            when = { message_id = "a", text = "b", metadata.c = 1, turn = "first" }
            steps = [{ do = "message", parts = [{ text = "all" }] }]
            """,
        )
    )
    whole: dict[str, Any] = {"message_id": "a1", "metadata": {"c": 1}}
    assert reply(caller.echo, "abc", **whole) == (Part("all"),)
    assert reply(caller.echo, "ac", **whole) is None
    assert reply(caller.echo, "b", **{**whole, "message_id": "1a"}) is None
    assert reply(caller.echo, "b", **{**whole, "metadata": {"c": 2}}) is None
    await caller.prompt("hello")
    assert reply(caller.echo, "b", **whole, context_id="context") is None


async def test_a_message_for_which_a_task_was_made_becomes_an_artifact(tmp_path: Path) -> None:
    rule = '[[rules]]\nsteps = [{ do = "message", parts = [{ text = "pong" }] }]'
    turn = await (await script_caller(scripted(tmp_path, rule))).prompt("ping")
    assert [said.artifact.parts for said in turn.of(Output)] == [(Part("pong"),)]


async def test_a_script_can_delete_a_file(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    rule = '[[rules]]\nsteps = [{ do = "diff", path = "old.txt", write = "replace" }]'
    turn = await (await script_caller(scripted(tmp_path, rule))).prompt("go")
    assert turn.of(FileChange) == [FileChange("old.txt", "old", None)]
    assert not (tmp_path / "old.txt").exists()


STEP = '[[rules]]\nsteps = []\n[[rules]]\nsteps = [{ do = "text", text = "" }, %s]'


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("rules = ", r"Invalid value"),
        ("rule = []", r"unknown field `rule`"),
        ("", r"missing required field `rules`"),
        ("[[rules]]", r"rule 1: Object missing required field `steps`"),
        (STEP % '{ do = "txt" }', r"rule 2: Invalid value 'txt' - at `\$.steps\[1\].do`"),
        (STEP % '{ do = "text", txt = "" }', r"rule 2: .*unknown field `txt` - at `\$.steps\[1\]`"),
        (STEP % '{ do = "text", text = 1 }', r"rule 2: .*at `\$.steps\[1\].text`"),
        (STEP % '{ do = "wait", seconds = -1 }', r"rule 2: .*at `\$.steps\[1\].seconds`"),
        (STEP % '{ do = "message", parts = [] }', r"rule 2: `message` must be the only step"),
        (
            STEP % '{ do = "permission", tool = { title = "" }, on_deny = [{ do = "message" }] }',
            r"rule 2: Invalid value 'message' - at `\$.steps\[1\].on_deny\[0\].do`",
        ),
        (
            STEP % '{ do = "artifact", parts = [{ text = "", url = "" }] }',
            r"rule 2: A part has exactly one of .* - at `\$.steps\[1\].parts\[0\]`",
        ),
        (STEP % '{ do = "artifact", parts = [{ raw = "?" }] }', r"rule 2: .*\.parts\[0\]\.raw`"),
        (STEP % '{ do = "diff", path = "a", write = "append" }', r"rule 2: `after` is needed"),
        (
            STEP % '{ do = "diff", path = "a", before = "b", write = "replace" }',
            r"rule 2: `before` is read from the file",
        ),
        ('[[rules]]\nwhen = { text = "(" }\nsteps = []', r"rule 1: `text` is not a pattern: .*"),
        ('[[rules]]\nwhen = { id = "a" }\nsteps = []', r"rule 1: .*unknown field `id`.*`\$.when`"),
    ],
)
def test_a_mistake_in_a_script_is_told_in_one_line_with_its_place(
    tmp_path: Path, script: str, complaint: str
) -> None:
    settings = scripted(tmp_path, script)
    with pytest.raises(BadSettings) as caught:
        ECHO.open(settings)
    assert re.match(rf"{re.escape(str(settings.script))}: .*{complaint}", str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing.toml", "No such file or directory"),
        ("script.yaml", "a script is a .toml or a .json file"),
        ("broken.json", "Input data was truncated"),
        ("latin.toml", "'utf-8' codec can't decode"),
    ],
)
def test_a_file_that_is_no_script_is_told_in_one_line(
    tmp_path: Path, name: str, complaint: str
) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(BadSettings, match=re.escape(f"{name}: {complaint}")):
        ECHO.open(Settings(tmp_path, script=tmp_path / name))


# The manual


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the first table under a heading: the first cell, and the others."""
    section = MANUAL.split(f"\n{heading}\n", 1)[1]
    found = re.search(r"\| --- .*\n((?:\|.*\n)+)", section)
    assert found
    rows = [line.strip("| ").split(" | ") for line in found[1].splitlines()]
    return {row[0]: row[1:] for row in rows}


def test_the_manual_lists_every_word() -> None:
    listed = [word for cell in table("## Words") for word in re.findall("`(.+?)`", cell)]
    assert sorted(listed) == sorted(WORDS)


def test_the_manual_lists_every_step_with_its_keys() -> None:
    listed = {
        step.strip("`"): {key: bool(bold) for bold, key in re.findall(r"(\*\*)?`(\w+)`", cells[0])}
        for step, cells in table("### Steps").items()
    }
    assert listed == {
        step.__struct_config__.tag: {
            each.encode_name: each.required for each in msgspec.structs.fields(step)
        }
        for step in (*get_args(Step), Reply)
    }


def test_the_scripts_in_the_manual_can_be_read(tmp_path: Path) -> None:
    snippets = re.findall(r"```toml\n(.+?)```", MANUAL, re.DOTALL)
    assert snippets
    for snippet in snippets:
        ECHO.open(scripted(tmp_path, snippet))


def test_the_example_has_every_kind_of_step() -> None:
    used = set(re.findall(r'do = "(\w+)"', EXAMPLE.read_text()))
    assert used == {step.__struct_config__.tag for step in (*get_args(Step), Reply)}
