"""How it introduces itself, fails and ends: odd answers to our calls."""

from __future__ import annotations

from tests.hostile.case import (
    FAILED,
    MB,
    MUTE,
    REJECTED,
    SECRET,
    STILL,
    Case,
    ask,
    both,
    fault,
    hides,
    line,
    nested,
    no_usage,
    notices,
    prompt,
    request,
    result,
    say,
    short,
    shows,
    update,
    usage,
)

STARTS = [
    Case(
        f"introduces_itself_with_{name}",
        {"initialize": [("answer", told)]},
        FAILED,
        "error",
        "",
        end=end,
        after="first",
    )
    for name, told, end in [
        ("another_version", {"protocolVersion": 2}, "speaks version 2"),
        ("version_zero", {"protocolVersion": 0}, "speaks version 0"),
        ("a_version_as_text", {"protocolVersion": "1"}, "makes no sense"),
        ("no_version", {}, "makes no sense"),
        ("null", None, "makes no sense"),
        ("a_list", [], "makes no sense"),
    ]
] + [
    Case(
        "opens_no_session",
        {"session/new": [("answer", {"sessionId": 5})]},
        FAILED,
        "error",
        "",
        end="makes no sense",
        after="first",
    ),
    Case(
        "opens_a_session_without_a_name",
        {
            "session/new": [("answer", {"sessionId": ""})],
            **prompt(STILL),
        },
    ),
    Case(
        "opens_a_session_with_a_name_of_1_mb",
        {"session/new": [("answer", {"sessionId": "x" * MB})], **prompt(("answer", {}))},
        text="",
    ),
    Case(
        "asks_before_there_is_a_session",
        {
            "initialize": [ask("a"), request("b", "session/dance")],
            **prompt(("outcome", "a"), ("outcome", "b")),
        },
        text="[cancelled][-32601]",
    ),
    Case(
        "begins_in_odd_modes",
        {
            "session/new": [
                (
                    "answer",
                    {
                        "sessionId": "session",
                        "modes": {"currentModeId": None},
                        "configOptions": [{"id": "a", "currentValue": {"b": [1]}}],
                    },
                )
            ],
            **prompt(STILL),
        },
    ),
]

FAULTS = [
    Case(f"fails_with_{name}", prompt(fault(text)), FAILED, "error", "", end=end, also=short)
    for name, text, end in [
        ("a_text", '"out of luck"', "out of luck"),
        ("a_number", "5", "an error of no known form"),
        ("a_list", "[]", "an error of no known form"),
        ("false", "false", "an error of no known form"),
        ("an_empty_object", "{}", "an error of no known form"),
        ("a_code_as_text", '{"code": "E1", "message": "no"}', "no"),
        ("a_code_as_a_float", '{"code": 1.5, "message": "no"}', "no"),
        ("a_huge_code", f'{{"code": {10**50}, "message": "no"}}', "no"),
        ("no_message", '{"code": 7}', "error 7"),
        ("a_message_of_no_text", '{"code": 7, "message": {"a": 1}}', "an error of no known form"),
        ("details", '{"code": 7, "message": "no", "data": {"details": "disk full"}}', "disk full"),
        ("deep_data", f'{{"code": 7, "message": "no", "data": {nested(900)}}}', "no"),
        ("colours", '{"code": 7, "message": "\\u001b[31mno\\u001b[0m"}', "no"),
        ("a_secret", f'{{"code": 7, "message": "bad token {SECRET}"}}', "bad token ***"),
    ]
] + [
    Case(
        "fails_at_great_length",
        prompt(("fail", {"code": 7, "message": "no " * MB})),
        FAILED,
        "error",
        "",
        end="no no no",
        also=short,
    ),
    Case(
        "succeeds_and_fails",
        prompt(line('{"id": "$id", "result": {}, "error": {"code": 7, "message": "no"}}')),
        FAILED,
        "error",
        "",
        end="no",
    ),
    Case("neither_succeeds_nor_fails", prompt(line('{"id": "$id"}')), FAILED, "error", ""),
    Case(
        "wants_to_be_let_in_again_and_again",
        prompt(("fail", {"code": -32000, "message": "pay\nto \x1b[1mme\x1b[0m"})),
        answer="done",
        text="go",
        also=both(shows("has to be let in"), hides("\x1b")),
    ),
    Case(
        "has_forgotten_its_session",
        prompt(("fail", {"code": -32002, "message": "session not found"})),
        text="go",
        also=notices("memory_lost"),
    ),
]

RESULTS = [
    Case(f"ends_with_{name}", prompt(result(text)), FAILED, "error", "", end="makes no sense")
    for name, text in [
        ("null", "null"),
        ("a_number", "5"),
        ("a_list", "[]"),
        ("a_text", '"end_turn"'),
        ("a_stop_reason_of_no_text", '{"stopReason": 5}'),
    ]
] + [
    Case("ends_for_no_reason", prompt(STILL, ("answer", {}))),
    Case("ends_for_a_strange_reason", prompt(STILL, ("answer", {"stopReason": "x"})), stop="x"),
    Case(
        "ends_as_cancelled_by_nobody",
        prompt(STILL, ("answer", {"stopReason": "cancelled"})),
        FAILED,
        "cancelled",
    ),
    Case("refuses", prompt(STILL, ("answer", {"stopReason": "refusal"})), REJECTED, "refusal"),
    Case(
        "speaks_after_its_end",
        prompt(STILL, ("answer_to", "$id", {"stopReason": "end_turn"}), say("more"), MUTE),
    ),
    Case(
        "counts_below_zero",
        prompt(STILL, ("answer", {"usage": {"inputTokens": -5, "outputTokens": 7}})),
        also=usage(outputTokens=7),
    ),
    Case(
        "counts_in_words",
        prompt(STILL, ("answer", {"usage": {"inputTokens": "many"}})),
        also=no_usage,
    ),
    Case(
        "counts_what_is_no_number",
        prompt(STILL, result('{"stopReason": "end_turn", "usage": {"inputTokens": NaN}}'), MUTE),
        also=no_usage,
    ),
    Case(
        "names_its_model_in_an_object",
        prompt(
            update("usage_update", _meta={"_claude/model": {"name": "x"}}),
            STILL,
            ("answer", {"usage": {"inputTokens": 5}}),
        ),
        also=usage(inputTokens=5),
    ),
]
