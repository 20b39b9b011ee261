"""A backend behind A2A: the scopes, one in the other, and the server in the innermost.

`open_app` gives an ASGI app for a server of your own; `serve` brings the server along. Neither
installs signal handlers or logging, and neither keeps anything global.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from math import inf
from pathlib import Path
from typing import AnyStr, cast
from urllib.parse import quote, urlsplit

import trio
from attrs import define, field, frozen

from a2acore.asgi import ASGIApp, Receive, Scope, Send
from a2acore.audit import Audit, NoAudit, open_audit
from a2acore.backend import Backend
from a2acore.cards import Cards, describe, extend, ways_in
from a2acore.compat import Switch, declared
from a2acore.front import Front, Patience
from a2acore.http import CARDS, PUBLIC, App, Extensions, Pages, Served
from a2acore.limits import LIMITS, Limits, seconds
from a2acore.listener import Bound, listen
from a2acore.loopback import is_loopback
from a2acore.middleware.bearer import Bearer
from a2acore.middleware.card_signing import CardSigning
from a2acore.middleware.floods import Floods
from a2acore.middleware.guard import Guard
from a2acore.middleware.origin import Hosts, Origins
from a2acore.middleware.payloads import Payloads
from a2acore.middleware.roster import Roster, open_roster
from a2acore.model import AgentCard, SecurityScheme
from a2acore.negotiation import Form
from a2acore.policy import Policy
from a2acore.push import Courier, Stamp, open_courier
from a2acore.push import Guard as WebhookGuard
from a2acore.push.walk import Heard
from a2acore.redaction import Redactor
from a2acore.service import Service
from a2acore.signing import Key, prove
from a2acore.store import MemoryStore, Store
from a2acore.supervisor import Supervisor, open_supervisor
from a2acore.tls import Tls
from a2acore.wire.signatures import Seal

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
    """A bearer token that lets its caller do everything. Without one, and without `credentials`,
    everybody is let in."""
    credentials: Path | None = None
    """A file that says who is let in, and what they may do. Changes to it count at once."""
    tls: Tls | None = None
    """What `serve` speaks TLS with. In an app of `open_app` it says what is on the card."""
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
    extension: Served = "always"
    """Whom our extension is told to: `always` everybody; `asked` those who name it in the header
    `A2A-Extensions`, and the others hear plain A2A."""
    dedupe_message_id: bool = False
    """Take a message for sent already when the same caller has sent one with its id before. Off,
    because clients in the field use an id twice."""
    compat: tuple[Switch, ...] = ()
    """The forms of other servers in which tasks are told too."""
    push: bool = True
    """Post to the webhooks that callers register."""
    allow_hosts: tuple[str, ...] = ()
    """Names, beside those in the URLs and `localhost`, that requests may call the server by; `*`
    is all of them."""
    allow_origins: tuple[str, ...] = ()
    """Origins, like `https://console.example`, whose pages may use the server; `*` is all."""
    webhook_allow_private: bool = False
    """Let webhooks lead to this machine and its network: everybody who may call can post there."""

    policy: Policy = field(factory=Policy)
    """What is decided without asking the caller, and how long the caller has for an answer."""
    audit: Path | None = None
    """The file in which it is written who let the agent do what."""
    sign_keys: tuple[Key, ...] = ()
    """What the card is signed with: each of them signs. Their public halves are served."""
    sign_jku: str = ""
    """Where callers find the public keys, if the signatures are to say so."""
    log_payloads: bool = False
    """Log what callers ask and are answered, to `a2acore.payloads` at the level DEBUG."""
    redactor: Redactor = field(factory=Redactor)
    """Takes secrets out of that. What it was not told it knows by its looks alone."""
    limits: Limits = LIMITS
    """How much is taken on. Those on connections are held by `serve`, not by a server of yours."""

    @property
    def guarded(self) -> bool:
        """Whether callers have to be somebody who is known."""
        return bool(self.token) or self.credentials is not None


@define(eq=False)
class Application:
    """The ASGI app of one backend."""

    supervisor: Supervisor
    _courier: Courier | None
    _options: Options
    _roster: Roster | None = None
    """Who may call, if not everybody."""
    _app: ASGIApp | None = None

    def announce(self, url: str) -> None:
        """Say on the card that callers find us at `url`. Requests are served from then on."""
        options, roster = self._options, self._roster
        home = (options.public_url or url).rstrip("/")
        card = describe(
            self.supervisor.backend.info,
            home,
            schemes=self._ways_in(),
            push=options.push,
            require_extension=options.require_extension,
            tenant=options.tenant,
            extensions=declared(options.compat),
        )
        service = Service(
            self.supervisor,
            self.supervisor.store,
            self._courier,
            extend(card, self.supervisor.workspace) if roster is not None else None,
            options.dedupe_message_id,
        )
        seal = Seal(options.sign_keys, options.sign_jku) if options.sign_keys else None
        if self._courier is not None:
            self._courier.announce(Stamp.of(options.sign_keys, home, options.sign_jku))
        app: ASGIApp = App(
            service,
            Pages(Cards(card), options.card_default),
            Extensions.of(card, options.extension),
            options.tenant,
            options.lenient_version,
            seal=seal.answer if seal else None,
            interrupts="shared-stream" in options.compat,
        )
        if options.log_payloads:
            known = [options.token] if options.token else []
            app = Payloads(app, options.redactor.knowing(known))
        if roster is not None:
            app = Bearer(app, roster, PUBLIC)
            app = Floods(app, PUBLIC, options.limits.refusals_per_address)
            roster.on_change = partial(self._announce_ways_in, card, url)
        if seal is not None:
            app = CardSigning(app, seal, CARDS)
        names = {urlsplit(each).hostname or "" for each in (options.public_url, url)}
        app = Hosts(Origins(app, options.allow_origins), {*names, *options.allow_hosts} - {""})
        limits = options.limits
        self._app = Guard(app, max_body=limits.body or inf, body_time=seconds(limits.body_time))

    def _ways_in(self) -> dict[str, SecurityScheme] | None:
        if self._roster is None:
            return None
        tls = self._options.tls
        asked = tls is None or tls.client_ca is not None  # or by who speaks TLS in front of us
        return ways_in(self._roster.credentials, certificates=asked)

    def _announce_ways_in(self, card: AgentCard, url: str) -> None:
        """Others may come in now; if by other means than before, the card has to say so."""
        if self._ways_in() != card.security_schemes:
            self.announce(url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None, "announce a URL before serving"
        answer = self._app(_at_root(scope), receive, send)
        del scope, receive  # not to be held for as long as a stream is told
        await answer


@asynccontextmanager
async def open_app(
    backend: Backend, url: str = "", *, options: Options = Options(), store: Store | None = None
) -> AsyncIterator[Application]:
    """An ASGI app that serves `backend`, for a server on trio; its tasks live in this block.

    `url` is where callers will reach it; leave it out only to `announce` it later.

    Raises:
        BadAudit: no audit log can be kept where it is asked for.
        BadCredentials: the file of credentials cannot be read, or cannot be meant.
    """
    workspace = options.workspace.resolve()
    if store is None:
        store = MemoryStore()
    async with (
        _open_roster(options) as roster,
        _open_audit(options) as audit,
        _open_courier(options, store) as courier,
        open_supervisor(
            backend,
            store,
            workspace,
            buffered=options.buffered,
            compat=options.compat,
            policy=options.policy,
            audit=audit,
            limits=options.limits,
        ) as supervisor,
    ):
        await supervisor.recover()
        if courier is not None:
            await courier.resume(partial(_heard, supervisor))
        application = Application(supervisor, courier, options, roster)
        if url or options.public_url:
            application.announce(url)
        yield application


def _open_roster(options: Options) -> AbstractAsyncContextManager[Roster | None]:
    if not options.guarded:
        return nullcontext()
    return open_roster(options.token, options.credentials)


def _open_courier(options: Options, store: Store) -> AbstractAsyncContextManager[Courier | None]:
    if not options.push:
        return nullcontext()
    guard = WebhookGuard(options.webhook_allow_private)
    return open_courier(store, guard=guard, limits=options.limits)


def _open_audit(options: Options) -> AbstractAsyncContextManager[Audit]:
    return nullcontext(NoAudit()) if options.audit is None else open_audit(options.audit)


def _heard(supervisor: Supervisor, task_id: str) -> Heard | None:
    """What is to be heard of a task from now on, if it runs."""
    run = supervisor.runs.get(task_id)
    return None if run is None else Heard(run.journal.follow(), run.record)


async def serve(
    backend: Backend,
    *,
    host: str = "127.0.0.1",
    port: int = 9100,
    options: Options = Options(),
    insecure: bool = False,
    store: Store | None = None,
    front: Front | None = None,
    shutdown: Callable[[], Awaitable[None]] = trio.sleep_forever,
    grace: float = GRACE,
    task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `backend` until `shutdown` returns; `grace` is in seconds.

    `front` is what speaks HTTP: `native`, and `hypercorn` where TLS is spoken, if nothing is said.

    Start it with `bound = await nursery.start(partial(serve, backend, port=0))`.

    Raises:
        Exposed: `host` can be reached from other machines, and everybody would be let in.
        BadCredentials: the file of credentials cannot be read, or cannot be meant.
        BadTls: TLS cannot be spoken with what is given.
        OSError: the address cannot be bound.
    """
    check(host, options, insecure=insecure)
    async with open_app(backend, options=options, store=store) as app:
        await listen(
            app,
            host=host,
            port=port,
            tls=options.tls.context() if options.tls is not None else None,
            patience=Patience.of(options.limits),
            limits=options.limits,
            front=front,
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
    if not root or scope["type"] != "http":
        return scope
    path = _below(root, scope["path"])
    raw_path = _below(quote(root).encode(), scope.get("raw_path") or b"")
    return {**scope, "root_path": "", "path": path, "raw_path": raw_path}


def _below(root: AnyStr, path: AnyStr) -> AnyStr:
    rest = path.removeprefix(root)
    return rest if rest[:1] in ("", "/", b"", b"/") else path


def check(host: str, options: Options, *, insecure: bool) -> None:
    """Refuse what cannot be meant, before anything is opened."""
    if not options.guarded and not insecure and not is_loopback(host):
        raise Exposed(
            f"{host} can be reached from other machines, and everybody there could run the agent: "
            "give a token, or say that this is what you want"
        )
    if options.tls is not None:
        options.tls.context()
    prove(options.sign_keys)
    for said in filter(None, (options.public_url, options.sign_jku)):
        url = urlsplit(said)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"{said!r} is no http or https URL")


@frozen
class _Announcing:
    """Puts the bound address on the card before the first connection can be taken."""

    _app: Application
    _outer: trio.TaskStatus[Bound]

    def started(self, bound: Bound) -> None:
        self._app.announce(bound.url)
        self._outer.started(bound)
