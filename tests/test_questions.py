"""Questions and their answers: forms that are filled in with data, and answers that come too early,
too late, or twice."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from a2abackends.acp import ACP
from a2acore import forms
from a2acore.backend import (
    Answer,
    Asking,
    Permission,
    Question,
    Settings,
    ToolCall,
    Turn,
)
from a2acore.client import Client, open_client
from a2acore.errors import InvalidParams, UnsupportedOperation
from a2acore.forms import DECLINES, fields
from a2acore.model import (
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    Task,
    TaskState,
)
from a2acore.pause import Pause
from a2acore.server import Options, serve
from a2acore.store import Entry, MemoryStore
from tests.caller import request, tell
from tests.kit.fixtures import RealAgent
from tests.stage import Actor, begin, data, get, open_stage, saying, send, words
from tests.test_cli import A2ACODE, PATIENCE, a2acode, environment, serving

DOOR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {
            "type": "string",
            "title": "Colour of the door",
            "oneOf": [{"const": "#f00", "title": "Red"}, {"const": "#00f", "title": "Blue"}],
        },
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "bell": {"type": "boolean"},
    },
    "required": ["colour"],
}


def one(**schema: Any) -> dict[str, Any]:
    """A form with one field."""
    return {"type": "object", "properties": {"it": schema}}


def form(*names: str, required: tuple[str, ...] = (), **rest: Any) -> dict[str, Any]:
    """A form of free texts."""
    texts = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": texts | rest, "required": list(required)}


CHOICE = {"type": "string", "enum": ["a", "b", "no"]}


# What a text means in a form


MEANT: list[tuple[dict[str, Any], str, Any]] = [
    (one(type="string"), "any words", {"it": "any words"}),
    (one(type="string"), "", {"it": ""}),
    (one(type="integer"), "-5", {"it": -5}),
    (one(type="integer"), " 5 ", {"it": 5}),
    (one(type="integer"), "5.0", UNSET),
    (one(type="integer"), "five", UNSET),
    (one(type="number"), "2.5", {"it": 2.5}),
    (one(type="number"), "nan", UNSET),
    (one(type="number"), "inf", UNSET),
    (one(type="boolean"), "yes", {"it": True}),
    (one(type="boolean"), "No.", {"it": False}),
    (one(type="boolean"), "maybe", UNSET),
    (one(type="string", enum=["a", "b"]), "b", {"it": "b"}),
    (one(type="string", enum=["a", "A"]), "A", {"it": "A"}),
    (one(type="string", enum=["a", "b"]), "B", {"it": "b"}),
    (one(type="string", enum=["a", "b"]), "c", UNSET),
    (one(type="string", enum=["x"], enumNames=["Ex"]), "Ex", {"it": "x"}),
    (one(type="array", items={"enum": ["a", "b"]}), "b, a", {"it": ["b", "a"]}),
    (one(type="array", items={"anyOf": [{"const": "a", "title": "Ay"}]}), "ay", {"it": ["a"]}),
    (one(type="array", items={"enum": ["a", "b"]}), "a, c", UNSET),
    (one(type="_of_tomorrow"), "x", UNSET),
    (one(), "x", UNSET),
    (DOOR, "red", {"colour": "#f00"}),
    (DOOR, "#00f", {"colour": "#00f"}),
    (DOOR, "green", UNSET),
    (DOOR, '{"colour": "#f00", "count": 2}', {"colour": "#f00", "count": 2}),
    (form("a", "b"), "x", UNSET),
    (form("a", "b"), '{"a": "x"}', {"a": "x"}),
    (form("a", "b"), '["x"]', UNSET),
    (form("a", "b", required=("b",)), "x", {"b": "x"}),
    (form("a", "b", required=("a", "b")), "x", UNSET),
    # Claude Code: one question, and a place for another answer to it.
    ({"properties": {"q": CHOICE, "q_custom": {"type": "string"}}}, "B", {"q": "b"}),
    ({"properties": {"q": CHOICE, "q_custom": {"type": "string"}}}, "c", {"q_custom": "c"}),
    ({"properties": {"q": CHOICE, "r": CHOICE}}, "a", UNSET),
    ({"type": "integer"}, "5", 5),
    ({"type": "string"}, "x", "x"),
    ({}, "x", UNSET),
    ({"properties": 5}, "x", UNSET),
    ({"properties": {"a": 5}}, "x", UNSET),
]


@pytest.mark.parametrize(("schema", "text", "meant"), MEANT)
def test_a_text_answers_what_alone_is_asked_when_it_fits(
    schema: dict[str, Any], text: str, meant: Any
) -> None:
    assert forms.read(schema, text) == meant


DECLINABLE = [
    DOOR,
    form("a", "b"),
    one(type="integer"),
    one(type="string"),
    one(type="string", enum=["a"]),
    {},
]


@pytest.mark.parametrize("word", sorted(DECLINES))
@pytest.mark.parametrize("schema", DECLINABLE, ids=str)
def test_a_word_declines_a_form(schema: dict[str, Any], word: str) -> None:
    asked = Pause("r", Question("?", schema=schema))
    for said in (word, word.upper(), f"{word}.", f" {word}!\n"):
        assert asked.read(saying(said)) == Answer(False, None, said.strip())


def test_a_word_that_is_one_of_the_answers_does_not_decline() -> None:
    assert read(one(**CHOICE), "no") == {"it": "no"}
    assert read(one(type="boolean"), "no") == {"it": False}
    assert read({"properties": {"q": CHOICE, "other": {"type": "string"}}}, "no") == {"q": "no"}


@pytest.mark.parametrize(
    "text", ["no, the other one", "skip it", "declined", "don't cancel", "nope"]
)
def test_more_than_the_word_does_not_decline(text: str) -> None:
    assert read(one(type="string"), text) == {"it": text}


def read(schema: dict[str, Any], text: str, **ours: Any) -> Any:
    """The data of an answer that was given."""
    answer = Pause("r", Question("?", schema=schema)).read(saying(text, ours=ours))
    assert answer.allowed
    return answer.data


# What data fits a form


GOOD = [
    {"colour": "#f00"},
    {"colour": "#00f", "count": 9, "bell": False},
    {"colour": "#f00", "more": "than was asked"},
]
WRONG: list[tuple[Any, str]] = [
    ({}, "$"),
    ({"colour": "red"}, "$.colour"),
    ({"colour": None}, "$.colour"),
    ({"colour": "#f00", "count": 0}, "$.count"),
    ({"colour": "#f00", "count": "5"}, "$.count"),
    ({"colour": "#f00", "count": 1.5}, "$.count"),
    ({"colour": "#f00", "bell": "yes"}, "$.bell"),
    ([], "$"),
    ("red", "$"),
    (None, "$"),
]


@pytest.mark.parametrize("answers", GOOD, ids=str)
def test_data_that_fits_is_the_answer_wherever_it_stands_and_whatever_words_are_by_it(
    answers: dict[str, Any],
) -> None:
    asked = Pause("r", Question("?", schema=DOOR))
    assert read(DOOR, "no", answers=answers) == answers
    parts = (Part(text="decline"), Part(data=answers))
    assert asked.read(Message("m", Role.USER, parts)) == Answer(True, None, "decline", answers)


@pytest.mark.parametrize(("answers", "path"), WRONG, ids=str)
def test_data_that_does_not_fit_is_refused_and_the_place_is_named(answers: Any, path: str) -> None:
    with pytest.raises(InvalidParams, match=re.escape(f"at {path}: ")) as caught:
        read(DOOR, "", answers=answers)
    assert [violation.field for violation in caught.value.violations] == [path]


def test_words_that_do_not_fit_are_refused_with_what_is_asked() -> None:
    with pytest.raises(InvalidParams, match=r"colour \(Red \| Blue\), count, bell"):
        read(DOOR, "green")


def test_a_long_value_is_not_said_again_in_full() -> None:
    with pytest.raises(InvalidParams) as caught:
        read(DOOR, "", answers={"colour": "x" * 100_000})
    assert len(str(caught.value)) < 1000


TRAPS: dict[str, dict[str, Any]] = {
    "elsewhere": {"$ref": "http://127.0.0.1:9/schema"},
    "of a file": {"$ref": "file:///etc/passwd"},
    "itself": {"$ref": "#"},
    "in a circle": {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/allOf/0"}}},
    "nowhere": {"$ref": "#/$defs/none"},
    "no type": {"type": "telepathy"},
    "no schema": {"properties": [], "required": 5},
    "a pattern without end": {"properties": {"it": {"pattern": "^(a+)+$"}}},
    "names without end": {"patternProperties": {"^(i+)+$": {"type": "string"}}},
    "no name": {"properties": {"it": {"$id": "http://["}}},
    "what is left of names without end": {
        "patternProperties": {"^(i+)+$": {}},
        "additionalProperties": False,
    },
    "what is left of a thousand ways": {
        "allOf": [{"$ref": "#/$defs/0"}],
        "$defs": {str(step): {"allOf": [{"$ref": f"#/$defs/{step + 1}"}] * 2} for step in range(40)}
        | {"40": {}},
        "unevaluatedProperties": False,
    },
    "what is left of elsewhere": {
        "$ref": "http://127.0.0.1:9/schema",
        "unevaluatedProperties": False,
    },
}


@pytest.mark.parametrize("schema", TRAPS.values(), ids=TRAPS)
def test_a_schema_that_is_a_trap_asks_for_nothing(schema: dict[str, Any]) -> None:
    answers = {"it": "a" * 60 + "!", "i" * 60 + "!": 1}
    assert read(schema, "", answers=answers) == answers


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.text())
def test_whatever_is_answered_either_fits_or_is_refused(answers: Any, text: str) -> None:
    for ours in ({"answers": answers}, {}):
        try:
            answer = Pause("r", Question("?", schema=DOOR)).read(saying(text, ours=ours))
        except InvalidParams:
            continue
        assert not answer.allowed or answer.data["colour"] in ("#f00", "#00f")


@given(st.dictionaries(st.text(), JSON), st.text())
def test_whatever_a_form_looks_like_it_can_be_shown_and_answered(
    properties: dict[str, Any], text: str
) -> None:
    schema = {"type": "object", "properties": properties}
    fields(schema)
    forms.read(schema, text)
    forms.declines(schema, text)
    forms.takes_text(schema)


# Answers that come too early, too late, or twice


PERMISSION = Permission(ToolCall("1", "rm", "bash", "execute", input={"command": "rm -rf /"}))


class SlowStore(MemoryStore):
    """A store that takes its time, when it is told to, to find what a message speaks to."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = False
        self.asked = trio.Event()
        self.go_on = trio.Event()

    async def find(self, task_id: str) -> Entry | None:
        if self.slow:
            self.slow = False
            self.asked.set()
            await self.go_on.wait()
        return await super().find(task_id)


def scene(
    asked: list[Answer], go: trio.Event, asking: Asking = PERMISSION
) -> Callable[[Turn], Awaitable[str | None]]:
    """A turn that asks when it is told to."""

    async def play(turn: Turn) -> str | None:
        await go.wait()
        asked.append(await turn.ask(asking))
        return None

    return play


async def test_a_yes_that_came_before_the_question_does_not_answer_it() -> None:
    answers: list[Answer] = []
    store, go = SlowStore(), trio.Event()
    async with (
        open_stage(scene(answers, go), store=store) as service,
        trio.open_nursery() as nursery,
    ):
        task, _ = await begin(service)
        store.slow = True
        nursery.start_soon(send, service, saying("yes", message_id="early", task_id=task.id))
        await store.asked.wait()
        go.set()
        await trio.testing.wait_all_tasks_blocked()
        published = await get(service, task.id)
        assert published.status.state is TaskState.INPUT_REQUIRED
        store.go_on.set()
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
        restated = await get(service, task.id)
        assert restated.status.state is TaskState.INPUT_REQUIRED
        assert "came before this was asked" in words(restated.status.message)
        asked = data(published.status.message)
        assert data(restated.status.message) == asked
        assert any(message.message_id == "early" for message in restated.history)
        # Said again it was heard before; another one that comes now counts.
        again = await send(service, saying("yes", message_id="early", task_id=task.id))
        assert again.status.state is TaskState.INPUT_REQUIRED
        done = await send(service, saying("no", task_id=task.id))
        assert done.status.state is TaskState.COMPLETED
    assert [answer.allowed for answer in answers] == [False]


async def test_an_early_yes_does_not_answer_the_question_behind_the_one_that_was_answered() -> None:
    """It was sent in sight of the first question, and is looked at in sight of the second."""
    answers: list[Answer] = []
    store = SlowStore()

    async def play(turn: Turn) -> str | None:
        answers.append(await turn.ask(Question("Which colour?")))
        answers.append(await turn.ask(PERMISSION))
        return None

    async with open_stage(play, store=store) as service, trio.open_nursery() as nursery:
        task, _ = await begin(service)
        store.slow = True
        nursery.start_soon(send, service, saying("yes", task_id=task.id))
        await store.asked.wait()
        await send(service, saying("blue", task_id=task.id))
        store.go_on.set()
        await trio.testing.wait_all_tasks_blocked()
        assert [answer.words for answer in answers] == ["blue"]
        assert (await get(service, task.id)).status.state is TaskState.INPUT_REQUIRED


async def test_an_early_answer_that_names_the_question_can_only_have_been_meant_for_it() -> None:
    answers: list[Answer] = []
    go = trio.Event()
    go.set()
    store = SlowStore()
    async with open_stage(scene(answers, go), store=store) as service:
        task, _ = await begin(service)
        named = {"requestId": data(task.status.message)["requestId"]}
        await send(service, saying("yes", task_id=task.id, ours=named))
        with pytest.raises(UnsupportedOperation):
            await send(service, saying("yes", task_id=task.id, ours=named))
    assert len(answers) == 1


async def test_an_answer_to_a_task_that_has_asked_nothing_is_refused() -> None:
    go = trio.Event()
    async with open_stage(scene([], go)) as service:
        task, _ = await begin(service)
        with pytest.raises(UnsupportedOperation, match="has asked nothing"):
            await send(service, saying("yes", task_id=task.id))


async def test_of_two_answers_at_once_one_counts_and_the_other_is_refused() -> None:
    answers: list[Answer] = []
    go = trio.Event()
    go.set()
    outcomes: list[str] = []
    async with open_stage(scene(answers, go)) as service:
        task, _ = await begin(service)
        named = {"requestId": data(task.status.message)["requestId"]}

        async def say(text: str) -> None:
            try:
                await send(service, saying(text, task_id=task.id, ours=named))
            except UnsupportedOperation:
                outcomes.append("refused")
            else:
                outcomes.append("taken")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, "yes")
            nursery.start_soon(say, "no")
    assert sorted(outcomes) == ["refused", "taken"]
    assert len(answers) == 1


async def test_wrong_data_is_refused_and_the_question_stays_open() -> None:
    answers: list[Answer] = []
    go = trio.Event()
    go.set()
    async with open_stage(scene(answers, go, Question("Which?", schema=DOOR))) as service:
        task, _ = await begin(service)
        for wrong, _path in WRONG:
            with pytest.raises(InvalidParams):
                await send(service, saying("", task_id=task.id, ours={"answers": wrong}))
        still = await get(service, task.id)
        assert still.status == task.status
        right = {"answers": {"colour": "#f00"}}
        await send(service, saying("", task_id=task.id, ours=right))
    assert [answer.data for answer in answers] == [{"colour": "#f00"}]


async def test_an_early_yes_over_http_answers_nothing(tmp_path: Path) -> None:
    answers: list[Answer] = []
    store, go = SlowStore(), trio.Event()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            actor = Actor(scene(answers, go))
            options = Options(workspace=tmp_path)
            bound = await nursery.start(partial(serve, actor, port=0, options=options, store=store))
            async with open_client(bound.url) as client:
                await over_http(client, store, go)
            nursery.cancel_scope.cancel()
    assert [answer.allowed for answer in answers] == [False]


async def over_http(client: Client, store: SlowStore, go: trio.Event) -> None:
    at_once = SendMessageConfiguration(return_immediately=True)
    task = await client.send(SendMessageRequest(saying(), configuration=at_once))
    assert isinstance(task, Task)
    async with trio.open_nursery() as nursery:
        store.slow = True
        nursery.start_soon(client.send, request("yes", task=task.id))
        await store.asked.wait()
        go.set()
        while task.status.state is not TaskState.INPUT_REQUIRED:
            task = await client.get(GetTaskRequest(task.id))
        store.go_on.set()
    task = await client.get(GetTaskRequest(task.id))
    assert task.status.state is TaskState.INPUT_REQUIRED
    assert "came before this was asked" in words(task.status.message)
    done = await client.send(request("no", task=task.id))
    assert isinstance(done, Task)
    assert done.status.state is TaskState.COMPLETED


# With the command


SCRIPT = {
    "rules": [
        {
            "steps": [
                {"do": "question", "text": "Which door?", "schema": DOOR},
                {"do": "text", "text": "{answer}"},
            ]
        }
    ]
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An agent that asks which door, and says what it was told."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "script.json").write_text(json.dumps(SCRIPT))
    with serving("--cwd", str(folder), "--script", str(folder / "script.json")) as (url, _):
        yield url


def paused(url: str) -> list[str]:
    """The commands with which an answer can be given, as they are printed."""
    done = a2acode("call", "go", "--url", url)
    assert done.returncode == 3
    assert "- colour (string, required) Colour of the door" in done.stderr
    return re.findall(r"^    a2acode (call .*)$", done.stderr, re.MULTILINE)


def data_said(answer: str) -> Any:
    """The data that the agent says it was told."""
    return json.loads(answer[answer.index("{") :])


def test_a_form_is_filled_in_by_flags_as_the_command_says(url: str) -> None:
    fill_in, decline = map(shlex.split, paused(url))
    assert fill_in[:2] == ["call", "--answer=colour=STRING"]
    assert decline[:2] == ["call", "decline"]
    flags = ["--answer=Colour of the door=blue", "--answer=count=3", "--answer=bell=yes"]
    done = a2acode("call", *flags, *fill_in[2:])
    assert done.returncode == 0, done.stderr
    assert data_said(done.stdout) == {"colour": "#00f", "count": 3, "bell": True}


def test_a_form_is_declined_in_a_word(url: str) -> None:
    _, decline = map(shlex.split, paused(url))
    assert a2acode(*decline).stdout == "decline\n"


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("colour=green", "colour cannot be 'green'; it takes Red | Blue"),
        ("count=many", "count cannot be 'many'; it takes integer"),
        ("size=3", "nothing called 'size' is asked; what is asked: colour, count, bell"),
    ],
)
def test_what_does_not_fit_a_form_is_not_sent(url: str, flag: str, told: str) -> None:
    fill_in, _ = map(shlex.split, paused(url))
    done = a2acode("call", f"--answer={flag}", *fill_in[2:])
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_form_that_is_wrong_as_a_whole_is_refused_by_the_server(url: str) -> None:
    fill_in, _ = map(shlex.split, paused(url))
    done = a2acode("call", "--answer=count=3", *fill_in[2:])
    assert done.returncode == 2
    assert "The answer does not fit at $: 'colour' is a required property" in done.stderr


def test_a_person_fills_in_a_form_field_by_field(url: str) -> None:
    ours, theirs = pty.openpty()
    call = subprocess.Popen(
        [*A2ACODE, "call", "go", "--url", url],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(),
    )
    os.close(theirs)

    def answer(prompt: bytes, line: bytes) -> None:
        shown = b""
        while prompt not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, line)

    answer(b"colour (Red | Blue): ", b"\n")  # it is required
    answer(b"colour (Red | Blue): ", b"green\n")
    answer(b"colour (Red | Blue): ", b"2\n")
    answer(b"count (integer, or nothing): ", b"some\n")
    answer(b"count (integer, or nothing): ", b"5\n")
    answer(b"bell (boolean, or nothing): ", b"\n")
    stdout, _ = call.communicate(timeout=PATIENCE)
    os.close(ours)
    assert call.returncode == 0
    assert data_said(stdout.decode()) == {"colour": "#00f", "count": 5}


# With a real agent


QUESTION = {
    "question": "Which colour?",
    "header": "Colour",
    "multiSelect": False,
    "options": [
        {"label": "red", "description": "like roses"},
        {"label": "blue", "description": "like the sky"},
    ],
}


@pytest.mark.agents
@pytest.mark.parametrize("real_agent", ["claude"], indirect=True)
@pytest.mark.parametrize(
    ("words", "heard"), [("Blue", '"blue"'), ("green", '"green"'), ("skip", "did not answer")]
)
async def test_a_question_of_claude_code_is_answered_in_words(
    real_agent: RealAgent, words: str, heard: str
) -> None:
    settings = Settings(
        real_agent.workspace, command=tuple(real_agent.command), environment=real_agent.env
    )
    options = Options(workspace=real_agent.workspace)
    with trio.fail_after(60):
        async with ACP.open(settings) as backend, trio.open_nursery() as nursery:
            bound = await nursery.start(partial(serve, backend, port=0, options=options))
            async with open_client(bound.url) as client:
                asking = f"TOOL:AskUserQuestion {json.dumps({'questions': [QUESTION]})}"
                task = await tell(client, asking, lambda asked: words)
            nursery.cancel_scope.cancel()
    assert [asked["question"] for asked in task.said("question")] == ["Which colour?"]
    assert "  - blue: like the sky" in task.texts()
    assert heard in task.text()
