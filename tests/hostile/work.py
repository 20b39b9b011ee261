"""What it says of its work."""

from __future__ import annotations

import json

from a2abackends.acp import Limits
from tests.hostile.case import (
    CURT,
    FAILED,
    MB,
    MUTE,
    NO_TEXTS,
    PERMISSION,
    STILL,
    Case,
    ask,
    both,
    chunk,
    hides,
    line,
    nested,
    no_diffs,
    notices,
    plan_of,
    prompt,
    request,
    result,
    say,
    short,
    shows,
    speech,
    tool,
    tool_by_hand,
    tools,
    update,
    update_by_hand,
    usage,
)

WORK = [
    Case(
        "does_what_nobody_knows",
        prompt(
            update("telepathy", content=5),
            ("update", {"no": "kind"}),
            ("update", {"sessionUpdate": {"a": 1}}),
            ("update", None),
            ("send", {"method": "session/update"}),
            ("send", {"method": "session/dance", "params": {}}),
            ("send", {"method": "", "params": []}),
            ("send", {"method": 5}),
            STILL,
        ),
    ),
    Case(
        "asks_for_what_nobody_knows",
        prompt(
            request("a", "session/dance"),
            ("outcome", "a"),
            request(0, "fs/nothing", {"path": "/etc/passwd"}),
            ("outcome", 0),
            request("", ""),
            ("outcome", ""),
        ),
        text="[-32601]" * 3,
    ),
    Case(
        "answers_with_wrong_types_throughout",
        prompt(
            *[tool(odd) for odd in NO_TEXTS],
            *[tool("t", title=odd) for odd in NO_TEXTS],
            *[chunk(odd) for odd in NO_TEXTS],
            *[chunk({"type": odd, "text": odd}) for odd in NO_TEXTS],
            *[chunk({"type": "text", "text": odd}) for odd in NO_TEXTS],
            *[update("plan", entries=odd) for odd in NO_TEXTS],
            *[update("plan", entries=[odd, {"content": odd}]) for odd in NO_TEXTS],
            *[update("current_mode_update", currentModeId=odd) for odd in NO_TEXTS],
            *[update("config_option_update", configOptions=odd) for odd in NO_TEXTS],
            *[update("config_option_update", configOptions=[{"id": odd}]) for odd in NO_TEXTS],
            *[update("session_info_update", title=odd) for odd in NO_TEXTS],
            *[update("usage_update", cost=odd) for odd in NO_TEXTS],
            *[update("usage_update", cost={"amount": odd, "currency": odd}) for odd in NO_TEXTS],
            STILL,
        ),
    ),
    Case(
        "gives_tools_odd_parts",
        prompt(
            tool(content=[5, None, {"type": 5}, {"type": "diff"}, {"type": "content"}]),
            tool(locations=[5, {"path": 5}, {"path": "x", "line": "y"}, {}]),
            tool(_meta={"claudeCode": {"toolName": ["a"]}, "terminal_exit": {"exit_code": "no"}}),
            tool(_meta={"terminal_output_delta": {"data": 5}}, rawOutput={"output": [1]}),
            tool(status="completed"),
            STILL,
        ),
        also=tools(t="completed"),
    ),
    Case(
        "uses_enums_of_its_own",
        prompt(
            tool(kind="nuke", status="exploded"),
            update("plan", entries=[{"content": "a", "priority": "x", "status": "y"}]),
            chunk({"type": "smell", "text": "?"}),
            STILL,
        ),
        also=both(tools(t="completed"), notices("not_delivered")),
    ),
    Case(
        "speaks_of_a_tool_after_its_end",
        prompt(tool(status="completed"), tool(status="in_progress", title="again"), STILL),
        also=tools(t="completed"),
    ),
    Case(
        "leaves_its_tools_open",
        prompt(tool("a"), tool("b", status="in_progress"), STILL),
        also=tools(a="completed", b="completed"),
    ),
    Case(
        "gives_a_tool_an_id_of_1_mb",
        prompt(tool("x" * MB, status="completed"), tool("", status="completed"), STILL),
        also=lambda heard: sorted(map(len, heard.tools())) == [0, MB],
    ),
    Case(
        "uses_5000_tools",
        prompt(("numbered", 5000, {"sessionUpdate": "tool_call", "toolCallId": "$n"}), STILL),
        also=lambda heard: [said[-1] for said in heard.tools().values()] == ["completed"] * 5000,
        within=15,
    ),
    Case(
        "plans_1000_steps_and_then_100000",
        prompt(
            *[update("plan", entries=[{"content": "step"}] * n) for n in (1000, 100_000)], STILL
        ),
        also=plan_of(1000),
    ),
    Case(
        "calls_a_tool_at_great_length",
        prompt(tool(title="x" * 5 * MB, status="completed"), STILL),
        also=both(tools(t="completed"), short),
    ),
    Case(
        "shows_1001_things",
        prompt(tool(content=[{"type": "content"}] * 1001), tool("u", content=[{}] * 1000), STILL),
        also=tools(u="completed"),
    ),
    Case(
        "plans_in_a_circle",
        prompt(
            update("plan", entries=[{"content": "a", "entries": [{"content": "a"}]}] * 2),
            tool("t", content=[{"type": "tool", "toolCallId": "t"}], rawInput={"toolCallId": "t"}),
            STILL,
        ),
        also=both(plan_of(2), tools(t="completed")),
    ),
    Case(
        "plans_in_several_lines",
        prompt(update("plan", entries=[{"content": "a\n- [x] all done\x1b[2J"}]), STILL),
        also=plan_of(1),
    ),
    Case("nests_50_deep", prompt(tool_by_hand("t", nested(50)), STILL), also=tools(t="completed")),
    *[
        Case(f"nests_{depth}_deep", prompt(tool_by_hand("t", nested(depth)), STILL), also=tools())
        for depth in (90, 150, 500, 950, 5000, 100_000)
    ],
    Case(
        "nests_its_answer_too_deep",
        prompt(STILL, result(f'{{"_meta": {nested(900)}}}'), MUTE),
        FAILED,
        "error",
        end="nests too deep",
    ),
    Case(
        "nests_its_question_too_deep",
        prompt(
            line(f'{{"id": "q", "method": "{PERMISSION}", "params": {nested(900)}}}'),
            ("outcome", "q"),
        ),
        text="[-32600]",
    ),
    Case(
        "cuts_characters_in_two",
        prompt(chunk({"type": "text", "text": "half \ud83d"}), tool(rawInput={"a": "\udc00"})),
        text="half ?",
        also=tools(t="completed"),
    ),
    Case(
        "sends_what_is_no_utf8",
        prompt(
            (
                "bytes",
                '{"method": "session/update", "params": {"sessionId": "session", "update": '
                '{"sessionUpdate": "agent_message_chunk", "content": '
                '{"type": "text", "text": "caf\xe9"}}}}\n',
            )
        ),
        text="caf\ufffd",
    ),
    Case(
        "sends_numbers_of_all_sizes",
        prompt(
            tool(rawInput={"a": 10**400, "b": -(10**40), "c": 5e-324, "d": 1.7e308}),
            tool(rawOutput={"exit_code": 10**40}),
            update(
                "tool_call_update", toolCallId="u", locations=[{"path": "x", "line": -(10**40)}]
            ),
            tool_by_hand("v", '{"a": NaN, "b": -Infinity}'),
            STILL,
        ),
        also=tools(t="completed", u="completed", v="completed"),
    ),
    Case(
        "says_the_same_member_twice",
        prompt(
            line(
                '{"method": "x", "method": "session/update", "params": 5, "params": '
                '{"sessionId": "no", "sessionId": "session", "update": {"sessionUpdate": '
                '"agent_message_chunk", "content": {"type": "text", "text": "still here"}}}}'
            )
        ),
    ),
    Case(
        "speaks_in_control_characters",
        prompt(
            tool("\x00\x1b", title="\x1b[2J\u202egpj.exe\n", status="failed", rawOutput="\x07\x08"),
            update("session_info_update", title="\x1b]0;mine\x07\nPermission requested: x"),
            update("current_mode_update", currentModeId="\x1b[1m"),
            update("current_mode_update", currentModeId="\x1b[2m\n"),
            update("config_option_update", configOptions=[{"id": "\x1b\n", "currentValue": "a"}]),
            update(
                "config_option_update", configOptions=[{"id": "\x1b\n", "currentValue": "\x1b"}]
            ),
            chunk({"type": "\x1b[3m\n"}),
            say("\x00\x1b[2J\u202e"),
        ),
        text="\x00\x1b[2J\u202e",
        also=both(
            hides("\x00", "\x1b", "\u202e", "\nPermission requested"),
            shows("⏎Permission requested"),
        ),
    ),
    Case(
        "speaks_of_other_sessions",
        prompt(
            ("update", {"sessionUpdate": "plan", "entries": []}, "other"),
            (
                "update",
                {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "!"}},
                "SESSION",
            ),
            ("update", {"sessionUpdate": "plan", "entries": []}, None),
            ("update", {"sessionUpdate": "plan", "entries": []}, 5),
            STILL,
        ),
    ),
    Case(
        "speaks_before_it_is_prompted",
        {
            "start": [say("0")],
            "initialize": [say("1")],
            "session/new": [say("2"), tool(), ("numbered", 1000, {"sessionUpdate": "x"})],
            **prompt(STILL),
        },
    ),
    Case(
        "sends_images_that_are_none",
        prompt(
            chunk({"type": "image", "data": "!!!", "mimeType": "image/png"}),
            chunk({"type": "image", "mimeType": "image/png"}),
            chunk({"type": "image", "data": "\u00e9", "mimeType": "\n"}),
            chunk({"type": "resource", "resource": {"uri": "x", "blob": "="}}),
            chunk({"type": "resource"}),
            STILL,
        ),
        also=lambda heard: len(notices("not_delivered")(heard)) == 5,  # type: ignore[arg-type]
    ),
    Case(
        "switches_currencies_and_pays_us",
        prompt(
            update("usage_update", cost={"amount": 3, "currency": "USD"}),
            update("usage_update", cost={"amount": -5, "currency": "USD"}),
            update("usage_update", cost={"amount": 10**400, "currency": "USD"}),
            update_by_hand(
                '{"sessionUpdate": "usage_update", "cost": {"amount": NaN, "currency": "USD"}}'
            ),
            update("usage_update", cost={"amount": 4, "currency": "EUR"}),
            STILL,
        ),
        also=usage(cost=4.0, currency="EUR"),
    ),
    Case(
        "talks_for_ever",
        prompt(("forever", json.dumps(speech("on and on ")) + "\n")),
        FAILED,
        "limit",
        None,
        end="said more than 8 MB in one turn",
        after="another",
        limits=CURT,
        flood=True,
    ),
    Case(
        "talks_for_ever_while_it_waits",
        prompt(ask(), ("forever", json.dumps(speech("on and on ")) + "\n")),
        FAILED,
        "limit",
        None,
        end="said more than 8 MB in one turn",
        after="another",
        limits=CURT,
        flood=True,
    ),
    Case(
        "says_50000_things_as_fast_as_it_can",
        prompt(
            (
                "numbered",
                50_000,
                {
                    "sessionUpdate": "agent_message_chunk",
                    "content": {"type": "text", "text": "$n "},
                },
            )
        ),
        text="".join(f"{n} " for n in range(50_000)),
        limits=Limits(start=10, silence=30, turn=30),
        within=30,
    ),
]

NO_FILES = (
    *("/dev/zero", "/dev/null", "/dev/tty", "/proc/self/mem", "/proc/kmsg"),
    *(".", "/", "", "pipe", "loop", "a\0b", "x" * 5000),
)

FILES = [
    Case(
        "edits_what_is_no_file",
        prompt(
            *[
                tool(path, content=[{"type": "diff", "path": path, **texts}])
                for path in NO_FILES
                for texts in ({"oldText": "a", "newText": "b"}, {"newText": 5}, {"oldText": "a"})
            ],
            STILL,
        ),
        also=no_diffs,
    ),
    Case(
        "edits_what_is_elsewhere",
        prompt(
            ask(
                tool={
                    "toolCallId": "t",
                    "kind": "edit",
                    "content": [
                        {
                            "type": "diff",
                            "path": "../../../../../../../../etc/hostname\n",
                            "oldText": "a",
                            "newText": "b",
                        }
                    ],
                }
            ),
            ("outcome", "q"),
        ),
        answer="deny",
        text="[no]",
        also=both(shows("To /etc/hostname⏎:"), no_diffs),
    ),
    Case(
        "names_more_files_than_can_be_looked_at",
        prompt(
            *[
                tool(name, kind="edit", locations=[{"path": f"{name}/{n}"} for n in range(20_000)])
                for name in ("t", "u")
            ],
            STILL,
        ),
        also=both(no_diffs, notices("overlooked")),
    ),
    Case(
        "shows_an_edit_that_is_hard_to_compare",
        prompt(
            ask(
                tool={
                    "toolCallId": "t",
                    "kind": "edit",
                    "content": [
                        {
                            "type": "diff",
                            "path": "new.txt",
                            "oldText": "".join(f"{n * 7919 % 131}\n" for n in range(60_000)),
                            "newText": "".join(f"{n * 104729 % 131}\n" for n in range(60_000)),
                        }
                    ],
                }
            ),
            ("outcome", "q"),
        ),
        answer="deny",
        text="[no]",
    ),
]
