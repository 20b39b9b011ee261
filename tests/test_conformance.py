"""`a2acode conformance`: a sound server passes, and each thing that can be wrong is noticed.

The second half is the proof of the first: a check that cannot fail proves nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
import trio

from a2acli.conformance.musts import musts
from a2acli.conformance.peer import Texts
from a2acli.conformance.registry import CHECKS
from a2acli.conformance.report import as_json, as_junit, as_text
from a2acli.conformance.runner import Plan, Report, Result, run
from a2acore.server import Options
from tests.spoiled import Spoil, nothing, serving
from tests.spoilings import GUARDED_WRONG, TOKEN, WRONG, Case

TEXTS = Texts(slow="slow:1")
PATIENCE = 10.0
SOON = 4.0
"""Seconds: the patience where it is known to be tried."""
LIMIT = 120.0
"""Seconds after which a run is taken to hang."""

TOGETHER = 8
"""How many servers are played at a time."""

OPEN = Options(webhook_allow_private=True)
GUARDED = Options(webhook_allow_private=True, token=TOKEN)


def play(
    options: Options, *ids: str, line: str | None = None, binding: str | None = None
) -> Report:
    """Run it against a server of ours."""
    return trio.run(partial(playing, options, *ids, line=line, binding=binding))


async def playing(
    options: Options,
    *ids: str,
    line: str | None = None,
    binding: str | None = None,
    token: str | None = None,
    texts: Texts = TEXTS,
    patience: float = PATIENCE,
    ask: Spoil = nothing,
    say: Spoil = nothing,
) -> Report:
    """The same, where more can be chosen, and the server may be spoiled."""
    token = options.token if token is None else token
    with trio.fail_after(LIMIT):
        async with serving(options, ask=ask, say=say) as url:
            plan = Plan(url, token, line, binding, texts, patience, frozenset(ids))
            return await run(plan, lambda _: None)


# A sound server


@pytest.fixture(scope="module")
def sound() -> Report:
    """What is said of a server that lets everybody in."""
    return play(OPEN)


def test_our_server_keeps_to_every_must(sound: Report) -> None:
    assert {result.must.id: result.reasons for result in sound.failed(should=False)} == {}


def test_our_server_keeps_to_every_must_when_it_wants_a_token() -> None:
    report = play(GUARDED, binding="JSONRPC")
    assert {result.must.id: result.reasons for result in report.failed(should=False)} == {}
    assert of(report, "V10-MUST-115").verdict == "PASS"


def test_both_lines_are_played_on_both_bindings_and_in_both_forms(sound: Report) -> None:
    assert [str(way) for way in sound.ways] == [
        "1.0 JSONRPC",
        "1.0 HTTP+JSON",
        "0.3 JSONRPC",
        "0.3 HTTP+JSON",
        "0.3 HTTP+JSON (proto)",
    ]


def test_what_binds_servers_on_the_wire_is_checked_and_nothing_else() -> None:
    proven = {id for check in CHECKS for id in check.ids}
    assert proven == {must.id for must in musts().values() if not must.hidden}


def test_every_statement_gets_one_verdict(sound: Report) -> None:
    assert [result.must.id for result in sound.results] == list(musts())


def test_a_line_and_a_binding_can_be_chosen() -> None:
    report = play(OPEN, "V03-MUST-052", line="0.3", binding="JSONRPC")
    assert [str(way) for way in report.ways] == ["0.3 JSONRPC"]
    assert [(result.must.id, result.verdict) for result in report.results] == [
        ("V03-MUST-052", "PASS")
    ]


async def test_who_is_not_let_in_says_nothing_of_what_is_inside() -> None:
    report = await playing(GUARDED, line="1.0", binding="JSONRPC", token="")
    assert report.failed(should=False) == []
    assert of(report, "V10-MUST-003").reasons == [
        "1.0 JSONRPC: the server wants credentials; see --token-file"
    ]


async def test_an_agent_that_does_nothing_special_is_not_blamed() -> None:
    texts = Texts("hi", "hi", "hi", "hi")
    report = await playing(OPEN, line="1.0", binding="JSONRPC", texts=texts)
    assert report.failed(should=False) == []
    assert "see --pause-text" in of(report, "V10-MUST-084").reasons[0]


def of(report: Report, id: str) -> Result:
    """What is said of one statement."""
    [found] = [result for result in report.results if result.must.id == id]
    return found


# A server with one thing wrong


@pytest.fixture(scope="module")
def noticed() -> list[Report]:
    """What is said of each spoiled server, played together: most of the time they wait."""
    reports: dict[int, Report] = {}
    limiter = trio.CapacityLimiter(TOGETHER)

    async def one(number: int, case: Case, options: Options) -> None:
        id, line, binding, spoil = case
        async with limiter:
            reports[number] = await playing(
                options,
                id,
                line=line,
                binding=binding,
                patience=SOON,
                ask=spoil.get("ask", nothing),
                say=spoil.get("say", nothing),
            )

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number, case in enumerate(WRONG):
                nursery.start_soon(one, number, case, OPEN)
            for number, case in enumerate(GUARDED_WRONG, len(WRONG)):
                nursery.start_soon(one, number, case, GUARDED)

    trio.run(main)
    return [reports[number] for number in sorted(reports)]


@pytest.mark.parametrize(
    ("number", "id"),
    [(number, case[0]) for number, case in enumerate(WRONG + GUARDED_WRONG)],
)
def test_what_is_wrong_is_noticed(noticed: list[Report], number: int, id: str) -> None:
    [result] = noticed[number].results
    assert (result.must.id, result.verdict) == (id, "FAIL"), result.findings


@pytest.mark.parametrize("id", sorted({case[0] for case in WRONG}))
def test_and_is_not_seen_where_nothing_is_wrong(sound: Report, id: str) -> None:
    assert of(sound, id).verdict in ("PASS", "N/A")


# The report


def test_the_text_has_a_line_for_every_statement(sound: Report) -> None:
    text = as_text(sound)
    for id in musts():
        assert text.count(f"{id} ") == 1
    assert text.endswith("not black-box\n")


def test_a_text_names_what_was_seen_and_where(noticed: list[Report]) -> None:
    number = next(n for n, case in enumerate(WRONG) if case[0] == "V03-MUST-019")
    lines = as_text(noticed[number]).split("\n")
    place = next(n for n, line in enumerate(lines) if line.startswith("FAIL  V03-MUST-019"))
    assert lines[place + 1] == "      0.3 JSONRPC: id 7 comes back as '1'"


def test_the_json_has_the_sums_and_every_finding(sound: Report) -> None:
    said = json.loads(as_json(sound))
    verdicts = [each["verdict"] for each in said["results"]]
    assert said["counts"]["passed"] == verdicts.count("PASS")
    assert sum(said["counts"].values()) == len(musts())
    first = next(each for each in said["results"] if each["id"] == "V10-MUST-003")
    assert {"check", "where", "verdict", "reason"} == set(first["findings"][0])


def test_junit_has_a_suite_for_each_line(sound: Report) -> None:
    root = Xml.fromstring(as_junit(sound, strict=False))
    assert [suite.get("name") for suite in root] == ["A2A 1.0", "A2A 0.3"]
    assert [suite.get("failures") for suite in root] == ["0", "0"]
    assert sum(len(suite) for suite in root) == len(musts())


def test_junit_fails_a_should_only_when_it_is_strict(noticed: list[Report]) -> None:
    number = next(n for n, case in enumerate(WRONG) if case[0] == "V10-SHOULD-046")
    for strict in (False, True):
        [suite] = Xml.fromstring(as_junit(noticed[number], strict=strict))
        assert suite.get("failures") == str(int(strict))


# The command


def a2acode(*args: str) -> subprocess.CompletedProcess[str]:
    """Run `a2acode conformance`."""
    return subprocess.run(
        [sys.executable, "-m", "a2acli.main", "conformance", *args],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def test_the_exit_code_tells_how_it_went(tmp_path: Path) -> None:
    codes = {}

    async def main() -> None:
        async with serving(OPEN, say=WRONG[0][3]["say"]) as url:
            for id in ("V10-MUST-123", WRONG[0][0]):
                output = str(tmp_path / id)
                args = (url, "--line", "1.0", "--only", id, "--output", output)
                done = await trio.to_thread.run_sync(a2acode, *args)
                codes[id] = done.returncode

    trio.run(main)
    for id in codes:
        assert (tmp_path / id).read_text("utf-8").startswith("Echo at http://127.0.0.1:")
    assert codes == {"V10-MUST-123": 0, WRONG[0][0]: 1}


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["http://127.0.0.1:1"], "cannot reach"),
        (["nowhere"], "is no address of an agent"),
        (["http://127.0.0.1:1", "--only", "V10-MUST-999"], "there is no V10-MUST-999"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_line(args: list[str], complaint: str) -> None:
    done = a2acode(*args)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
