"""What the documents say, held against what the program does.

`docs/echo.md` is held by `tests/test_echo.py`; the README's Python by `tests/test_embedding.py`.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import trio
from attrs import fields

from a2acli.main import COMMANDS, a2acode
from a2acli.options import StoreURL
from a2acli.serve import command as serve_command
from a2acore.backend import (
    SANDBOXES,
    Choices,
    Credential,
    FileChange,
    Location,
    Notice,
    Option,
    Permission,
    Plan,
    PlanEntry,
    Question,
    Text,
    Thought,
    ToolCall,
    Turn,
    Usage,
)
from a2acore.forms import DECLINES
from a2acore.pause import CONSENT
from tests.edge import BINDINGS_10, Edge, Said, echoing, serving
from tests.stage import Actor

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXTENSION = (ROOT / "docs/extension.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
OURS = "urn:a2acode:work:v1"
_, WAY = BINDINGS_10


# docs/extension.md: what it says of each kind


def sections() -> dict[str, str]:
    """The section of each kind."""
    named = re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", EXTENSION, re.DOTALL | re.MULTILINE)
    assert len(named) == len(dict(named))
    return dict(named)


def examples(text: str) -> list[dict[str, Any]]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


def members(text: str) -> set[str]:
    """What the table of a section lists."""
    return set(re.findall(r"^\| `([\w.\[\]]+)` \|", text, re.MULTILINE))


KINDS = sections()
IN_ARTIFACTS = {"response", "thinking", "plan", "diff"}


# and what is really said

Emitted = dict[str, list[dict[str, Any]]]
"""What was heard of each kind: the data of messages, and whole artifacts."""


def data_of(message: dict[str, Any]) -> dict[str, Any]:
    [data] = [part["data"] for part in message["parts"] if "data" in part]
    found: dict[str, Any] = data
    return found


def take(emitted: Emitted, said: Said) -> None:
    artifact = said.inside.get("artifact")
    if artifact is not None:
        ours = artifact.get("metadata", {}).get(OURS)
        if ours:
            emitted.setdefault(ours["kind"], []).append(artifact)
    elif message := said.inside["status"].get("message"):
        data, ours = data_of(message), message["metadata"][OURS]
        # What the document says of every message.
        assert message["extensions"] == [OURS]
        assert ours == {key: data[key] for key in ("kind", "id", "requestId") if key in data}
        assert [sorted(part) for part in message["parts"]] in ([["text"], ["data"]], [["data"]])
        emitted.setdefault(ours["kind"], []).append(data)


async def hear(edge: Edge, text: str, emitted: Emitted, **members: Any) -> Said:
    """Say something, and hear it to its end or to what it asks."""
    async with edge.telling(WAY, text, **members) as stream:
        while True:
            said = await stream.hear(WAY)
            take(emitted, said)
            if said.state not in ("", "submitted", "working"):
                return said


async def what_echo_emits(workspace: Path) -> Emitted:
    """Everything that words make the echo agent say."""
    emitted: Emitted = {}
    (workspace / "notes.md").write_text("# Notes\n")
    async with echoing(workspace) as edge:
        for text in ("think tool plan notice title", "edit notes.md"):
            await hear(edge, text, emitted)
        for text in ("sudo edit notes.md", "credential", "question"):
            await hear(edge, text, emitted, contextId="busy" if text == "question" else text)
        async with edge.telling(WAY, "hello", contextId="busy") as stream:
            take(emitted, await stream.hear(WAY))
    return emitted


async def say_it_all(turn: Turn) -> str | None:
    """Say everything that there is to say, with every member."""
    change = FileChange("a.py", "old\n", "new\n")
    tool = ToolCall(
        "t", "title", "name", "edit", "completed", {"a": 1}, (Location("a.py", 1),), "out", 0
    )
    turn.say(Text("answer"))
    turn.say(Thought("thought"))
    turn.say(tool)
    turn.say(change)
    turn.say(FileChange("b.py", "new\n", "new\n", moved_from="a.py"))
    turn.say(Plan((PlanEntry("step"),)))
    turn.say(Usage(1, 2, 3, 4, 5, 0.5, "EUR", "model", 6))
    turn.say(Notice("notice"))
    option = Option("yes", "Yes", "allow_once")
    for asking in (
        Permission(tool, (option,), "why", (change,), "/", {"A": "b"}),
        Question("which?", ("this",), {"type": "string"}),
        Credential("log in", "https://example.com"),
    ):
        # Between two others: so there is one that waits behind it when it is shown.
        async with trio.open_nursery() as nursery:
            for each in (Question("first?"), asking, Question("last?")):
                nursery.start_soon(turn.ask, each)
                await trio.lowlevel.checkpoint()  # in this order
    return "end_turn"


async def all_that_can_be_emitted() -> Emitted:
    emitted: Emitted = {}
    async with serving(Actor(say_it_all)) as edge:
        said = await hear(edge, "go", emitted, contextId="c")
        task = said.inside["taskId"]
        async with edge.telling(WAY, "next", contextId="c") as stream:
            take(emitted, await stream.hear(WAY))
        async with edge.listen(WAY, "subscribe", id=task) as stream:
            while said.state != "completed":
                said = await stream.hear(WAY)
                take(emitted, said)
                if said.state.endswith("required"):
                    await edge.tell(WAY, "yes", taskId=task, configuration=WAY.at_once())
    return emitted


FREE = {"input", "env", "schema", "tool"}
"""Members that are somebody else's to fill; `tool` has a section of its own."""


def paths(data: Any, path: str = "") -> Iterator[str]:
    """The members of what was said, as the tables name them."""
    if isinstance(data, dict) and path not in FREE:
        for name, value in data.items():
            yield from paths(value, f"{path}.{name}".removeprefix("."))
    elif isinstance(data, list) and data and isinstance(data[0], dict):
        for each in data:
            yield from paths(each, f"{path}[]")
    else:
        yield path


def shape(said: Any) -> Any:
    """What is where, without the values."""
    if isinstance(said, dict):
        return {name: shape(value) for name, value in said.items()}
    if isinstance(said, list):
        return [shape(each) for each in said]
    return type(said).__name__


def test_every_kind_that_the_code_can_emit_has_a_section() -> None:
    source = "".join(
        (ROOT / "a2acore" / room).read_text()
        for room in ("work.py", "asking.py", "run.py", "questions.py")
    )
    written = set(re.findall(r'"kind": "(\w+)"', source))
    assert written | {"response", "thinking"} == set(KINDS)
    table = re.findall(r"^\| `(\w+)` \| an? (message|artifact) \|", EXTENSION, re.MULTILINE)
    assert dict(table) == {
        kind: "artifact" if kind in IN_ARTIFACTS else "message" for kind in KINDS
    }


def test_every_notice_of_the_agents_is_told_of_in_the_extension() -> None:
    agents = (ROOT / "docs/agents.md").read_text().split("## Notices")[1]
    told = EXTENSION.split("## Notices")[1].split("## Choices")[0]
    words = [
        re.findall(r"`(\w+)`", line.split("|")[1]) for line in agents.splitlines() if "|" in line
    ]
    assert {each for row in words for each in row} <= set(re.findall(r"^\| `(\w+)`", told, re.M))
    ours = (ROOT / "a2acore/questions.py").read_text() + (ROOT / "a2acore/decisions.py").read_text()
    for word in ("overlooked", "timeout", "withdrawn", "decided"):
        assert f'"{word}"' in ours
        assert f"`{word}`" in told


async def test_every_example_is_what_the_echo_agent_says(tmp_path: Path) -> None:
    emitted = await what_echo_emits(tmp_path)
    assert emitted.keys() == KINDS.keys()
    for kind, text in KINDS.items():
        [example] = examples(text)
        assert shape(example) in [shape(said) for said in emitted[kind]], kind


async def test_the_example_of_a_whole_message_is_one(tmp_path: Path) -> None:
    whole = examples(EXTENSION.split("## Where it stands")[1])[0]
    async with echoing(tmp_path) as edge:
        task = await edge.tell(WAY, "edit notes.md")
    [_, message] = task["history"]
    assert shape(whole) == shape(message)


async def test_the_tables_list_every_member_and_no_other() -> None:
    emitted = await all_that_can_be_emitted()
    assert emitted.keys() == KINDS.keys()
    for kind, text in KINDS.items():
        found = set()
        for said in emitted[kind]:
            match kind:
                case "diff":
                    said = said["metadata"][OURS]
                case "plan":
                    said = data_of(said)
                case "response" | "thinking":
                    said = {}
            found |= set(paths(said))
        assert found - {"kind", ""} == members(text), kind


def answer_like(example: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    """The answer of an example, to what is really asked."""
    ours = example["metadata"][OURS]
    asked = status["status"]["message"]["metadata"][OURS]["requestId"]
    return {
        **example,
        "taskId": status["taskId"],
        "metadata": {OURS: {**ours, "requestId": asked}},
    }


@pytest.mark.parametrize(
    ("number", "prompt", "outcome"),
    [
        (0, "sudo edit notes.md", "echo: sudo edit notes.md"),
        (1, "sudo edit notes.md", "denied: Not on a Friday."),
        (2, "question", 'you said: This one: {"colour":"blue"}'),
    ],
)
async def test_the_answers_do_what_is_said_of_them(
    number: int, prompt: str, outcome: str, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("# Notes\n")
    answers = examples(EXTENSION.split("## Answers")[1])
    assert len(answers) == 3
    async with echoing(tmp_path) as edge:
        asked = await hear(edge, prompt, {})
        message = answer_like(answers[number], asked.inside)
        said = await edge.do(WAY, "send", message=message)
    task = said.json["task"]
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    [response] = [each for each in task["artifacts"] if each["artifactId"] == "response"]
    assert response["parts"][0]["text"].startswith(outcome)
    assert ("echo was here" in notes.read_text()) == (number == 0)


def test_the_words_of_consent_are_all_told() -> None:
    told = re.search(r"by a text that is one of (.*?) and nothing more", EXTENSION, re.DOTALL)
    assert told
    assert set(re.findall(r"`(\w+)`", told[1])) == CONSENT
    answers = EXTENSION.split("## Answers")[1]
    assert members(answers) == {"requestId", "option", "answers"}
    declining = re.search(r"One that is (.*?) and nothing more", answers, re.DOTALL)
    assert declining
    assert set(re.findall(r"`(\w+)`", declining[1])) == DECLINES


def test_the_choices_are_all_told() -> None:
    choices = EXTENSION.split("## Choices")[1].split("## Answers")[0]
    assert members(choices) == {each.name for each in fields(Choices)}
    assert set(SANDBOXES) <= set(re.findall(r"`([\w-]+)`", choices))


async def test_the_card_declares_the_extension_as_the_document_shows_it(tmp_path: Path) -> None:
    shown = examples(EXTENSION.split("## On the card")[1])[0]
    async with echoing(tmp_path, public_url="http://127.0.0.1:9100") as edge:
        card = (await edge.ask("GET", "/.well-known/agent-card.json")).json
    assert card["capabilities"]["extensions"] == [shown]


# README.md, and the others


def commands_in(text: str) -> Iterator[list[str]]:
    """What a document shows of our command, cut into words as a shell does."""
    for line in re.findall(r"(?:^    |`|&& )a2acode ([^\n`]+)", text, re.MULTILINE):
        yield shlex.split(line, comments=True)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_flag_that_is_told_of_exists(document: Path) -> None:
    for name, *rest in commands_in(document.read_text()):
        assert name in COMMANDS
        command = a2acode.get_command(click.Context(a2acode), name)
        while isinstance(command, click.Group) and rest:
            command = command.get_command(click.Context(command), rest.pop(0))
        assert command is not None
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, (name, rest)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", document.read_text()):
        assert (document.parent / target).exists(), target
    for path in re.findall(
        r"`((?:docs|tests|a2acore|backends|cli|fuzz)/[\w./-]+)`", document.read_text()
    ):
        assert (ROOT / path).exists(), path


def test_the_readmes_two_commands_are_those_that_ci_runs() -> None:
    expressions = re.findall(
        r"\$\((sed -n .*? README\.md) \| head -1\)", (ROOT / ".ci/run").read_text()
    )
    ran = [
        subprocess.run(
            ["bash", "-c", expression], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for expression in expressions
    ]
    assert ran == [["pip install . && a2acode demo"], ["pip install -e '.[tests]' && pytest"]]
    for [command] in ran:
        assert f"    {command}\n" in README


def test_the_changelog_tells_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    newest = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert newest == project["version"]
    assert (ROOT / project["readme"]).exists()


# The environment


def another_value(parameter: click.Parameter, folder: Path) -> tuple[str, object]:
    """What an option can be set to, and is not by default: as text, and as it is taken."""
    text, value = one_value(parameter, folder)
    return text, (value,) if parameter.multiple else value


def one_value(parameter: click.Parameter, folder: Path) -> tuple[str, object]:
    match parameter.type:
        case click.Path(file_okay=False):
            return str(folder), folder.resolve()
        case click.Path():
            file = folder / parameter.human_readable_name
            file.touch()
            return str(file), file
        case click.Choice(choices=choices):
            [other, *_] = [each for each in choices if each != parameter.default]
            return str(other), other
        case click.types.FuncParamType():
            return "tasks=17", ("tasks", 17)
        case click.types.IntParamType():
            return "17", 17
        case click.types.FloatParamType():
            return "1.5", 1.5
        case click.types.BoolParamType():
            return "1", True
        case StoreURL():
            return "memory:", "memory:"
        case click.types.StringParamType():
            return "other", "other"
    raise AssertionError(f"{parameter.name} is of a type that this test does not know")


@pytest.mark.parametrize("parameter", serve_command.params, ids=lambda each: each.name)
def test_every_flag_of_serve_can_be_set_in_the_environment(
    parameter: click.Parameter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As A2ACODE_ and its name: `--auth-token-file` is A2ACODE_AUTH_TOKEN_FILE."""
    [flag] = parameter.opts
    variable = "A2ACODE_" + flag.removeprefix("--").replace("-", "_").upper()
    text, value = another_value(parameter, tmp_path)
    assert parameter.name is not None
    taken = {}
    for name in ("", variable):
        monkeypatch.delenv(variable, raising=False)
        if name:
            monkeypatch.setenv(name, text)
        outer = a2acode.make_context("a2acode", ["serve"])
        with outer, serve_command.make_context("serve", [], parent=outer) as context:
            taken[name] = context.params[parameter.name]
    assert taken[""] != value
    assert taken[variable] == value


def test_the_help_says_so() -> None:
    text = serve_command.get_help(click.Context(serve_command))
    assert "A2ACODE_PORT" in text


async def test_the_request_of_the_readme_is_answered(tmp_path: Path) -> None:
    """The one for curl."""
    [said] = re.findall(r"curl -s http://127.0.0.1:9100/ (.*?)\}\}\}'", README, re.DOTALL)
    headers = dict(re.findall(r"-H '([^:]+): ([^']+)'", said))
    body = json.loads(said.split("-d '")[1] + "}}}")
    async with echoing(tmp_path) as edge:
        answer = await edge.ask("POST", "/", headers, json.dumps(body).encode())
    assert answer.json["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
