"""A backend behind A2A: the scopes, one in the other, and the server in the innermost.

`open_app` gives an ASGI app for a server of your own; `serve` brings the server along. Neither
installs signal handlers or logging, and neither keeps anything global.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import AnyStr, cast
from urllib.parse import quote, urlsplit

import trio
from attrs import define, field, frozen

from a2acore.asgi import ASGIApp, Receive, Scope, Send
from a2acore.backend import Backend
from a2acore.cards import Cards, describe, extend
from a2acore.http import PUBLIC, App, Extensions, pages
from a2acore.listener import Bound, listen
from a2acore.middleware.bearer import Bearer
from a2acore.middleware.guard import Guard
from a2acore.middleware.origin import Hosts, Origins
from a2acore.negotiation import Form
from a2acore.push import Courier, open_courier
from a2acore.push import Guard as WebhookGuard
from a2acore.service import Service
from a2acore.store import MemoryStore, Store
from a2acore.supervisor import Supervisor, open_supervisor

GRACE = 10.0
"""Seconds that running tasks get to end by themselves when the server stops."""


class Exposed(ValueError):
    """Without authentication, a server may be reached from this machine only."""


@frozen
class Options:
    """How a server presents itself, and whom it lets in."""

    workspace: Path = Path()
    """Where the agent works."""
    public_url: str = ""
    """Where callers reach the server, if not at the address that it binds."""
    token: str = field(default="", repr=False)
    """The bearer token that callers must show; empty lets everybody in."""
    card_default: Form = "merged"
    """The form of the card for callers that name no version."""
    lenient_version: bool = False
    """Take a method of line 1.0 without its version header for what it is."""
    buffered: bool = False
    """Send each answer whole, instead of as it comes."""
    tenant: str = ""
    """The name that line 1.0 routes by, on an address that several agents share."""
    require_extension: bool = False
    """Take messages only from callers that name our extension."""
    dedupe_message_id: bool = False
    """Take a message for sent already when the same caller has sent one with its id before. Off,
    because clients in the field use an id twice."""
    push: bool = True
    """Post to the webhooks that callers register."""
    allow_hosts: tuple[str, ...] = ()
    """Names, beside those in the URLs and `localhost`, that requests may call the server by; `*`
    is all of them."""
    allow_origins: tuple[str, ...] = ()
    """Origins, like `https://console.example`, whose pages may use the server; `*` is all."""
    webhook_allow_private: bool = False
    """Let webhooks lead to this machine and its network: everybody who may call can post there."""


@define(eq=False)
class Application:
    """The ASGI app of one backend."""

    supervisor: Supervisor
    _courier: Courier | None
    _options: Options
    _app: ASGIApp | None = None

    def announce(self, url: str) -> None:
        """Say on the card that callers find us at `url`. Requests are served from then on."""
        options = self._options
        card = describe(
            self.supervisor.backend.info,
            (options.public_url or url).rstrip("/"),
            bearer=bool(options.token),
            push=options.push,
            require_extension=options.require_extension,
            tenant=options.tenant,
        )
        service = Service(
            self.supervisor,
            self.supervisor.store,
            self._courier,
            extend(card, self.supervisor.workspace) if options.token else None,
            options.dedupe_message_id,
        )
        app: ASGIApp = App(
            service,
            pages(Cards(card), options.card_default),
            Extensions.of(card),
            options.tenant,
            options.lenient_version,
        )
        if options.token:
            app = Bearer(app, options.token, PUBLIC)
        names = {urlsplit(each).hostname or "" for each in (options.public_url, url)}
        app = Hosts(Origins(app, options.allow_origins), {*names, *options.allow_hosts} - {""})
        self._app = Guard(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None, "announce a URL before serving"
        await self._app(_at_root(scope), receive, send)


@asynccontextmanager
async def open_app(
    backend: Backend, url: str = "", *, options: Options = Options(), store: Store | None = None
) -> AsyncIterator[Application]:
    """An ASGI app that serves `backend`, for a server on trio; its tasks live in this block.

    `url` is where callers will reach it; leave it out only to `announce` it later.
    """
    workspace = options.workspace.resolve()
    if store is None:
        store = MemoryStore()
    async with (
        _open_courier(options, store) as courier,
        open_supervisor(backend, store, workspace, buffered=options.buffered) as supervisor,
    ):
        application = Application(supervisor, courier, options)
        if url or options.public_url:
            application.announce(url)
        yield application


def _open_courier(options: Options, store: Store) -> AbstractAsyncContextManager[Courier | None]:
    if not options.push:
        return nullcontext()
    return open_courier(store, guard=WebhookGuard(options.webhook_allow_private))


async def serve(
    backend: Backend,
    *,
    host: str = "127.0.0.1",
    port: int = 9100,
    options: Options = Options(),
    insecure: bool = False,
    store: Store | None = None,
    shutdown: Callable[[], Awaitable[None]] = trio.sleep_forever,
    grace: float = GRACE,
    task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `backend` until `shutdown` returns; `grace` is in seconds.

    Start it with `bound = await nursery.start(partial(serve, backend, port=0))`.

    Raises:
        Exposed: `host` can be reached from other machines, and there is no token.
        OSError: the address cannot be bound.
    """
    check(host, options, insecure=insecure)
    async with open_app(backend, options=options, store=store) as app:
        await listen(
            app,
            host=host,
            port=port,
            shutdown=shutdown,
            drain=partial(app.supervisor.drain, grace),
            task_status=cast("trio.TaskStatus[Bound]", _Announcing(app, task_status)),
        )


def _at_root(scope: Scope) -> Scope:
    """The scope as it would be if the app were not mounted: inside, paths are looked at whole.

    A mount tells where it is in `root_path`. The paths begin with it (ASGI 2.4), or `path` has lost
    it already: routers differ.
    """
    root = scope.get("root_path", "").rstrip("/")
    if scope["type"] != "http" or not root:
        return scope
    path = _below(root, scope["path"])
    raw_path = _below(quote(root).encode(), scope.get("raw_path") or b"")
    return {**scope, "root_path": "", "path": path, "raw_path": raw_path}


def _below(root: AnyStr, path: AnyStr) -> AnyStr:
    rest = path.removeprefix(root)
    return rest if rest[:1] in ("", "/", b"", b"/") else path


def check(host: str, options: Options, *, insecure: bool) -> None:
    """Refuse what cannot be meant, before anything is opened."""
    if not options.token and not insecure and not _is_loopback(host):
        raise Exposed(
            f"{host} can be reached from other machines, and everybody there could run the agent: "
            "give a token, or say that this is what you want"
        )
    url = urlsplit(options.public_url)
    if options.public_url and (url.scheme not in ("http", "https") or not url.hostname):
        raise ValueError(f"{options.public_url!r} is no http or https URL")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@frozen
class _Announcing:
    """Puts the bound address on the card before the first connection can be taken."""

    _app: Application
    _outer: trio.TaskStatus[Bound]

    def started(self, bound: Bound) -> None:
        self._app.announce(bound.url)
        self._outer.started(bound)
