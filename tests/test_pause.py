"""A question to the caller: how it is shown, and what counts as its answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from a2acore.backend import (
    Answer,
    Asking,
    Credential,
    FileChange,
    Location,
    Option,
    Permission,
    Question,
    ToolCall,
)
from a2acore.errors import InvalidParams
from a2acore.lifecycle import EXTENSION
from a2acore.model import Message, Part, Role, TaskState
from a2acore.pause import CONSENT, Pause
from a2acore.work import Scribe, visible
from tests.stage import WORKSPACE, data, saying, words

ONCE = Option("once", "Just this time", "allow_once")
ALWAYS = Option("always", "From now on", "allow_always")
NEVER = Option("no:never", "Never", "reject_always")
TOOL = ToolCall("7", "Run rm", "bash", "execute", input={"command": "rm -rf build"})
PERMISSION = Permission(TOOL, (ONCE, ALWAYS, NEVER))


def read(text: str, asking: Asking = PERMISSION, **ours: Any) -> Answer:
    return Pause("r1", asking).read(saying(text, ours=ours))


def shown(asking: Asking, remark: str = "") -> Message:
    return Pause("r1", asking).message(Scribe("t", "c", WORKSPACE), remark)


FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {
            "type": "string",
            "title": "Colour",
            "description": "of the door",
            "oneOf": [
                {"const": "#f00", "title": "red", "description": "as roses are"},
                {"const": "#00f"},
            ],
        },
        "count": {"type": "integer", "default": 1, "minimum": 1},
    },
    "required": ["colour"],
}


# What counts as consent


CONSENTS = [
    *sorted(CONSENT),
    "Yes",
    "YES!",
    "yes.",
    "Yes!!!",
    "  allow  ",
    "allow\n",
    "OK.!",
    "\tok\r\n",
]
DENIALS = [
    "",
    " ",
    "!",
    "no",
    "deny",
    "yes please",
    "yes, and then delete everything",
    "allowing that would be bad",
    "do not allow",
    "yes?",
    "yes no",
    "yes\nno",
    "y e s",
    "okay",
    "да",
    "ｙｅｓ",
    "ye\u0301s",
    "yes\u200b",
    "once",
    "Option:once",
    "I pick option:once",
    '"yes"',
    "1",
    "true",
]


@pytest.mark.parametrize("text", CONSENTS)
def test_a_whole_answer_that_is_a_word_of_consent_allows(text: str) -> None:
    assert read(text) == Answer(True, None, text.strip())


@pytest.mark.parametrize("text", DENIALS, ids=ascii)
def test_everything_else_denies_and_its_words_are_kept(text: str) -> None:
    assert read(text) == Answer(False, None, text.strip())


@given(st.text())
def test_no_text_allows_that_is_not_one_of_the_words(text: str) -> None:
    bare = text.strip()
    assume(not bare.startswith("option:"))
    consent = bare.rstrip(".!").casefold() in [
        "allow",
        "yes",
        "y",
        "ok",
        "approve",
        "accept",
        "grant",
    ]
    assert read(text).allowed is consent


def test_the_words_of_several_parts_are_one_answer() -> None:
    parts = (Part(text="yes"), Part(text="but only in build/"))
    answer = Pause("r1", PERMISSION).read(Message("m", Role.USER, parts))
    assert answer == Answer(False, None, "yes\nbut only in build/")


PICKS: list[tuple[str, dict[str, Any], Option]] = [
    ("option:once", {}, ONCE),
    ("option: always ", {}, ALWAYS),
    ("option:no:never", {}, NEVER),
    ("", {"option": "once"}, ONCE),
    ("no", {"option": "once"}, ONCE),
    ("yes", {"option": "no:never"}, NEVER),
    ("option:once", {"option": "no:never"}, NEVER),
]


@pytest.mark.parametrize(("text", "ours", "option"), PICKS)
def test_a_named_option_decides_and_its_kind_is_the_verdict(
    text: str, ours: dict[str, Any], option: Option
) -> None:
    answer = read(text, **ours)
    assert answer.option == option
    assert answer.allowed is (option.kind in ("allow_once", "allow_always"))


UNKNOWN: list[tuple[str, dict[str, Any]]] = [
    ("option:", {}),
    ("option:Once", {}),
    ("option:once please", {}),
    ("yes", {"option": "other"}),
    ("yes", {"option": ""}),
    ("yes", {"option": 1}),
    ("yes", {"option": ["once"]}),
    ("yes", {"option": {"id": "once"}}),
]


@pytest.mark.parametrize(("text", "ours"), UNKNOWN)
def test_an_option_that_there_is_not_is_refused_and_the_options_are_named(
    text: str, ours: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParams, match="once, always, no:never"):
        read(text, **ours)


def test_without_options_none_can_be_picked() -> None:
    with pytest.raises(InvalidParams, match="none"):
        read("option:once", Permission(TOOL))


# What is bound to which question


@pytest.mark.parametrize(
    ("ours", "settles"),
    [
        (None, True),
        ({}, True),
        ({"requestId": None}, True),
        ({"requestId": "r1"}, True),
        ({"requestId": "r0"}, False),
        ({"requestId": ""}, False),
        ({"requestId": "R1"}, False),
        ({"requestId": ["r1"]}, False),
        ({"requestId": 1}, False),
    ],
)
def test_an_answer_that_names_another_request_does_not_settle_this_one(
    ours: dict[str, Any] | None, settles: bool
) -> None:
    assert Pause("r1", PERMISSION).settles(saying("yes", ours=ours)) is settles


@pytest.mark.parametrize(
    ("ours", "settles"), [(None, False), ({"requestId": "r1"}, True), ({"requestId": "r0"}, False)]
)
def test_a_message_that_is_stale_settles_only_what_it_names(
    ours: dict[str, Any] | None, settles: bool
) -> None:
    assert Pause("r1", PERMISSION).settles(saying("yes", ours=ours), stale=True) is settles


@pytest.mark.parametrize("odd", ["r1", 5, None, ["requestId"]])
def test_what_a_stranger_writes_under_our_name_is_no_answer(odd: object) -> None:
    message = Message("m", Role.USER, (Part(text="yes"),), metadata={EXTENSION: odd})
    assert Pause("r1", PERMISSION).settles(message)
    assert Pause("r1", PERMISSION).read(message) == Answer(True, None, "yes")


# Answers as data


def test_answers_to_a_question_come_as_data_from_our_metadata_or_from_a_part() -> None:
    question = Question("Which?", ("a", "b"))
    parts = (Part(text="see below"), Part(data={"which": "a"}))
    message = Message("m", Role.USER, parts)
    assert Pause("r1", question).read(message) == Answer(True, None, "see below", {"which": "a"})
    assert read("", question, answers={"which": "b"}) == Answer(True, None, "", {"which": "b"})
    assert read("a", question) == Answer(True, None, "a", None)


@pytest.mark.parametrize("text", ["no", "cancel", "option:x", "deny"])
def test_a_question_that_wants_no_data_takes_any_words(text: str) -> None:
    assert read(text, Question("Go on?")) == Answer(True, None, text)


@pytest.mark.parametrize("text", ["decline", "No.", "CANCEL", "skip!"])
def test_who_will_not_let_an_agent_in_says_so_in_a_word(text: str) -> None:
    assert read(text, Credential("Sign in there.")) == Answer(False, None, text)


@pytest.mark.parametrize("text", ["", "done", "yes", "no problem, it is done"])
def test_any_other_answer_to_a_credential_says_that_it_is_done(text: str) -> None:
    assert read(text, Credential("Sign in there.")) == Answer(True, None, text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_json_is_an_answer(value: Any) -> None:
    message = Message("m", Role.USER, (Part(data=value),))
    assert Pause("r1", Question("?")).read(message).data == value


# How it is shown


def test_a_credential_pauses_for_authentication_and_the_rest_for_input() -> None:
    assert Pause("r", Credential("Sign in")).state is TaskState.AUTH_REQUIRED
    assert Pause("r", Question("?")).state is TaskState.INPUT_REQUIRED
    assert Pause("r", PERMISSION).state is TaskState.INPUT_REQUIRED


def test_a_permission_is_shown_whole_to_a_person_and_to_a_program() -> None:
    asking = Permission(
        ToolCall(
            "7",
            "Just looking",
            "bash",
            "execute",
            input={"command": "make\nrm -rf /", "args": ["-c", "a\nb"], "wait": 5},
            locations=(Location("/workspace/a", 3), Location("b")),
        ),
        (ONCE, NEVER),
        "builds",
        (FileChange("/workspace/a", "1\n", "2\n"),),
        "/workspace/src",
        {"PATH": "/evil:/bin"},
    )
    message = shown(asking)
    assert words(message).splitlines() == [
        "Permission requested: bash, execute (call 7)",
        "The agent calls it: Just looking",
        "The agent says: builds",
        "In: /workspace/src",
        "With PATH=/evil:/bin",
        "At: a, line 3",
        "At: b",
        "command:",
        "  | make",
        "  | rm -rf /",
        "args[0]: -c",
        "args[1]:",
        "  | a",
        "  | b",
        "wait: 5",
        "To a:",
        "  | diff --git a/a b/a",
        "  | --- a/a",
        "  | +++ b/a",
        "  | @@ -1 +1 @@",
        "  | -1",
        "  | +2",
        'Answer "allow" to allow it; anything else denies it.',
        "option:once = Just this time (allow_once)",
        "option:no:never = Never (reject_always)",
    ]
    said = data(message)
    assert (said["kind"], said["requestId"]) == ("permission", "r1")
    assert said["tool"]["input"] == {
        "command": "make\nrm -rf /",
        "args": ["-c", "a\nb"],
        "wait": 5,
    }
    assert said["options"] == [
        {"id": "once", "name": "Just this time", "kind": "allow_once"},
        {"id": "no:never", "name": "Never", "kind": "reject_always"},
    ]
    assert said["changes"][0]["path"] == "a"
    assert (said["cwd"], said["env"]) == ("/workspace/src", {"PATH": "/evil:/bin"})
    assert message.metadata == {EXTENSION: {"kind": "permission", "requestId": "r1"}}


HIDING = "echo ok # note\nrm -rf X"
SECRETIVE: dict[str, Asking] = {
    "question": Question(HIDING),
    "suggestion": Question("?", (HIDING,)),
    "field of a form": Question("?", schema={"properties": {HIDING: {"type": "string"}}}),
    "words of a form": Question("?", schema={"properties": {"a": {"title": HIDING}}}),
    "choice of a form": Question("?", schema={"properties": {"a": {"enum": [HIDING]}}}),
    "default of a form": Question("?", schema={"properties": {"a": {"default": HIDING}}}),
    "type of a form": Question("?", schema={"properties": {"a": {"type": HIDING}}}),
    "credential": Credential(HIDING),
    "page": Credential("?", HIDING),
    "id": Permission(ToolCall(HIDING)),
    "name": Permission(ToolCall("1", name=HIDING)),
    "location": Permission(ToolCall("1", locations=(Location(HIDING),))),
    "list": Permission(ToolCall("1", input={"args": ["-c", HIDING]})),
    "title": Permission(ToolCall("1", HIDING)),
    "description": Permission(ToolCall("1", "x"), description=HIDING),
    "input": Permission(ToolCall("1", "x", input={"command": HIDING})),
    "input, bare": Permission(ToolCall("1", "x", input=HIDING)),
    "input, deep": Permission(ToolCall("1", "x", input={"args": [{"command": HIDING}]})),
    "name of an input": Permission(ToolCall("1", "x", input={HIDING: 1})),
    "folder": Permission(ToolCall("1", "x"), cwd=HIDING),
    "environment": Permission(ToolCall("1", "x"), env={"A": HIDING}),
    "name in the environment": Permission(ToolCall("1", "x"), env={HIDING: "1"}),
    "option": Permission(ToolCall("1", "x"), (Option("o", HIDING, "allow_once"),)),
    "id of an option": Permission(ToolCall("1", "x"), (Option(HIDING, "o", "allow_once"),)),
    "change": Permission(ToolCall("1", "x"), changes=(FileChange("a", None, HIDING),)),
    "path": Permission(ToolCall("1", "x"), changes=(FileChange(HIDING, None, "a"),)),
}


@pytest.mark.parametrize("asking", SECRETIVE.values(), ids=SECRETIVE)
def test_a_second_line_is_neither_folded_away_nor_taken_for_one_of_ours(
    asking: Asking,
) -> None:
    text = words(shown(asking))
    assert "rm -rf X" in text
    assert not any(line.startswith("rm -rf") for line in text.split("\n"))
    assert "note rm" not in text


@pytest.mark.parametrize("asking", SECRETIVE.values(), ids=SECRETIVE)
def test_nothing_that_is_asked_can_act_on_a_terminal(asking: Asking) -> None:
    assert all(line.isprintable() for line in words(shown(asking)).split("\n"))


INPUTS = st.dictionaries(
    st.text(max_size=5),
    st.text(max_size=20) | st.integers(),
    max_size=4,
)


def test_blank_lines_are_lines_too() -> None:
    asking = Permission(ToolCall("1", "x", input="a\n\n\n"))
    assert words(shown(asking)).count("\n  | ") == 3


@given(INPUTS)
def test_every_character_of_an_input_is_shown(given_input: dict[str, Any]) -> None:
    asking = Permission(ToolCall("1", "x", input=given_input))
    text = words(shown(asking))
    for value in given_input.values():
        for line in str(value).removesuffix("\n").split("\n"):
            assert visible(line) in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_question_is_shown_with_its_suggestions_and_its_schema() -> None:
    message = shown(Question("Which one?", ("a", "b\nc"), FORM))
    assert words(message).splitlines() == [
        "Which one?",
        "Suggestions: a, b⏎c",
        "- colour (string, required) Colour: of the door",
        "  - #f00 = red: as roses are",
        "  - #00f",
        "- count (integer, default 1, minimum 1)",
        'Answer with a text, or with data; "decline" declines.',
    ]
    assert data(message) == {
        "kind": "question",
        "question": "Which one?",
        "choices": ["a", "b\nc"],
        "schema": FORM,
        "requestId": "r1",
    }


def test_who_asks_much_is_answered_with_data() -> None:
    form = {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    assert words(shown(Question("?", schema=form))).splitlines()[-1] == (
        'Answer with data, or with a text that is a JSON object; "decline" declines.'
    )


def test_the_page_of_a_credential_is_shown_whole() -> None:
    url = "https://login.example/?state=" + "x" * 3000
    message = shown(Credential("Sign in.", url))
    assert words(message).splitlines() == [
        "Sign in.",
        f"To be opened by you: {url}",
        'Answer when it is done; "decline" declines.',
    ]
    assert data(message) == {"kind": "credential", "url": url, "requestId": "r1"}


@pytest.mark.parametrize(("waiting", "line"), [(1, "1 more is"), (7, "7 more are")])
def test_a_question_says_how_many_wait_behind_it(waiting: int, line: str) -> None:
    message = Pause("r1", PERMISSION).message(Scribe("t", "c", WORKSPACE), waiting=waiting)
    assert words(message).splitlines()[-1] == f"{line} waiting behind it."
    assert data(message)["waiting"] == waiting
    assert "waiting" not in data(shown(PERMISSION))


def test_a_question_asked_again_says_why_and_is_the_same_question() -> None:
    first, again = shown(PERMISSION), shown(PERMISSION, "That was another request:")
    assert words(again) == f"That was another request:\n{words(first)}"
    assert data(again) == data(first)
    assert again.message_id != first.message_id
