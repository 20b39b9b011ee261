"""Server-sent events. The invariant: events do not depend on how the bytes were cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2acore import sse
from a2acore.sse import SSEvent

FRAMES = {
    "data": (sse.encode(b"{}"), b"data: {}\n\n"),
    "named": (sse.encode(b"{}", "error"), b"event: error\ndata: {}\n\n"),
    "numbered": (sse.encode(b"{}", id="7"), b"id: 7\ndata: {}\n\n"),
    "all": (sse.encode(b"{}", "error", "7"), b"event: error\nid: 7\ndata: {}\n\n"),
    "empty": (sse.encode(b""), b"data: \n\n"),
    "lines": (
        sse.encode(b"a\nb\r\nc\rd\n"),
        b"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n",
    ),
    "heartbeat": (sse.HEARTBEAT, b":\n\n"),
}


@pytest.mark.parametrize(("frame", "text"), FRAMES.values(), ids=FRAMES)
def test_a_frame_is_written(frame: bytes, text: bytes) -> None:
    assert frame == text


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\r\nb"])
def test_a_line_break_cannot_be_smuggled_in(bad: str) -> None:
    with pytest.raises(ValueError, match="the event of an event is one line"):
        sse.encode(b"", event=bad)
    with pytest.raises(ValueError, match="the id of an event is one line"):
        sse.encode(b"", id=bad)


# Lines end with LF here; the tests try the other ends as well.
STREAMS: dict[str, tuple[bytes, list[SSEvent]]] = {
    "one": (b"data: a\n\n", [SSEvent(b"a")]),
    "two": (b"data: a\n\ndata: b\n\n", [SSEvent(b"a"), SSEvent(b"b")]),
    "no blank after the colon": (b"data:a\n\n", [SSEvent(b"a")]),
    "two blanks after the colon": (b"data:  a\n\n", [SSEvent(b" a")]),
    "no colon": (b"data\n\n", [SSEvent(b"")]),
    "colons in the data": (b'data: {"a":":"}\n\n', [SSEvent(b'{"a":":"}')]),
    "several lines": (b"data: a\ndata:\ndata: b\n\n", [SSEvent(b"a\n\nb")]),
    "named": (b"event: error\ndata: a\n\ndata: b\n\n", [SSEvent(b"a", "error"), SSEvent(b"b")]),
    "the name after the data": (b"data: a\nevent: error\n\n", [SSEvent(b"a", "error")]),
    "a name without data": (b"event: error\n\ndata: a\n\n", [SSEvent(b"a")]),
    "an id stays": (
        b"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
        [SSEvent(b"a", id="7"), SSEvent(b"b", id="7"), SSEvent(b"c")],
    ),
    "an id with a NUL is none": (b"id: a\0\ndata: a\n\n", [SSEvent(b"a")]),
    "a comment": (b": ping - 2025\n\ndata: a\n: more\ndata: b\n\n", [SSEvent(b"a\nb")]),
    "unknown fields": (b"retry: 5\nDATA: x\n data: x\ndata: a\n\n", [SSEvent(b"a")]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [SSEvent(b"a")]),
    "a second byte order mark": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [SSEvent(b"a")]),
    "not ended": (b"data: a\n\ndata: b\n", [SSEvent(b"a")]),
    "UTF-8": ("event: é\ndata: é\u2028x\n\n".encode(), [SSEvent("é\u2028x".encode(), "é")]),
    "no UTF-8": (b"event: \xff\ndata: \xff\n\n", [SSEvent(b"\xff", "\ufffd")]),
}


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS)
def test_a_stream_is_read_however_its_lines_end(
    stream: bytes, events: list[SSEvent], end: bytes
) -> None:
    stream = stream.replace(b"\n", end)
    assert sse.Decoder().feed(stream) == events
    # Cut in two everywhere, and byte by byte.
    for place in range(len(stream)):
        decoder = sse.Decoder()
        assert decoder.feed(stream[:place]) + decoder.feed(stream[place:]) == events
    decoder = sse.Decoder()
    pieces = (decoder.feed(stream[n : n + 1]) for n in range(len(stream)))
    assert list(itertools.chain.from_iterable(pieces)) == events


def test_an_event_is_there_with_its_last_byte() -> None:
    decoder = sse.Decoder()
    assert decoder.feed(b"data: a\r\n") == []
    assert decoder.feed(b"\r") == [SSEvent(b"a")]
    assert decoder.feed(b"\n") == []


TOO_LONG = {
    "one line": [b"data: " + b"x" * 100],
    "one line in pieces": [b"data: ", *[b"x"] * 100],
    "many lines": [b"data: x\n"] * 20,
    "a comment without an end": [b":" * 101],
}


@pytest.mark.parametrize("chunks", TOO_LONG.values(), ids=TOO_LONG)
def test_an_event_cannot_grow_without_end(chunks: list[bytes]) -> None:
    decoder = sse.Decoder(limit=100)
    with pytest.raises(sse.TooLong):
        list(map(decoder.feed, chunks))


def test_a_stream_may_be_longer_than_its_longest_event() -> None:
    decoder = sse.Decoder(limit=100)
    events = decoder.feed(sse.encode(b"x" * 80) * 50 + sse.HEARTBEAT * 50)
    assert events == [SSEvent(b"x" * 80)] * 50


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.binary().map(lambda data: data.replace(b"\r", b"")), st.booleans())),
    st.data(),
)
def test_what_is_written_is_read(frames: list[tuple[bytes, bool]], data: st.DataObject) -> None:
    stream = b"".join(
        sse.encode(each, "error" if named else "") + sse.HEARTBEAT for each, named in frames
    )
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    decoder = sse.Decoder()
    events: list[SSEvent] = []
    for start, stop in itertools.pairwise([0, *places, len(stream)]):
        events += decoder.feed(stream[start:stop])
    assert events == [SSEvent(each, "error" if named else "message") for each, named in frames]
