"""Through our own hands: where a webhook, a link or a redirect makes the server go.

The caller is one who may call, and that is all that is needed to name a place. `traps` are what
listens there, on this machine; a server that may not go there never comes.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from tests.edge import state
from tests.receiver import Letter, Receiver, Reply, never, receiving
from tests.security.house import ECHO, OLD_RPC, RPC, House, agent, begin, guarded, until

SECRET = "s3cret-of-the-webhook"
RESOLVER = (sys.executable, str(Path(__file__).with_name("resolver.py")))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("webhooks")
    (folder / "names.json").write_text("{}")
    with guarded(folder, *ECHO, program=RESOLVER, NAMES=str(folder / "names.json")) as house:
        yield house


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One that may post into its own network."""
    folder = tmp_path_factory.mktemp("private")
    (folder / "names.json").write_text("{}")
    args = (*ECHO, "--webhook-allow-private")
    with guarded(folder, *args, program=RESOLVER, NAMES=str(folder / "names.json")) as house:
        yield house


def names(house: House, **answers: list[list[str]]) -> None:
    """What the attacker's name server answers, from now on."""
    (house.folder / "names.json").write_text(json.dumps(answers))
    (house.folder / "names.asked").unlink(missing_ok=True)


def asked(house: House) -> list[str]:
    file = house.folder / "names.asked"
    return file.read_text().splitlines() if file.exists() else []


def hook(url: str, **more: Any) -> dict[str, Any]:
    return {"taskPushNotificationConfig": {"url": url, **more}}


async def refused(house: House, *urls: str, **more: Any) -> None:
    """No such webhook is taken: not with a message, which then starts nothing, nor by itself."""
    alice = house.edge("alice")
    task = await begin(alice, "permission")
    with house.untouched():
        for url in urls:
            message = RPC.message("hi")
            with_it = await alice.do(RPC, "send", message=message, configuration=hook(url, **more))
            alone = await alice.do(RPC, "set_push", taskId=task["id"], url=url, **more)
            old = {"url": url, **more}
            of_old = await alice.do(
                OLD_RPC, "set_push", taskId=task["id"], pushNotificationConfig=old
            )
            for answer in (with_it, alone, of_old):
                assert answer.json["error"]["code"] == -32602, (url, answer.body)
        kept = RPC.unwrap((await alice.do(RPC, "list_push", taskId=task["id"])).json)
        assert kept.get("configs", []) == []


# Addresses


async def test_this_machine_and_its_networks(house: House) -> None:
    await refused(
        house,
        "http://127.0.0.1/",
        "http://127.1.2.3:8080/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
    )


async def test_where_clouds_tell_a_machine_its_credentials(house: House, private: House) -> None:
    """Not even where private addresses are allowed."""
    urls = (
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.170.2/v2/credentials",
        "http://168.63.129.16/",
        "http://100.100.100.200/",
        "http://192.0.0.192/opc/v2/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
    )
    await refused(house, *urls)
    await refused(private, *urls)


async def test_private_addresses_inside_of_longer_ones(house: House) -> None:
    await refused(
        house,
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:10.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::1]/",
        "http://[fd00::1]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        "http://[2001:db8::1]/",
        "http://[fe80::1%25lo]/",
        "http://[::1%lo]/",
    )


async def test_an_address_in_the_spellings_of_c(house: House) -> None:
    await refused(
        house,
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://017700000001/",
        "http://127.0.0.1./",
        "http://1.1.1.0x7f/",
        "http://00000127.0.0.1/",
        "http://4294967297/",
    )


async def test_an_address_in_letters_that_look_like_digits(house: House) -> None:
    await refused(
        house,
        "http://\u2460\u2461\u2466.0.0.1/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://127\u30020\u30020\u30021/",
        "http://loc\u0430lhost/",
        "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/",
        "http://[\uff1a\uff1a1]/",
    )


async def test_a_url_that_two_readers_read_in_two_ways(house: House) -> None:
    await refused(
        house,
        "http://example.com@127.0.0.1/",
        "http://user:pass@example.com/",
        "http://127.0.0.1\\@example.com/",
        "http://example.com\\.127.0.0.1/",
        "http://example.com#@127.0.0.1:80\\/",
        "http:///127.0.0.1/",
        "http:127.0.0.1/",
        "//127.0.0.1/",
        "http://example.com:80:81/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://exa mple.com/",
        "http://example.com\t/",
        "http://-example.com/",
        "http://exa%6dple.com/",
        "http://%31%32%37.0.0.1/",
        "http://",
        "not a url",
        "",
    )


async def test_other_schemes(house: House) -> None:
    await refused(
        house,
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com:6379/_FLUSHALL",
        "javascript:alert(1)",
        "data:text/plain,x",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
        "ws://example.com/",
        "jar:http://example.com/!/",
        "dict://example.com:11211/stat",
    )


async def test_ports_where_a_post_is_a_command(house: House, private: House) -> None:
    urls = tuple(
        f"http://93.184.216.34:{port}/"
        for port in (22, 25, 53, 110, 143, 2375, 3306, 5432, 6379, 11211)
    )
    await refused(house, *urls)
    await refused(private, *(url.replace("93.184.216.34", "10.0.0.1") for url in urls))


async def test_headers_of_ones_own(house: House) -> None:
    """A line break in what is to be a header begins another one, or another request."""
    place = "https://hooks.example.com/"
    await refused(house, f"{place}\r\nX: y", f"{place}%0d%0a\n", f"{place}\nHost: 127.0.0.1")
    for wrong in (
        "x\r\nX-Evil: 1",
        "x\nHost: 127.0.0.1",
        "x\r\n\r\nGET / HTTP/1.1",
        "x\0",
        "\u010a",
    ):
        await refused(house, place, token=wrong)
        await refused(house, place, authentication={"scheme": "Bearer", "credentials": wrong})
        await refused(
            house, place, authentication={"scheme": f"Bearer {wrong}", "credentials": "x"}
        )


async def test_so_long_a_url_that_it_is_cut_somewhere(house: House) -> None:
    await refused(house, "https://hooks.example.com/" + "x" * 5000)
    await refused(house, f"https://{'x.' * 200}example.com/")
    await refused(house, "https://hooks.example.com/", token="x" * 5000)


# Names


async def trapped(house: House, trap: Receiver, name: str) -> None:
    """A webhook leads to a name, and nobody comes to the trap."""
    port = urlsplit(trap.url).port
    url = f"http://{name}.attack.example:{port}/{SECRET}"
    alice = house.edge("alice")
    message, log = RPC.message("hi"), house.log
    answer = await alice.do(RPC, "send", message=message, configuration=hook(url, token=SECRET))
    assert state(RPC.unwrap(answer.json)["task"]) == "completed"
    await until(lambda: "gave up a notification" in house.log[len(log) :])
    assert "not public" in house.log[len(log) :]
    assert not trap.letters
    assert not trap.connections
    assert SECRET not in house.log
    assert asked(house)


async def test_a_name_that_leads_to_this_machine(house: House) -> None:
    async with receiving() as trap:
        names(house, home=[["127.0.0.1"]])
        await trapped(house, trap, "home")


async def test_a_name_that_leads_to_the_world_and_to_this_machine(house: House) -> None:
    """All addresses have to be allowed, or which one is taken would be the attacker's to say."""
    async with receiving() as trap:
        names(house, both=[["93.184.216.34", "127.0.0.1"], ["127.0.0.1"]])
        await trapped(house, trap, "both")


async def test_a_name_that_leads_elsewhere_a_moment_later(private: House) -> None:
    """DNS rebinding: the address that was looked at is the one that is gone to."""
    async with receiving() as first:
        port = urlsplit(first.url).port
        assert port is not None
        second = socket.socket()
        second.bind(("127.0.0.2", port))
        second.listen()
        second.setblocking(False)
        with second:
            names(private, turning=[["127.0.0.1"], ["127.0.0.2"]])
            url = f"http://turning.attack.example:{port}/"
            message = RPC.message("hi")
            await private.edge("alice").do(RPC, "send", message=message, configuration=hook(url))
            [letter, *_] = await first.until(lambda letters: letters)
            assert letter.headers["host"] == f"turning.attack.example:{port}"
            assert asked(private) == ["turning.attack.example"]
            with pytest.raises(BlockingIOError):
                second.accept()


async def test_a_name_that_leads_to_a_clouds_credentials_later(private: House) -> None:
    async with receiving() as trap:
        names(private, later=[["169.254.169.254"]])
        await trapped(private, trap, "later")


# What is answered


async def test_a_redirect_to_somewhere_else(private: House) -> None:
    async with receiving() as inner:
        places = [inner.url, "file:///etc/passwd", "http://169.254.169.254/"]
        statuses = [301, 302, 303, 307, 308]

        async def redirect(letter: Letter) -> Reply:
            return Reply(statuses.pop() if statuses else 302, {"Location": places[0]})

        async with receiving(redirect) as outer:
            for _ in range(3):
                message = RPC.message("hi")
                webhook = hook(outer.url, token=SECRET)
                await private.edge("alice").do(RPC, "send", message=message, configuration=webhook)
            await outer.until(lambda letters: len(letters) >= 3)
        assert not inner.letters
        assert not inner.connections


async def test_an_answer_that_never_comes_or_never_ends(private: House) -> None:
    """A peer waited for it before the task went on (F13)."""

    async def endless(letter: Letter) -> Reply:
        return Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000)

    async with receiving(never) as deaf, receiving(endless) as chatty:
        for trap in (deaf, chatty):
            message = RPC.message("hi")
            with trio.fail_after(5):
                answer = await private.edge("alice").do(
                    RPC, "send", message=message, configuration=hook(trap.url)
                )
            assert state(RPC.unwrap(answer.json)["task"]) == "completed"
            await trap.until(lambda letters: letters)


async def test_more_webhooks_than_a_task_may_have(house: House) -> None:
    """A peer took two hundred and one."""
    alice = house.edge("alice")
    task = await begin(alice, "permission")
    answers = [
        await alice.do(RPC, "set_push", taskId=task["id"], id=f"{n}", url="https://x.example.com/")
        for n in range(17)
    ]
    assert ["error" in answer.json for answer in answers] == [False] * 16 + [True]
    await alice.do(RPC, "cancel", id=task["id"])


# Links in messages


async def test_a_link_that_the_server_should_fetch(tmp_path: Path) -> None:
    """What a part links to is the agent's to open: the server goes nowhere, and reads no file."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    async with receiving() as trap:
        with guarded(tmp_path, *agent("fake_acp_agent.py")) as house:
            for url in (f"{trap.url}/x", f"file://{secret}", f"file:{secret}", str(secret)):
                parts = [
                    {"text": json.dumps([["prompt"]])},
                    {"url": url, "mediaType": "text/plain"},
                ]
                message = RPC.message("", parts=parts)
                answer = await house.edge("alice").do(RPC, "send", message=message)
                assert SECRET not in answer.body.decode()
                if not url.startswith("http"):  # to the agent it is a text, and no link to follow
                    assert "resource_link" not in answer.body.decode()
        assert not trap.connections
