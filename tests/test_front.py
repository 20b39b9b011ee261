"""What a client sends, as our own front reads it: no sockets, one buffer, every way to cut it.

Invariant: every request that is read here is read by h11 alone from the same bytes, with the same
body, at the same place in the order. We refuse more than it does, and read nothing else.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from a2acore.front.heads import parse
from a2acore.front.reading import Reader
from a2acore.refusal import Refusal
from tests.raw_http import GET, get, post


class Read(NamedTuple):
    """A request, as somebody reads it."""

    method: bytes
    target: bytes
    body: bytes


def ours(segments: Iterable[bytes]) -> tuple[list[Read], bool]:
    """The requests in what comes in these segments, and whether something was refused."""
    reader = Reader()
    found: list[Read] = []
    request, body = None, b""
    try:
        for segment in segments:
            reader.feed(segment)
            while True:
                if request is None and (request := reader.head()) is None:
                    break
                body += (piece := reader.body())
                if reader.whole:
                    target = request.raw_path + (b"?" + request.query) * bool(request.query)
                    found.append(Read(request.method.encode(), target, body))
                    request, body = None, b""
                elif not piece:
                    break
    except Refusal:
        return found, True
    return found, False


def by_h11(data: bytes) -> list[Read]:
    """What h11 reads in the same bytes, up to what it refuses, or what is not whole."""
    found: list[Read] = []
    while data := data.lstrip(b"\r\n"):
        http = h11.Connection(h11.SERVER)
        http.receive_data(data)
        head, body = None, b""
        try:
            while not isinstance(event := http.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    return found
        except h11.RemoteProtocolError:
            return found
        assert head is not None
        found.append(Read(head.method.upper(), head.target, body))
        data = http.trailing_data[0]
    return found


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data, cut at these places."""
    inside = sorted({place for place in places if 0 < place < len(data)})
    return [data[a:b] for a, b in pairwise([0, *inside, len(data)])]


def chunks(*pieces: bytes) -> bytes:
    said = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return post(said + b"0\r\n\r\n", "Transfer-Encoding: chunked")


def counted(body: bytes, more: int = 0) -> bytes:
    """A POST whose length is off by so many bytes."""
    return post(body, f"Content-Length: {max(0, len(body) + more)}")


BODY = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"", b"\r\n\r\n", b"0\r\n\r\n", GET, b"\r\n" + GET])
)
REQUEST = st.one_of(
    st.just(GET),
    st.builds(counted, BODY),
    st.builds(counted, BODY, st.integers(-3, 3)),
    st.lists(BODY, max_size=4).map(lambda pieces: chunks(*pieces)),
)
SPOILING = st.tuples(
    st.integers(0, 400),
    st.integers(0, 3),
    st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b",", b":", b"0", b"5", b"+", b"\0", b"x"]),
)


def spoiled(requests: Sequence[bytes], spoilings: Iterable[tuple[int, int, bytes]]) -> bytes:
    data = b"".join(requests)
    for place, length, other in spoilings:
        data = data[:place] + other + data[place + length :]
    return data


STREAM = st.builds(
    spoiled, st.lists(REQUEST, min_size=1, max_size=4), st.lists(SPOILING, max_size=2)
)


@given(STREAM, st.sets(st.integers(1, 400), max_size=12))
@example(counted(b"hello") * 3, set(range(400)))
@example(counted(b"hello", 1) * 2 + GET, {80})
@example(chunks(b"a", b"b") * 2 + GET, set(range(400)))
@example(counted(b"") + b"\r\n" + GET, set())
def test_what_is_read_here_is_what_h11_reads_however_it_is_cut(
    data: bytes, places: set[int]
) -> None:
    at_once = ours([data])
    assert at_once[0] == by_h11(data)[: len(at_once[0])]
    assert ours(cut(data, places)) == at_once
    assert ours(cut(data, places)) == at_once  # also when the heads are known


@pytest.mark.parametrize(
    "length", ["5, 5", "5,5", " 5 ", "5\t", "05", "00000000000000000005", "5\r\nContent-Length: 5"]
)
def test_a_length_that_can_be_read_in_one_way_is_read_so(length: str) -> None:
    head = post(b"", f"Content-Length: {length}")
    for _ in range(2):
        assert ours([head + b"hello" + GET]) == (
            [Read(b"POST", b"/", b"hello"), Read(b"GET", b"/", b"")],
            False,
        )


@pytest.mark.parametrize(
    "length",
    [
        *("5, 4", "5,", "+5", "-5", "0x5", "5_0", "5.0", "5 5", "", "\u00b2", "1" * 21),
        *("5\r\nContent-Length: 4", "5\r\nTransfer-Encoding: chunked"),
    ],
)
def test_a_length_that_can_be_read_in_two_ways_is_refused_every_time(length: str) -> None:
    head = post(b"", f"Content-Length: {length}")
    for _ in range(3):
        assert ours([head + b"hello" + GET]) == ([], True)


def test_what_an_app_does_to_its_scope_is_not_seen_by_the_next_with_the_same_head() -> None:
    head = get("/a?b", "A: b")
    first = parse(head).scope()
    as_it_was = {**first, "headers": list(first["headers"])}
    first["headers"].clear()
    first["path"] = first["raw_path"] = first["query_string"] = "changed"
    first["more"] = True
    assert parse(head).scope() == as_it_was


def test_heads_that_all_differ_do_not_fill_memory() -> None:
    """Their meanings are remembered, but no more than a few hundred, and not those of long ones."""

    def read(number: int, size: int) -> None:
        reader = Reader()
        reader.feed(get(f"/{number}", "A: " + "x" * size))
        assert reader.head() is not None

    tracemalloc.start()
    try:
        for number in range(2000):
            read(number, 1900 if number % 2 else 15_000)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 256 * 8 * 1024


def test_a_body_that_was_not_asked_for_is_gone_with_the_next_request() -> None:
    reader = Reader()
    reader.feed(counted(b"first") + counted(b"second"))
    assert reader.head() is not None
    assert reader.head() is not None
    assert (reader.body(), reader.whole) == (b"second", True)


@pytest.mark.parametrize(
    ("request_", "waits"),
    [
        (post(b"", "Content-Length: 5", "Expect: 100-continue"), True),
        (post(b"", "Content-Length: 5", "expect: 100-CONTINUE"), True),
        (post(b"", "Transfer-Encoding: chunked", "Expect: 100-continue"), True),
        (post(b"h", "Content-Length: 5", "Expect: 100-continue"), False),
        (post(b"", "Content-Length: 0", "Expect: 100-continue"), False),
        (post(b"", "Content-Length: 5", "Expect: 100-continue").replace(b"1.1", b"1.0"), False),
        (post(b"", "Content-Length: 5"), False),
    ],
)
def test_a_client_waits_to_be_told_to_go_on_only_before_its_body(
    request_: bytes, waits: bool
) -> None:
    for _ in range(2):
        reader = Reader()
        reader.feed(request_)
        assert reader.head() is not None
        assert reader.waiting is waits
        reader.go_on()
        assert not reader.waiting
