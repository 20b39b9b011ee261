"""What the command logs: a record is a line, and no secret is in it."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from a2acli.logs import MARGIN, Discreet
from a2acore.redaction import Redactor
from tests.test_cli import a2acode, serving

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ \S+: ")


def logged(message: str, *args: object, fails: Exception | None = None) -> str:
    """What is written for one record."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(Discreet(Redactor(["s3cret-word"])))
    logger = logging.Logger("a2acore.test")
    logger.addHandler(handler)
    try:
        if fails is not None:
            raise fails
    except Exception:
        logger.exception(message, *args)
    else:
        logger.info(message, *args)
    return out.getvalue()


def test_a_record_is_one_line_whatever_it_says() -> None:
    forged = "x\n2026-01-01 00:00:00,000 INFO a2acore: all is well\r\x1b[2K\u2028\x85"
    said = logged("task %s", forged)
    assert len(said.splitlines()) == 1
    assert LINE.match(said)
    assert "x\\n2026" in said
    assert "\x1b" not in said


def test_a_traceback_cannot_pass_for_a_record() -> None:
    forged = ValueError("x\n2026-01-01 00:00:00,000 INFO a2acore: all is well with s3cret-word")
    first, *trace = logged("it broke", fails=forged).splitlines()
    assert LINE.match(first)
    assert all(line.startswith(MARGIN) for line in trace)
    assert any("all is well with ***" in line for line in trace)


@pytest.mark.parametrize(
    "said", ["s3cret-word", "s3cret%2Dword", "Authorization: Bearer abcdefgh12345678"]
)
def test_a_secret_is_not_logged(said: str) -> None:
    for text in (logged("it is %s", said), logged("it broke", fails=ValueError(said))):
        assert "***" in text
        assert "word" not in text
        assert "12345678" not in text


def test_a_record_is_left_as_it_was_for_others() -> None:
    record = logging.LogRecord("a", logging.INFO, "", 0, "it is %s", ("s3cret-word",), None)
    Discreet(Redactor(["s3cret-word"])).format(record)
    assert record.getMessage() == "it is s3cret-word"
    assert not hasattr(record, "message")


def test_the_command_logs_without_payloads_and_with_them_without_secrets(tmp_path: Path) -> None:
    """Its own token is one, and what its environment calls so."""
    token = tmp_path / "token"
    token.write_text("the-token-0123456789")
    token.chmod(0o600)
    for flags, shown in (([], False), (["--log-payloads"], True)):
        args = ["--auth-token-file", str(token), *flags]
        with serving(*args, MY_API_KEY="the-key-of-mine") as (url, process):
            said = "a-special-word the-token-0123456789 the-key-of-mine"
            done = a2acode("call", said, "--url", url, A2ACODE_TOKEN="the-token-0123456789")
            assert done.returncode == 0, done.stderr
            process.terminate()
            assert process.stderr is not None
            log = process.stderr.read()
        assert ("a-special-word *** ***" in log) == shown
        assert ("a-special-word" in log) == shown
        assert "the-token" not in log
        assert "the-key" not in log


def test_a_program_that_embeds_us_keeps_its_own_log() -> None:
    look = "import a2acore.server, logging; print(logging.getLogger().handlers)"
    done = subprocess.run((sys.executable, "-c", look), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
