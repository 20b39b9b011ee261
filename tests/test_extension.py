"""Our extension: its schema has what is said, and who did not ask for it hears A2A alone."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from a2acore.backend import (
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
    Saying,
    Text,
    Thought,
    ToolCall,
    Usage,
)
from a2acore.cards import SCHEMA
from a2acore.lifecycle import EXTENSION
from a2acore.model import Artifact, Message, Part, Role, Task, TaskState, TaskStatus
from a2acore.pause import Pause
from a2acore.plain import plain
from a2acore.work import Scribe
from tests.edge import BINDINGS_10, WAYS, Edge, Event, Exchange, Way, echoing, state, task_of
from tests.receiver import Letter, receiving
from tests.stage import WORKSPACE, data

ROOT = Path(__file__).parent.parent
FILE = ROOT / "spec/extension/work-v1.schema.json"
WORDS = json.loads(FILE.read_text())
NOW = "2026-01-01T00:00:00.000Z"
RPC, WAY = BINDINGS_10

each_way = pytest.mark.parametrize("way", WAYS, ids=str)


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": WORDS["$defs"]})


VALIDATORS = {name: validator(name) for name in ("data", "message", "artifact", "request")}
KINDS = {
    "data": {each["$ref"].rpartition("/")[2] for each in WORDS["$defs"]["data"]["oneOf"]},
    "artifact": {*WORDS["$defs"]["flowing"]["properties"]["kind"]["enum"], "diff"},
}


class Found(NamedTuple):
    """Something of ours: by which part of the schema it is to be judged, and what it is."""

    name: str
    said: Any


def ours(said: Any) -> Iterator[Found]:
    """All that stands under our extension, however deep it lies in what was said on any line."""
    if isinstance(said, list):
        for each in said:
            yield from ours(each)
    if not isinstance(said, dict):
        return
    marked = (said.get("metadata") or {}).get(EXTENSION)
    if marked is not None and said.get("role") in ("user", "ROLE_USER"):
        yield Found("request", marked)
    elif marked is not None:
        yield Found("message" if "messageId" in said else "artifact", marked)
        assert EXTENSION in said["extensions"]
        for part in said.get("parts") or said["content"]:
            if inner := part.get("data"):
                yield Found("data", inner if "kind" in inner else inner["data"])
    for each in said.values():
        yield from ours(each)


def check(said: Any) -> set[tuple[str, str]]:
    """See that the schema knows all that is ours in what was said; its kinds."""
    kinds = set()
    for name, each in ours(said):
        VALIDATORS[name].validate(each)
        kinds.add((name, each.get("kind", "")))
    return kinds


EVERY_KIND = {(name, kind) for name, kinds in KINDS.items() for kind in kinds}


def naming(way: Way) -> dict[str, str]:
    return {"X-A2A-Extensions" if way.old else "A2A-Extensions": EXTENSION}


class Naming(NamedTuple):
    """A way on which every request names our extension."""

    way: Way

    def __getattr__(self, name: str) -> Any:
        return getattr(self.way, name)

    def spell(self, operation: str, params: Mapping[str, Any]) -> Any:
        request = self.way.spell(operation, params)
        return request._replace(headers=request.headers | naming(self.way))


Asker = Way | Naming


# The schema, and what is said


def test_it_is_a_schema_and_the_one_that_is_packed() -> None:
    Draft202012Validator.check_schema(WORDS)
    assert WORDS["$id"] == EXTENSION
    packed = ROOT / "a2acore/http" / Path(SCHEMA).name
    assert FILE.is_symlink()
    assert FILE.resolve() == packed


async def overheard(edge: Edge, way: Asker, text: str) -> list[Any]:
    """Everything that is told of a task, which is allowed whatever it asks: all in raw JSON."""
    async with edge.listen(way, "stream", message=way.message(text)) as stream:  # type: ignore[arg-type]
        heard = [event.data async for event in events(stream)]
    told = way.event(heard[-1]).inside
    while "required" in state(task := await now(edge, way, told.get("taskId") or told["id"])):
        message = way.message("allow", taskId=task["id"])
        heard += [task, (await edge.do(way, "send", message=message)).json]  # type: ignore[arg-type]
    return [*heard, task]


async def events(stream: Exchange) -> AsyncIterator[Event]:
    while event := await stream.event():
        yield event


async def now(edge: Edge, way: Asker, task_id: str) -> dict[str, Any]:
    task: dict[str, Any] = way.unwrap((await edge.do(way, "get", id=task_id)).json)  # type: ignore[arg-type]
    return task


ALL_WORDS = "think tool plan notice title edit notes.md sudo tool question credential how many"
PROMPTS = [ALL_WORDS, "fail", "refuse", "crash", "permission edit a.txt", "long:3"]


@each_way
@pytest.mark.parametrize("prompt", PROMPTS)
async def test_all_that_echo_says_is_in_the_schema(way: Way, prompt: str, tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        heard = await overheard(edge, way, prompt)
        kinds = check(heard)
    assert ("data", "end") in kinds
    if prompt == ALL_WORDS:
        assert kinds >= EVERY_KIND - {("data", "queued")}


async def test_all_that_the_script_of_the_documents_says_is_in_the_schema(tmp_path: Path) -> None:
    async with echoing(tmp_path, script=ROOT / "docs/echo-script.toml") as edge:
        kinds = check(await overheard(edge, WAY, "Fix it"))
        assert kinds >= {("artifact", "diff"), ("data", "question"), ("data", "notice")}
        artifacts = await edge.tell(WAY, "go", messageId="artifacts-1")
        assert check(artifacts["artifacts"]) == set(), "they are a backend's own"


async def test_a_turn_that_waits_for_another_says_so_as_the_schema_has_it(tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        await edge.tell(WAY, "question", contextId="c")
        second = await edge.tell(WAY, "next", contextId="c", configuration=WAY.at_once())
        assert check(second) == {("message", "queued"), ("data", "queued")}


TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
PATHS = st.sampled_from(["a.py", "/workspace/a.py", "sub/b.py", "/etc/hosts", "../c"])
COUNTS = st.none() | st.integers(0, 10**9)
TOOLS = st.builds(
    ToolCall,
    st.sampled_from(["1", "2"]),
    TEXT,
    TEXT,
    st.sampled_from(["edit", "execute", "other"]),
    st.sampled_from(["pending", "in_progress", "completed", "failed", "cancelled"]),
    JSON,
    st.tuples(st.builds(Location, PATHS, st.none() | st.integers(1, 99))) | st.just(()),
    TEXT,
    st.none() | st.integers(-15, 255),
)
FILE_CHANGES = st.builds(
    FileChange,
    PATHS,
    st.none() | TEXT,
    st.none() | TEXT,
    st.booleans(),
    st.just("") | PATHS,
)
ENTRIES = st.builds(
    PlanEntry,
    TEXT,
    st.sampled_from(["pending", "in_progress", "completed"]),
    st.sampled_from(["high", "medium", "low"]),
)
SAYINGS: st.SearchStrategy[Saying] = st.one_of(
    st.builds(Text, TEXT),
    st.builds(Thought, TEXT),
    TOOLS,
    FILE_CHANGES,
    st.builds(Plan, st.lists(ENTRIES, max_size=3).map(tuple)),
    st.builds(
        Usage,
        *[COUNTS] * 5,
        st.none() | st.floats(0, 10),
        st.sampled_from(["", "EUR"]),
        TEXT,
        COUNTS,
    ),
    st.builds(Notice, TEXT, st.sampled_from(["info", "own"]), st.dictionaries(TEXT, JSON)),
    st.builds(Notice, TEXT, st.just("title"), st.just({"title": "x"})),
)
OPTIONS = st.builds(
    Option,
    TEXT,
    TEXT,
    st.sampled_from(["allow_once", "allow_always", "reject_once", "reject_always"]),
)
ASKINGS = st.one_of(
    st.builds(
        Permission,
        TOOLS,
        st.lists(OPTIONS, max_size=2).map(tuple),
        TEXT,
        st.lists(FILE_CHANGES, max_size=2).map(tuple),
        TEXT,
        st.dictionaries(TEXT, TEXT, max_size=2),
    ),
    st.builds(Question, TEXT, st.lists(TEXT, max_size=2).map(tuple)),
    st.builds(Question, TEXT, schema=st.just({"type": "object", "properties": {"a": {}}})),
    st.builds(Credential, TEXT),
)


def raw(said: Any) -> Any:
    """As it is on line 1.0."""
    return json.loads(msgspec.json.encode(said))


@given(st.lists(SAYINGS, max_size=8), st.sampled_from(["", "end_turn"]))
def test_whatever_a_backend_says_the_schema_has_it(sayings: list[Saying], reason: str) -> None:
    scribe = Scribe("t", "c", WORKSPACE)
    scribe.status(TaskState.WORKING, NOW)
    events = [event for saying in sayings for event in scribe.write(saying, NOW)]
    events += [*scribe.close(NOW, "failed"), scribe.end(TaskState.FAILED, NOW, "", reason)]
    check(raw(events))


@given(ASKINGS)
def test_whatever_a_backend_asks_the_schema_has_it(asking: Any) -> None:
    message = Pause("r", asking).message(Scribe("t", "c", WORKSPACE), "Again:")
    check(raw(message))


def test_requests_that_wait_behind_one_are_counted_as_the_schema_has_it() -> None:
    message = Pause("r", Question("?")).message(Scribe("t", "c", WORKSPACE), waiting=2)
    assert data(message)["waiting"] == 2
    check(raw(message))


EVERYTHING: list[Saying] = [
    ToolCall("1", "t", "n", "edit", "failed", {"a": 1}, (Location("a", 1),), "out", 1),
    FileChange("b", "1\n", "1\n", moved_from="a"),
    Plan((PlanEntry("step"),)),
    Notice("x", "option", {"option": "o", "value": 1}),
    Usage(1, 2, 3, 4, 5, 0.5, "EUR", "m", 6),
]


def objects(said: Any) -> Iterator[tuple[Found, dict[str, Any]]]:
    """Everything of ours, with each object in it whose members are ours to name."""
    for found in ours(said):
        inside = [found.said]
        while inside:
            each = inside.pop()
            if isinstance(each, list):
                inside += each
            if isinstance(each, dict):
                if each.get("kind") != "notice":
                    yield found, each
                inside += [v for name, v in each.items() if name not in ("input", "schema", "env")]


def test_a_member_that_is_in_no_document_is_not_in_the_schema() -> None:
    scribe = Scribe("t", "c", WORKSPACE)
    said: list[Any] = [event for saying in EVERYTHING for event in scribe.write(saying, NOW)]
    said.append(scribe.end(TaskState.COMPLETED, NOW, "", "end_turn"))
    tool = ToolCall("1", locations=(Location("a"),))
    change = FileChange("a", "1", "2")
    option = Option("a", "A", "allow_once")
    for asking in (
        Permission(tool, (option,), "d", (change,), "/", {"A": "b"}),
        Question("?", ("a",), {"type": "object"}),
        Credential("?"),
    ):
        said.append(Pause("r", asking).message(scribe))
    documents = raw(said)
    tried = 0
    for found, each in objects(documents):
        VALIDATORS[found.name].validate(found.said)
        each["undocumented"] = 1
        assert not VALIDATORS[found.name].is_valid(found.said), found
        del each["undocumented"]
        tried += 1
    assert tried >= 20
    assert not VALIDATORS["data"].is_valid({"kind": "unheard of"})


# The document, and what callers say


DOCUMENT = (ROOT / "docs/extension.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_of_the_document_is_in_the_schema(example: dict[str, Any]) -> None:
    if "kind" in example:
        VALIDATORS["data"].validate(example)
    else:
        assert check(example) or example["uri"] == EXTENSION


def test_the_schema_has_what_a_caller_may_say_and_no_more() -> None:
    known = WORDS["$defs"]["request"]["properties"].keys()
    assert known == {"requestId", "option", "answers"} | {
        name for name in Choices.__annotations__ if not name.startswith("_")
    }
    requests = [found.said for found in ours(EXAMPLES) if found.name == "request"]
    assert {name for said in requests for name in said} >= known - {"mode", "effort", "sandbox"}


# Where it is found


async def test_the_card_leads_to_the_schema_and_anybody_may_read_it(tmp_path: Path) -> None:
    async with echoing(tmp_path, token="sesame", public_url="https://a.example/agents/x/") as edge:
        stranger = Edge(edge.url)
        card = (await stranger.ask("GET", "/.well-known/agent-card.json")).json
        [declared] = card["capabilities"]["extensions"]
        path = "/extensions/work-v1.schema.json"
        answer = await stranger.ask("GET", path)
        head = await stranger.ask("HEAD", path)
        below = await stranger.ask("GET", "/extensions/")
    assert declared["params"] == {
        "version": "1",
        "schema": f"https://a.example/agents/x{path}",
    }
    assert declared["uri"].endswith(f":v{declared['params']['version']}")
    assert (answer.status, answer.media_type) == (200, "application/schema+json")
    assert "max-age" in answer.headers["cache-control"]
    assert answer.body == FILE.read_bytes()
    assert (head.status, head.body) == (200, b"")
    assert below.status == 401, "no other path is let in for it"


# Who did not ask for it


def texts(said: Any) -> list[str]:
    """What a person reads of it."""
    if isinstance(said, list):
        return [text for each in said for text in texts(each)]
    if not isinstance(said, dict):
        return []
    own = [said["text"]] if isinstance(said.get("text"), str) else []
    return own + [text for each in said.values() for text in texts(each)]


@each_way
async def test_who_does_not_ask_hears_no_word_of_it_and_all_that_is_to_be_read(
    way: Way, tmp_path: Path
) -> None:
    heard = {}
    for who, asks in (("named", Naming(way)), ("plain", way)):
        (tmp_path / who).mkdir()
        async with echoing(tmp_path / who, extension="asked") as edge:
            heard[who] = await overheard(edge, asks, ALL_WORDS)
    kinds = check(heard["named"])
    assert kinds >= EVERY_KIND - {("data", "queued")}
    assert EXTENSION not in json.dumps(heard["plain"])
    assert check(heard["plain"]) == set()
    assert texts(heard["plain"]) == texts(heard["named"])


@each_way
async def test_it_is_told_request_by_request(way: Way, tmp_path: Path) -> None:
    async with echoing(tmp_path, extension="asked") as edge:
        task = task_of(way, await edge.do(way, "send", message=way.message("tool")))
        for operation, params in (
            ("get", {"id": task["id"]}),
            *([] if way.old else [("list", {"includeArtifacts": True})]),
        ):
            bare = await edge.do(way, operation, **params)
            verb, target, headers, body = way.spell(operation, params)
            whole = await edge.ask(verb, target, headers | naming(way), body)
            assert EXTENSION not in bare.body.decode()
            assert ("data", "end") in check(whole.json) or operation == "list"
            [said] = [v for k, v in whole.headers.items() if k.endswith("a2a-extensions")]
            assert said == EXTENSION


async def test_a_message_of_which_nothing_is_left_is_left_out(tmp_path: Path) -> None:
    async with echoing(tmp_path, extension="asked") as edge:
        done = await edge.tell(WAY, "hello")
        assert "message" not in done["status"], "an end that says nothing but what it has cost"
        failed = await edge.tell(WAY, "fail")
        assert [list(part) for part in failed["status"]["message"]["parts"]] == [["text"]]
        assert [message["role"] for message in failed["history"]] == ["ROLE_USER"]


@each_way
async def test_what_a_caller_says_is_the_callers_to_hear(way: Way, tmp_path: Path) -> None:
    own = {EXTENSION: {"requestId": "mine"}, "other": 1}
    async with echoing(tmp_path, extension="asked") as edge:
        task = await edge.tell(way, "hello", metadata=own, extensions=[EXTENSION])
        [message] = task["history"]
    assert (message["metadata"], message["extensions"]) == (own, [EXTENSION])


async def test_what_a_backend_says_in_its_own_name_is_left_alone() -> None:
    picture = Artifact("a", (Part(data={"kind": "tool"}),), metadata={"mine": 1}, extensions=("x",))
    assert plain(picture) is picture
    ours_too = Message(
        "m",
        Role.AGENT,
        (Part(text="t"), Part(data=1)),
        "c",
        "t",
        {EXTENSION: {}, "k": 1},
        (EXTENSION, "x"),
    )
    task = Task(
        "t",
        status=TaskStatus(TaskState.WORKING, ours_too),
        artifacts=(picture,),
        history=(ours_too,),
    )
    bare = plain(task)
    assert bare.artifacts == (picture,)
    [message] = bare.history
    assert (message.parts, message.metadata, message.extensions) == (
        (Part(text="t"),),
        {"k": 1},
        ("x",),
    )


@given(st.lists(SAYINGS, max_size=8))
def test_events_without_it_say_what_is_to_be_read_and_nothing_twice(sayings: list[Saying]) -> None:
    scribe = Scribe("t", "c", WORKSPACE)
    for saying in sayings:
        for event in scribe.write(saying, NOW):
            bare = plain(event)
            assert EXTENSION not in json.dumps(raw(bare))
            assert texts(raw(bare)) == texts(raw(event))
            assert plain(bare) == bare


def ended(letter: Letter) -> bool:
    return re.search(r'"state": ?"(TASK_STATE_)?completed"', letter.body.decode(), re.I) is not None


@each_way
@pytest.mark.parametrize("asked", [True, False])
async def test_a_webhook_is_told_as_who_registered_it_was(
    way: Way, asked: bool, tmp_path: Path
) -> None:
    async with (
        receiving() as hook,
        echoing(tmp_path, extension="asked", webhook_allow_private=True) as edge,
    ):
        name = "pushNotificationConfig" if way.old else "taskPushNotificationConfig"
        configuration = {name: {"url": hook.url}}
        verb, target, headers, body = way.spell(
            "send", {"message": way.message("tool plan"), "configuration": configuration}
        )
        headers |= naming(way) if asked else {}
        sent = await edge.ask(verb, target, headers, body)
        assert sent.status == 200, sent.body
        letters = await hook.until(lambda letters: any(map(ended, letters)))
    said = [letter.json for letter in letters]
    if asked:
        assert ("data", "end") in check(said)
    else:
        assert EXTENSION not in json.dumps(said)
        assert "- [x] listen" in json.dumps(said)


@each_way
async def test_a_plain_caller_answers_in_plain_words(way: Way, tmp_path: Path) -> None:
    async with echoing(tmp_path, extension="asked") as edge:
        asked = await edge.tell(way, "sudo edit a.txt")
        assert "allow" in texts(asked["status"])[0]
        done = await edge.tell(way, "allow", taskId=asked["id"])
    assert state(done) == "completed"
    assert (tmp_path / "a.txt").exists()


async def test_by_default_everybody_hears_it(tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        assert ("data", "end") in check(await edge.tell(RPC, "hello"))
