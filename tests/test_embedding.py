"""In somebody else's program: a few lines, nothing taken over, nothing left behind.

The program may be a trio program (`serve`), an ASGI server (`open_app`), or a package that brings a
backend of its own to our command.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn
from trio.testing import wait_all_tasks_blocked

from a2acore.asgi import ASGIApp, Receive, Scope, Send
from a2acore.backend import BadSettings, Settings, Text, Turn, find_backends
from a2acore.listener import listen
from a2acore.server import Options, open_app, serve
from tests.edge import PATIENCE, WAYS, Edge, Way, echoing, serving, state, task_of
from tests.stage import Actor
from tests.test_cli import a2acode
from tests.test_cli import serving as process

README = Path(__file__).parent.parent / "README.md"
each_way = pytest.mark.parametrize("way", WAYS, ids=str)


async def greet(turn: Turn) -> str | None:
    turn.say(Text(f"hello {turn.text}"))
    return None


async def sleep(turn: Turn) -> str | None:
    await trio.sleep_forever()
    return None


def text_of(task: dict[str, Any]) -> str:
    return "".join(part["text"] for part in task["artifacts"][0]["parts"])


# A few lines


async def test_the_example_in_the_readme_serves_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it but the port, which is free only by chance."""
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    started: list[tuple[Any, ...]] = []
    monkeypatch.setattr(trio, "run", lambda *args: started.append(args))
    exec(example, {"__name__": "example"})  # noqa: S102 - to see that it can be
    [(run, *args)] = started
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(partial(run, *args, port=0))
            edge = Edge(bound.url)
            assert text_of(await edge.tell(WAYS[0], "hello")) == "HELLO"
            card = (await edge.ask("GET", "/.well-known/agent-card.json")).json
            nursery.cancel_scope.cancel()
    assert (card["name"], card["description"]) == ("Shout", "Says it louder.")


async def test_two_servers_in_one_program_do_not_disturb_each_other(tmp_path: Path) -> None:
    [way, *_] = WAYS
    async with serving(Actor(greet)) as one, echoing(tmp_path) as other:
        mine = await one.tell(way, "you", contextId="same")
        theirs = await other.tell(way, "you", contextId="same")
        assert (text_of(mine), text_of(theirs)) == ("hello you", "echo: you")
        for edge, task, foreign in ((one, mine, theirs), (other, theirs, mine)):
            assert (await edge.do(way, "get", id=task["id"])).json["result"]["id"] == task["id"]
            assert (await edge.do(way, "get", id=foreign["id"])).json["error"]["code"] == -32001


async def test_one_that_ends_leaves_the_other_serving() -> None:
    [way, *_] = WAYS
    async with serving(Actor(greet)) as stays:
        async with serving(Actor(greet)) as goes:
            await goes.tell(way, "you")
        assert text_of(await stays.tell(way, "you")) == "hello you"


def surroundings() -> dict[str, object]:
    """What a guest in a program must not touch."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    return {
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "handlers": [handler for logger in loggers for handler in logger.handlers],
        "levels": {logger.name: logger.level for logger in loggers if logger.level},
        "threads": threading.enumerate(),
    }


async def test_a_server_takes_nothing_over_and_leaves_nothing_behind() -> None:
    before = surroundings()
    async with serving(Actor(greet)) as edge:
        for way in WAYS:
            await edge.tell(way, "you")
            assert (await edge.ask("GET", "/.well-known/agent-card.json")).status == 200
        assert surroundings() == before
    assert surroundings() == before


# The end


@each_way
async def test_at_the_stop_every_stream_hears_the_end_of_its_task(way: Way) -> None:
    """And the server is gone when the grace is."""
    stop = trio.Event()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            start = partial(serve, Actor(sleep), port=0, shutdown=stop.wait, grace=0.2)
            edge = Edge((await nursery.start(start)).url)
            async with edge.telling(way, "go") as first, edge.telling(way, "go") as second:
                await first.hear(way)
                await second.hear(way)
                asked = trio.current_time()
                stop.set()
                for stream in (first, second):
                    last = (await stream.hear_out(way))[-1]
                    assert last.state == "canceled"
                    assert "The server stopped." in str(last.inside["status"]["message"])
                    assert last.inside.get("final") == (True if way.old else None)
        assert 0.2 <= trio.current_time() - asked < 5


async def test_a_server_without_work_stops_at_once() -> None:
    stop = trio.Event()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            start = partial(serve, Actor(greet), port=0, shutdown=stop.wait, grace=PATIENCE)
            edge = Edge((await nursery.start(start)).url)
            await edge.tell(WAYS[0], "you")
            asked = trio.current_time()
            stop.set()
    assert trio.current_time() - asked < 5


async def test_a_server_that_is_cancelled_ends_promptly_and_its_backend_may_clean_up() -> None:
    clean = trio.Event()

    async def play(turn: Turn) -> str | None:
        try:
            await trio.sleep_forever()
        finally:
            clean.set()

    [way, *_] = WAYS
    began = trio.current_time()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            start = partial(serve, Actor(play), port=0, grace=PATIENCE)
            edge = Edge((await nursery.start(start)).url)
            async with edge.telling(way, "go") as stream:
                await stream.hear(way)
                await wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
    assert clean.is_set()
    assert trio.current_time() - began < 5


async def test_an_address_that_is_taken_is_a_plain_error() -> None:
    """No group around it, whatever nurseries there are."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1 port {port}"):
            await serve(Actor(greet), port=port)


async def test_what_a_program_raises_among_our_scopes_comes_out_as_it_was() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_app(Actor(greet), "http://agent.example"):
            raise KeyError("mine")


# As an ASGI app


def mounted(app: ASGIApp, *, strips: bool) -> ASGIApp:
    """A program with the agent below `/agent`; routers differ in what they do to the path."""

    async def program(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path = scope["path"]
        if path == "/agent" or path.startswith("/agent/"):
            inner = {**scope, "root_path": "/agent"}
            if strips:
                inner["path"] = path.removeprefix("/agent")
            await app(inner, receive, send)
            return
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"not the agent"})

    return program


@asynccontextmanager
async def on_ours(app: ASGIApp) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(partial(listen, app, port=0))
        yield bound.url
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def on_hypercorn(app: ASGIApp) -> AsyncIterator[str]:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = config.errorlog = None
    serve_it: Any = hypercorn  # typed for its own idea of an app
    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(partial(serve_it, app, config))
        yield url
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("strips", [False, True])
@pytest.mark.parametrize("server", [on_ours, on_hypercorn])
async def test_the_app_may_be_mounted_below_a_path(server: Any, strips: bool) -> None:
    with trio.fail_after(PATIENCE):
        options = Options(token="t0ken")
        async with (
            open_app(Actor(greet), "https://agent.example/agent", options=options) as app,
            server(mounted(app, strips=strips)) as url,
        ):
            edge, stranger = Edge(url, "t0ken"), Edge(url)
            for way in WAYS:
                verb, target, headers, body = way.spell("send", {"message": way.message("you")})
                for path in {f"/agent{target}", f"/agent{target}".removesuffix("/")}:
                    task = task_of(way, await edge.ask(verb, path, headers, body))
                    assert text_of(task) == "hello you"
                    assert (await stranger.ask(verb, path, headers, body)).status == 401
                verb, target, headers, body = way.spell("get", {"id": task["id"]})
                answer = await edge.ask(verb, f"/agent{target}", headers, body)
                assert state(way.unwrap(answer.json)) == "completed"
            card = (await stranger.ask("GET", "/agent/.well-known/agent-card.json")).json
            assert card["url"] == "https://agent.example/agent"
            assert (await stranger.ask("GET", "/agent/health")).status == 200
            for elsewhere in ("/", "/health", "/agents/health", "/.well-known/agent-card.json"):
                assert (await edge.ask("GET", elsewhere)).status == 418


async def test_the_app_streams_on_another_server() -> None:
    [way, *_] = WAYS
    with trio.fail_after(PATIENCE):
        async with (
            open_app(Actor(greet), "http://agent.example") as app,
            on_hypercorn(app) as url,
            Edge(url).telling(way, "you") as stream,
        ):
            heard = await stream.hear_out(way)
    assert (heard[0].name, heard[-1].state) == ("task", "completed")


# A stranger's backend

STRANGER = """
from contextlib import nullcontext
from a2acore import AgentInfo, BackendKind, Text

class Shout:
    info = AgentInfo(name="Shout", description="Says it louder.")

    async def run(self, turn):
        turn.say(Text(turn.text.upper()))

KIND = BackendKind("shout", "says it louder", "a voice", lambda settings: nullcontext(Shout()))
NUMBER = 7
"""


def install(folder: Path, name: str, entry_points: str, **modules: str) -> None:
    """A package as an installer leaves it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[a2acore.backends]\n{entry_points}")
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)


def beside(folder: Path) -> dict[str, str]:
    """The environment of a command that finds the packages of a folder too."""
    return {"PYTHONPATH": os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))}


def test_a_package_brings_a_backend_to_our_command(tmp_path: Path) -> None:
    install(tmp_path, "stranger", "shout = stranger:KIND\n", stranger=STRANGER)
    path = beside(tmp_path)
    listed = a2acode("backends", **path)
    assert re.search(r"^shout +says it louder +a voice *$", listed.stdout, re.MULTILINE)
    assert re.search(r"^echo +", listed.stdout, re.MULTILINE)
    with process("--backend", "shout", "--cwd", str(tmp_path), **path) as (url, _):
        said = a2acode("call", "hello", "--url", url)
    assert (said.returncode, said.stdout) == (0, "HELLO\n")


BROKEN = {
    "absent": ("nowhere:KIND", "ModuleNotFoundError: No module named 'nowhere'"),
    "nameless": ("stranger:NOTHING", "AttributeError: module 'stranger' has no attribute"),
    "odd": ("stranger:NUMBER", "TypeError: stranger:NUMBER is no BackendKind"),
    "loud": ("loud:KIND", "RuntimeError: one two"),
}


def test_a_broken_package_is_listed_with_its_reason_and_breaks_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = "".join(f"{name} = {place}\n" for name, (place, _) in BROKEN.items())
    points += "echo = nowhere:ECHO\nshout = stranger:KIND\n"
    loud = 'raise RuntimeError("one\\n  two")\n'
    install(tmp_path, "stranger", points, stranger=STRANGER, loud=loud)
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds = find_backends()
    assert list(kinds) == sorted({"acp", "echo", "shout", *BROKEN})
    assert kinds["shout"].summary == "says it louder"
    assert kinds["echo"].needs == "nothing"  # ours: a broken one does not take its name
    for name, (_, reason) in BROKEN.items():
        assert reason in kinds[name].summary
        with pytest.raises(BadSettings) as caught:
            kinds[name].open(Settings(tmp_path))
        assert name in str(caught.value)
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_command_tells_what_is_broken(tmp_path: Path) -> None:
    install(tmp_path, "stranger", "absent = nowhere:KIND\n")
    path = beside(tmp_path)
    listed = a2acode("backends", **path)
    assert listed.returncode == 0
    assert re.search(r"^absent +cannot be loaded: ModuleNotFoundError", listed.stdout, re.MULTILINE)
    served = a2acode("serve", "--backend", "absent", "--port", "0", **path)
    assert served.returncode == 2
    assert re.fullmatch(r"a2acode: the backend absent cannot be loaded [^\n]+\n", served.stderr)


async def test_a_reader_that_is_cut_off_is_told_by_its_connection() -> None:
    """A server that is cancelled does not pretend that a stream came to its end."""
    [way, *_] = WAYS
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as servers:
                edge = Edge((await servers.start(partial(serve, Actor(sleep), port=0))).url)
                stream = await nursery.start(_hold, edge, way)
                servers.cancel_scope.cancel()
            with pytest.raises((h11.RemoteProtocolError, trio.BrokenResourceError)):
                await stream.hear_out(way)
            nursery.cancel_scope.cancel()


async def _hold(edge: Edge, way: Way, task_status: trio.TaskStatus[Any]) -> None:
    async with edge.telling(way, "go") as stream:
        await stream.hear(way)
        await wait_all_tasks_blocked()
        task_status.started(stream)
        await trio.sleep_forever()
