"""The audit log: a chain of lines that shows whether one was changed, and outlives a crash."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2acore.audit import BadAudit, Line, ToolSeen, Unaudited, Verified, open_audit, verify
from a2acore.backend import ToolCall

DOCUMENT = (Path(__file__).parent.parent / "docs/audit.md").read_text()
A2ACODE = [sys.executable, "-m", "a2acli.main"]
PATIENCE = 30
"""Seconds after which a command is taken to hang."""


def keep(path: Path, *tasks: str, size: int = 10**6) -> None:
    """Write a line about each task, between one start of the server and its end."""

    async def write() -> None:
        async with open_audit(path, size=size) as audit:
            for task in tasks:
                audit.write(Line(what="started", who="me", task=task))

    trio.run(write)


def told(path: Path) -> list[str]:
    """What the lines of one file tell."""
    return [json.loads(line).get("task", "-") for line in path.read_text().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


# As it is written


def test_each_line_has_a_number_a_time_and_the_digest_of_the_line_before(log: Path) -> None:
    keep(log, "a", "b")
    texts = log.read_bytes().splitlines()
    lines = [json.loads(text) for text in texts]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    before = [hashlib.sha256(text).hexdigest() for text in texts]
    assert [line["prev"] for line in lines] == ["0" * 64, *before[:-1]]
    assert all(datetime.fromisoformat(line["time"]).utcoffset() is not None for line in lines)
    assert all(line["time"].endswith("Z") for line in lines)
    assert verify(log) == Verified(3, before[-1], 0)


def test_the_chain_goes_on_after_a_restart(log: Path) -> None:
    for task in "abc":
        keep(log, task)
    assert told(log) == ["-", "a", "-", "b", "-", "c"]
    assert verify(log).lines == 6
    assert not verify(log).wrong


async def test_a_line_is_in_the_file_before_write_returns(log: Path) -> None:
    async with open_audit(log) as audit:
        audit.write(Line(what="started", task="a"))
        assert told(log) == ["-", "a"]


def test_nobody_else_may_read_it(log: Path) -> None:
    log.touch(0o644)
    keep(log, *"abc", size=1)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in log.parent.iterdir()}
    assert modes == {0o600}


def test_a_full_file_is_followed_by_the_next_and_none_is_thrown_away(log: Path) -> None:
    keep(log, *"abcdefgh", size=400)
    keep(log, *"ijkl", size=400)
    names = sorted(
        log.parent.iterdir(), key=lambda file: int(file.suffix[1:]) if file != log else 99
    )
    assert names == [*(log.with_name(f"{log.name}.{n}") for n in range(1, len(names))), log]
    assert len(names) > 3
    assert "".join("".join(told(file)) for file in names) == "-abcdefgh-ijkl"
    assert all(file.stat().st_size < 800 for file in names)
    assert (verify(log).lines, verify(log).wrong) == (14, "")


def test_of_a_tools_input_there_is_a_digest_and_of_its_title_nothing_that_may_quote_it() -> None:
    given = {"b": "ü", "a": [1, {"d": None, "c": 1.5}]}
    canonical = json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    assert ToolSeen.of(ToolCall("1", "curl x", "Bash", "execute", input=given)) == ToolSeen(
        "1", "Bash", "execute", "", digest
    )
    assert ToolSeen.of(ToolCall("1", "Edit a.py", "Edit", "edit")).title == "Edit a.py"
    assert len(ToolSeen.of(ToolCall("1", "x" * 9999, kind="edit")).title) == 200


# What shows


@pytest.fixture
def kept(log: Path) -> Path:
    """Ten lines in some files."""
    keep(log, *"abcdefghi", size=300)
    assert verify(log) == Verified(10, verify(log).head, 0)
    return log


def files(log: Path) -> list[Path]:
    return sorted(log.parent.iterdir(), key=lambda file: file.suffix if file != log else "z")


def change_a_word(log: Path) -> None:
    file = files(log)[1]
    file.write_bytes(file.read_bytes().replace(b'"who":"me"', b'"who":"no"', 1))


def take_a_line(log: Path) -> None:
    first, *rest = files(log)[1].read_bytes().splitlines(keepends=True)
    files(log)[1].write_bytes(b"".join(rest) if rest else first)


def swap_lines(log: Path) -> None:
    lines = files(log)[0].read_bytes().splitlines(keepends=True)
    files(log)[0].write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))


def take_a_file(log: Path) -> None:
    files(log)[1].unlink()


def take_the_first_file(log: Path) -> None:
    files(log)[0].unlink()


def take_the_last_file(log: Path) -> None:
    log.unlink()


def empty_a_file(log: Path) -> None:
    files(log)[1].write_bytes(b"")


def garble(log: Path) -> None:
    files(log)[0].write_bytes(b"garbled\n" + files(log)[0].read_bytes())


def repeat(log: Path) -> None:
    log.write_bytes(log.read_bytes() * 2)


def tear(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-20])


def claim_a_tear(log: Path) -> None:
    last = json.loads(log.read_bytes().splitlines()[-1])
    text = log.read_bytes().splitlines()[-1]
    digest = hashlib.sha256(text).hexdigest()
    forged = {"seq": last["seq"] + 1, "prev": digest, "time": last["time"], "what": "mended",
              "torn": {"bytes": 5, "sha256": digest}}  # fmt: skip
    log.write_bytes(log.read_bytes() + json.dumps(forged).encode() + b"\n")


CHANGES: list[tuple[Callable[[Path], None], str]] = [
    (change_a_word, "does not follow from the line before"),
    (take_a_line, "is missing"),
    (swap_lines, "is number 2, and number 1 is missing"),
    (take_a_file, "audit.jsonl.2: is not there"),
    (take_the_first_file, "audit.jsonl.1: is not there"),
    (take_the_last_file, "audit.jsonl: is not there"),
    (empty_a_file, "is missing"),
    (garble, "audit.jsonl.1:1: is not a line as it was written"),
    (repeat, "is missing"),
    (tear, "is torn, and nothing behind it tells of that"),
    (claim_a_tear, "tells of a torn line that is not there"),
]


@pytest.mark.parametrize(
    ("change", "wrong"), CHANGES, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_change_shows(change: Callable[[Path], None], wrong: str, kept: Path) -> None:
    change(kept)
    found = verify(kept)
    assert wrong in found.wrong
    assert found.wrong.startswith(str(kept))


def test_what_is_cut_off_at_the_end_shows_to_who_has_noted_the_head(kept: Path) -> None:
    head = verify(kept).head
    keep(kept, "more")
    assert not verify(kept, head).wrong
    for file in files(kept):
        if head in file.read_text():
            lines = file.read_bytes().splitlines(keepends=True)
            cut = next(n for n, line in enumerate(lines) if head.encode() in line)
            file.write_bytes(b"".join(lines[: cut - 1]))
            for later in files(kept)[files(kept).index(file) + 1 :]:
                later.unlink()
    assert "the end was cut off" in verify(kept, head).wrong or "is not there" in (
        verify(kept, head).wrong
    )


def test_a_log_that_is_not_there_is_not_good(tmp_path: Path) -> None:
    assert verify(tmp_path / "none").wrong == f"{tmp_path}/none: is not there"
    (tmp_path / "empty").touch()
    assert verify(tmp_path / "empty").wrong == f"{tmp_path}/empty: holds no line"


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_byte_but_those_of_the_last_line_can_be_changed_unseen(
    data: st.DataObject, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    if not log.exists():
        keep(log, *"abcd")
    good = log.read_bytes()
    end = good.rstrip(b"\n").rindex(b"\n")
    at = data.draw(st.integers(0, end - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[at]))
    try:
        log.write_bytes(good[:at] + bytes([byte]) + good[at + 1 :])
        assert verify(log).wrong
    finally:
        log.write_bytes(good)


# What may happen


@pytest.mark.parametrize("cut", [1, 2, 30, 10_000])
def test_a_line_that_a_crash_has_torn_is_told_of_at_the_next_start(cut: int, log: Path) -> None:
    keep(log, "a", "b")
    whole = log.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    torn = last[: max(1, len(last) - cut)]
    log.write_bytes(whole.removesuffix(last) + torn)
    assert bool(verify(log).wrong) == (cut > 1)
    keep(log, "c")
    found = verify(log)
    assert (found.wrong, found.mended) == ("", int(cut > 1))
    texts = log.read_bytes().splitlines()
    assert [torn.removesuffix(b"\n")] == texts[2:3]  # what was written stays
    if cut > 1:
        assert json.loads(texts[3])["torn"] == {
            "bytes": len(torn),
            "sha256": hashlib.sha256(torn).hexdigest(),
        }


@pytest.mark.parametrize("tail", [b"\0" * 50, b"half\nlines\n", b'\xff\n{"seq":'])
def test_whatever_a_power_failure_leaves_behind_is_told_of(tail: bytes, log: Path) -> None:
    keep(log, "a")
    log.write_bytes(log.read_bytes() + tail)
    keep(log, "b")
    assert (verify(log).wrong, verify(log).mended) == ("", 1)


def test_a_crash_in_the_very_first_line_or_between_two_files_does_no_harm(log: Path) -> None:
    log.write_bytes(b'{"seq":1,"pre')
    keep(log, "a")
    assert (verify(log).wrong, verify(log).mended) == ("", 1)
    log.rename(log.with_name("audit.jsonl.1"))
    keep(log, "b")
    assert verify(log).wrong == ""
    log.rename(log.with_name("audit.jsonl.2"))
    log.write_bytes(b'{"seq":')
    keep(log, "c")
    assert (verify(log).wrong, verify(log).mended) == ("", 2)


async def test_a_process_that_is_killed_loses_no_line_that_was_written(log: Path) -> None:
    code = (
        "import os, signal, sys, trio\n"
        "from pathlib import Path\n"
        "from a2acore.audit import Line, open_audit\n"
        "async def main():\n"
        "    async with open_audit(Path(sys.argv[1])) as audit:\n"
        "        for n in range(100):\n"
        "            audit.write(Line(what='started', task=str(n)))\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "trio.run(main)\n"
    )
    done = await trio.run_process([sys.executable, "-c", code, str(log)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert told(log) == ["-", *map(str, range(100))]
    assert not verify(log).wrong


def whole(log: Path) -> list[str]:
    """What the lines tell that are lines."""
    return [
        line.get("task", line["what"])
        for text in log.read_bytes().splitlines()
        if text.startswith(b"{") and text.endswith(b"}")
        for line in [json.loads(text)]
    ]


@contextmanager
def room_for(log: Path, more: int) -> Iterator[None]:
    """No file can grow beyond `more` bytes more than the log has: a disk that gets full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1, 30, 150])
async def test_a_full_disk_refuses_and_what_it_left_torn_is_told_of_when_there_is_room(
    room: int, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_audit(log) as audit:
        audit.write(Line(what="started", task="a"))
        with room_for(log, room):
            for _ in range(3):
                with pytest.raises(Unaudited):
                    audit.write(Line(what="started", task="refused"))
        audit.write(Line(what="started", task="b"))
    logged = [record.levelno for record in caplog.records]
    assert logged.count(logging.ERROR) == 1
    assert logged.count(logging.WARNING) == 1
    found = verify(log)
    assert (found.wrong, found.mended) == ("", int(room > 0))
    tasks = whole(log)
    assert tasks == ["opened", "a", *(["mended"] if room else []), "b"]


async def test_two_servers_cannot_write_one_log(log: Path) -> None:
    async with open_audit(log):
        with pytest.raises(BadAudit, match="is used by another server"):
            await open_audit(log).__aenter__()
    async with open_audit(log):
        pass
    assert not verify(log).wrong


def test_what_is_no_audit_log_is_not_written_to(tmp_path: Path) -> None:
    other = tmp_path / "notes"
    other.write_text("Mine.\n")
    for path in (other, tmp_path, tmp_path / "none" / "log", Path("/dev/null")):
        with pytest.raises(BadAudit, match=str(path)):
            keep(path)
    (tmp_path / "link").symlink_to(other)
    with pytest.raises(BadAudit):
        keep(tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BadAudit):
        keep(tmp_path / "fifo")
    assert other.read_text() == "Mine.\n"


async def test_an_error_inside_comes_out_as_it_is_and_the_log_is_whole(log: Path) -> None:
    with pytest.raises(LookupError):  # noqa: PT012
        async with open_audit(log) as audit:
            audit.write(Line(what="started"))
            raise LookupError
    assert verify(log).lines == 2


# The command


def a2acode(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*A2ACODE, "audit", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_command_says_whether_a_log_is_good(kept: Path) -> None:
    good = a2acode("verify", kept)
    head = verify(kept).head
    assert (good.returncode, good.stdout) == (0, f"10 lines are good; head {head}\n")
    assert a2acode("verify", kept, "--head", head).returncode == 0
    cut = a2acode("verify", kept, "--head", "1" * 64)
    assert (cut.returncode, cut.stdout) == (1, "")
    assert "the end was cut off" in cut.stderr
    change_a_word(kept)
    bad = a2acode("verify", kept)
    assert bad.returncode == 1
    assert bad.stderr.count("\n") == 1
    assert "does not follow" in bad.stderr


def test_the_command_shows_what_a_log_tells(kept: Path) -> None:
    shown = a2acode("show", kept)
    assert shown.returncode == 0
    assert [line.split("  ")[1:] for line in shown.stdout.splitlines()][:2] == [
        ["opened"],
        ["me", "started", "task a"],
    ]
    assert len(shown.stdout.splitlines()) == 10
    one = a2acode("show", kept, "--task", "c", "--json")
    assert json.loads(one.stdout)["task"] == "c"
    missing = a2acode("show", kept.with_name("none"))
    assert missing.returncode == 2
    assert "none is not there" in missing.stderr


async def test_what_an_agent_calls_its_tool_cannot_pass_for_another_line(log: Path) -> None:
    async with open_audit(log) as audit:
        tool = ToolSeen("1", "x\n\x1b[2Jforged", "edit")
        audit.write(Line(what="decided", tool=tool, verdict="allow", by="caller", task="t"))
    shown = a2acode("show", log).stdout
    assert shown.count("\n") == 2
    assert "\x1b" not in shown
    assert "allow by caller" in shown


def test_a_server_that_cannot_keep_its_log_does_not_start(tmp_path: Path) -> None:
    log = tmp_path / "notes"
    log.write_text("Mine.\n")
    serve = ["serve", "--backend", "echo", "--port", "0", "--audit", str(log)]
    done = subprocess.run(
        [*A2ACODE, *serve], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert done.stderr == f"a2acode: {log}: is no audit log; name a new file\n"


# The documentation


def test_the_documentation_lists_every_member_and_shows_a_line_that_is_one() -> None:
    table, example = re.findall(r"^\| (`.+?) \|", DOCUMENT, re.MULTILINE), DOCUMENT.split("```")[1]
    listed = [name for cell in table for name in re.findall(r"`(\w+)`", cell)]
    assert listed == [field.name for field in msgspec.structs.fields(Line)]
    line = msgspec.json.decode(example.removeprefix("json\n"), type=Line)
    assert msgspec.json.encode(line).decode() == example.removeprefix("json\n").strip()
