"""Webhooks: real ones on sockets and through the whole server, and the courier's hard days on a
network in memory, where an hour takes no time."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import frozen
from msgspec import structs

from a2acore.backend import Notice, Question, Text, Turn
from a2acore.errors import InvalidParams, TaskNotFound
from a2acore.limits import LIMITS
from a2acore.model import (
    AuthenticationInfo,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    SendMessageConfiguration,
    SendMessageRequest,
    TaskPushNotificationConfig,
)
from a2acore.push import Patience, Webhook, open_courier
from a2acore.push.port import Place
from a2acore.push.rounds import LAST_CHANCE
from a2acore.server import Options, serve
from a2acore.service import ANONYMOUS, Caller
from a2acore.store import MemoryStore
from tests.edge import WAYS, Answer, Edge, Way, echoing, state
from tests.receiver import Letter, Receiver, Reply, never, receiving, statuses
from tests.scene import (
    ADDRESS,
    Scene,
    kinds,
    listed,
    open_scene,
    quick,
    set_push,
    tell,
    told,
    webhook,
)
from tests.stage import Actor, get, saying, send

each_way = pytest.mark.parametrize("way", WAYS, ids=str)

SECRETS = {"token": "t0ken", "scheme": "Bearer", "credentials": "cr3dentials"}


# Through the whole server


@frozen
class Hooks:
    """The webhooks of one task, spelled as a way spells them."""

    edge: Edge
    way: Way
    task: str

    async def set(self, url: str, **said: str) -> Answer:
        hook = spelled(self.way, url, **said)
        if not self.way.old:
            return await self.edge.do(self.way, "set_push", taskId=self.task, **hook)
        if self.way.rpc:
            params = {"taskId": self.task, "pushNotificationConfig": hook}
            return await self.edge.do(self.way, "set_push", **params)
        config = {"pushNotificationConfig": hook}
        return await self.edge.do(self.way, "set_push", taskId=self.task, config=config)

    async def get(self, id: str) -> Answer:
        return await self.edge.do(self.way, "get_push", **self._named(id))

    async def delete(self, id: str) -> Answer:
        return await self.edge.do(self.way, "delete_push", **self._named(id))

    async def answered(self) -> Answer:
        name = "id" if self.way.old and self.way.rpc else "taskId"
        return await self.edge.do(self.way, "list_push", **{name: self.task})

    async def listed(self) -> list[dict[str, str]]:
        said = self.way.unwrap((await self.answered()).json)
        return [
            flat(self.way, config) for config in (said if self.rpc03 else said.get("configs", []))
        ]

    def one(self, answer: Answer) -> dict[str, str]:
        assert answer.status == 200, answer.body
        return flat(self.way, self.way.unwrap(answer.json))

    @property
    def rpc03(self) -> bool:
        return self.way.old and self.way.rpc

    def _named(self, id: str) -> dict[str, str]:
        if self.rpc03:
            return {"id": self.task, **({"pushNotificationConfigId": id} if id else {})}
        return {"taskId": self.task, "id": id}


def spelled(
    way: Way, url: str, *, scheme: str = "", credentials: str = "", **said: str
) -> dict[str, Any]:
    """A webhook as it stands in a request."""
    hook: dict[str, Any] = {"url": url, **said}
    if scheme:
        named = {"schemes": [scheme]} if way.old else {"scheme": scheme}
        hook["authentication"] = {**named, "credentials": credentials}
    return hook


def flat(way: Way, config: Mapping[str, Any]) -> dict[str, str]:
    """A webhook as it is answered, in one shape for all ways."""
    hook = config["pushNotificationConfig"] if way.old else config
    said = {name: hook[name] for name in ("id", "url", "token") if name in hook}
    if "authentication" in hook:
        how = hook["authentication"]
        scheme = how["schemes"][0] if way.old else how["scheme"]
        said |= {"scheme": scheme, "credentials": how["credentials"]}
    task = config.get("taskId") or config["name"].split("/")[1]
    return {"task": task, **said}


NOT_FOUND = (-32001, 404)
WRONG = (-32602, 400)


def fault(way: Way, answer: Answer) -> int:
    """The number of a refusal: JSON-RPC's, or HTTP's."""
    code: int = answer.json["error"]["code"] if way.rpc else answer.status
    return code


@asynccontextmanager
async def hooked(workspace: Path, **options: Any) -> AsyncIterator[tuple[Edge, Receiver]]:
    """A server with echo, and a webhook that it may post to."""
    async with (
        receiving() as receiver,
        echoing(workspace, webhook_allow_private=True, **options) as edge,
    ):
        yield edge, receiver


@each_way
async def test_a_webhook_is_set_read_listed_and_deleted_on_a_finished_task(
    way: Way, tmp_path: Path
) -> None:
    """V10-MUST-035 to V10-MUST-041, V03-MUST-056 to V03-MUST-058."""
    async with hooked(tmp_path) as (edge, receiver):
        hooks = Hooks(edge, way, (await edge.tell(way, "hi"))["id"])
        assert await hooks.listed() == []
        told = {"url": receiver.url, **SECRETS}
        one = hooks.one(await hooks.set(id="one", **told))
        assert one == {"task": hooks.task, "id": "one", **told}
        assert hooks.one(await hooks.get("one")) == one
        two = hooks.one(await hooks.set(receiver.url, id="two"))
        assert await hooks.listed() == [one, two]
        # The same id replaces.
        one = hooks.one(await hooks.set(receiver.url, id="one", token="other"))
        assert await hooks.listed() == [one, two]
        for _ in range(2):
            deleted = await hooks.delete("one")
            assert deleted.status == 200
            assert way.unwrap(deleted.json) == (None if hooks.rpc03 else {})
        assert await hooks.listed() == [two]
        assert fault(way, await hooks.get("one")) in NOT_FOUND
        assert receiver.letters == []


@each_way
async def test_a_webhook_without_an_id_gets_one(way: Way, tmp_path: Path) -> None:
    """On 0.3 that of the task: the default one, which can be asked for without its id."""
    async with hooked(tmp_path) as (edge, receiver):
        hooks = Hooks(edge, way, (await edge.tell(way, "hi"))["id"])
        made = hooks.one(await hooks.set(receiver.url))
        again = hooks.one(await hooks.set(receiver.url))
        assert await hooks.listed() == ([again] if way.old else [made, again])
        assert made["id"]
        assert (made["id"] == again["id"] == hooks.task) == way.old
        assert hooks.one(await hooks.get(made["id"])) == made


async def test_0_3_takes_a_webhook_bare_as_well(tmp_path: Path) -> None:
    """The official JavaScript client posts on HTTP+JSON what others put into `config`."""
    [way] = [way for way in WAYS if way.old and not way.rpc]
    async with hooked(tmp_path) as (edge, receiver):
        hooks = Hooks(edge, way, (await edge.tell(way, "hi"))["id"])
        name = f"tasks/{hooks.task}/pushNotificationConfigs/c"
        hook = {"id": "c", "url": receiver.url}
        bare = {"taskId": hooks.task, "name": name, "pushNotificationConfig": hook}
        answer = await edge.do(way, "set_push", **bare)
        assert hooks.one(answer) == {"task": hooks.task, **hook}


async def test_0_3_reads_the_default_webhook_or_else_the_oldest(tmp_path: Path) -> None:
    [way] = [way for way in WAYS if way.old and way.rpc]
    async with hooked(tmp_path) as (edge, receiver):
        hooks = Hooks(edge, way, (await edge.tell(way, "hi"))["id"])
        assert fault(way, await hooks.get("")) in NOT_FOUND
        await hooks.set(receiver.url, id="b")
        await hooks.set(receiver.url, id="a")
        assert hooks.one(await hooks.get(""))["id"] == "b"
        await hooks.set(receiver.url)
        assert hooks.one(await hooks.get(""))["id"] == hooks.task


@each_way
async def test_a_webhook_of_one_way_is_there_on_all(way: Way, tmp_path: Path) -> None:
    async with hooked(tmp_path) as (edge, receiver):
        hooks = Hooks(edge, way, (await edge.tell(way, "hi"))["id"])
        made = hooks.one(await hooks.set(receiver.url, id="here", **SECRETS))
        for other in WAYS:
            assert await Hooks(edge, other, hooks.task).listed() == [made]


def sending(way: Way, hook: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a message that brings a webhook along."""
    return {"pushNotificationConfig" if way.old else "taskPushNotificationConfig": hook}


@each_way
async def test_a_webhook_that_came_with_the_message_hears_it_all_in_its_line(
    way: Way, tmp_path: Path
) -> None:
    """V10-MUST-035, V10-MUST-042 to V10-MUST-044, V10-MUST-048, V03-MUST-078, V03-SHOULD-023,
    V03-SHOULD-024."""
    async with hooked(tmp_path) as (edge, receiver):
        configuration = sending(way, spelled(way, receiver.url, **SECRETS))
        task = await edge.tell(way, "hi", configuration=configuration)
        letters = await receiver.until(lambda letters: letters and told(letters[-1]) == "completed")
        [config] = await Hooks(edge, way, task["id"]).listed()
    for letter in letters:
        assert (letter.verb, letter.target) == ("POST", "/hook?of=ours")
        assert letter.headers["host"] in receiver.url
        assert letter.headers["content-type"] == (
            "application/json" if way.old else "application/a2a+json"
        )
        assert letter.headers["x-a2a-notification-token"] == "t0ken"
        assert letter.headers["authorization"] == "Bearer cr3dentials"
    if way.old:
        assert {letter.json["kind"] for letter in letters} == {"task"}
        assert {letter.json["id"] for letter in letters} == {task["id"]}
        assert letters[-1].json["artifacts"][0]["parts"] == [{"kind": "text", "text": "echo: hi"}]
        assert letters[-1].json["history"][0]["parts"] == [{"kind": "text", "text": "hi"}]
    else:
        assert {len(letter.json) for letter in letters} == {1}
        (_, first), *pieces, (_, last) = [
            (name, inside) for letter in letters for name, inside in letter.json.items()
        ]
        assert {name for name, _ in pieces} == {"artifactUpdate"}
        assert {inside["taskId"] for _, inside in [*pieces, ("", first), ("", last)]} == {
            task["id"]
        }
        assert (told(letters[0]), told(letters[-1])) == ("working", "completed")
        parts = [part for _, inside in pieces for part in inside["artifact"]["parts"]]
        assert "".join(part["text"] for part in parts) == "echo: hi"
        assert pieces[-1][1]["lastChunk"] is True
    assert config["url"] == receiver.url


@each_way
async def test_a_webhook_without_secrets_is_shown_none(way: Way, tmp_path: Path) -> None:
    async with hooked(tmp_path) as (edge, receiver):
        await edge.tell(way, "hi", configuration=sending(way, spelled(way, receiver.url)))
        [letter, *_] = await receiver.count(1)
    assert not {"authorization", "x-a2a-notification-token"} & set(letter.headers)


@each_way
async def test_a_webhook_that_is_set_in_mid_task_hears_the_rest(way: Way, tmp_path: Path) -> None:
    """V10-MUST-036, and it stays after the end."""
    async with hooked(tmp_path) as (edge, receiver):
        asked = await edge.tell(way, "question", configuration=way.at_once())
        hooks = Hooks(edge, way, asked["id"])
        while state(await task_now(edge, asked["id"])) != "input-required":
            await trio.lowlevel.checkpoint()
        await hooks.set(receiver.url, id="c")
        assert receiver.letters == []
        await edge.tell(way, "blue", taskId=asked["id"])
        letters = await receiver.until(lambda letters: letters and told(letters[-1]) == "completed")
        assert told(letters[0]) == ("completed" if len(letters) == 1 else "working")
        assert [config["id"] for config in await hooks.listed()] == ["c"]


async def task_now(edge: Edge, task: str) -> dict[str, Any]:
    said: dict[str, Any] = (await edge.do(WAYS[1], "get", id=task)).json
    return said


async def test_a_webhook_that_comes_with_an_answer_hears_what_the_answer_does(
    tmp_path: Path,
) -> None:
    way = WAYS[0]
    async with hooked(tmp_path) as (edge, receiver):
        asked = await edge.tell(way, "question")
        configuration = sending(way, spelled(way, receiver.url))
        await edge.tell(way, "blue", taskId=asked["id"], configuration=configuration)
        letters = await receiver.until(lambda letters: letters and told(letters[-1]) == "completed")
    assert told(letters[0]) == "working"


@each_way
async def test_a_webhook_into_our_own_house_is_refused_by_default(way: Way, tmp_path: Path) -> None:
    """V10-SHOULD-012, V10-SHOULD-021, V03-SHOULD-025; and no task is made of it."""
    async with receiving() as receiver, echoing(tmp_path) as edge:
        task = (await edge.tell(way, "hi"))["id"]
        refused = [await Hooks(edge, way, task).set(url) for url in (receiver.url, "ftp://x/")]
        message = way.message("hi")
        configuration = sending(way, spelled(way, receiver.url))
        refused.append(await edge.do(way, "send", message=message, configuration=configuration))
        for answer in refused:
            assert fault(way, answer) in WRONG
            assert "url" in answer.body.decode()
            assert receiver.url not in answer.body.decode()
        listed = (await edge.do(WAYS[1], "list")).json
        assert listed["totalSize"] == 1
        assert receiver.letters == []


@each_way
async def test_nobody_sees_or_sets_the_webhooks_of_an_unknown_task(
    way: Way, tmp_path: Path
) -> None:
    """V10-MUST-038, V10-MUST-148."""
    async with hooked(tmp_path) as (edge, receiver):
        hooks = Hooks(edge, way, "nobody")
        answers = [
            await hooks.set(receiver.url),
            await hooks.get("c"),
            await hooks.answered(),
            await hooks.delete("c"),
        ]
    for answer in answers:
        assert fault(way, answer) in NOT_FOUND


async def test_the_end_of_the_server_waits_for_the_last_letters() -> None:
    """The task is cancelled by the stop, and the webhook hears so although it is slow."""
    let_go = trio.Event()

    async def slowly(letter: Letter) -> Reply:
        await let_go.wait()
        return Reply()

    async def play(turn: Turn) -> str | None:
        turn.say(Text("on my way"))
        await trio.sleep_forever()
        return None

    stopping, stopped = trio.Event(), trio.Event()

    async def run(task_status: trio.TaskStatus[Any]) -> None:
        options = Options(webhook_allow_private=True)
        start = partial(serve, Actor(play), port=0, options=options, grace=0)
        await start(shutdown=stopping.wait, task_status=task_status)
        stopped.set()

    way = WAYS[0]
    with trio.fail_after(20):
        async with receiving(slowly) as receiver, trio.open_nursery() as nursery:
            edge = Edge((await nursery.start(run)).url)
            configuration = {**sending(way, spelled(way, receiver.url)), **way.at_once()}
            await edge.tell(way, "go", configuration=configuration)
            await receiver.count(1)
            stopping.set()
            while await answers(edge):
                await trio.lowlevel.checkpoint()
            assert not stopped.is_set()
            let_go.set()
            await stopped.wait()
            assert told(receiver.letters[-1]) == "canceled"


async def answers(edge: Edge) -> bool:
    try:
        await edge.ask("GET", "/health")
    except OSError:
        return False
    return True


# The courier's hard days


async def test_a_dead_webhook_is_tried_with_growing_pauses_and_then_given_up(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """V10-SHOULD-011. Nobody is at the address; in the end there is one try at the whole task."""
    patience = Patience(attempts=4, pause=8)
    async with open_scene(quick, patience=patience) as scene:
        began = trio.current_time()
        await tell(scene, webhook())
        assert trio.current_time() == began  # nobody waited for it
        await trio.sleep(3600)
        tries = len(scene.network.reached)
    # Half of it or more: each pause is shortened by chance.
    assert tries == 2 * patience.attempts
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "nobody is there" in caplog.text


async def test_the_pauses_double_and_are_shortened_by_chance() -> None:
    """V10-SHOULD-011."""
    patience = Patience(attempts=5, pause=8)
    drawn = [list(patience.pauses()) for _ in range(50)]
    for pauses in drawn:
        assert all(
            longest / 2 <= pause <= longest
            for pause, longest in zip(pauses, (8, 16, 32, 64), strict=True)
        )
    assert len({pauses[0] for pauses in drawn}) > 1


def test_an_attempt_takes_as_long_as_the_specification_says() -> None:
    """V10-SHOULD-010: about 10 to 30 seconds."""
    assert 10 <= Patience().attempt <= 30


async def test_a_slow_webhook_delays_neither_the_task_nor_another_webhook(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def play(turn: Turn) -> str | None:
        for word in ("a", "b", "c"):
            turn.say(Text(word))
            await trio.sleep(1)
        return None

    async with open_scene(play) as scene:
        scene.hook(never)
        swift = scene.hook(statuses(), at="9.9.9.9")
        began = trio.current_time()
        task = await tell(scene, webhook(), wait=False)
        await set_push(scene, task.id, "http://9.9.9.9/")
        await swift.until(lambda letters: letters and told(letters[-1]) == "completed")
        assert trio.current_time() - began == 3


RETRIED = [408, 425, 429, 500, 502, 503, 504, 599]


@pytest.mark.parametrize("status", RETRIED)
async def test_a_letter_is_tried_again_until_it_is_taken_and_none_overtakes_it(
    status: int, autojump_clock: trio.testing.MockClock
) -> None:
    """Any 2xx takes it."""
    async with open_scene(quick) as scene:
        hook = scene.hook(statuses(status, status, 202, 299))
        await tell(scene, webhook())
        letters = await hook.until(
            lambda letters: told(letters[-1]) == "completed" if letters else 0
        )
    assert kinds(letters) == ["working", "working", "working", "done", "completed"]
    assert letters[0].body == letters[2].body


REFUSED = [301, 302, 303, 307, 308, 300, 400, 401, 403, 404, 410, 413, 422]


@pytest.mark.parametrize("status", REFUSED)
async def test_a_refused_letter_is_not_tried_again_and_the_next_one_is_told(
    status: int, autojump_clock: trio.testing.MockClock
) -> None:
    """V10-MUST-043. A redirect is not followed: it could lead anywhere."""
    redirect = {"Location": "http://elsewhere.example/"}

    async def answer(letter: Letter) -> Reply:
        return Reply(status if len(hook.letters) == 1 else 204, redirect)

    async with open_scene(quick) as scene:
        hook = scene.hook(answer)
        await tell(scene, webhook())
        letters = await hook.until(lambda letters: letters and told(letters[-1]) == "completed")
    assert kinds(letters) == ["working", "done", "completed"]
    assert scene.looked_up == ["hooks.example"] * len(scene.looked_up)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=b"SSH-2.0-OpenSSH_9.9\r\n"),
        Reply(raw=b"HTTP/1.1 200"),
        Reply(raw=b"\x00" * 200_000),
    ],
)
async def test_what_is_no_http_is_no_answer(
    reply: Reply, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(letter: Letter) -> Reply:
        return reply if len(hook.letters) <= 2 else Reply()

    async with open_scene(quick) as scene:
        hook = scene.hook(answer)
        await tell(scene, webhook())
        letters = await hook.until(lambda letters: letters and told(letters[-1]) == "completed")
    assert kinds(letters) == ["working", "working", "working", "done", "completed"]
    assert not caplog.records


async def test_an_answer_that_never_ends_is_not_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The head of the answer is enough, and the next letter takes another connection."""

    async def answer(letter: Letter) -> Reply:
        return Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx")

    async with open_scene(quick) as scene:
        hook = scene.hook(answer)
        began = trio.current_time()
        await tell(scene, webhook())
        letters = await hook.until(lambda letters: letters and told(letters[-1]) == "completed")
        assert trio.current_time() == began
    assert kinds(letters) == ["working", "done", "completed"]
    assert hook.connections == 3


async def test_a_webhook_that_was_away_goes_on_with_the_whole_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def play(turn: Turn) -> str | None:
        turn.say(Text("one "))
        await trio.sleep(600)
        turn.say(Text("two "))
        await trio.sleep(600)
        turn.say(Text("three"))
        await trio.sleep(600)
        return None

    async with open_scene(play, patience=Patience(attempts=6)) as scene:
        await tell(scene, webhook(), wait=False)
        await trio.sleep(300)
        hook = scene.hook(statuses())
        letters = await hook.until(lambda letters: letters and told(letters[-1]) == "completed")
    whole = letters[0].json["task"]
    assert whole["artifacts"][0]["parts"] == [{"text": "one two "}]
    assert kinds(letters) == ["working", "three", "", "completed"]


async def test_who_falls_behind_the_window_goes_on_with_the_whole_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    go_on = trio.Event()

    async def play(turn: Turn) -> str | None:
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(45_000):
            turn.say(Text("x"))
        go_on.set()
        await trio.sleep(60)
        return None

    async def answer(letter: Letter) -> Reply:
        await go_on.wait()
        return Reply()

    async with open_scene(play) as scene:
        hook = scene.hook(answer)
        await tell(scene, webhook())
        letters = await hook.until(lambda letters: letters and told(letters[-1]) == "completed")
    assert kinds(letters[:1]) == ["working"]
    assert [list(letter.json) for letter in letters[1:3]] == [["task"], ["artifactUpdate"]]
    assert letters[1].json["task"]["artifacts"][0]["parts"] == [{"text": "x" * 45_000}]


async def test_pieces_that_came_while_a_webhook_was_busy_are_told_as_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def play(turn: Turn) -> str | None:
        await trio.sleep(10)  # it hears first of all that the turn has begun
        turn.say(Text("a"))
        await trio.sleep(1)
        for word in ("b", "c", "d"):
            turn.say(Text(word))
        turn.say(Notice("look", "note"))
        turn.say(Text("e"))
        return None

    async def answer(letter: Letter) -> Reply:
        await trio.sleep(3)
        return Reply()

    async with open_scene(play) as scene:
        hook = scene.hook(answer)
        await tell(scene, webhook())
        letters = await hook.until(lambda letters: letters and told(letters[-1]) == "completed")
    assert kinds(letters) == ["working", "a", "bcd", "working", "e", "completed"]
    first, second, third = (letters[n].json["artifactUpdate"] for n in (1, 2, 4))
    assert ("append" in first, second["append"], third["append"]) == (False, True, True)
    assert ("lastChunk" in second, third["lastChunk"]) == (False, True)


async def test_more_news_than_are_worth_telling_one_by_one_are_told_as_the_whole_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def play(turn: Turn) -> str | None:
        await trio.testing.wait_all_tasks_blocked()
        for n in range(1001):
            turn.say(Notice(f"look {n}", "note"))
        return None

    async with open_scene(play) as scene:
        hook = scene.hook(statuses())
        task = await tell(scene, webhook())
        letters = await hook.until(lambda letters: letters and told(letters[-1]) == "completed")
    assert [list(letter.json) for letter in letters] == [["statusUpdate"], ["task"]]
    assert letters[1].json["task"]["id"] == task.id


async def waiting(turn: Turn) -> str | None:
    for _ in range(3):
        await turn.ask(Question("And then?"))
    return None


async def answer_it(scene: Scene, task: str) -> None:
    await send(scene.service, saying("yes", task_id=task))
    await trio.testing.wait_all_tasks_blocked()


async def test_a_deleted_webhook_hears_no_more(autojump_clock: trio.testing.MockClock) -> None:
    """V10-MUST-040, V10-MUST-041: also not what is on its way."""
    async with open_scene(waiting) as scene:
        hook = scene.hook(statuses(503, 503, 503))
        task = await tell(scene, webhook(id="c"))
        await hook.count(2)
        for _ in range(2):
            await scene.service.delete_push(
                ANONYMOUS, DeleteTaskPushNotificationConfigRequest(task.id, "c")
            )
        heard = len(hook.letters)
        await answer_it(scene, task.id)
        await trio.sleep(600)
        assert len(hook.letters) == heard
        assert await listed(scene, task.id) == []


async def test_a_replaced_webhook_hears_no_more_and_the_new_one_hears_the_rest(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_scene(waiting) as scene:
        old, new = scene.hook(statuses()), scene.hook(statuses(), at="9.9.9.9")
        task = await tell(scene, webhook(id="c", token="old"))
        await trio.testing.wait_all_tasks_blocked()
        heard = len(old.letters)
        await set_push(scene, task.id, "http://9.9.9.9/", id="c", token="new")
        await answer_it(scene, task.id)
        assert len(old.letters) == heard
        assert kinds(new.letters) == ["working", "input-required"]
        assert {letter.headers["x-a2a-notification-token"] for letter in new.letters} == {"new"}
        assert await listed(scene, task.id) == ["c"]


async def test_every_webhook_of_a_task_is_told(autojump_clock: trio.testing.MockClock) -> None:
    """V10-MUST-043."""
    async with open_scene(waiting) as scene:
        task = await tell(scene, webhook(id="0", url="http://9.9.9.0/"))
        hooks = [
            scene.hook(statuses(), at=f"9.9.9.{n}") for n in range(1, LIMITS.webhooks_per_task)
        ]
        for n in range(1, LIMITS.webhooks_per_task):
            await set_push(scene, task.id, f"http://9.9.9.{n}/", id=str(n))
        await answer_it(scene, task.id)
        assert [kinds(hook.letters) for hook in hooks] == [["working", "input-required"]] * 15


async def test_a_task_has_so_many_webhooks_and_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_scene(waiting) as scene:
        task = await send(scene.service)
        for n in range(LIMITS.webhooks_per_task):
            await set_push(scene, task.id, id=str(n))
        with pytest.raises(InvalidParams, match="at most 16"):
            await set_push(scene, task.id)
        message = SendMessageRequest(
            saying("yes", task_id=task.id),
            configuration=SendMessageConfiguration(task_push_notification_config=webhook()),
        )
        with pytest.raises(InvalidParams, match="at most 16"):
            await scene.service.send(ANONYMOUS, message)
        assert (await get(scene.service, task.id)).status.state.name == "INPUT_REQUIRED"
        await set_push(scene, task.id, id="7", token="replaced")
        assert await listed(scene, task.id) == [str(n) for n in range(LIMITS.webhooks_per_task)]


async def test_the_default_webhook_of_0_3_is_replaced_also_when_there_is_no_room(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_scene(waiting) as scene:
        task = await send(scene.service)
        for n in range(1, LIMITS.webhooks_per_task):
            await set_push(scene, task.id, id=str(n))
        for token in ("first", "second"):
            config = webhook(task_id=task.id, token=token)
            await scene.service.set_push(Caller(line="0.3"), config)
        assert len(await listed(scene, task.id)) == LIMITS.webhooks_per_task


async def test_webhooks_are_listed_in_pages_if_that_is_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_scene(waiting) as scene:
        task = await send(scene.service)
        ids = [await set_push(scene, task.id, id=str(n)) for n in range(5)]

        async def page(token: str, size: int = 2) -> ListTaskPushNotificationConfigsResponse:
            request = ListTaskPushNotificationConfigsRequest(
                task.id, page_size=size, page_token=token
            )
            return await scene.service.list_push(ANONYMOUS, request)

        seen, token = [], ""
        while True:
            listing = await page(token)
            seen += [config.id for config in listing.configs]
            token = listing.next_page_token
            if not token:
                break
        assert seen == ids
        with pytest.raises(InvalidParams):
            await page("invented")
        with pytest.raises(InvalidParams):
            await page("", -1)


async def test_the_webhooks_of_another_caller_do_not_exist(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """V10-MUST-038, V10-MUST-148: nor does the task, to whom it does not belong."""
    stranger = Caller("stranger")
    async with open_scene(waiting) as scene:
        service = scene.service
        task = await tell(scene, webhook(id="c"))
        message = SendMessageRequest(
            saying("yes", task_id=task.id),
            configuration=SendMessageConfiguration(task_push_notification_config=webhook("no")),
        )
        for ask in (
            service.set_push(stranger, webhook("no", task_id=task.id)),
            service.get_push(stranger, GetTaskPushNotificationConfigRequest(task.id, id="c")),
            service.list_push(stranger, ListTaskPushNotificationConfigsRequest(task.id)),
            service.delete_push(stranger, DeleteTaskPushNotificationConfigRequest(task.id, "c")),
            service.send(stranger, message),
        ):
            with pytest.raises(TaskNotFound):
                await ask
        assert await listed(scene, task.id) == ["c"]


async def test_webhooks_are_forgotten_with_their_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    store = MemoryStore(keep=1)
    async with open_scene(quick, store=store) as scene:
        scene.hook(statuses())
        first = await tell(scene, webhook())
        assert len(await store.webhooks(first.id)) == 1
        second = await tell(scene, webhook())
        assert len(await store.webhooks(first.id)) == 0
        assert len(await store.webhooks(second.id)) == 1
        # Nor is one kept for a task that is gone.
        [kept] = await store.webhooks(second.id)
        gone = structs.replace(kept.config, task_id=first.id)
        store.keep_webhook(Webhook(gone, kept.line), Place())
        assert len(await store.webhooks(first.id)) == 0


async def test_the_webhook_of_an_ended_task_is_kept_and_hears_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_scene(quick) as scene:
        hook = scene.hook(statuses())
        task = await send(scene.service)
        await set_push(scene, task.id, id="c")
        await trio.sleep(600)
        assert await listed(scene, task.id) == ["c"]
        assert hook.letters == []


async def test_a_connection_is_used_again(autojump_clock: trio.testing.MockClock) -> None:
    async with open_scene(quick) as scene:
        hook = scene.hook(statuses())
        await tell(scene, webhook())
        letters = await hook.until(lambda letters: letters and told(letters[-1]) == "completed")
    assert (len(letters), hook.connections) == (3, 1)
    assert scene.looked_up == ["hooks.example"]
    assert letters[0].headers["host"] == "hooks.example"


async def test_a_name_that_leads_into_our_own_house_is_never_connected_to(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """V10-SHOULD-012: it looked fine when it was registered. It is not tried again and again."""
    async with open_scene(quick) as scene:
        hook = scene.hook(statuses(), at="10.0.0.1")
        scene.addresses[:] = [[ADDRESS, "10.0.0.1"]]
        await tell(scene, webhook())
        await trio.sleep(600)
    assert scene.network.reached == []
    assert hook.letters == []
    assert 1 <= len(scene.looked_up) <= 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "not public" in caplog.text


async def test_a_name_that_leads_elsewhere_after_the_check_gains_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The connection goes to the address that was checked; each new one is checked anew."""

    async def answer(letter: Letter) -> Reply:
        return Reply(headers={"Connection": "close"})

    async with open_scene(quick) as scene:
        hook, inside = scene.hook(answer), scene.hook(never, at="127.0.0.1")
        scene.addresses[:] = [[ADDRESS], ["127.0.0.1"], [ADDRESS]]
        await tell(scene, webhook())
        await hook.count(2)
    assert scene.looked_up == ["hooks.example"] * 3
    assert scene.network.reached == [(ADDRESS, 80)] * 2
    assert kinds(hook.letters) == ["working", "completed"]
    assert inside.connections == 0


async def test_each_address_of_a_name_has_its_chance(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_scene(quick) as scene:
        hook = scene.hook(statuses(), at="9.9.9.9")
        scene.addresses[:] = [["2606:4700::1", "9.9.9.9"]]
        began = trio.current_time()
        await tell(scene, webhook())
        await hook.count(3)
        assert trio.current_time() == began
    assert scene.network.reached == [("2606:4700::1", 80), ("9.9.9.9", 80)]


async def test_over_tls_the_webhook_has_to_be_who_its_name_says(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The connection goes to an address, and is greeted by the name all the same."""
    async with open_scene(quick) as scene:
        hook = scene.hook(statuses())
        await tell(scene, webhook("https://hooks.example/"))
        [letter, *_] = await hook.count(3)
    assert scene.network.reached == [(ADDRESS, 443)]
    assert scene.network.greeted == ["hooks.example"]
    assert letter.headers["host"] == "hooks.example"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (webhook("http://127.0.0.1/"), "url"),
        (webhook("ftp://hooks.example/"), "url"),
        (webhook(f"https://hooks.example/{'x' * 5000}"), "url"),
        (webhook(id="x" * 5000), "id"),
        (webhook(token="x" * 5000), "token"),
        (webhook(token="a\r\nX-Evil: yes"), "token"),
        (webhook(token="schlüssel"), "token"),
        (webhook(token=" padded"), "token"),
        (
            webhook(authentication=AuthenticationInfo("Bearer", "a\nb")),
            "authentication.credentials",
        ),
        (
            webhook(authentication=AuthenticationInfo("Bearer", "\x00")),
            "authentication.credentials",
        ),
        (webhook(authentication=AuthenticationInfo("", "abc")), "authentication"),
        (webhook(authentication=AuthenticationInfo("Bear er", "abc")), "authentication"),
        (webhook(authentication=AuthenticationInfo("Bearer:", "abc")), "authentication"),
    ],
)
async def test_what_could_never_be_posted_to_is_refused_when_it_is_registered(
    config: TaskPushNotificationConfig, field: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_scene(quick) as scene:
        task = await send(scene.service)
        with pytest.raises(InvalidParams) as refused:
            await scene.service.set_push(ANONYMOUS, structs.replace(config, task_id=task.id))
        with pytest.raises(InvalidParams):
            await tell(scene, config)
        assert await listed(scene, task.id) == []
    assert field in {violation.field for violation in refused.value.violations}
    for said in ("X-Evil", "schlüssel", "127.0.0.1", "xxx"):
        assert said not in str(refused.value)


async def test_a_webhook_that_comes_with_a_message_is_for_its_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_scene(waiting) as scene:
        mine = await send(scene.service)
        with pytest.raises(InvalidParams):
            await tell(scene, webhook(task_id=mine.id))
        assert await listed(scene, mine.id) == []


@pytest.mark.parametrize(
    ("scheme", "credentials", "header"),
    [
        ("Bearer", "abc", "Bearer abc"),
        ("bEARER", "abc", "bEARER abc"),
        ("Basic", "dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"),
        ("Digest", 'username="u", realm="r"', 'Digest username="u", realm="r"'),
        ("Negotiate", "", "Negotiate"),
    ],
)
async def test_credentials_are_shown_as_they_were_given(
    scheme: str, credentials: str, header: str, autojump_clock: trio.testing.MockClock
) -> None:
    """V10-MUST-042, V10-MUST-048, V03-MUST-078."""
    async with open_scene(quick) as scene:
        hook = scene.hook(statuses())
        await tell(scene, webhook(authentication=AuthenticationInfo(scheme, credentials)))
        [letter, *_] = await hook.count(1)
    assert letter.headers["authorization"] == header


@pytest.mark.parametrize("status", [200, 302, 401, 500])
async def test_no_secret_reaches_a_log(
    status: int, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(letter: Letter) -> Reply:
        return Reply(status)

    caplog.set_level(logging.DEBUG)
    async with open_scene(quick) as scene:
        hook = scene.hook(answer)
        how = AuthenticationInfo("Bearer", "s3cret-credentials")
        config = webhook(token="s3cret-token", authentication=how)
        await tell(scene, config)
        await hook.count(1)
        await trio.sleep(600)
    assert "s3cret-token" in json.dumps(dict(hook.letters[0].headers))
    assert "s3cret-in-the-url" in hook.letters[0].target
    assert "s3cret" not in caplog.text
    assert "s3cret" not in repr(Webhook(config, "1.0"))


async def test_at_the_end_a_dead_webhook_has_one_more_chance_and_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Also one that never answers holds the end up for no longer than a few seconds."""
    for answer, tries in ((statuses(*[503] * 9), 2), (never, 1)):
        async with open_scene(quick) as scene:
            hook = scene.hook(answer)
            await tell(scene, webhook())
            await trio.testing.wait_all_tasks_blocked()
            before = trio.current_time()
        assert trio.current_time() - before <= LAST_CHANCE
        assert len(hook.letters) == tries


async def test_what_fails_inside_comes_out_as_it_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    before = trio.current_time()
    with pytest.raises(LookupError):
        async with open_courier(MemoryStore()):
            raise LookupError
    assert trio.current_time() == before


async def test_who_is_cancelled_waits_for_no_webhook(
    autojump_clock: trio.testing.MockClock,
) -> None:
    before = trio.current_time()
    with trio.move_on_after(60):
        async with open_scene(quick) as scene:
            scene.hook(never)
            await tell(scene, webhook())
            await trio.sleep_forever()
    assert trio.current_time() - before == 60
