"""A child that speaks lines: real processes, well-behaved and not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import trio

from a2abackends import process
from a2abackends.lines import LineTooLong, Splitter
from a2abackends.process import Child, open_child
from a2acore.backend import AgentFailed

CWD = Path("/")
ENV = {"PATH": os.environ["PATH"]}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def lines_of(child: Child) -> list[bytes]:
    return [line async for line in child]


async def wait_until_dead(pid: int) -> None:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with trio.fail_after(10):
            await trio.lowlevel.wait_readable(fd)
    finally:
        os.close(fd)


# Lines


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_how_the_bytes_arrive(size: int) -> None:
    text = b"one\n\ntwo two\n" + b"x" * 50 + b"\nlast"
    splitter = Splitter(100)
    lines = [
        line
        for start in range(0, len(text), size)
        for line in splitter.feed(text[start : start + size])
    ]
    assert lines + splitter.rest() == [b"one", b"", b"two two", b"x" * 50, b"last"]


@pytest.mark.parametrize("before", [b"", b"x" * 6, b"ok\nx"])
def test_a_line_beyond_the_limit_is_an_error_before_it_has_an_end(before: bytes) -> None:
    splitter = Splitter(10)
    splitter.feed(before)
    with pytest.raises(LineTooLong):
        splitter.feed(b"x" * 11)


async def test_a_child_answers_line_by_line() -> None:
    async with open_child(["cat"], cwd=CWD, env=ENV) as child:
        child.send(b"one")
        assert await anext(child) == b"one"
        child.send(b"two")
        assert await anext(child) == b"two"


async def test_the_lines_of_a_child_end_with_it() -> None:
    async with open_child(python("print('a'); print('b', end='')"), cwd=CWD, env=ENV) as child:
        assert await lines_of(child) == [b"a", b"b"]
        await child.exited.wait()
        assert child.obituary() == "The agent exited with code 0"


async def test_a_line_of_20_mb_goes_both_ways() -> None:
    line = b"x" * 20_000_000
    async with open_child(["cat"], cwd=CWD, env=ENV) as child:
        child.send(line)
        assert await anext(child) == line


async def test_a_line_that_never_ends_is_the_end_of_the_child() -> None:
    endless = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    with trio.fail_after(20):
        async with open_child(python(endless), cwd=CWD, env=ENV) as child:
            assert await lines_of(child) == []
            await child.exited.wait()
            assert child.obituary() == "The agent sent a line of more than 32 MB"


async def test_a_child_that_reads_nothing_is_killed_and_nobody_waits_for_it() -> None:
    with trio.fail_after(20):
        async with open_child(["sleep", "1000"], cwd=CWD, env=ENV) as child:
            for _ in range(process.OUTBOX + 2):
                child.send(b"x" * 65536)
                await trio.lowlevel.checkpoint()
            await child.exited.wait()
            assert child.obituary().startswith("The agent did not read its input")


async def test_a_child_that_reads_nothing_does_not_fill_our_memory_with_long_lines() -> None:
    line = b"x" * 8_000_000
    with trio.fail_after(20):
        async with open_child(["sleep", "1000"], cwd=CWD, env=ENV) as child:
            for _ in range(40):
                child.send(line)
            await child.exited.wait()
            assert child.obituary() == "The agent did not read its input (256 MB are waiting)"


async def test_a_child_that_is_gone_can_be_spoken_to_in_vain() -> None:
    async with open_child(["true"], cwd=CWD, env=ENV) as child:
        await child.exited.wait()
        child.send(b"hello?")
        assert await lines_of(child) == []


# stderr


async def test_stderr_never_fills_up() -> None:
    flood = "import sys; sys.stderr.write('x' * 999 + '\\n'); " * 3
    noisy = f"for _ in range(2000):\n    {flood}\nprint('done')"
    with trio.fail_after(20):
        async with open_child(python(noisy), cwd=CWD, env=ENV) as child:
            assert await lines_of(child) == [b"done"]


async def test_an_obituary_quotes_the_last_lines_without_colours_and_secrets() -> None:
    env = {**ENV, "MY_API_KEY": "sk-1234", "MY_TOKEN": "sk-1234-long", "EDITOR": "vi"}
    code = (
        "import sys\n"
        "for n in range(100): print('line', n, file=sys.stderr)\n"
        "print('\\x1b[1;31mwith sk-1234-long and sk-1234 in vi\\x1b[0m\\r', file=sys.stderr)\n"
        "print('not \\udcff text', file=sys.stderr)\n"
        "sys.exit(7)"
    )
    async with open_child(python(code), cwd=CWD, env=env) as child:
        assert await lines_of(child) == []
        await child.exited.wait()
        first, *words = child.obituary().splitlines()
    assert first == "The agent exited with code 7"
    assert len(words) == process.LAST_WORDS
    assert words[-2] == "with *** and *** in vi"
    assert words[-1].startswith("not ")


async def test_a_secret_that_is_cut_in_two_is_not_told() -> None:
    env = {**ENV, "API_TOKEN": "s3cr3t" * 10}
    code = "import os, sys; sys.stderr.write(os.environ['API_TOKEN'] * 500 + '\\nthe end\\n')"
    async with open_child(python(code), cwd=CWD, env=env) as child:
        assert await lines_of(child) == []
        await child.exited.wait()
        *_, before, last = child.last_words()
    assert set(before) == {"*"}
    assert last == "the end"


# The end


async def test_leaving_ends_a_child_that_takes_the_hint() -> None:
    started_at = trio.current_time()
    async with open_child(["cat"], cwd=CWD, env=ENV) as child:
        pass
    assert child.exited.is_set()
    assert trio.current_time() - started_at < process.EOF_GRACE


async def test_the_last_line_is_written_before_the_input_is_closed(tmp_path: Path) -> None:
    note = tmp_path / "note"
    async with open_child(["sh", "-c", f"cat > {note}"], cwd=CWD, env=ENV) as child:
        child.send(b"goodbye")
    assert note.read_text() == "goodbye\n"


async def test_leaving_ends_a_child_that_does_not_take_the_hint() -> None:
    deaf = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()"
    )
    with trio.fail_after(process.EOF_GRACE + process.TERM_GRACE + 2):
        async with open_child(python(deaf), cwd=CWD, env=ENV) as child:
            assert await anext(child) == b"ready"
    assert child.exited.is_set()


async def test_a_child_is_ended_politely_even_when_all_around_is_cancelled(tmp_path: Path) -> None:
    note = tmp_path / "note"
    code = (
        "import pathlib, sys\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
        "print('x' * 1_000_000, flush=True)\n"
        "print('x' * 1_000_000, file=sys.stderr, flush=True)\n"
        f"pathlib.Path({str(note)!r}).write_text('tidied up')"
    )
    with trio.CancelScope() as scope:
        async with open_child(python(code), cwd=CWD, env=ENV) as child:
            assert await anext(child) == b"ready"
            scope.cancel()
            await trio.sleep_forever()
    assert note.read_text() == "tidied up"


@pytest.mark.parametrize("how", ["leave", "kill", "exit"])
async def test_the_children_of_a_child_end_with_it(how: str) -> None:
    script = "sleep 1000 & echo $!; " + ("exit 0" if how == "exit" else "wait")
    with trio.fail_after(20):
        async with open_child(["sh", "-c", script], cwd=CWD, env=ENV) as child:
            grandchild = int(await anext(child))
            if how == "kill":
                child.kill("was not liked")
            if how != "leave":
                assert await lines_of(child) == []
        await wait_until_dead(grandchild)


async def test_a_stranger_who_holds_the_output_open_does_not_keep_a_dead_child_alive() -> None:
    code = (
        "import subprocess\n"
        "p = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "print(p.pid, flush=True)"
    )
    with trio.fail_after(10):
        async with open_child(python(code), cwd=CWD, env=ENV) as child:
            (pid,) = await lines_of(child)
    os.kill(int(pid), 9)


async def test_what_the_block_raises_leaves_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with open_child(["cat"], cwd=CWD, env=ENV):
            raise KeyError


# The beginning


@pytest.mark.parametrize(
    ("command", "cwd", "words"),
    [
        ("no-such-program", "/", "Cannot start no-such-program: no such file or directory"),
        (__file__, "/", f"Cannot start {__file__}: permission denied"),
        ("cat", "/no/where", "Cannot start cat: its working directory /no/where does not exist"),
        ("cat", __file__, f"Cannot start cat: its working directory {__file__} does not exist"),
    ],
)
async def test_a_child_that_cannot_be_started_says_why_in_one_line(
    command: str, cwd: str, words: str
) -> None:
    with pytest.raises(AgentFailed) as caught:
        async with open_child([command], cwd=Path(cwd), env=ENV):
            pass
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)
