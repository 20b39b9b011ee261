"""The fixtures in `spec/` against our wire. What they are and how to read them: `spec/README.md`.

The invariant: what a fixture accepts is understood as what it is the same as, and written as that;
what it refuses is refused with its error, at its place.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

import msgspec
import pytest
from msgspec import UNSET, Raw, Struct, UnsetType, field, inspect

from a2acore import errors, jsonrpc, model
from a2acore.errors import A2AError, Violation
from a2acore.wire import card, v03, v10
from a2acore.wire.dialect import Operation
from a2acore.wire.v03 import cards, prototypes, shapes
from a2acore.wire.v10.routes import StreamResponse

SPEC = Path(__file__).parent.parent / "spec"
LINES: dict[str, ModuleType] = {"1.0": v10, "0.3": v03}

Json = Raw | UnsetType


# The files


class Strict(Struct, forbid_unknown_fields=True):
    """A misspelled member of a fixture must not go unnoticed."""


class Carrier(Strict):
    """How a document travels: inside of what, with `"$"` in its place, and where that goes."""

    method: str = ""
    route: str = ""
    request: Json = UNSET
    answer: Json = UNSET
    event: Json = UNSET
    card: Json = UNSET
    envelope: Literal["request", "response", ""] = ""

    @property
    def template(self) -> Any:
        said = next(
            (raw for raw in (self.request, self.answer, self.event, self.card) if raw is not UNSET),
            Raw(b'"$"'),
        )
        return msgspec.json.decode(said)

    def filled(self, document: bytes) -> bytes:
        return msgspec.json.encode(self.template).replace(b'"$"', document, 1)

    @property
    def place(self) -> list[str | int]:
        """The keys that lead to the document."""
        place = next(_places(self.template, "$"))
        assert isinstance(place, list)
        return place

    def path(self, within: str) -> str:
        """A path within the document as a path within what carries it."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        inner = f".{within}" if within and not within.startswith("[") else within
        return f"{''.join(steps)}{inner}".lstrip(".")

    def picked(self, whole: Any) -> Any:
        """The document within what carries it; None when nothing is in its place."""
        for step in self.place:
            whole = whole.get(step) if isinstance(whole, dict) else whole and whole[step]
        return whole


def _places(value: Any, sought: str) -> Iterator[list[str | int]]:
    if value == sought:
        yield []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, dict | list):
        for key, item in items:
            yield from ([key, *rest] for rest in _places(item, sought))


class Said(Strict):
    """A document: as JSON, as text where JSON itself is the matter, or as bytes."""

    name: str
    document: Json = UNSET
    text: str | UnsetType = UNSET
    encoded: str | UnsetType = field(default=UNSET, name="bytes")

    @property
    def body(self) -> bytes:
        if self.text is not UNSET:
            return self.text.encode()
        if self.encoded is not UNSET:
            return base64.b64decode(self.encoded)
        assert self.document is not UNSET, f"{self.name}: no document"
        return bytes(self.document)


class Accepted(Said):
    same_as: Json = UNSET
    written: Json = UNSET


class Refused(Said, kw_only=True):
    error: str
    at: str | UnsetType = UNSET
    id: jsonrpc.RpcId | UnsetType = UNSET


class Types(Strict):
    """A file of `spec/<line>/types`."""

    line: Literal["1.0", "0.3"]
    section: str
    type: str
    form: Literal["json", "proto"]
    carrier: Carrier
    accepted: list[Accepted]
    refused: list[Refused]


class Told(Strict):
    """An error and how it is told."""

    name: str
    error: str
    message: str
    status: int
    jsonrpc: Raw
    body: Raw
    metadata: dict[str, str] = {}
    violations: list[Violation] = []
    read_as: str = ""


class Heard(Strict):
    """A foreign way to tell an error."""

    name: str
    error: str
    status: int = 200
    jsonrpc: Json = UNSET
    body: Json = UNSET
    text: str | UnsetType = UNSET


class Errors(Strict):
    """The file of errors of a line."""

    line: Literal["1.0", "0.3"]
    section: str
    type: Literal["Error"]
    told: list[Told]
    heard: list[Heard]


class Spot(Strict, rename={"new": "1.0", "old": "0.3"}):
    """A file of `spec/translation`: a spot where the lines differ."""

    spot: str
    new: Carrier
    old: Carrier
    pairs: list[dict[str, Raw]]


S = TypeVar("S", bound=Strict)


def decoded(files: str, shape: type[S]) -> dict[Path, S]:
    found = sorted(SPEC.glob(files))
    return {file: msgspec.json.decode(file.read_bytes(), type=shape) for file in found}


TYPES = decoded("*/types/*", Types)
ERRORS = decoded("*/errors.json", Errors)
SPOTS = decoded("translation/*", Spot)


def cases(kind: Literal["accepted", "refused"]) -> list[Any]:
    return [
        pytest.param(fixture, each, id=f"{fixture.line} {file.stem}: {each.name}")
        for file, fixture in TYPES.items()
        for each in getattr(fixture, kind)
    ]


# The wire: from a document to what is understood, and back


def bindings(line: str, carrier: Carrier) -> list[str]:
    """The bindings on which a document travels in the same form."""
    if carrier.route:
        return ["HTTP+JSON"]
    if line == "0.3" or carrier.card is not UNSET or carrier.envelope:
        return ["JSONRPC"]
    # Where a path or a query says a part of it, the form is another.
    whole = carrier.request is UNSET or v10.METHODS[carrier.method] is Operation.SEND
    return ["JSONRPC", "HTTP+JSON"] if whole else ["JSONRPC"]


def operation(line: str, carrier: Carrier) -> tuple[Operation, dict[str, str]]:
    """The operation of a carrier, and what its path says."""
    if carrier.method:
        return LINES[line].METHODS[carrier.method], {}
    route = LINES[line].route(*carrier.route.split(" "))
    assert route is not None, f"{carrier.route} is no route of line {line}"
    return route.operation, route.path


def understood(line: str, carrier: Carrier, binding: str, document: bytes) -> Any:
    """What our side understands of a document that somebody sends."""
    whole, wire = carrier.filled(document), LINES[line]
    if carrier.card is not UNSET:
        return card.read(whole)
    if carrier.envelope == "request":
        return _parsed(whole)
    if carrier.envelope == "response":
        wire.client("JSONRPC").answer(Operation.DELETE_PUSH, 200, whole)  # fails, or not
        return jsonrpc.read_message(whole)
    asked, path = operation(line, carrier)
    if carrier.request is not UNSET:
        if binding == "HTTP+JSON":
            return wire.Rest().request(asked, whole, path=path)
        call = b'{"jsonrpc":"2.0","id":"1","method":"%s","params":%s}'
        request = _parsed(call % (carrier.method.encode(), whole))
        return wire.JsonRpc(request.id).request(asked, request.params)
    if binding == "JSONRPC":
        whole = b'{"jsonrpc":"2.0","id":"1","result":%s}' % whole
    client = wire.client(binding)
    return client.event(whole) if carrier.event is not UNSET else client.answer(asked, 200, whole)


def _parsed(body: bytes) -> jsonrpc.Request:
    try:
        return jsonrpc.read_request(body)
    except jsonrpc.Unreadable as exc:
        raise exc.error from exc


def written(line: str, carrier: Carrier, binding: str, value: Any, *, final: bool) -> Any:
    """The document that our side sends to say a thing. `final` is told with an event of 0.3."""
    wire = LINES[line]
    if carrier.card is not UNSET:
        body = card.pure10(value) if line == "1.0" else card.pure03(value)
        return carrier.picked(msgspec.json.decode(body))
    if carrier.envelope:
        return msgspec.json.decode(_enveloped(value))
    asked, _ = operation(line, carrier)
    if carrier.request is not UNSET:
        body = wire.client(binding).ask(asked, value).body
    else:
        server = wire.JsonRpc("1") if binding == "JSONRPC" else wire.Rest()
        is_event = carrier.event is not UNSET
        body = server.frame(value, final=final) if is_event else server.result(asked, value)
    said = msgspec.json.decode(body)
    if binding == "JSONRPC":
        said = said.get("params" if carrier.request is not UNSET else "result")
    return carrier.picked(said)


def _enveloped(message: jsonrpc.Message) -> bytes:
    match message:
        case jsonrpc.Request(id, method, params):
            return jsonrpc.request(id, method, params if bytes(params) else UNSET)
        case jsonrpc.Response(id, result):
            return jsonrpc.response(id, result)
        case jsonrpc.Failure(id, error):
            data = error.data if bytes(error.data) else UNSET
            return jsonrpc.failure(id, error.code, error.message, data)
    raise AssertionError("a notification is nothing of A2A")


def same(one: Any, other: Raw | bytes) -> bool:
    """Whether two values are the same JSON: 1 is not 1.0, and not true."""
    parsed = msgspec.json.decode(other)
    return _ordered(one) == _ordered(parsed)


def _ordered(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def final(document: bytes) -> bool:
    said = msgspec.json.decode(document)
    return isinstance(said, dict) and said.get("final") is True


# What is accepted and what is refused


@pytest.mark.parametrize(("fixture", "accepted"), cases("accepted"))
def test_what_is_legal_is_understood_and_written_in_its_usual_form(
    fixture: Types, accepted: Accepted
) -> None:
    # V10-MUST-002, V10-MUST-088 to V10-MUST-092, V10-SHOULD-046, V10-SHOULD-048; V03-MUST-017,
    # V03-MUST-018, V03-MUST-020, V03-MUST-042, V03-MUST-047, V03-MUST-057, V03-MUST-058.
    usual = accepted.same_as if accepted.same_as is not UNSET else accepted.body
    expected = bytes(accepted.written if accepted.written is not UNSET else usual)
    for binding in bindings(fixture.line, fixture.carrier):
        way = (fixture.line, fixture.carrier, binding)
        value = understood(*way, accepted.body)
        assert value == understood(*way, bytes(usual))
        if fixture.carrier.request is not UNSET and binding not in bindings(*way[:2])[:1]:
            continue  # the other binding says a tenant in the path
        again = written(*way, value, final=final(expected))
        assert same(again, expected), msgspec.json.encode(again).decode()


@pytest.mark.parametrize(("fixture", "refused"), cases("refused"))
def test_what_is_not_legal_is_refused_where_it_is_wrong(fixture: Types, refused: Refused) -> None:
    # V10-MUST-063, V10-MUST-093 to V10-MUST-095, V10-MUST-106, V10-MUST-153, V10-SHOULD-030,
    # V10-SHOULD-047; V03-MUST-017, V03-MUST-018, V03-MUST-021, V03-MUST-045, V03-MUST-046.
    for binding in bindings(fixture.line, fixture.carrier):
        with pytest.raises(A2AError) as caught:
            understood(fixture.line, fixture.carrier, binding, refused.body)
        assert type(caught.value) is getattr(errors, refused.error)
        if refused.at is not UNSET:
            fields = {violation.field for violation in caught.value.violations}
            places = {fixture.carrier.path(refused.at)}
            if fixture.carrier.event is not UNSET:
                places.add(refused.at)  # an event may be looked at without its wrapper
            assert fields & places
        if refused.id is not UNSET:
            cause = caught.value.__cause__
            assert isinstance(cause, jsonrpc.Unreadable)
            assert (cause.id, type(cause.id)) == (refused.id, type(refused.id))


# Errors


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(fixture.line, each, id=f"{fixture.line} {each.name}")
        for fixture in ERRORS.values()
        for each in fixture.told
    ],
)
def test_an_error_is_told_as_its_line_tells_it_and_known_again(line: str, told: Told) -> None:
    # V10-MUST-065 to V10-MUST-070, V10-SHOULD-035; V03-MUST-023, V03-SHOULD-031.
    error = getattr(errors, told.error)(
        told.message, metadata=told.metadata, violations=told.violations
    )
    wire = LINES[line]
    for binding, server, expected, status in (
        ("JSONRPC", wire.JsonRpc("1"), told.jsonrpc, 200),
        ("HTTP+JSON", wire.Rest(), told.body, told.status),
    ):
        body = server.refusal(error)
        said = msgspec.json.decode(body)
        assert same(said["error"] if binding == "JSONRPC" else said, expected), body.decode()
        assert server.status(error) == status
        client = wire.client(binding)
        with pytest.raises(A2AError) as caught:
            client.answer(Operation.GET, status, body)
        assert type(caught.value).__name__ == (told.read_as or told.error)
        assert told.message in caught.value.message  # a status may be told with it
        assert caught.value.metadata == told.metadata
        with pytest.raises(A2AError) as caught:
            client.event(body)
        assert type(caught.value).__name__ == (told.read_as or told.error)


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        pytest.param(fixture.line, each, id=f"{fixture.line} {each.name}")
        for fixture in ERRORS.values()
        for each in fixture.heard
    ],
)
def test_an_error_is_known_however_it_is_told(line: str, heard: Heard) -> None:
    if heard.jsonrpc is not UNSET:
        binding = "JSONRPC"
        body = b'{"jsonrpc":"2.0","id":"1","error":%s}' % bytes(heard.jsonrpc)
    else:
        binding = "HTTP+JSON"
        body = heard.text.encode() if heard.text is not UNSET else b""
        body = bytes(heard.body) if heard.body is not UNSET else body
    with pytest.raises(A2AError) as caught:
        LINES[line].client(binding).answer(Operation.GET, heard.status, body)
    assert type(caught.value) is getattr(errors, heard.error)


# Between the lines


@pytest.mark.parametrize(
    ("spot", "pair"),
    [
        pytest.param(spot, pair, id=f"{spot.spot} {msgspec.json.decode(pair['name'])}")
        for spot in SPOTS.values()
        for pair in spot.pairs
    ],
)
def test_what_one_line_says_comes_out_of_the_other_as_the_spot_has_it(
    spot: Spot, pair: dict[str, Raw]
) -> None:
    new, old = ("1.0", spot.new), ("0.3", spot.old)
    source, target = (new, old) if "from_1.0" in pair else (old, new)
    there = bytes(pair[f"as_{target[0]}"])
    assert pair.keys() == {"name", f"from_{source[0]}", f"as_{target[0]}", "back"}
    assert same(_translated(source, target, bytes(pair[f"from_{source[0]}"]), there), there)
    back = bytes(pair["back"])
    assert same(_translated(target, source, there, back), back)


def _translated(
    source: tuple[str, Carrier], target: tuple[str, Carrier], document: bytes, expected: bytes
) -> Any:
    value = understood(*source, bindings(*source)[0], document)
    return written(*target, bindings(*target)[0], value, final=final(expected))


# Nothing is forgotten

SPREAD = {
    "File": {"FileWithBytes", "FileWithUri"},
    "Part": {"TextPart", "FilePart", "DataPart"},
}
"""The structs that are several types of the schema of 0.3."""
UNSAID = {"L12", "L13", "L26", "L27"}
"""The spots that no document can show; `spec/README.md` says why."""


def structs(module: ModuleType) -> set[str]:
    return {
        name
        for name, shape in vars(module).items()
        if inspect.is_struct_type(shape) and shape.__module__ == module.__name__
    } - {"Noun", "Shape"}


def fixed(line: str, form: str) -> set[str]:
    return {each.type for each in TYPES.values() if (each.line, each.form) == (line, form)}


def test_every_noun_of_the_model_has_fixtures() -> None:
    nouns = structs(model) | {StreamResponse.__name__}
    assert nouns - fixed("1.0", "json") == set()


def test_every_shape_of_0_3_has_fixtures() -> None:
    schema = structs(shapes) | structs(cards)
    expected = {one for name in schema for one in SPREAD.get(name, {name})}
    assert expected - fixed("0.3", "json") == set()
    assert structs(prototypes) - fixed("0.3", "proto") == set()


def test_every_error_is_told_on_both_lines() -> None:
    kinds = {
        kind.__name__
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, A2AError) and "code" in dir(kind)
    }
    for fixture in ERRORS.values():
        assert kinds - {told.error for told in fixture.told} == set()


def test_every_spot_where_the_lines_differ_has_its_document_or_cannot_have_one() -> None:
    names = [each.name for t in TYPES.values() for each in (*t.accepted, *t.refused)]
    names += [told.name for fixture in ERRORS.values() for told in fixture.told]
    seen = {spot.spot for spot in SPOTS.values()} | set(re.findall(r"\bL\d\d\b", " ".join(names)))
    assert {f"L{n:02}" for n in range(1, 31)} == seen | UNSAID
    assert seen.isdisjoint(UNSAID)


def test_the_readme_says_where_every_spot_is_and_what_every_error_is_called() -> None:
    readme = (SPEC / "README.md").read_text()
    spots = dict(re.findall(r"^\| (L\d\d) \|.*\| (.*) \|$", readme, re.MULTILINE))
    assert list(spots) == [f"L{n:02}" for n in range(1, 31)]
    assert {spot for spot, where in spots.items() if "no document" in where} == UNSAID
    translated = {spot for spot, where in spots.items() if "translation" in where}
    assert translated == {spot.spot for spot in SPOTS.values()}
    for fixture in ERRORS.values():
        assert all(f"`{told.error}`" in readme for told in fixture.told)


@pytest.mark.parametrize("file", TYPES, ids=lambda file: f"{file.parts[-3]} {file.stem}")
def test_a_file_is_named_by_its_line_and_its_section(file: Path) -> None:
    fixture = TYPES[file]
    assert file.parts[-3] == fixture.line
    assert file.match(f"{fixture.section}-*.json")
    assert file.stem.endswith("-proto") is (fixture.form == "proto")
    assert fixture.accepted


def test_a_spot_is_named_by_its_id() -> None:
    assert all(file.match(f"{spot.spot}-*.json") for file, spot in SPOTS.items())
    assert len(ERRORS) == len(LINES)


def test_a_name_tells_one_document_of_a_file() -> None:
    for fixture in TYPES.values():
        names = [each.name for each in (*fixture.accepted, *fixture.refused)]
        assert len(names) == len(set(names))
