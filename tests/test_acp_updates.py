"""From ACP's words to the port's, without an agent: updates, tools, files, permissions, content."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from a2abackends.acp.changes import Diff, applied
from a2abackends.acp.limits import Limits, Patience
from a2abackends.acp.permissions import CANCELLED, outcome_of, permission_of
from a2abackends.acp.tools import LONGEST_OUTPUT, Tool
from a2abackends.acp.updates import Standing, Translator
from a2abackends.acp.wire import (
    AnyUpdate,
    PermissionOption,
    PromptResult,
    ToolCallFields,
)
from a2abackends.presets import PRESETS, Oddities, oddities_of
from a2acore.backend import (
    Answer,
    Location,
    Notice,
    Option,
    Output,
    Plan,
    PlanEntry,
    Saying,
    Text,
    Thought,
    ToolCall,
    Usage,
)
from a2acore.model import Artifact, Part


def update(variant: str, **fields: Any) -> AnyUpdate:
    read: AnyUpdate = msgspec.convert({"sessionUpdate": variant, **fields}, AnyUpdate)
    return read


def text(words: str, message: str | None = None, kind: str = "agent_message_chunk") -> AnyUpdate:
    return update(kind, content={"type": "text", "text": words}, messageId=message)


def tool(**fields: Any) -> AnyUpdate:
    return update("tool_call_update", toolCallId="t", **fields)


@pytest.fixture
def translator() -> Translator:
    return Translator(Standing(), Oddities())


def told(translator: Translator, *updates: AnyUpdate) -> list[Saying]:
    return [saying for update in updates for saying in translator.read(update)]


def result(**fields: Any) -> PromptResult:
    return msgspec.convert({"stopReason": "end_turn", **fields}, PromptResult)


# What is said

SIMPLE_CASES: list[tuple[AnyUpdate, list[Saying]]] = [
    (text("hi"), [Text("hi")]),
    (text(""), []),
    (text("hm", kind="agent_thought_chunk"), [Thought("hm")]),
    (text("mine", kind="user_message_chunk"), []),
    (
        update("plan", entries=[{"content": "a", "priority": "high", "status": "completed"}]),
        [Plan((PlanEntry("a", "completed", "high"),))],
    ),
    (
        update("plan", entries=[{"content": "a", "priority": "urgent", "status": None}]),
        [Plan((PlanEntry("a", "pending", "medium"),))],
    ),
    (
        update("session_info_update", title="T"),
        [Notice("The session is called: T", "title", {"title": "T"})],
    ),
    (update("session_info_update", title=None), []),
    (update("available_commands_update", availableCommands=[]), []),
    (update("usage_update", used=1, size=2), []),
    (
        update(
            "agent_message_chunk",
            content={"type": "image", "data": "AQI=", "mimeType": "image/png", "uri": "f:///a.png"},
        ),
        [
            Output(
                Artifact(
                    "output-1",
                    (Part(raw=b"\1\2", media_type="image/png", filename="a.png"),),
                    "a.png",
                )
            )
        ],
    ),
    (
        update(
            "agent_thought_chunk",
            content={"type": "resource_link", "uri": "https://x.org/y", "name": "y"},
        ),
        [Output(Artifact("output-1", (Part(url="https://x.org/y", filename="y"),), "y"))],
    ),
    (
        update(
            "agent_message_chunk",
            content={"type": "resource", "resource": {"uri": "file:///n.md", "text": "# N"}},
        ),
        [Output(Artifact("output-1", (Part(text="# N", filename="n.md"),), "n.md"))],
    ),
]


@pytest.mark.parametrize(("said", "expected"), SIMPLE_CASES)
def test_an_update_becomes_what_it_means(
    translator: Translator, said: AnyUpdate, expected: list[Saying]
) -> None:
    assert told(translator, said) == expected


@pytest.mark.parametrize(
    "content",
    [{"type": "hologram"}, {"type": "image", "data": "not base64!"}, {"type": "resource"}, {}],
)
def test_content_that_cannot_be_passed_on_is_told_of(
    translator: Translator, content: dict[str, Any]
) -> None:
    (notice,) = told(translator, update("agent_message_chunk", content=content))
    assert isinstance(notice, Notice)
    assert notice.kind == "not_delivered"


def test_one_message_in_pieces_is_not_torn_apart(translator: Translator) -> None:
    assert told(translator, text("a", "1"), text("b", "1")) == [Text("a"), Text("b")]


def test_a_new_message_begins_a_new_paragraph(translator: Translator) -> None:
    assert told(translator, text("a", "1"), text("b", "2")) == [Text("a"), Text("\n\nb")]


def test_a_new_message_after_a_line_break_needs_none(translator: Translator) -> None:
    assert told(translator, text("a\n", "1"), text("b", "2")) == [Text("a\n"), Text("b")]


def test_words_after_a_tool_begin_a_new_paragraph_even_without_message_ids(
    translator: Translator,
) -> None:
    words = [s for s in told(translator, text("a"), tool(), text("b")) if isinstance(s, Text)]
    assert words == [Text("a"), Text("\n\nb")]


def test_a_mode_or_an_option_is_told_when_it_changes_and_only_then() -> None:
    standing = Standing()
    translator = Translator(standing, Oddities())
    mode = {"id": "mode", "category": "mode", "currentValue": "plan"}
    model = {"id": "model", "name": "Model", "category": "model", "currentValue": "small"}
    begin = update("config_option_update", configOptions=[mode, model])
    assert told(translator, begin, update("current_mode_update", currentModeId="plan")) == []
    change = update("config_option_update", configOptions=[mode, {**model, "currentValue": "big"}])
    assert told(translator, change, change) == [
        Notice("Model is now big", "option", {"option": "model", "value": "big"})
    ]
    assert standing.model == "big"
    assert told(translator, update("current_mode_update", currentModeId="build")) == [
        Notice("The agent's mode is now build", "mode", {"mode": "build"})
    ]


# Tools


def test_a_tool_is_one_view_that_grows_with_what_is_said(translator: Translator) -> None:
    said = told(
        translator,
        update("tool_call", toolCallId="t", title="Terminal", kind="execute", status="pending"),
        tool(title="make", rawInput={"command": "make"}),
        tool(_meta={"claudeCode": {"toolName": "Bash"}}),
        tool(status="in_progress", locations=[{"path": "/w/Makefile", "line": 3}]),
        tool(_meta={"terminal_output_delta": {"data": "ok\n"}}),
        tool(status="completed", _meta={"terminal_exit": {"exit_code": 0}}),
    )
    assert len(said) == 6
    assert said[-1] == ToolCall(
        "t",
        title="make",
        name="Bash",
        kind="execute",
        status="completed",
        input={"command": "make"},
        locations=(Location("/w/Makefile", 3),),
        output="ok\n",
        exit_code=0,
    )


def test_a_tool_of_which_nothing_new_is_said_is_not_said_again(translator: Translator) -> None:
    assert len(told(translator, tool(title="x"), tool(title="x"), tool(rawInput={}))) == 1


@pytest.mark.parametrize(
    "said",
    [{"kind": "telepathy", "status": "dreaming"}, {"kind": None, "locations": [5, {"path": None}]}],
)
def test_what_is_unknown_of_a_tool_leaves_what_is_known(
    translator: Translator, said: dict[str, Any]
) -> None:
    known = {"kind": "read", "status": "in_progress", "locations": [{"path": "/a"}]}
    told(translator, tool(**known), tool(**said))
    view = translator.tools["t"].view
    assert (view.kind, view.status) == ("read", "in_progress")
    assert view.locations == (Location("/a"),)


OUTPUTS: list[tuple[dict[str, Any], str]] = [
    ({"rawOutput": "plain"}, "plain"),
    ({"content": [{"type": "content", "content": {"type": "text", "text": "shown"}}]}, "shown"),
    ({"rawOutput": {"output": "inside", "metadata": {}}}, "inside"),
    ({"rawOutput": {"error": "no"}}, "no"),
    ({"rawOutput": {"exit_code": 1}}, ""),
    ({"content": []}, ""),
]


@pytest.mark.parametrize(("said", "output"), OUTPUTS)
def test_the_output_of_a_tool_is_found_wherever_an_agent_puts_it(
    translator: Translator, said: dict[str, Any], output: str
) -> None:
    told(translator, tool(status="completed", **said))
    assert translator.tools["t"].view.output == output


def test_what_a_pending_tool_shows_is_not_its_output(translator: Translator) -> None:
    shown = [{"type": "content", "content": {"type": "text", "text": "will make it"}}]
    told(translator, tool(status="pending", content=shown))
    assert translator.tools["t"].view.output == ""
    assert translator.tools["t"].text == "will make it"


def test_of_a_long_output_the_end_is_kept(translator: Translator) -> None:
    for n in range(100):
        told(translator, tool(_meta={"terminal_output_delta": {"data": f"{n:>5}" * 1000}}))
    output = translator.tools["t"].view.output
    assert len(output) == LONGEST_OUTPUT
    assert output.endswith("   99")


def test_a_picture_that_a_tool_made_is_an_output_once(translator: Translator) -> None:
    picture = {"type": "content", "content": {"type": "image", "data": "AQI="}}
    said = told(
        translator,
        tool(status="in_progress", content=[picture]),
        tool(status="completed", content=[picture]),
        tool(status="completed", title="late", content=[picture]),
    )
    assert len([saying for saying in said if isinstance(saying, Output)]) == 1


def test_a_new_file_that_opencode_tells_of_too_late_is_a_diff_all_the_same(
    translator: Translator,
) -> None:
    told(translator, tool(kind="edit", rawInput={"filePath": "/w/new", "content": "hi"}))
    assert translator.tools["t"].diffs == []
    told(translator, tool(status="completed", rawOutput={"metadata": {"exists": False}}))
    assert translator.tools["t"].diffs == [Diff("/w/new", None, "hi")]


# Usage

QUOTA = {
    "quota": {
        "token_count": {"input_tokens": 7, "output_tokens": 2},
        "model_usage": [{"model": "flash"}, {"model": "auto"}],
    }
}
USAGE = {"inputTokens": 1, "outputTokens": 2, "thoughtTokens": 3, "totalTokens": 6}


def test_usage_comes_from_the_answer_or_from_where_gemini_puts_it(translator: Translator) -> None:
    assert translator.usage(result(usage=USAGE)) == Usage(
        input_tokens=1, output_tokens=2, thought_tokens=3, total_tokens=6
    )
    assert translator.usage(result(_meta=QUOTA)) == Usage(
        input_tokens=7, output_tokens=2, total_tokens=9, model="flash"
    )


@pytest.mark.parametrize("meta", [None, 5, {"quota": None}, {"quota": {"token_count": None}}])
def test_no_usage_is_told_where_none_is_known(translator: Translator, meta: Any) -> None:
    assert translator.usage(result(_meta=meta)) is None
    assert translator.usage(None) is None


def test_tokens_of_the_last_call_are_not_given_for_those_of_a_turn_with_several() -> None:
    translator = Translator(Standing(), Oddities(tokens_of_last_call=True))
    assert translator.usage(result(usage=USAGE)) is not None
    told(translator, tool())
    assert translator.usage(result(usage=USAGE)) is None


@pytest.mark.parametrize(
    ("before", "now", "cost"),
    [
        (None, (0.3, "USD"), (0.3, "USD")),
        ((0.1, "USD"), (0.3, "USD"), (0.2, "USD")),
        ((0.3, "USD"), (0.3, "USD"), (0.0, "USD")),
        ((0.3, "USD"), (0.1, "USD"), (0.1, "USD")),  # it has begun to count anew
        ((0.1, "USD"), (0.3, "EUR"), (0.3, "EUR")),
    ],
)
def test_cost_is_the_difference_of_what_the_session_has_cost(
    before: tuple[float, str] | None, now: tuple[float, str], cost: tuple[float, str]
) -> None:
    standing = Standing()
    for total in filter(None, (before, now)):
        translator = Translator(standing, Oddities())
        amount, currency = total
        told(translator, update("usage_update", cost={"amount": amount, "currency": currency}))
        usage = translator.usage(None)
    assert usage is not None
    assert (usage.cost, usage.currency) == cost


# Oddities


def test_an_error_that_codex_tells_as_an_answer_is_an_error() -> None:
    oddities = oddities_of(PRESETS["codex"].calls_itself)
    translator = Translator(Standing(), oddities)
    told(translator, text("Hello", "1"), text("stream disconnected\n\n"))
    assert translator.disguised_error(result()) == "stream disconnected"
    assert translator.disguised_error(result(usage=USAGE)) is None


def test_an_answer_of_any_other_agent_is_an_answer(translator: Translator) -> None:
    told(translator, text("I am done"))
    assert translator.disguised_error(result()) is None


# Permissions

ONCE = Option("a", "Once", "allow_once")
ALWAYS = Option("b", "Always", "allow_always")
NO = Option("c", "No", "reject_once")
NEVER = Option("d", "Never", "reject_always")


def selected(option: Option) -> dict[str, Any]:
    return {"outcome": {"outcome": "selected", "optionId": option.id}}


@pytest.mark.parametrize(
    ("options", "answer", "outcome"),
    [
        ((ALWAYS, ONCE, NEVER, NO), Answer(True), selected(ONCE)),
        ((ALWAYS, ONCE, NEVER, NO), Answer(False), selected(NO)),
        ((ALWAYS, ONCE, NEVER, NO), Answer(True, ALWAYS), selected(ALWAYS)),
        ((ALWAYS, NO), Answer(True), selected(ALWAYS)),
        ((ONCE, NEVER), Answer(False), selected(NEVER)),
        ((ONCE,), Answer(False), CANCELLED),
        ((NO,), Answer(True), CANCELLED),
        ((), Answer(True), CANCELLED),
        ((ONCE, NO), Answer(False, Option("z", "Zap", "allow_always")), selected(NO)),
    ],
)
def test_an_answer_becomes_the_option_that_does_least(
    options: tuple[Option, ...], answer: Answer, outcome: dict[str, Any]
) -> None:
    assert outcome_of(options, answer) == outcome


def test_a_permission_tells_where_and_with_which_variables() -> None:
    asked = Tool(ToolCall("t"))
    env = [{"name": "LD_PRELOAD", "value": "x"}]
    asked.merge(ToolCallFields("t", raw_input={"workdir": "/w", "env": env}))
    options = [PermissionOption("a", kind="allow_once"), PermissionOption("b", "?", "maybe")]
    permission = permission_of(asked, options, (), "/elsewhere")
    assert (permission.cwd, permission.env) == ("/w", {"LD_PRELOAD": "x"})
    assert permission.options == (Option("a", "a", "allow_once"),)


# Edits


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        ("a b c", "b", "x", "a x c"),
        ("a b b", "b", "x", None),
        ("a", "b", "x", None),
        (None, "b", "x", None),
        (None, None, "x", "x"),
        ("a", None, "x", "x"),
        ("a", "", "x", "x"),
        ("a b", "b", "", "a "),
    ],
)
def test_an_edit_is_applied_where_it_fits_exactly_once(
    before: str | None, old: str | None, new: str, after: str | None
) -> None:
    assert applied(before, Diff("f", old, new)) == after


# Patience


async def test_patience_ends_when_nothing_is_heard_for_too_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    patience = Patience(Limits(silence=10, turn=100))
    patience.begin()
    with patience.turn, patience.silence:
        for _ in range(5):
            await trio.sleep(9)
            patience.heard()
        await trio.sleep_forever()
    assert patience.silence.cancelled_caught
    assert trio.current_time() == pytest.approx(55)


async def test_patience_ends_when_the_whole_takes_too_long_whatever_is_heard(
    autojump_clock: trio.testing.MockClock,
) -> None:
    patience = Patience(Limits(silence=10, turn=100))
    patience.begin()
    with patience.turn, patience.silence:
        while True:
            await trio.sleep(9)
            patience.heard()
    assert patience.turn.cancelled_caught
    assert trio.current_time() == pytest.approx(100)


async def test_the_time_that_the_caller_takes_to_answer_does_not_count(
    autojump_clock: trio.testing.MockClock,
) -> None:
    patience = Patience(Limits(silence=10, turn=100))
    patience.begin()
    with patience.turn, patience.silence:
        await trio.sleep(5)
        with patience.paused():
            with patience.paused():
                await trio.sleep(1000)
            patience.heard()
            await trio.sleep(1000)
        assert patience.turn.deadline == pytest.approx(2005 + 95)
        assert patience.silence.deadline == pytest.approx(2005 + 10)
    assert not patience.turn.cancelled_caught


def test_every_preset_is_known_by_what_it_calls_itself() -> None:
    for preset in PRESETS.values():
        assert oddities_of(preset.calls_itself) == preset.oddities
    assert oddities_of("a stranger") == Oddities()
