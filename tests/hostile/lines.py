"""What stands on its output and its error output, and under which ids it answers."""

from __future__ import annotations

from a2abackends.process import LONGEST_LINE
from tests.hostile.case import (
    BUSY,
    DIE,
    FAILED,
    HASTY,
    MB,
    MUTE,
    SECRET,
    STILL,
    Case,
    fault,
    hides,
    line,
    prompt,
    result,
    say,
    short,
)

NOISE = [
    Case("says_what_people_read", prompt(line("npm warn old"), line("<html>"), line("{"), STILL)),
    Case("sends_binary", prompt(("bytes", "".join(map(chr, range(256))) * 100 + "\n"), STILL)),
    Case("sends_half_a_line", prompt(line('{"jsonrpc": "2.0", "method": "session/upd'), STILL)),
    Case(
        "dribbles_byte_by_byte",
        prompt(*[("bytes", char) for char in '{"jsonrpc": "2.0", "meth'], line('od": "x"}'), STILL),
    ),
    Case(
        "sends_bare_values",
        prompt(*map(line, ["5", '"text"', "null", "true", "1.5", "[]", "{}", "[[]]"]), STILL),
    ),
    Case("sends_a_batch", prompt(line('[{"jsonrpc": "2.0", "id": "$id", "result": {}}]'), STILL)),
    Case("ends_lines_like_windows", prompt(("bytes", "\r\n\r\n"), STILL)),
    Case("sends_a_million_empty_lines", prompt(("fill", "\n", 10**6), STILL), flood=True),
    Case("sends_zero_bytes_between_lines", prompt(("bytes", "\0" * 1000 + "\n"), STILL)),
    Case("begins_with_a_byte_order_mark", prompt(("bytes", "\xef\xbb\xbf\n"), STILL)),
    Case(
        "sends_200_mb_of_garbage_lines",
        prompt(("fill", "x" * 999 + "\n", 200_000), STILL),
        flood=True,
    ),
    Case(
        "sends_200_mb_of_broken_json",
        prompt(("fill", '{"method": "session/update", ' + "x" * 969 + "\n", 200_000), STILL),
        flood=True,
        within=10,
    ),
    Case(
        "sends_garbage_as_long_as_a_line_may_be",
        prompt(("fill", "x", LONGEST_LINE), ("bytes", "\n"), STILL),
        flood=True,
    ),
    Case(
        "sends_a_line_that_is_too_long",
        prompt(say("so far"), ("fill", "x", LONGEST_LINE + 1), ("bytes", "\n"), STILL),
        FAILED,
        "crashed",
        "so far",
        end="a line of more than 32 MB",
        after="another",
        flood=True,
    ),
    Case(
        "never_ends_a_line",
        prompt(say("so far"), ("forever", "x")),
        FAILED,
        "crashed",
        "so far",
        end="a line of more than 32 MB",
        after="another",
        flood=True,
    ),
    Case(
        "sends_garbage_for_ever",
        prompt(("forever", "x" * 99 + "\n")),
        FAILED,
        "limit",
        "",
        end="said nothing for",
        after="another",
        limits=HASTY,
        flood=True,
    ),
    Case("says_16_mb_at_once", prompt(say("x" * 16 * MB)), text="x" * 16 * MB),
]

STDERR = [
    Case("floods_stderr_at_once", prompt(("fill", "x" * 99 + "\n", 200_000, 2), STILL), flood=True),
    Case("floods_stderr_without_a_newline", prompt(("fill", "x", 150 * MB, 2), STILL), flood=True),
    Case("floods_stderr_with_binary", prompt(("fill", "\xff\x00\x1b", 10**6, 2), STILL)),
    Case(
        "floods_stderr_for_ever",
        prompt(("spawn", [], ("forever", "x" * 99 + "\n", 2)), STILL),
        kin=1,
        flood=True,
    ),
    Case(
        "dies_with_colours_and_secrets",
        prompt(("bytes", f"\x1b[31mThe token is {SECRET}\x1b[0m\n", 2), DIE),
        FAILED,
        "crashed",
        "",
        end="The token is ***",
        after="another",
        also=hides("\x1b", SECRET),
    ),
    Case(
        "dies_after_a_flood_of_stderr",
        prompt(("fill", "\x1b]0;" + "x" * 999, 20_000, 2), ("fill", "y" * 999 + "\n", 99, 2), DIE),
        FAILED,
        "crashed",
        "",
        end="exited with code 3",
        after="another",
        also=short,
    ),
    Case("closes_stderr", prompt(("close", 2), STILL)),
]

IDS = [
    Case("answers_under_wrong_ids", prompt(("answer_to", 10**9, {}), ("answer_to", -1, {}), STILL)),
    Case("answers_under_the_id_as_text", prompt(("answer_to", "3", {}), STILL)),
    Case("answers_under_no_id", prompt(("answer_to", None, {}), line('{"result": {}}'), STILL)),
    Case(
        "answers_under_ids_of_odd_types",
        prompt(*[("answer_to", id, {}) for id in (True, [3], {"id": 3}, 3.5, 1e308)], STILL),
    ),
    Case("answers_under_a_huge_id", prompt(("answer_to", 10**40, {}), STILL)),
    Case(
        "answers_under_the_id_as_a_float",
        prompt(
            STILL, line('{"jsonrpc": "2.0", "id": 3.0, "result": {"stopReason": "end_turn"}}'), MUTE
        ),
    ),
    Case(
        "answers_twice",
        prompt(
            STILL, result('{"stopReason": "end_turn"}'), fault('{"code": 1, "message": "no"}'), MUTE
        ),
    ),
    Case(
        "answers_initialize_again",
        prompt(("answer_to", 1, {"protocolVersion": 99}), ("answer_to", 2, None), STILL),
    ),
    Case(
        "answers_what_nobody_asked",
        prompt(("fill", '{"jsonrpc": "2.0", "id": 77, "result": {"x": 1}}\n', 100_000), STILL),
        flood=True,
    ),
    Case(
        "says_the_id_twice",
        prompt(
            STILL,
            line('{"id": 99, "jsonrpc": "2.0", "id": "$id", "result": {"stopReason": "end_turn"}}'),
            MUTE,
        ),
    ),
    Case(
        "gives_another_jsonrpc_version",
        prompt(
            STILL, line('{"jsonrpc": 1, "id": "$id", "result": {"stopReason": "end_turn"}}'), MUTE
        ),
    ),
    Case(
        "gives_no_jsonrpc_version",
        prompt(STILL, line('{"id": "$id", "result": {"stopReason": "end_turn"}}'), MUTE),
    ),
    Case(
        "never_answers",
        prompt(STILL, ("listen",)),
        FAILED,
        "limit",
        end="said nothing for",
        after="another",
        limits=HASTY,
    ),
    Case(
        "is_alive_for_ever_and_does_not_end",
        prompt(("beat", ".")),
        FAILED,
        "limit",
        None,
        end="was not done after 1 s",
        after="another",
        limits=BUSY,
    ),
]
