"""The table of states, and the record that events are applied to."""

from __future__ import annotations

import itertools

import pytest

from a2acore.lifecycle import ENDS, EXTENSION, PAUSES, TERMINAL, IllegalTransition, Record
from a2acore.model import (
    Artifact,
    Message,
    Part,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

# Which state may follow which, to be read with a finger beside A2A 1.0.1 section 4.1.3.
STATES = [
    "SUBMITTED",
    "WORKING",
    "INPUT_REQUIRED",
    "AUTH_REQUIRED",
    "COMPLETED",
    "FAILED",
    "CANCELED",
    "REJECTED",
    "UNSPECIFIED",
]
FOLLOWS = {
    "SUBMITTED     ": "y y y y y y y y .",
    "WORKING       ": ". y y y y y y y .",
    "INPUT_REQUIRED": ". y y . y y y y .",
    "AUTH_REQUIRED ": ". y . y y y y y .",
    "COMPLETED     ": ". . . . . . . . .",
    "FAILED        ": ". . . . . . . . .",
    "CANCELED      ": ". . . . . . . . .",
    "REJECTED      ": ". . . . . . . . .",
}
PAIRS = [
    pytest.param(TaskState[before.strip()], TaskState[after], mark == "y", id=f"{before}-{after}")
    for before, row in FOLLOWS.items()
    for after, mark in zip(STATES, row.split(), strict=True)
]


def record(state: TaskState = TaskState.SUBMITTED) -> Record:
    return Record("t", "c", "owner", TaskStatus(state))


def status(state: TaskState, message: Message | None = None) -> TaskStatusUpdateEvent:
    return TaskStatusUpdateEvent("t", "c", TaskStatus(state, message, "2026-01-01T00:00:00.000Z"))


def message(name: str, about: dict[str, str] | None = None, role: Role = Role.AGENT) -> Message:
    metadata = None if about is None else {EXTENSION: about}
    return Message(name, role, (Part(text=name),), metadata=metadata)


def artifact(*parts: str | Part, append: bool = False, name: str = "a") -> TaskArtifactUpdateEvent:
    made = tuple(Part(text=part) if isinstance(part, str) else part for part in parts)
    return TaskArtifactUpdateEvent("t", "c", Artifact(name, made), append)


def names(task: Task) -> list[str]:
    return [heard.message_id for heard in task.history]


@pytest.mark.parametrize(("before", "after", "allowed"), PAIRS)
def test_a_state_follows_another_exactly_where_the_table_says_so(
    before: TaskState, after: TaskState, allowed: bool
) -> None:
    one = record(before)
    shown = one.task()
    if allowed:
        one.apply(status(after))
        assert one.state is after
    else:
        with pytest.raises(IllegalTransition):
            one.apply(status(after))
        assert one.task() == shown


def test_every_state_but_unspecified_stands_in_the_table() -> None:
    assert {pair.values[0] for pair in PAIRS} == set(TaskState) - {TaskState.UNSPECIFIED}
    assert TERMINAL == ENDS
    assert not PAUSES & ENDS


@pytest.mark.parametrize("end", sorted(ENDS, key=str))
def test_an_ended_task_takes_no_artifact(end: TaskState) -> None:
    one = record()
    one.apply(artifact("before"))
    one.apply(status(end))
    shown = one.task()
    with pytest.raises(IllegalTransition):
        one.apply(artifact("after", append=True))
    assert one.task() == shown


def test_ten_thousand_pieces_of_text_are_one_part() -> None:
    one = record()
    pieces = [f"{number} " for number in range(10_000)]
    one.apply(artifact(pieces[0]))
    for piece in pieces[1:]:
        one.apply(artifact(piece, append=True))
    (shown,) = one.task().artifacts
    assert shown.parts == (Part(text="".join(pieces)),)


def test_looking_at_a_growing_artifact_does_not_change_it() -> None:
    one = record()
    for number, piece in enumerate("abc"):
        one.apply(artifact(piece, append=number > 0))
        assert one.task() == one.task()
    assert one.task().artifacts[0].parts == (Part(text="abc"),)


JOINS: dict[str, tuple[list[Part], list[Part]]] = {
    "text follows text": ([Part(text="a"), Part(text="b")], [Part(text="ab")]),
    "an empty text adds nothing": ([Part(text="a"), Part(text="")], [Part(text="a")]),
    "data stands between texts": (
        [Part(text="a"), Part(data=None), Part(text="b")],
        [Part(text="a"), Part(data=None), Part(text="b")],
    ),
    "data is never joined": ([Part(data=1), Part(data=1)], [Part(data=1), Part(data=1)]),
    "bytes are never joined": ([Part(raw=b"a"), Part(raw=b"b")], [Part(raw=b"a"), Part(raw=b"b")]),
    "another media type is another part": (
        [Part(text="a"), Part(text="b", media_type="text/html"), Part(text="c")],
        [Part(text="a"), Part(text="b", media_type="text/html"), Part(text="c")],
    ),
    "another file is another part": (
        [Part(text="a", filename="x"), Part(text="b", filename="x"), Part(text="c", filename="y")],
        [Part(text="ab", filename="x"), Part(text="c", filename="y")],
    ),
    "other metadata is another part": (
        [Part(text="a", metadata={}), Part(text="b")],
        [Part(text="a", metadata={}), Part(text="b")],
    ),
}


@pytest.mark.parametrize(("pieces", "parts"), JOINS.values(), ids=JOINS)
def test_only_texts_of_one_kind_are_joined(pieces: list[Part], parts: list[Part]) -> None:
    at_once, bit_by_bit = record(), record()
    at_once.apply(artifact(*pieces))
    for number, piece in enumerate(pieces):
        bit_by_bit.apply(artifact(piece, append=number > 0))
    assert at_once.task().artifacts[0].parts == tuple(parts)
    assert bit_by_bit.task() == at_once.task()


def test_an_artifact_said_again_without_append_replaces_the_first() -> None:
    one = record()
    one.apply(artifact("old"))
    one.apply(artifact("other", name="b"))
    one.apply(artifact("new"))
    assert [(shown.artifact_id, shown.parts[0].text) for shown in one.task().artifacts] == [
        ("a", "new"),
        ("b", "other"),
    ]


def test_a_further_piece_of_an_unknown_artifact_begins_it() -> None:
    one = record()
    one.apply(artifact("first", append=True))
    assert one.task().artifacts[0].parts == (Part(text="first"),)


def test_a_status_message_moves_into_the_history_when_the_next_status_comes() -> None:
    one = record()
    one.apply(status(TaskState.WORKING, message("m1")))
    shown = one.task()
    assert (shown.status.message, names(shown)) == (message("m1"), [])
    one.apply(status(TaskState.WORKING))
    assert (one.task().status.message, names(one.task())) == (None, ["m1"])
    one.apply(status(TaskState.COMPLETED, message("m2")))
    shown = one.task()
    assert (shown.status.message, names(shown)) == (message("m2"), ["m1"])


def test_the_question_stands_in_the_history_before_its_answer() -> None:
    one = record()
    one.hear(message("prompt", role=Role.USER))
    one.apply(status(TaskState.INPUT_REQUIRED, message("question")))
    one.hear(message("answer", role=Role.USER))
    shown = one.task()
    assert names(shown) == ["prompt", "question", "answer"]
    assert (shown.status.state, shown.status.message) == (TaskState.INPUT_REQUIRED, None)


def test_a_tool_call_stands_in_the_history_once_and_in_its_latest_form() -> None:
    one = record()
    said = [
        ("read 1", {"kind": "tool", "id": "1"}),
        ("read 2", {"kind": "tool", "id": "2"}),
        ("words", None),
        ("done 1", {"kind": "tool", "id": "1"}),
        ("other kind", {"kind": "notice", "id": "1"}),
    ]
    for name, about in said:
        one.apply(status(TaskState.WORKING, message(name, about)))
    one.apply(status(TaskState.COMPLETED))
    assert names(one.task()) == ["done 1", "read 2", "words", "other kind"]


def test_a_question_that_is_asked_again_is_kept_each_time() -> None:
    one = record()
    for name in ("asked", "again"):
        about = {"kind": "permission", "requestId": "r"}
        one.apply(status(TaskState.INPUT_REQUIRED, message(name, about)))
    one.apply(status(TaskState.WORKING))
    assert names(one.task()) == ["asked", "again"]


@pytest.mark.parametrize("odd", ["text", 5, None, [], {"kind": "tool"}, {"id": "1"}])
def test_what_a_stranger_writes_under_our_name_never_makes_two_messages_one(odd: object) -> None:
    one = record()
    for name in ("m1", "m2"):
        said = Message(name, Role.AGENT, (Part(text=name),), metadata={EXTENSION: odd})
        one.apply(status(TaskState.WORKING, said))
    one.apply(status(TaskState.WORKING))
    assert names(one.task()) == ["m1", "m2"]


def test_the_history_is_cut_to_its_newest_messages() -> None:
    one = record()
    for number in range(4):
        one.hear(message(str(number), role=Role.USER))
    expected = {None: "0123", 0: "", 1: "3", 3: "123", 4: "0123", 9: "0123"}
    shown = {length: "".join(names(one.task(length))) for length in expected}
    assert shown == expected


def test_a_task_that_was_shown_stays_as_it_was_shown() -> None:
    one = record()
    one.apply(artifact("a"))
    shown = one.task()
    one.apply(artifact("b", append=True))
    one.hear(message("m", role=Role.USER))
    one.apply(status(TaskState.WORKING))
    assert shown == Task(
        "t", TaskStatus(TaskState.SUBMITTED), "c", (Artifact("a", (Part(text="a"),)),)
    )


def test_no_way_through_the_table_ends_twice() -> None:
    for path in itertools.product(sorted(TaskState, key=str), repeat=3):
        one = record()
        ends = 0
        for state in path:
            try:
                one.apply(status(state))
            except IllegalTransition:
                continue
            ends += one.state in TERMINAL
        assert ends == (one.state in TERMINAL)
