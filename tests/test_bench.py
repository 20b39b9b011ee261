"""The benchmark measures what it says: its arithmetic, its eyes, and the smallest run."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import trio

from bench import soak
from bench.__main__ import main
from bench.answers import Answer, Malformed
from bench.asks import sends, streams
from bench.count import serving
from bench.environments import Missing
from bench.figures import order, percentile, ratio, rounded, slope
from bench.load import TOO_MANY, Address, Hopeless, Load, drive
from bench.machine import described
from bench.plan import HEADLINE, everything, quick
from bench.plot import chart, spread
from bench.report import DOCUMENTS, Report, fill
from bench.rounds import Row, run
from bench.speech import FIRST, FORMS, Ask, Form, Wrong, words
from bench.targets import Target
from bench.works import KINDS, Measure, Pace, Work

ROOT = Path(__file__).parent.parent
AT_ONCE = Pace(seconds=0, warm_up=0, calm=0)


# The arithmetic


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3.0], 0.99, 3.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([4.0, 3.0, 2.0, 1.0], 0.75, 3.0),
        (list(map(float, range(1, 101))), 0.99, 99.0),
        (list(map(float, range(1, 101))), 1.0, 100.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], share: float, expected: float
) -> None:
    assert percentile(values, share) == expected


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_better_is_above_one_whether_more_or_less_is_better() -> None:
    faster = ratio([20.0, 30.0, 50.0], [10.0, 10.0, 10.0], more_is_better=True)
    shorter = ratio([10.0, 10.0, 10.0], [20.0, 30.0, 50.0], more_is_better=False)
    assert faster == shorter
    assert str(faster) == "3.00× (2.00–5.00)"


def test_rounds_are_compared_with_each_other_and_not_their_medians() -> None:
    # The machine was slow in the second round, for both of them.
    compared = ratio([100.0, 10.0, 100.0], [10.0, 1.0, 10.0], more_is_better=True)
    assert compared is not None
    assert (compared.least, compared.most) == (10, 10)


def test_a_round_in_which_one_has_done_nothing_compares_with_nothing() -> None:
    assert ratio([1.0], [0.0], more_is_better=True) is None
    compared = ratio([1.0, 4.0], [0.0, 2.0], more_is_better=True)
    assert compared is not None
    assert compared.median == 2


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_order_of_growth_is_the_power_whatever_a_request_costs_besides(power: float) -> None:
    points = [(float(size), 1.0 + 0.001 * size**power) for size in (1, 2)]
    points += [(float(size), 0.001 * size**power) for size in (10**4, 10**5, 10**6)]
    assert order(points) == pytest.approx(power)


def test_two_points_have_no_order_of_growth() -> None:
    assert order([(1.0, 1.0), (10.0, 10.0)]) is None


def test_memory_is_said_to_grow_by_what_the_second_half_adds() -> None:
    # It fills up, and then stays.
    assert slope([(0.0, 0.0), (1.0, 50.0), (2.0, 80.0), (3.0, 80.0)]) == 0
    assert slope([(0.0, 0.0), (1.0, 50.0), (2.0, 80.0), (3.0, 90.0)]) == 10


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (99.96, "100.0"), (12345.6, "12,346")],
)
def test_a_number_is_told_to_three_digits(value: float, text: str) -> None:
    assert rounded(value) == text


# Its eyes: HTTP

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    b"2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("raw", [SIZED, CHUNKED])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_an_answer_is_the_same_however_it_is_cut(raw: bytes, step: int) -> None:
    answer = Answer()
    for at in range(0, len(raw), step):
        assert not answer.whole
        answer.feed(raw[at : at + step])
    assert answer.whole
    assert answer.body == b"hello"
    assert answer.closing is (raw is CHUNKED)


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    answer = Answer()
    answer.feed(b"HTTP/1.0 200 OK\r\n\r\nhello")
    assert not answer.whole
    answer.feed(b"")
    assert answer.whole
    assert answer.closing


@pytest.mark.parametrize("raw", [SIZED[:9], SIZED[:-1], CHUNKED[:-9], CHUNKED[:-1]])
def test_an_answer_that_breaks_off_is_none(raw: bytes) -> None:
    answer = Answer()
    answer.feed(raw)
    with pytest.raises(Malformed, match="closed in the middle"):
        answer.feed(b"")


@pytest.mark.parametrize("raw", [b"SSH-2.0-x\r\n\r\n", CHUNKED.replace(b"3;", b"x;")])
def test_what_is_not_http_is_told_so(raw: bytes) -> None:
    with pytest.raises(Malformed, match="no s"):
        Answer().feed(raw)


# Its eyes: what was asked


def said(form: Form, *chunks: str, state: str = "") -> bytes:
    """A stream: the task with its prompt in the history, chunks, and the end."""
    name = '"kind":"artifact-update"' if form == FORMS[2] else '"artifactUpdate":{}'
    frames = [f'{{"history":"{" ".join(words(3))}"}}']
    frames += [f'{{{name},"text":"{chunk}"}}' for chunk in chunks]
    frames.append(f'{{"status":{{"state":"{state or form.completed}"}}}}')
    return "".join(f"data: {frame}\r\n\r\n" for frame in frames).encode()


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_stream_is_right_when_each_word_came_in_its_place(form: Form) -> None:
    form.told(words(3))(said(form, "w00000 ", "w00001 ", "w00002"))


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize(
    ("chunks", "state", "why"),
    [
        ((), "", "0 chunks, not the 3"),
        (("w00000", "w00001"), "", "2 chunks, not the 3"),
        (("w00000", "w00002", "w00001"), "", "in their order"),
        (("w00000", "w00001", "w00001", "w00002"), "", "4 chunks, not the 3"),
        (("w00000", "w00001 w00002"), "", "2 chunks in one event"),
        (("w00000", "w00001", "w00002"), "failed", "does not complete"),
    ],
)
def test_a_stream_that_lacks_something_is_wrong(
    form: Form, chunks: tuple[str, ...], state: str, why: str
) -> None:
    with pytest.raises(Wrong, match=why):
        form.told(words(3))(said(form, *chunks, state=state))


def finished(**changes: object) -> bytes:
    task = {
        "id": "t1",
        "status": {"state": "TASK_STATE_COMPLETED"},
        "artifacts": [{"parts": [{"text": "echo: w00000 "}, {"text": "w00001"}]}],
        **changes,
    }
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"task": task}}).encode()


def test_a_task_is_right_when_it_is_completed_and_says_the_words() -> None:
    FIRST.finished(words(2), "t1")(finished())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (finished(id="t2"), "the task is t2"),
        (finished(status={"state": "TASK_STATE_FAILED"}), "TASK_STATE_FAILED"),
        (finished(status={"state": "completed"}), "the task is completed, not TASK"),
        (finished(artifacts=[]), "not the 2 words"),
        (finished(artifacts=[{"parts": [{"text": "w00001 w00000"}]}]), "not the 2 words"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603}}', "no result"),
        (b"<html>", "no result"),
        (b'{"result":[]}', "no object"),
        (b'{"result":{"message":{}}}', "no task"),
    ],
)
def test_any_other_answer_is_wrong(body: bytes, why: str) -> None:
    with pytest.raises(Wrong, match=why):
        FIRST.finished(words(2), "t1")(body)


def test_every_message_has_an_id_of_its_own() -> None:
    spell = FIRST.message("send", "hello")
    first, second = spell(), spell()
    assert len(first) == len(second)  # the length in its head is right for both
    assert first != second


# The load, on a real server


async def driven(address: Address, asks: Callable[[], Ask], callers: int, count: int) -> Load:
    play = partial(drive, address, os.getpid(), asks, callers=callers, count=count)
    return await trio.to_thread.run_sync(play)


@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_as_many_answers_are_counted_as_were_wanted(form: Form) -> None:
    async with serving() as address:
        for asks in (sends(form, 5), streams(form, 5)):
            load = await driven(address, asks, 3, 12)
            assert (load.count, load.errors) == (12, 0), load.wrong
            assert 0 < load.first <= load.p50 <= load.p99 <= load.seconds


async def test_a_wrong_answer_is_an_error_and_never_counted() -> None:
    verdicts = iter([True, False, False, True, True])

    def read(body: bytes) -> None:
        if not next(verdicts, True):
            raise Wrong("not this one")

    async with serving() as address:
        load = await driven(address, lambda: Ask(FIRST.card(), read), 1, 3)
    assert (load.count, load.errors, load.wrong) == (3, 2, "not this one")


async def test_a_server_that_is_nearly_always_wrong_is_given_up() -> None:
    ask = Ask(FIRST.get("no-such-task"), FIRST.finished([]))
    async with serving() as address:
        with pytest.raises(Hopeless, match=f"{TOO_MANY} wrong answers"):
            await driven(address, lambda: ask, 2, 1)


async def test_an_answer_that_breaks_off_is_an_error() -> None:
    broken = iter([True, False])

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            while await stream.receive_some():
                if next(broken, False):
                    await stream.send_all(SIZED[:-1])
                    return
                await stream.send_all(SIZED)

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        ask = Ask(FIRST.card(), lambda body: None)
        load = await driven(listener.socket.getsockname(), lambda: ask, 1, 2)
        nursery.cancel_scope.cancel()
    assert (load.count, load.errors) == (2, 1)
    assert "closed" in load.wrong


async def test_a_right_answer_counts_though_its_connection_takes_no_further_question() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(SIZED)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(stream)  # whoever sends something now cannot

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        ask = Ask(FIRST.card(), lambda body: None)
        load = await driven(listener.socket.getsockname(), lambda: ask, 1, 5)
        nursery.cancel_scope.cancel()
    assert (load.count, load.errors) == (5, 4), load.wrong


async def test_a_server_that_is_not_there_is_given_up() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and listens to nobody
        with pytest.raises(Hopeless, match="no connection"):
            await driven(sock.getsockname(), sends(FIRST, 5), 1, 1)


# The smallest run, of real processes


def target(name: str, *command: str) -> Target:
    return Target(name, name, lambda: command)


SERVE = "import a2acli.main; a2acli.main.main()"
OPTIONS = ("--backend", "echo", "--store", "memory:", "--port", "{port}")
OURS = target("ours", sys.executable, "-c", SERVE, "serve", *OPTIONS)
BARE = target("bare", sys.executable, str(ROOT / "bench/bare_echo.py"), "{port}")


def told_nobody(line: str) -> None:
    """What goes on is of no interest here."""


def played(works: list[Work], *targets: Target, rounds: int = 1) -> list[Row]:
    return run(works, targets, rounds=rounds, pace=AT_ONCE, tell=told_nobody)


SIZES = {"stream": 3, "get": 64, "list": 60, "fanout": 2, "idle": 3, "memory": 5}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_work_can_be_done_on_our_server(kind: str) -> None:
    [row] = played([Work(kind, SIZES.get(kind, 0))], OURS)
    assert not row.cannot
    [measure] = row.measures["ours"]
    assert measure.errors == 0, measure.wrong
    # So few streams need not take a page more.
    assert measure.value > 0 or kind == "idle"


def test_who_cannot_do_a_thing_has_a_reason_and_the_others_their_numbers() -> None:
    def missing() -> list[str]:
        raise Missing("no wheel for this machine")

    ended = target("ended", sys.executable, "-c", "raise SystemExit('no room')")
    absent = Target("absent", "not to be had", missing)
    [row] = played([Work("fanout", 1)], OURS, BARE, ended, absent, rounds=2)
    assert len(row.measures.pop("ours")) == 2
    assert not row.measures
    assert "does not wait" in row.cannot["bare"]
    assert "no room" in row.cannot["ended"]
    assert row.cannot["absent"] == "no wheel for this machine"


def test_the_limit_does_what_it_is_compared_in() -> None:
    works = [Work("card"), Work("send"), Work("stream", 3), Work("get", 64)]
    for row in played(works, BARE):
        assert not row.cannot
        assert row.errors("bare") == (0, "")


def test_memory_is_looked_at_after_every_step() -> None:
    [result] = soak.soak([OURS], step=2, tasks=6, tell=told_nobody)
    assert [tasks for tasks, _ in result.points] == [0, 2, 4, 6]
    assert "| ours |" in soak.table([result])


# What is told of it


def report() -> Report:
    """A run that was made up: twice as fast, once unable, and once wrong."""
    send, stream, fan = Work("send", callers=16), Work("stream", 10), Work("fanout", 10)
    details = {"p50": 1.0, "p99": 2.0, "first": 0.5, "cpu": 300.0, "generator": 0.9}
    rows = [
        Row(send, {"ours": [Measure(200.0, details)], "peer": [Measure(100.0, details)]}),
        Row(stream, {"ours": [Measure(50.0, details, 3, "2 chunks")]}, {"peer": "HTTP 500"}),
        Row(fan, {"ours": [Measure(10.0)], "peer": [Measure(40.0)]}),
    ]
    targets = [target("peer"), target("ours")]
    return Report(rows, targets, described(), 1, AT_ONCE)


def test_the_table_tells_what_was_measured_and_what_could_not_be() -> None:
    made = report()
    assert made.summary().splitlines()[2:] == [
        "| blocking send, 16 at once | 100/s | 200/s, **2.00×** |",
        "| stream of 10 chunks, one at a time | – | 50.0/s |",
        "| 200 chunks to 10 followers | 40.0 ms | 10.0 ms, **4.00×** |",
    ]
    assert "peer cannot: HTTP 500 (stream of 10 chunks" in made.notes()
    assert "ours was wrong: 2 chunks" in made.notes()
    assert "90% (!)" in made.details(), "it was us who were measured"


def test_the_document_holds_every_round() -> None:
    document = json.loads(json.dumps(report().document()))
    first = document["rows"][0]
    assert first["results"]["ours"]["rounds"][0]["value"] == 200
    assert first["results"]["ours"]["better"]["median"] == 2


def test_growth_is_drawn_from_one_caller_at_a_time() -> None:
    rows = [
        Row(Work("stream", size, callers), {"ours": [Measure(1 / (seconds * size))]})
        for callers, seconds in ((1, 0.001), (16, 5.0))
        for size in (100, 1000, 10000)
    ]
    made = Report(rows, [target("ours")], described(), 1, AT_ONCE)
    [points] = made.curves("stream").values()
    assert points == [(100, pytest.approx(0.1)), (1000, pytest.approx(1)), (10000, 10)]
    assert "| the chunks of a stream | 1.00 |" in made.growth()


def test_a_chart_is_a_picture_with_a_named_curve_for_each_target() -> None:
    curves = {"peer & co": [(1, 0.001), (10, 0.1), (100, 10.0)], "ours": [(1, 0.001), (100, 0.1)]}
    drawn = chart("Growth", "chunks", "seconds", curves, ("ours", "peer & co"))
    picture = ElementTree.fromstring(drawn)
    lines = [each for each in picture.iter() if each.tag.endswith("polyline")]
    names = [each.text for each in picture.iter() if each.tag.endswith("text")]
    assert len(lines) == 2
    assert "peer & co, power 2.00" in names
    assert "ours" in names


def test_names_beside_a_chart_do_not_cover_each_other() -> None:
    places = spread({"a": 10.0, "b": 11.0, "c": 12.0, "d": 90.0}, 16)
    assert places == {"a": 10, "b": 26, "c": 42, "d": 90}


def test_only_what_stands_between_its_marks_is_made_anew() -> None:
    text = "a <!-- bench:x -->old<!-- /bench --> b <!-- bench:y -->kept<!-- /bench --> c"
    filled = fill(text, {"x": "new", "z": "nowhere"})
    assert filled == (
        "a <!-- bench:x -->\nnew\n<!-- /bench --> b <!-- bench:y -->kept<!-- /bench --> c"
    )
    assert fill(filled, {"x": "new"}) == filled


def test_every_block_in_the_documents_is_made_by_somebody() -> None:
    made = {*report().blocks(), "memory", "counted"}
    marked = {
        name for file in DOCUMENTS for name in re.findall(r"<!-- bench:(\w+) -->", file.read_text())
    }
    assert marked
    assert marked <= made


def test_what_the_readme_shows_is_measured_in_a_whole_run() -> None:
    assert set(HEADLINE) <= set(everything())
    assert set(quick()) <= set(everything())


def test_a_target_or_a_work_that_there_is_not_is_asked_wrongly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for option in ("--only", "--targets"):
        with pytest.raises(SystemExit) as caught:
            main([option, "nonsense"])
        assert caught.value.code == 2
        assert "no 'nonsense'; there are" in capsys.readouterr().err
