"""How it hangs and dies, and whom it leaves behind."""

from __future__ import annotations

import signal

from tests.hostile.case import (
    CANCELED,
    DIE,
    FAILED,
    HANG,
    HASTY,
    MUTE,
    STILL,
    Case,
    ask,
    prompt,
    say,
    tool,
    tools,
)

HANGS = [
    Case(
        f"hangs_in_{name}",
        {moment: [step]},
        FAILED,
        "limit",
        "",
        end="did not answer",
        after="first",
        limits=HASTY,
        within=8,
    )
    for name, moment, step in [
        ("initialize", "initialize", HANG),
        ("session_new", "session/new", MUTE),
    ]
] + [
    Case(
        "hangs_in_the_prompt",
        prompt(STILL, HANG),
        FAILED,
        "limit",
        end="said nothing for",
        after="another",
        limits=HASTY,
    ),
    Case(
        "stops_itself_in_mid_update",
        prompt(STILL, ("bytes", '{"jsonrpc": "2.0", "method":'), ("stop",)),
        FAILED,
        "limit",
        end="said nothing for",
        after="another",
        limits=HASTY,
    ),
    Case(
        "takes_no_notice_of_a_cancellation",
        prompt(STILL, ("await_cancel",), HANG),
        CANCELED,
        "cancelled",
        cancel=True,
        after="another",
    ),
    Case(
        "does_not_even_read_a_cancellation",
        prompt(STILL, ("ignore", signal.SIGTERM), HANG),
        CANCELED,
        "cancelled",
        cancel=True,
        after="another",
    ),
    Case("does_not_end_when_its_input_does", {**prompt(STILL), "eof": [HANG]}),
    Case(
        "does_not_end_when_it_is_told_to",
        {**prompt(STILL), "eof": [("ignore", signal.SIGTERM), HANG]},
    ),
    Case(
        "floods_us_when_its_input_ends",
        {**prompt(STILL), "eof": [("forever", "x" * 99 + "\n")]},
        flood=True,
    ),
    Case(
        "asks_and_does_not_read",
        prompt(("fill", '{"id": 1, "method": "x"}\n', 100_000), HANG),
        FAILED,
        "crashed",
        "",
        end="did not read its input",
        after="another",
    ),
]

CANCELLATIONS = [
    Case(
        "ends_well_when_it_was_cancelled",
        prompt(STILL, ("await_cancel",), say(" and on"), ("answer", {"stopReason": "end_turn"})),
        CANCELED,
        "cancelled",
        None,
        cancel=True,
    ),
    Case(
        "fails_when_it_was_cancelled",
        prompt(STILL, ("await_cancel",), ("fail", {"code": 1, "message": "no"})),
        CANCELED,
        "cancelled",
        cancel=True,
    ),
    Case(
        "floods_when_it_was_cancelled",
        prompt(STILL, ("await_cancel",), ("forever", "x" * 99 + "\n")),
        CANCELED,
        "cancelled",
        cancel=True,
        after="another",
        flood=True,
    ),
]

DEATHS = (
    [
        Case(
            f"dies_in_{name}",
            {moment: [("bytes", "The end is nigh\n", 2), DIE]},
            FAILED,
            "crashed",
            "",
            end="exited with code 3\nThe end is nigh",
            after="another" if moment == "session/prompt" else "first",
        )
        for name, moment in [
            ("its_start", "start"),
            ("initialize", "initialize"),
            ("session_new", "session/new"),
            ("the_prompt", "session/prompt"),
        ]
    ]
    + [
        Case(
            f"dies_by_{name.lower()}",
            prompt(STILL, ("kill", getattr(signal, name))),
            FAILED,
            "crashed",
            end=f"killed by signal {getattr(signal, name).value}",
            after="another",
        )
        for name in ("SIGKILL", "SIGSEGV", "SIGTERM")
    ]
    + [
        Case(
            "dies_as_if_all_were_well",
            prompt(STILL, ("exit", 0)),
            FAILED,
            "crashed",
            end="exited with code 0",
            after="another",
        ),
        Case(
            "dies_in_mid_line",
            prompt(STILL, ("bytes", '{"jsonrpc": "2.0", "method": "session/update", "para'), DIE),
            FAILED,
            "crashed",
            after="another",
        ),
        Case(
            "dies_in_mid_tool",
            prompt(tool(status="in_progress", title="work"), STILL, DIE),
            FAILED,
            "crashed",
            after="another",
            also=tools(t="failed"),
        ),
        Case(
            "dies_when_it_may",
            prompt(ask(), ("outcome", "q"), DIE),
            FAILED,
            "crashed",
            "[yes]",
            answer="allow",
            after="another",
        ),
        Case(
            "dies_with_a_question_open",
            prompt(STILL, ask(), DIE),
            FAILED,
            "crashed",
            after="another",
        ),
        Case(
            "dies_in_its_answer",
            prompt(
                STILL,
                (
                    "line",
                    '{"jsonrpc": "2.0", "id": "$id", "result": {"stopReason": "end_turn"}}',
                    "",
                ),
                DIE,
            ),
            after="another",
        ),
        Case(
            "dies_behind_its_answer",
            prompt(STILL, ("answer_to", "$id", {"stopReason": "end_turn"}), DIE),
            after="another",
        ),
        Case(
            "dies_of_a_cancellation",
            {**prompt(STILL, ("listen",)), "session/cancel": [DIE]},
            CANCELED,
            "cancelled",
            cancel=True,
            after="another",
        ),
        Case(
            "closes_its_output",
            prompt(STILL, ("close", 1), HANG),
            FAILED,
            "crashed",
            end="closed its output",
            after="another",
        ),
        Case(
            "closes_its_input",
            prompt(STILL, ("close", 0), ask(), HANG),
            FAILED,
            "crashed",
            answer="allow",
            end="closed its input",
            after="another",
        ),
        Case(
            "closes_everything",
            prompt(STILL, ("close", 0, 1, 2), HANG),
            FAILED,
            "crashed",
            end="closed its output",
            after="another",
        ),
    ]
)

KIN = [
    Case(
        "leaves_a_child_that_holds_its_pipes",
        prompt(("spawn", []), STILL, DIE),
        FAILED,
        "crashed",
        after="another",
    ),
    Case(
        "leaves_a_child_that_does_not_want_to_end",
        prompt(("spawn", [("ignore", n) for n in (signal.SIGTERM, signal.SIGHUP)]), STILL, DIE),
        FAILED,
        "crashed",
        after="another",
    ),
    Case("keeps_a_child", prompt(("spawn", [("ignore", signal.SIGTERM)]), STILL), kin=1),
    Case(
        "leaves_a_child_that_is_out_of_reach",
        prompt(("spawn", [("escape",)]), STILL, DIE),
        FAILED,
        "crashed",
        after="another",
        kin=1,
        escaped=1,
    ),
    Case(
        "leaves_a_child_out_of_reach_that_goes_on_speaking",
        prompt(("spawn", [("escape",), ("ignore", signal.SIGPIPE)], ("beat", ".")), STILL, DIE),
        FAILED,
        "crashed",
        None,
        after="another",
    ),
    Case(
        "keeps_a_child_out_of_reach_beyond_its_end",
        prompt(("spawn", [("escape",), ("close", 0, 1, 2)]), STILL),
        kin=1,
        escaped=1,
    ),
]
