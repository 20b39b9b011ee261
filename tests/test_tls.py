"""TLS: what is spoken, who is known by a certificate, and that nobody's handshake harms others."""

from __future__ import annotations

import ipaddress
import logging
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import trio
import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from a2acore.asgi import Receive, Scope, Send
from a2acore.client import Unauthorized, open_client
from a2acore.credentials import Certificate
from a2acore.front import Front, Patience
from a2acore.listener import listen
from a2acore.middleware.roster import Stranger, open_roster
from a2acore.model import GetTaskRequest, ListTasksRequest
from a2acore.server import Options, serve
from a2acore.tls import PEER, BadTls, Peer, Tls
from tests.caller import request
from tests.edge import PATIENCE
from tests.raw_http import FRONTS
from tests.stage import Actor
from tests.test_credentials import caller, written

Made = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


class Authority:
    """Makes certificates, in files of a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self.made = self._make(name, [], None, ca=True)
        self.file = self._write(name, self.made)[0]

    def vouch(self, name: str, *alternatives: x509.GeneralName, days: float = 1) -> Tls:
        """A certificate and its key."""
        made = self._make(name, list(alternatives), self.made, days=days)
        return Tls(*self._write(name.replace("/", "_"), made))

    def _make(
        self,
        name: str,
        alternatives: list[x509.GeneralName],
        by: Made | None,
        *,
        ca: bool = False,
        days: float = 1,
    ) -> Made:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        end = datetime.now(UTC) + timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by[0].subject if by else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=2))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if alternatives:
            names = x509.SubjectAlternativeName(alternatives)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(by[1] if by else key, hashes.SHA256()), key

    def _write(self, name: str, made: Made) -> tuple[Path, Path]:
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        cert.write_bytes(made[0].public_bytes(serialization.Encoding.PEM))
        key.write_bytes(
            made[1].private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return cert, key


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Tls:
    """What the server shows: it is called `localhost`."""
    return authority.vouch("server", x509.DNSName("localhost"))


def trusting(authority: Authority, shows: Tls | None = None) -> ssl.SSLContext:
    """What a client trusts, and shows."""
    context = ssl.create_default_context(cafile=authority.file)
    if shows is not None:
        context.load_cert_chain(shows.cert, shows.key)
    return context


@asynccontextmanager
async def serving(options: Options, front: Front | None = None) -> AsyncIterator[str]:
    """A server with TLS, and its URL by the name in its certificate."""

    async def play(turn: Any) -> str | None:
        return None

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            start = partial(serve, Actor(play), port=0, options=options, front=front)
            bound = await nursery.start(start)
            assert bound.url.startswith("https://127.0.0.1:")
            yield f"https://localhost:{bound.port}"
            nursery.cancel_scope.cancel()


# The server


async def test_a_server_with_a_certificate_speaks_tls_and_its_card_says_so(
    tmp_path: Path, authority: Authority, server: Tls
) -> None:
    """V03-MUST-072, V10-MUST-114, V10-SHOULD-068: in production, over an encrypted connection."""
    async with serving(Options(tmp_path, tls=server)) as url:
        async with httpx.AsyncClient(verify=trusting(authority)) as http:
            card = (await http.get(f"{url}/.well-known/agent-card.json")).json()
            places = [each["url"] for each in card["supportedInterfaces"]]
            assert all(place.startswith("https://") for place in places)
            health = await http.get(f"{url}/health")
            stream = health.extensions["network_stream"]
            spoken = stream.get_extra_info("ssl_object")
            assert spoken.selected_alpn_protocol() == "http/1.1"
            assert spoken.version() == "TLSv1.3"
        async with httpx.AsyncClient() as http:
            with pytest.raises(httpx.ConnectError):  # by nobody that everybody trusts
                await http.get(f"{url}/health")
            with pytest.raises(httpx.HTTPError):
                await http.get(f"{url.replace('https', 'http')}/health")


@pytest.mark.parametrize("front", FRONTS)
async def test_tasks_streams_and_errors_are_as_without_it(
    front: Front, tmp_path: Path, authority: Authority
) -> None:
    both = authority.vouch("both", x509.DNSName("localhost"), address("127.0.0.1"))
    async with serving(Options(tmp_path, tls=both, token="t0ken"), front) as url:
        tls = trusting(authority)
        async with open_client(url, token="t0ken", tls=tls) as client:
            task = await client.send(request("hi"))
            assert task.id  # type: ignore[union-attr]
            async with client.stream(request("again")) as events:
                assert [event async for event in events]
            listed = await client.list(ListTasksRequest())
            assert len(listed.tasks) == 2
        async with open_client(url, tls=tls) as client:
            with pytest.raises(Unauthorized):
                await client.list(ListTasksRequest())


def address(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_what_is_older_than_tls_1_2_is_not_spoken(
    version: ssl.TLSVersion, tmp_path: Path, authority: Authority, server: Tls
) -> None:
    """V03-SHOULD-017, V10-SHOULD-055."""
    old = trusting(authority)
    with pytest.warns(DeprecationWarning, match="TLS"):
        old.minimum_version = version
    with pytest.warns(DeprecationWarning, match="TLS"):
        old.maximum_version = version
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with serving(Options(tmp_path, tls=server)) as url, httpx.AsyncClient(verify=old) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{url}/health")


@pytest.mark.parametrize(
    ("ciphers", "works"),
    [("ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE-ECDSA-AES128-SHA", False)],
)
async def test_of_tls_1_2_only_what_keeps_its_secrets_is_spoken(
    ciphers: str, works: bool, tmp_path: Path, authority: Authority, server: Tls
) -> None:
    """V10-SHOULD-058."""
    old = trusting(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_ciphers(ciphers)
    async with serving(Options(tmp_path, tls=server)) as url, httpx.AsyncClient(verify=old) as http:
        if works:
            assert (await http.get(f"{url}/health")).status_code == 200
        else:
            with pytest.raises(httpx.ConnectError):
                await http.get(f"{url}/health")


def test_files_that_are_not_what_they_should_be_are_told_before_anything_is_served(
    tmp_path: Path, authority: Authority, server: Tls
) -> None:
    other = authority.vouch("other")
    nothing, words = tmp_path / "nothing", tmp_path / "words"
    words.write_text("s3cret words")
    locked = tmp_path / "locked"
    pem = server.key.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"a password"),
        )
    )
    for tls, what in (
        (Tls(nothing, server.key), "cannot read .*nothing: No such file"),
        (Tls(server.cert, nothing), "cannot read .*nothing: No such file"),
        (Tls(server.cert, server.key, nothing), "cannot read .*nothing: No such file"),
        (Tls(words, server.key), "no certificate and its key"),
        (Tls(server.cert, words), "no certificate and its key"),
        (Tls(server.cert, other.key), "KEY_VALUES_MISMATCH"),
        (Tls(server.cert, locked), "without a password"),
        (Tls(server.cert, server.key, words), "holds no certificates"),
    ):
        with pytest.raises(BadTls, match=what) as caught:
            tls.context()
        assert "s3cret" not in str(caught.value)


# Certificates of callers


CALLERS = (
    caller("agent", certificate="URI:spiffe://example/agent"),
    caller("proxy", certificate="DNS:proxy.example"),
    caller("old", certificate="CN:old client"),
    caller("alice", scopes=["read"]),
)


@asynccontextmanager
async def knowing(
    tmp_path: Path, authority: Authority, front: Front | None = None
) -> AsyncIterator[str]:
    file = written(tmp_path, *CALLERS)
    both = authority.vouch("both", x509.DNSName("localhost"), address("127.0.0.1"))
    tls = Tls(both.cert, both.key, authority.file)
    async with serving(Options(tmp_path, credentials=file, tls=tls), front) as url:
        yield url


async def status(url: str, tls: ssl.SSLContext, **headers: str) -> int:
    async with httpx.AsyncClient(verify=tls) as http:
        said = {"A2A-Version": "1.0", **headers}
        return (await http.get(f"{url}/tasks", headers=said)).status_code


@pytest.mark.parametrize("front", FRONTS)
async def test_a_caller_is_known_by_a_certificate(
    front: Front, tmp_path: Path, authority: Authority
) -> None:
    uri = x509.UniformResourceIdentifier
    dns = x509.DNSName
    async with knowing(tmp_path, authority, front) as url:
        for name, alternatives, expected in (
            ("a", [uri("spiffe://example/agent")], 200),
            ("b", [uri("spiffe://example/agent"), dns("whatever.example")], 200),
            ("c", [dns("proxy.example")], 200),
            ("old client", [], 200),
            # A name counts as what it is, and the weaker ones not at all beside a stronger one.
            ("spiffe://example/agent", [], 401),
            ("d", [dns("agent")], 401),
            ("e", [uri("spiffe://example/other"), dns("proxy.example")], 401),
            ("old client ", [dns("else.example")], 401),
            ("proxy.example", [], 401),
            ("URI:spiffe://example/agent", [], 401),
        ):
            shown = authority.vouch(name, *alternatives)
            assert await status(url, trusting(authority, shown)) == expected, name
        assert await status(url, trusting(authority)) == 401


async def test_what_a_caller_did_with_a_certificate_is_its_own(
    tmp_path: Path, authority: Authority
) -> None:
    proxy = trusting(authority, authority.vouch("p", x509.DNSName("proxy.example")))
    old = trusting(authority, authority.vouch("old client"))
    async with knowing(tmp_path, authority) as url:
        async with open_client(url, tls=proxy) as client:
            task = await client.send(request("hi"))
            assert client.card.security_schemes["mtls"].mtls_security_scheme is not None
        async with open_client(url, tls=old) as client:
            assert not (await client.list(ListTasksRequest())).tasks
            with pytest.raises(Exception, match="not found"):
                await client.get(GetTaskRequest(task.id))  # type: ignore[union-attr]


async def test_a_header_counts_more_than_a_certificate(
    tmp_path: Path, authority: Authority
) -> None:
    proxy = trusting(authority, authority.vouch("p", x509.DNSName("proxy.example")))
    async with knowing(tmp_path, authority) as url:
        assert await status(url, proxy, Authorization="Bearer alice") == 200
        assert await status(url, proxy, Authorization="Bearer wrong") == 401
        assert await status(url, proxy, Authorization="") == 401


async def test_who_shows_a_certificate_of_somebody_elses_gets_no_answer(
    tmp_path: Path, authority: Authority
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = Authority(folder, "another")
    strange = other.vouch("s", x509.UniformResourceIdentifier("spiffe://example/agent"))
    expired = authority.vouch("x", x509.DNSName("proxy.example"), days=-1)
    async with knowing(tmp_path, authority) as url:
        for shown in (strange, expired):
            with pytest.raises(httpx.HTTPError):
                await status(url, trusting(authority, shown))
        assert await status(url, trusting(authority), Authorization="Bearer alice") == 200


async def test_who_is_known_by_a_certificate_is_until_it_ends(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    end = datetime.now(UTC) + timedelta(minutes=1)
    said = {
        "subject": ((("commonName", "old client"),),),
        "notAfter": end.strftime("%b %d %H:%M:%S %Y GMT"),
    }
    peer = Peer.of(said)
    assert peer is not None
    assert peer.names == (Certificate("CN:old client"),)
    scope: Scope = {"type": "http", "path": "/", "headers": [], PEER: peer}
    async with open_roster(file=written(tmp_path, *CALLERS)) as roster:
        with roster.inside(await roster.admit(scope)) as stay:
            mock_clock.jump(58)
            await trio.lowlevel.checkpoint()
            mock_clock.jump(3)
            await trio.sleep_forever()
        assert stay.cancelled_caught
        late = Peer(peer.names, datetime.now(UTC).timestamp() - 1)
        with pytest.raises(Stranger):
            await roster.admit({**scope, PEER: late})


async def test_a_certificate_that_is_several_callers_is_nobodys(tmp_path: Path) -> None:
    file = written(tmp_path, caller("a", certificate="DNS:a"), caller("b", certificate="DNS:b"))
    async with open_roster(file=file) as roster:
        scope: Scope = {"type": "http", "path": "/", "headers": []}
        names = tuple(map(Certificate, ("DNS:a", "DNS:b", "DNS:c")))
        with pytest.raises(Stranger):
            await roster.admit({**scope, PEER: Peer(names, 1e11)})
        found = await roster.admit({**scope, PEER: Peer(names[1:], 1e11)})
        assert found.principal.name == "b"
        with pytest.raises(Stranger):
            await roster.admit({**scope, PEER: Peer((), 1e11)})


async def test_no_header_makes_a_certificate(tmp_path: Path, authority: Authority) -> None:
    async with knowing(tmp_path, authority) as url:
        for name in (PEER, "X-Client-Cert", "X-SSL-Client-S-DN", "X-Forwarded-Client-Cert"):
            said = {name: "URI:spiffe://example/agent"}
            assert await status(url, trusting(authority), **said) == 401


# Handshakes


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hi"})


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\xff",
        b"\x16\x03\x01" + b"\xff" * 9000,
    ],
    ids=["nothing", "http", "half a hello", "noise"],
)
async def test_a_bad_handshake_harms_nobody(
    said: bytes, authority: Authority, server: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(partial(listen, app, port=0, tls=server.context()))
            url = f"https://localhost:{bound.port}"
            async with httpx.AsyncClient(verify=trusting(authority)) as http:
                for _ in range(3):
                    async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
                        if said:
                            await stream.send_all(said)
                    assert (await http.get(url)).text == "hi"
            nursery.cancel_scope.cancel()
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_a_slow_handshake_is_cut_off(authority: Authority, server: Tls) -> None:
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            patience = Patience(handshake=0.2)
            start = partial(listen, app, port=0, tls=server.context(), patience=patience)
            bound = await nursery.start(start)
            async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
                await stream.send_all(b"\x16\x03\x01")
                assert not await stream.receive_some()
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("front", FRONTS)
async def test_who_does_not_say_goodbye_holds_up_nobody(
    front: Front, authority: Authority, server: Tls
) -> None:
    """A server that stops closes connections of TLS, whose clients may never answer."""
    stop = trio.Event()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            start = partial(
                listen, app, port=0, tls=server.context(), shutdown=stop.wait, front=front
            )
            bound = await nursery.start(start)
            stream = await trio.open_ssl_over_tcp_stream(
                "localhost", bound.port, ssl_context=trusting(authority), https_compatible=True
            )
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            stop.set()
        await stream.aclose()


@pytest.mark.parametrize("front", FRONTS)
async def test_who_is_turned_away_hears_why_while_still_sending(
    front: Front, tmp_path: Path, authority: Authority, server: Tls
) -> None:
    async with serving(Options(tmp_path, tls=server, token="t0ken"), front) as url:
        stream = await trio.open_ssl_over_tcp_stream(
            "localhost",
            urlsplit(url).port or 0,
            ssl_context=trusting(authority),
            https_compatible=True,
        )
        async with stream:
            head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
            await stream.send_all(head + b"x" * 1000)
            answer = b""
            while more := await stream.receive_some():
                answer += more
            assert answer.startswith(b"HTTP/1.1 401")
            assert b"UNAUTHENTICATED" in answer


# The command


def a2acode(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "a2acli.main", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command_comes_in_by_a_certificate(tmp_path: Path, authority: Authority) -> None:
    shown = authority.vouch("old client")
    async with knowing(tmp_path, authority) as url:
        ours = ("--url", url, "--tls-ca", authority.file)
        mine = ("--tls-cert", shown.cert, "--tls-key", shown.key)
        run = partial(trio.to_thread.run_sync, abandon_on_cancel=True)
        done = await run(partial(a2acode, "call", "hi", *ours, *mine))
        assert done.returncode == 0, done.stderr
        done = await run(partial(a2acode, "call", "hi", *ours))
        assert done.returncode == 1
        assert "wants a token" in done.stderr
        done = await run(partial(a2acode, "call", "hi", "--url", url))
        assert done.returncode == 1
        assert "cannot reach" in done.stderr


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (("serve", "--tls-cert", "server.pem"), "both --tls-cert FILE and --tls-key FILE"),
        (
            ("serve", "--tls-cert", "a", "--tls-key", "b", "--tls-client-ca", "c"),
            "lets in nobody by itself",
        ),
        (("serve", "--tls-cert", "nothing", "--tls-key", "nothing"), "cannot read"),
        (("get", "x", "--tls-cert", "a"), "go together"),
        (("get", "x", "--tls-ca", "nothing"), "--tls-ca"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_line(args: tuple[str, ...], what: str) -> None:
    more = ("--backend", "echo", "--port", "0") if args[0] == "serve" else ()
    done = a2acode(*args, *more)
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert what in line
