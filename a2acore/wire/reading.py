"""From JSON text to a struct, by the reading rules of ProtoJSON.

A struct whose text holds nothing unusual is decoded by msgspec in one go. Everything else takes the
long way round: a walk over plain values, field by field, that knows what ProtoJSON lets a writer do
and collects all that is wrong. Both ways give the same struct. The rules of the walk:

* a member may bear its camelCase name or its proto (snake_case) name, but not both;
* `null` means absent, but is a value where any JSON is (`Part.data`);
* an enum of the proto may be its name or its number, an int may be `5`, `5.0` or `"5"`;
* base64 may use either alphabet, and may lack its padding;
* a timestamp may have any offset and up to nine digits, and becomes UTC with milliseconds;
* unknown members are ignored, and nothing is touched inside free objects (`metadata`, `data`, ...).

A request must, beyond that, fill what the model requires (`required`); an answer may leave out what
is zero.
Sources: A2A 1.0.1 section 5.5 and 5.7, the JSON mapping of Protocol Buffers.
"""

from __future__ import annotations

import base64
import binascii
import enum
import functools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from msgspec import Raw, Struct, ValidationError, inspect

from a2acore.errors import InvalidParams, Violation
from a2acore.model import SendMessageConfiguration
from a2acore.wire import text
from a2acore.wire.required import unmet

T = TypeVar("T", bound=Struct)

SHOWN = 20
"""How many violations an error carries at most."""

ALIASES: Mapping[type, Mapping[str, str]] = {
    # The documents of 1.0.0 gave it this name; the proto never did.
    SendMessageConfiguration: {
        "pushNotificationConfig": "task_push_notification_config",
        "push_notification_config": "task_push_notification_config",
    },
}
"""Further spellings of a member, by struct: the field that each means."""

TIMESTAMPS: Mapping[str, bool] = {"timestamp": False, "status_timestamp_after": True}
"""The fields that are timestamps, and whether digits beyond a millisecond are rounded up: a lower
bound must not move down."""

_UNUSUAL = re.compile(
    rb'"(?:[a-zA-Z0-9]+_\w*|statusTimestampAfter|pushNotificationConfig)"\s*:'
    rb'|"timestamp"\s*:(?!\s*"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")'
)
"""What msgspec would pass over, or take as it is, where the walk would not."""

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_INTEGER = re.compile(r"-?\d{1,10}", re.ASCII)
_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


# What others call


def read(json: bytes | Raw, shape: type[T]) -> T:
    """Read a request.

    Raises:
        ParseError: the text is not JSON.
        InvalidParams: it does not fit the shape, or leaves out what the shape requires.
    """
    value = _at_once(bytes(json), shape)
    if value is None:
        return convert(builtins(json), shape)
    missing = unmet(value)
    if missing:
        raise invalid(missing)
    return value


def accept(json: bytes | Raw, shape: type[T]) -> T:
    """Read an answer: what is missing is zero, and nothing has to be filled. Raises like `read`."""
    value = _at_once(bytes(json), shape)
    return convert(builtins(json), shape, strict=False) if value is None else value


def builtins(json: bytes | Raw) -> Any:
    """Read JSON into plain values.

    Raises:
        ParseError: the text is not JSON in UTF-8, or nests too deep.
        InvalidParams: a number in it is beyond what can be represented.
    """
    try:
        return text.decode(bytes(json), _PLAIN)
    except ValidationError as exc:
        raise invalid([Violation("", "a number in it is out of range")]) from exc


def convert(value: Any, shape: type[T], *, strict: bool = True, words: bool = False) -> T:
    """Turn plain values into a struct.

    `strict` asks for what a request must fill; without it, what is missing is zero. `words` says
    that booleans come as the words `true` and `false`, as in a query string.

    Raises:
        InvalidParams: it does not fit the shape.
    """
    walk = _Walk(words=words)
    result = walk.struct(value, shape, "")
    wrong = walk.found
    if strict and result is not None and len(wrong) < SHOWN:
        # What came wrong was put to zero; it need not be called missing as well.
        wrong = wrong + [
            missing
            for missing in unmet(result)
            if not any(_within(each.field, missing.field) for each in wrong)
        ]
    if wrong:
        raise invalid(wrong)
    return cast("T", result)


def invalid(violations: Sequence[Violation]) -> InvalidParams:
    """The error that reports what is wrong where; its message tells the first."""
    field, description = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    place = f"`{field}` " if field else ""
    return InvalidParams(
        f"Invalid parameters: {place}{description}{more}", violations=violations[:SHOWN]
    )


def timestamp(said: str, *, up: bool = False) -> str:
    """The same moment as RFC 3339 in UTC with milliseconds; `up` rounds further digits up.

    Raises:
        ValueError: it is no RFC 3339 timestamp, or has no zone.
    """
    match = _TIMESTAMP.fullmatch(said)
    if match is None:
        raise ValueError("expected an RFC 3339 timestamp with a zone")
    day, time, digits, zone = match.groups()
    nanos = int((digits or "0").ljust(9, "0"))
    millis = -(-nanos // 1_000_000) if up else nanos // 1_000_000
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{zone.upper()}").astimezone(UTC)
        moment += timedelta(milliseconds=millis)
    except (ValueError, OverflowError):
        raise ValueError("expected a moment that exists") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_PLAIN: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


@functools.cache
def _decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    return msgspec.json.Decoder(shape)


def _at_once(json: bytes, shape: type[T]) -> T | None:
    """The short way, or None when the long way is needed."""
    if _UNUSUAL.search(json):
        return None
    try:
        return text.decode(json, cast("msgspec.json.Decoder[T]", _decoder(shape)))
    except ValidationError:
        return None


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))


# The walk


class _Fields(NamedTuple):
    """What a struct has: each spelling of a member, and the fields without a default."""

    spelled: Mapping[str, inspect.Field]
    required: Sequence[inspect.Field]


@functools.cache
def _fields(shape: type[Struct]) -> _Fields:
    fields = cast("inspect.StructType", inspect.type_info(shape)).fields
    named = {field.name: field for field in fields}
    spelled = {field.encode_name: field for field in fields} | named
    spelled |= {alias: named[name] for alias, name in ALIASES.get(shape, {}).items()}
    return _Fields(spelled, [field for field in fields if field.required])


class _Walk:
    """One walk over plain values; `found` is what was wrong."""

    def __init__(self, *, words: bool) -> None:
        self.words = words
        self.found: list[Violation] = []

    def wrong(self, path: str, description: str) -> None:
        self.found.append(Violation(path, description))

    def expected(self, path: str, wanted: str, value: object) -> None:
        self.wrong(path, f"expected {wanted}, got {_NAMES.get(type(value), 'something else')}")

    # Each of these gives None for what is wrong, and has reported it.

    def struct(self, value: Any, shape: type[Struct], path: str) -> Any:
        if not isinstance(value, dict):
            return self.expected(path, "an object", value)
        fields = _fields(shape)
        said: dict[str, Any] = {}
        for key, item in value.items():
            field = fields.spelled.get(key)
            # "Unrecognized fields SHOULD be ignored" (section 5.7).
            if field is None or (item is None and not isinstance(field.type, inspect.AnyType)):
                continue
            place = f"{path}.{field.encode_name}".lstrip(".")
            if field.name in said:
                self.wrong(place, "is given twice, under two names")
                continue
            if field.name in TIMESTAMPS:
                item = self.timestamp(item, place, up=TIMESTAMPS[field.name])
            else:
                item = self.value(item, field.type, place)
            said[field.name] = _zero(field.type) if item is None else item
        for field in fields.required:
            if field.name not in said:
                said[field.name] = zero = _zero(field.type)
                if zero is None:
                    self.wrong(f"{path}.{field.encode_name}".lstrip("."), "is required")
        return shape(**said)

    def value(self, value: Any, kind: inspect.Type, path: str) -> Any:
        match kind:
            case inspect.AnyType():
                return value
            case inspect.UnionType(types=types):  # `X | None`: the null is gone already
                return self.value(value, next(t for t in types if t != inspect.NoneType()), path)
            case inspect.StructType(cls=shape):
                return self.struct(value, shape, path)
            case inspect.EnumType(cls=names):
                return self.enum(value, names, path)
            case inspect.BytesType():
                return self.bytes(value, path)
            case inspect.BoolType() if self.words and value in ("true", "false"):
                return value == "true"
            case inspect.BoolType():
                return value if isinstance(value, bool) else self.expected(path, "a boolean", value)
            case inspect.IntType():
                return self.int(value, path)
            case inspect.VarTupleType(item_type=item):
                if not isinstance(value, list):
                    return self.expected(path, "an array", value)
                return tuple(self.value(v, item, f"{path}[{n}]") for n, v in enumerate(value))
            case inspect.DictType(value_type=item):
                if not isinstance(value, dict):
                    return self.expected(path, "an object", value)
                return {key: self.value(v, item, f"{path}.{key}") for key, v in value.items()}
            case inspect.StrType():
                return value if isinstance(value, str) else self.expected(path, "a string", value)
        raise NotImplementedError(f"the model holds a {type(kind).__name__} at {path}")

    def enum(self, value: Any, names: type[enum.Enum], path: str) -> Any:
        members = list(names)  # in the order of their numbers, the unspecified one first
        # The words of a schema have no numbers, those of a proto have.
        numbered = not issubclass(names, str)
        if numbered and isinstance(value, int) and not isinstance(value, bool):
            return members[value] if 0 <= value < len(members) else members[0]
        try:
            return names(value)
        except ValueError:
            return self.wrong(path, f"expected one of {', '.join(m.value for m in members[1:])}")

    def int(self, value: Any, path: str) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return self.expected(path, "an integer", value)

    def bytes(self, value: Any, path: str) -> Any:
        if not isinstance(value, str):
            return self.expected(path, "a string in base64", value)
        text = value.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            return self.wrong(path, "expected base64")

    def timestamp(self, value: Any, path: str, *, up: bool) -> Any:
        if not isinstance(value, str):
            return self.expected(path, "a timestamp", value)
        try:
            return timestamp(value, up=up) if value else ""
        except ValueError as exc:
            return self.wrong(path, str(exc))


def _zero(kind: inspect.Type) -> Any:
    """What a field that is not written has; None for a message, which has no zero."""
    match kind:
        case inspect.StrType():
            return ""
        case inspect.BoolType():
            return False
        case inspect.IntType():
            return 0
        case inspect.EnumType(cls=names):
            return next(iter(names))
        case inspect.VarTupleType():
            return ()
        case inspect.DictType(value_type=each) if not isinstance(each, inspect.AnyType):
            return {}  # a map; an object of anything is a message
    return None
