"""What it asks, when, and under whose name."""

from __future__ import annotations

import json

from tests.hostile.case import (
    CANCELED,
    MB,
    MUTE,
    NO_TEXTS,
    OPTIONS,
    PERMISSION,
    STILL,
    Case,
    ask,
    both,
    hides,
    option,
    prompt,
    request,
    say,
    shows,
)

BOMB = {
    "type": "object",
    "properties": {"word": {"type": "string", "$ref": "#/$defs/18", "pattern": "^(a+)+$"}},
    "$defs": {
        "0": {},
        **{str(n + 1): {"allOf": [{"$ref": f"#/$defs/{n}"}] * 2} for n in range(18)},
    },
}
"""To check a word against it takes some seconds, and twice as many with each step more."""

WORD = "a" * 28 + "!"

QUESTIONS = [
    Case(
        "asks_without_options",
        prompt(ask(options=[]), ("outcome", "q")),
        answer="allow",
        text="[cancelled]",
    ),
    Case(
        "asks_with_options_of_no_known_kind",
        prompt(ask(options=[option("a", "obey"), option("b", None)]), ("outcome", "q")),
        answer="allow",
        text="[cancelled]",
    ),
    Case(
        "gives_yes_and_no_one_name",
        prompt(
            ask(options=[option("x", "reject_once"), option("x", "allow_always")]), ("outcome", "q")
        ),
        answer="no",
        text="[cancelled]",
        also=lambda heard: heard.said("permission")[0]["options"] == [],
    ),
    Case(
        "gives_an_option_twice",
        prompt(ask(options=[*OPTIONS, *OPTIONS]), ("outcome", "q")),
        answer="allow",
        text="[yes]",
        also=lambda heard: len(heard.said("permission")[0]["options"]) == 2,
    ),
    Case(
        "asks_twice_under_one_id",
        prompt(
            ask(),
            ask(tool={"toolCallId": "u", "title": "something else"}),
            ("outcome", "q"),
            ("outcome", "q"),
        ),
        answer="deny",
        text="[-32600][no]",
    ),
    Case(
        "withdraws_and_asks_again",
        prompt(
            ask(),
            ("send", {"method": "$/cancel_request", "params": {"requestId": "q"}}),
            ("outcome", "q"),
            ("send", {"method": "$/cancel_request", "params": {"requestId": "q"}}),
            ("send", {"method": "$/cancel_request", "params": {"requestId": ["q"]}}),
            ask(),
            ("outcome", "q"),
        ),
        answer="allow",
        text="[cancelled][yes]",
    ),
    Case(
        "asks_2000_things_at_once",
        prompt(STILL, *[ask(n, {"toolCallId": str(n)}) for n in range(2000)], ("listen",)),
        CANCELED,
        "cancelled",
        cancel=True,
        after="another",
    ),
    Case(
        "asks_until_it_is_cancelled",
        prompt(ask(), ("outcome", "q"), ("answer", {"stopReason": "end_turn"})),
        CANCELED,
        "cancelled",
        None,
        cancel=True,
    ),
    Case(
        "asks_what_makes_no_sense",
        prompt(
            *[request(f"q{n}", PERMISSION, odd) for n, odd in enumerate(NO_TEXTS)],
            *[("outcome", f"q{n}") for n in range(3)],
        ),
        text="[-32602]" * 3,
    ),
    Case(
        "asks_in_another_session",
        prompt(
            request(
                "q",
                PERMISSION,
                {"sessionId": "x", "toolCall": {"toolCallId": "t"}, "options": OPTIONS},
            ),
            ("outcome", "q"),
        ),
        text="[cancelled]",
    ),
    Case(
        "asks_under_no_id",
        prompt(ask(None), STILL),
    ),
    Case(
        "asks_when_it_was_cancelled",
        prompt(STILL, ("await_cancel",), ask(), ("outcome", "q"), ("listen",)),
        CANCELED,
        "cancelled",
        None,
        cancel=True,
        after="another",
    ),
    Case(
        "asks_when_it_has_ended",
        {
            "session/prompt": [
                STILL,
                ("answer_to", "$id", {"stopReason": "end_turn"}),
                ask(),
                ("outcome", "q"),
                MUTE,
            ],
        },
    ),
    Case(
        "speaks_as_if_it_were_us",
        prompt(
            ask(
                tool={
                    "toolCallId": "t",
                    "title": 'ls\nAnswer "allow" to be safe\n\x1b[2K\u202e',
                    "rawInput": {
                        "command\n": "ls\nPermission requested: ls",
                        "env": [{"name": ["x"], "value": 1}, {"name": "A\n", "value": "\x1b"}, 5],
                        "cwd": "/\nIn: /tmp",
                    },
                    "content": [
                        {"type": "content", "content": {"type": "text", "text": "\nIn: /root"}}
                    ],
                },
                options=[option("yes", "allow_once", "No\noption:no = Yes"), *OPTIONS[1:]],
            ),
            ("outcome", "q"),
        ),
        answer="allow",
        text="[yes]",
        also=both(
            hides("\x1b", "\u202e", "\nIn: /tmp", "\nIn: /root", '\nAnswer "allow" to be safe'),
            shows("⏎option:no = Yes", "  | Permission requested: ls"),
        ),
    ),
    Case(
        "speaks_while_it_waits",
        prompt(
            ask(), ("numbered", 20_000, {"sessionUpdate": "x"}), say("meanwhile"), ("outcome", "q")
        ),
        answer="allow",
        text="meanwhile[yes]",
    ),
    Case(
        "asks_for_a_word_that_takes_for_ever_to_check",
        prompt(
            request(
                "q",
                "elicitation/create",
                {"sessionId": "session", "message": "?", "mode": "form", "requestedSchema": BOMB},
            ),
            ("result", "q"),
        ),
        answer=WORD,
        text=json.dumps({"action": "accept", "content": {"word": WORD}}),
    ),
    Case(
        "asks_at_great_length",
        prompt(ask(tool={"toolCallId": "t", "rawInput": "x" * 5 * MB}), ("outcome", "q")),
        text="[-32600]",
    ),
    Case(
        "asks_in_a_million_lines",
        prompt(ask(tool={"toolCallId": "t", "rawInput": "\n" * 10**6}), ("outcome", "q")),
        answer="deny",
        text="[no]",
        within=10,
    ),
    Case(
        "shows_more_than_anybody_can_look_at",
        prompt(
            ask(tool={"toolCallId": "t", "content": [{"type": "diff", "path": "x"}] * 1001}),
            ("outcome", "q"),
        ),
        text="[-32602]",
    ),
    Case(
        "hides_an_edit_behind_one_that_does_not_fit",
        prompt(
            ask(
                tool={
                    "toolCallId": "t",
                    "kind": "edit",
                    "content": [
                        {"type": "diff", "path": "x", "newText": "rm -rf /"},
                        {"type": "diff", "path": "x", "oldText": "not there", "newText": "ls"},
                    ],
                }
            ),
            ("outcome", "q"),
        ),
        answer="deny",
        text="[no]",
        also=shows("+rm -rf /", "+ls"),
    ),
    Case(
        "hides_an_edit_in_a_file_that_is_no_text",
        prompt(
            ask(
                tool={
                    "toolCallId": "t",
                    "kind": "edit",
                    "content": [{"type": "diff", "path": "binary", "newText": "rm -rf /"}],
                }
            ),
            ("outcome", "q"),
        ),
        answer="deny",
        text="[no]",
        also=shows("+rm -rf /"),
    ),
]
