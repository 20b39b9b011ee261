"""Where a webhook may lead (V10-SHOULD-012, V10-SHOULD-021, V03-SHOULD-025)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest
import trio

from a2acore.push.guard import Forbidden, Guard, is_public, read, tells_secrets

PUBLIC = """
    1.1.1.1  8.8.8.8  93.184.215.14  172.15.255.255  172.32.0.0  192.167.255.255  100.128.0.1
    2606:4700:4700::1111  2a00:1450:4001:82b::200e
    64:ff9b::8.8.8.8  2002:808:808::1  ::ffff:8.8.8.8
"""
NOT_PUBLIC = """
    127.0.0.1  127.255.255.254  0.0.0.0  0.1.2.3
    10.0.0.1  172.16.0.1  172.31.255.255  192.168.1.1  100.64.0.1  100.127.255.255
    169.254.0.1  169.254.169.254  169.254.170.2  100.100.100.200  168.63.129.16  192.0.0.192
    192.0.2.1  198.18.0.1  198.51.100.1  203.0.113.1  192.88.99.1
    224.0.0.1  239.255.255.255  240.0.0.1  255.255.255.255
    ::  ::1  fc00::1  fd00:ec2::254  fe80::1  fec0::1  ff02::1  2001:db8::1  100::1
    ::127.0.0.1  ::ffff:127.0.0.1  ::ffff:169.254.169.254  ::ffff:0:127.0.0.1
    ::ffff:7f00:1  ::ffff:a00:1  64:ff9b::7f00:1  64:ff9b::a9fe:a9fe  64:ff9b:1::7f00:1
    2002:a00:1::1  2001::1  3fff::1  5f00::1  fe80::a9fe:a9fe  ff0e::1
    2002:7f00:1::1  2002:a9fe:a9fe::1  2001:0:4136:e378:8000:63bf:3fff:fdd2
    64:ff9b::127.0.0.1  64:ff9b::10.0.0.1  64:ff9b:1::8.8.8.8
"""


@pytest.mark.parametrize("address", PUBLIC.split())
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert Guard().check(f"https://{host}/hook").host == address


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_an_address_that_is_not_public_is_refused_as_it_stands(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    for url in (f"https://{host}", f"http://{host}:8080/hook?a=b"):
        with pytest.raises(Forbidden, match="not public"):
            Guard().check(url)
        if not tells_secrets(ip_address(address)):
            assert Guard(allow_private=True).check(url).host == address


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1",
        "168.63.129.16",
        "192.0.0.192",
        "100.100.100.200",
        "fd00:ec2::254",
    ],
)
async def test_where_clouds_tell_credentials_is_closed_also_to_a_network_of_ones_own(
    address: str,
) -> None:
    """V10-SHOULD-012, V10-SHOULD-021, V03-SHOULD-025."""
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Forbidden):
        Guard(allow_private=True).check(f"http://{host}/latest")

    async def look_up(host: str, port: int) -> Sequence[str]:
        return [address]

    with pytest.raises(Forbidden):
        await Guard(allow_private=True, look_up=look_up).addresses("hooks.example", 80)


LOCAL = ["http://localhost", "https://LOCALHOST:443/x", "http://localhost.", "http://a.localhost/"]


@pytest.mark.parametrize("url", LOCAL)
def test_the_name_of_this_machine_is_refused_as_it_stands(url: str) -> None:
    with pytest.raises(Forbidden, match="this machine"):
        Guard().check(url)
    Guard(allow_private=True).check(url)


NO_URLS = {
    "ftp://example.com/": "must begin with",
    "file:///etc/passwd": "must begin with",
    "javascript:alert(1)": "must begin with",
    "gopher://example.com/": "must begin with",
    "//example.com/": "must begin with",
    "not a url": "visible ASCII",
    "hook": "must begin with",
    "": "must begin with",
    "http://": "names no host",
    "http:///path": "names no host",
    "http://:80/": "names no host",
    "http://user@example.com/": "user or a password",
    "http://user:secret@example.com/": "user or a password",
    "http://@127.0.0.1/": "user or a password",
    "http://example.com:0/": "port 0",
    "http://example.com:65536/": "no URL",
    "http://example.com:port/": "no URL",
    "http://[::1/": "no URL",
    "http://example..com/": "names no host",
    "http://-example.com/": "names no host",
    "http://exa%6dple.com/": "names no host",
    f"http://{'a' * 64}.example/": "names no host",
    f"http://{'a.' * 127}example/": "names no host",
    "http://example.com;.evil.example/": "names no host",
    "http://exämple.com/": "visible ASCII",
    "http://１２７.0.0.1/": "visible ASCII",
    "http://exa\nmple.com/": "visible ASCII",
    "http://example.com/\r\nX-Evil: yes": "visible ASCII",
    "http://example.com/\x00": "visible ASCII",
    r"http://example.com\@127.0.0.1/": "backslash",
    # The spellings of 127.0.0.1 that the C library knows, and ours need not.
    "http://2130706433/": "four decimal numbers",
    "http://0x7f000001/": "four decimal numbers",
    "http://0X7F.1/": "four decimal numbers",
    "http://017700000001/": "four decimal numbers",
    "http://0177.0.0.1/": "four decimal numbers",
    "http://127.1/": "four decimal numbers",
    "http://127.0.1/": "four decimal numbers",
    "http://127.0.0.1./": "four decimal numbers",
    "http://127.0.0.0x1/": "four decimal numbers",
    "http://0/": "four decimal numbers",
    "http://256.256.256.256/": "four decimal numbers",
    "http://1.2.3.4.5/": "four decimal numbers",
    "http://[fe80::1%25eth0]/": "interface",
    "http://[fe80::1%eth0]/": "interface",
    "http://[::1%lo]/": "interface",
    "http://[v1.x]/": "no URL|names no host",
    "http://[127.0.0.1]/": "no URL|names no host",
    # Letters that only look like those of a name, or of an address (IDN): a name is in ASCII here.
    "http://ｌocalhost/": "visible ASCII",
    "http://①②⑦.0.0.1/": "visible ASCII",
    "http://example。com/": "visible ASCII",
    "http://раypal.example/": "visible ASCII",
    "http://example.com\u00ad/": "visible ASCII",
    # What listens there takes lines of text for commands, a POST's too.
    "http://example.com:25/": "port 25",
    "https://example.com:22/": "port 22",
    "http://example.com:6379/": "port 6379",
    "http://example.com:11211/": "port 11211",
    "http://10.0.0.1:2375/": "port 2375",
}


@pytest.mark.parametrize("url", NO_URLS)
@pytest.mark.parametrize("allow_private", [False, True])
def test_what_is_no_url_is_refused_everywhere(url: str, allow_private: bool) -> None:
    with pytest.raises(Forbidden, match=NO_URLS[url]) as refused:
        Guard(allow_private).check(url)
    assert "secret" not in str(refused.value)


PLACES = {
    "https://example.com": ("https", "example.com", 443, "/", "example.com"),
    "HTTP://Example.COM:8080/a?b=c": ("http", "example.com", 8080, "/a?b=c", "example.com:8080"),
    "http://example.com:80?x#fragment": ("http", "example.com", 80, "/?x", "example.com"),
    "https://xn--exmple-cua.com:80/": ("https", "xn--exmple-cua.com", 80, "/", None),
    "https://[2606:4700::1]:8443/%20": (
        "https",
        "2606:4700::1",
        8443,
        "/%20",
        "[2606:4700::1]:8443",
    ),
    "http://a_b.example./": ("http", "a_b.example.", 80, "/", "a_b.example."),
}


@pytest.mark.parametrize("url", PLACES)
def test_a_url_is_read_as_it_is_posted_to(url: str) -> None:
    scheme, host, port, target, authority = PLACES[url]
    place = read(url)
    assert (place.scheme, place.host, place.port, place.target) == (scheme, host, port, target)
    assert authority in (None, place.authority)


def test_a_place_does_not_show_the_secrets_in_its_url() -> None:
    place = read("https://hooks.example/services/s3cret?key=s3cret")
    assert "s3cret" not in f"{place} {place!r}"


def resolver(*addresses: str) -> Guard:
    async def look_up(host: str, port: int) -> Sequence[str]:
        return addresses

    return Guard(look_up=look_up)


async def test_a_name_may_lead_to_public_addresses() -> None:
    assert await resolver("8.8.8.8", "2606:4700::1").addresses("hooks.example", 443) == (
        "8.8.8.8",
        "2606:4700::1",
    )


@pytest.mark.parametrize("address", [*NOT_PUBLIC.split(), "fe80::1%eth0"])
async def test_a_name_with_one_address_that_is_not_public_leads_nowhere(address: str) -> None:
    with pytest.raises(Forbidden):
        await resolver("8.8.8.8", address).addresses("hooks.example", 443)


async def test_the_real_resolver_finds_this_machine_and_the_guard_refuses_it() -> None:
    assert "127.0.0.1" in await Guard(allow_private=True).addresses("localhost", 80)
    with pytest.raises(Forbidden):
        await Guard().addresses("localhost", 80)
    # What `check` would not let through is caught here as well: the C library reads it.
    with pytest.raises(Forbidden):
        await Guard().addresses("2130706433", 80)


async def test_a_lookup_can_be_given_up() -> None:
    with trio.move_on_after(0) as scope:
        await Guard().addresses("localhost", 80)
    assert scope.cancelled_caught
