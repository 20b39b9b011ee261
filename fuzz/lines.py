"""What one side of a line writes the other side reads as the same, on both bindings.

And whatever comes instead, cut, bent or made up, is refused as the specification says: nothing but
an `A2AError` ever comes out of a reader.
"""

from __future__ import annotations

from contextlib import suppress
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import pytest
from hypothesis import strategies as st
from msgspec import structs

from a2acore import errors, jsonrpc, model
from a2acore.errors import A2AError, MethodNotFound
from a2acore.model import AgentCard, SendMessageConfiguration, SendMessageRequest
from a2acore.wire import card as cards
from a2acore.wire import v03, v10
from a2acore.wire.dialect import STREAMING, Operation, Sending
from fuzz import strategies
from fuzz.running import holds

BINDINGS = ("JSONRPC", "HTTP+JSON")
ID = "1"

# Line 0.3 names a webhook by a path, tasks/{task}/pushNotificationConfigs/{id}, without quoting.
segments = strategies.names.filter(lambda name: "/" not in name)
filled_push = st.builds(
    lambda config, task_id, id: structs.replace(config, task_id=task_id, id=id),
    strategies.push_configs,
    segments,
    segments,
)
webhooks = st.builds(
    model.ListTaskPushNotificationConfigsResponse,
    configs=strategies.tuples(filled_push),
    next_page_token=strategies.texts,
)
TALK: dict[Operation, tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]] = {
    Operation.SEND: (strategies.sends, strategies.tasks | strategies.messages),
    Operation.STREAM: (strategies.sends, strategies.events),
    Operation.GET: (strategies.gets, strategies.tasks),
    Operation.LIST: (strategies.lists, strategies.listings),
    Operation.CANCEL: (strategies.cancels, strategies.tasks),
    Operation.SUBSCRIBE: (strategies.subscribes, strategies.events),
    Operation.SET_PUSH: (filled_push, filled_push),
    Operation.GET_PUSH: (strategies.push_gets, filled_push),
    Operation.LIST_PUSH: (strategies.push_lists, webhooks),
    Operation.DELETE_PUSH: (strategies.push_deletes, st.none()),
    Operation.EXTENDED_CARD: (strategies.extended_cards, strategies.cards),
}
"""What is asked and what is answered, for each operation."""


class Spoken(NamedTuple):
    """Something that is said on one line and binding."""

    line: str
    binding: str
    operation: Operation
    value: Any


def spoken(side: int) -> st.SearchStrategy[Spoken]:
    """A request (side 0) or an answer (side 1)."""
    unspoken = {("0.3", Operation.LIST)}
    if side == 1:
        unspoken.add(("0.3", Operation.EXTENDED_CARD))  # cards are told of below
    return st.one_of(
        [
            st.builds(
                Spoken,
                st.just(line),
                st.sampled_from(BINDINGS),
                st.just(operation),
                TALK[operation][side],
            )
            for line in ("1.0", "0.3")
            for operation in TALK
            if (line, operation) not in unspoken
        ]
    )


def room(line: str) -> ModuleType:
    return v10 if line == "1.0" else v03


def server(said: Spoken) -> Any:
    return room(said.line).JsonRpc(ID) if said.binding == "JSONRPC" else room(said.line).Rest()


def client(said: Spoken) -> Any:
    return room(said.line).client(said.binding)


# Requests


def asked(said: Spoken) -> Sending:
    sending = client(said).ask(said.operation, said.value)
    assert isinstance(sending, Sending)
    return sending


def heard(said: Spoken, sending: Sending) -> Any:
    """What a server makes of it, by the way that requests go."""
    dialect = server(said)
    if said.binding == "JSONRPC":
        called = jsonrpc.read_request(sending.body)
        operation = room(said.line).METHODS.get(called.method)
        if operation is None:
            raise MethodNotFound
        return dialect.request(operation, called.params)
    path, _, query = sending.path.partition("?")
    route = room(said.line).route(sending.verb, path)
    assert route is not None
    assert route.operation is said.operation
    return dialect.request(
        route.operation,
        sending.body,
        path=route.path,
        query=dict(parse_qsl(query, keep_blank_values=True)),
    )


def a_request_arrives(said: Spoken) -> None:
    got = heard(said, asked(said))
    assert kept(said._replace(value=got)) == kept(said)


# Answers


def answered(said: Spoken) -> bytes:
    dialect = server(said)
    if said.operation in STREAMING:
        body = dialect.frame(said.value, final=False)
    else:
        body = dialect.result(said.operation, said.value)
    assert isinstance(body, bytes)
    return body


def understood(said: Spoken, body: bytes) -> Any:
    if said.operation in STREAMING:
        return client(said).event(body)
    return client(said).answer(said.operation, 200, body)


def an_answer_arrives(said: Spoken) -> None:
    got = understood(said, answered(said))
    assert kept(said._replace(value=got)) == kept(said)
    # What an older line loses it loses once.
    assert understood(said, answered(said._replace(value=got))) == got


# What line 0.3 has no way to say, by the struct whose field it is.
UNSAID: dict[type, dict[str, Any]] = {
    model.SendMessageRequest: {"tenant": ""},
    model.GetTaskRequest: {"tenant": ""},
    model.CancelTaskRequest: {"tenant": ""},
    model.SubscribeToTaskRequest: {"tenant": ""},
    model.TaskPushNotificationConfig: {"tenant": ""},
    model.GetTaskPushNotificationConfigRequest: {"tenant": ""},
    model.ListTaskPushNotificationConfigsRequest: {"tenant": "", "page_size": 0, "page_token": ""},
    model.ListTaskPushNotificationConfigsResponse: {"next_page_token": ""},
    model.DeleteTaskPushNotificationConfigRequest: {"tenant": ""},
    model.GetExtendedAgentCardRequest: {"tenant": ""},
}
UNSAID_IN_PROTO: dict[type, dict[str, Any]] = {
    model.Message: {"reference_task_ids": ()},
}
"""And what its proto, the form that is sent on HTTP+JSON, has no room for. There, 0 is no limit."""


def kept(said: Spoken) -> Any:
    """What is said, without what its line and binding have no way to say."""
    value = said.value
    if said.line == "1.0":
        return value
    if isinstance(value, SendMessageRequest):
        configuration = value.configuration or SendMessageConfiguration()
        if configuration.task_push_notification_config is not None:
            # It is about the task that is being made.
            about = structs.replace(configuration.task_push_notification_config, task_id="")
            configuration = structs.replace(configuration, task_push_notification_config=about)
        if said.binding == "HTTP+JSON":
            length = configuration.history_length or None
            configuration = structs.replace(configuration, history_length=length)
        value = structs.replace(value, configuration=configuration)
    if said.binding == "JSONRPC":
        return without(value, UNSAID)
    if isinstance(value, model.GetTaskRequest):
        value = structs.replace(value, history_length=value.history_length or None)
    return without(value, UNSAID | UNSAID_IN_PROTO)


def without(value: Any, unsaid: dict[type, dict[str, Any]]) -> Any:
    if isinstance(value, tuple):
        return tuple(without(each, unsaid) for each in value)
    if not isinstance(value, msgspec.Struct):
        return value
    fields = {name: without(getattr(value, name), unsaid) for name in value.__struct_fields__}
    if isinstance(value, model.Part):
        fields["metadata"] = value.metadata or None  # emptied of what 0.3 keeps there, it is gone
    return type(value)(**(fields | unsaid.get(type(value), {})))


# Refusals


def leaves(kind: type[A2AError]) -> list[type[A2AError]]:
    below = [leaf for each in kind.__subclasses__() for leaf in leaves(each)]
    return below or [kind]


KINDS = [
    kind for kind in leaves(A2AError) if kind.__module__ == errors.__name__ and "code" in vars(kind)
]
"""The errors of the specification: those with a code of their own."""


class Refused(NamedTuple):
    line: str
    binding: str
    kind: type[A2AError]
    message: str
    violations: tuple[errors.Violation, ...]


violations = st.builds(errors.Violation, strategies.texts, strategies.texts)
refusals = st.builds(
    Refused,
    st.sampled_from(["1.0", "0.3"]),
    st.sampled_from(BINDINGS),
    st.sampled_from(KINDS),
    strategies.names,
    st.lists(violations, max_size=2).map(tuple),
)


def a_refusal_arrives(refused: Refused) -> None:
    said = Spoken(refused.line, refused.binding, Operation.GET, None)
    error = refused.kind(refused.message, violations=refused.violations)
    dialect = server(said)
    with pytest.raises(A2AError) as caught:
        client(said).answer(Operation.GET, dialect.status(error), dialect.refusal(error))
    assert caught.value.message == refused.message
    if refused.line == "1.0":
        assert type(caught.value) is refused.kind
    else:
        # Errors that the line did not have yet share the number of another.
        number = refused.kind.code_03 or refused.kind.code
        assert number in (caught.value.code_03, caught.value.code)


# What is spoiled

ODD: list[Any] = [None, True, 0, -1, 2**31, 0.5, "", "x", "\x00", [], {}, [[]], {"": {}}, "2026-99"]
OTHER_NAMES = ["kind", "task_id", "parts", "content", "$"]
odd = st.sampled_from(ODD) | strategies.json


def bend(value: Any, draw: Any) -> Any:
    """The value with one thing in it, anywhere, other than it was."""
    if not isinstance(value, dict | list) or not value or not draw(st.integers(0, 3)):
        return draw(odd)
    key = draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    bent = value.copy()
    match draw(st.sampled_from(["inner", "inner", "inner", "drop", "twice", "rename"])):
        case "drop":
            del bent[key]
        case "twice":
            bent = [value, value] if isinstance(value, dict) else [*value, value[key]]
        case "rename" if isinstance(value, dict):
            bent[draw(st.sampled_from(OTHER_NAMES))] = bent.pop(key)
        case _:
            bent[key] = bend(value[key], draw)
    return bent


@st.composite
def spoiled(draw: Any, documents: st.SearchStrategy[bytes]) -> bytes:
    """A document that something has happened to."""
    document: bytes = draw(documents)
    if draw(st.booleans()):
        return msgspec.json.encode(bend(msgspec.json.decode(document or b"{}"), draw))
    at = draw(st.integers(0, len(document)))
    match draw(st.sampled_from(["cut", "flip", "insert"])):
        case "cut":
            return document[:at]
        case "flip":
            return document[:at] + bytes([draw(st.integers(0, 255))]) + document[at + 1 :]
        case _:
            deep = st.sampled_from([b"[" * 2000, b'{"a":' * 2000])
            middle: bytes = draw(st.binary(max_size=3) | deep)
            return document[:at] + middle + document[at:]


class Garbled(NamedTuple):
    said: Spoken
    body: bytes


@st.composite
def garbled(draw: Any, side: int) -> Garbled:
    said = draw(spoken(side))
    document = asked(said).body if side == 0 else answered(said)
    return Garbled(said, draw(spoiled(st.just(document))))


def a_garbled_request_is_refused(garbled: Garbled) -> None:
    said, body = garbled
    with suppress(A2AError, jsonrpc.Unreadable):
        heard(said, structs.replace(asked(said), body=body))


def a_garbled_answer_is_refused(garbled: Garbled) -> None:
    said, body = garbled
    with suppress(A2AError):
        understood(said, body)


# The card


def a_card_arrives(card: AgentCard) -> None:
    assert cards.read(cards.pure10(card)) == card
    assert cards.read(cards.merged(card)) == card
    old = cards.read(cards.pure03(card))
    assert cards.read(cards.pure03(old)) == old


def a_garbled_card_is_refused(document: bytes) -> None:
    with suppress(A2AError):
        cards.read(document)


card_documents = strategies.cards.flatmap(
    lambda card: st.sampled_from([cards.pure10, cards.pure03, cards.merged]).map(lambda w: w(card))
)

FOUND_REQUESTS = (
    # Bytes that are none, and references that the proto of 0.3 has no member for.
    Spoken(
        "0.3",
        "HTTP+JSON",
        Operation.SEND,
        model.SendMessageRequest(
            model.Message("0", model.Role.USER, (model.Part(raw=b""),), reference_task_ids=("0",))
        ),
    ),
)

LINES = (
    holds("a request arrives as it was sent", spoken(0), a_request_arrives, FOUND_REQUESTS),
    holds("an answer arrives as it was sent", spoken(1), an_answer_arrives),
    holds("a refusal arrives as what it is", refusals, a_refusal_arrives),
    holds("a card arrives as it was written", strategies.cards, a_card_arrives),
    holds("a garbled request is refused", garbled(0), a_garbled_request_is_refused),
    holds("a garbled answer is refused", garbled(1), a_garbled_answer_is_refused),
    holds("a garbled card is refused", spoiled(card_documents), a_garbled_card_is_refused),
)
