"""A question that wants data: its fields, what a text means in one of them, and what fits it all.

A form is a JSON Schema of an object. Whoever asks may be a stranger, so nothing of it is run or
fetched, and nothing is checked that can be written so that it never ends: a pattern, references
that double at each step, items that are compared each with each. That is left to whoever asks.
Pure.

Source: https://json-schema.org/draft/2020-12, of which MCP and ACP use objects of plain values.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from attrs import frozen
from msgspec import UNSET

from a2acore.errors import InvalidParams, Violation

DECLINES = frozenset({"decline", "no", "cancel", "skip"})
"""Whole answers that decline a question, where they are no answer to it."""
LONGEST_WHY = 300
"""Characters of why data does not fit: the library quotes all of it."""

_BOOLEANS = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


@frozen
class Choice:
    """One of the values that a field takes."""

    value: Any
    title: str
    description: str = ""


@frozen
class Field:
    """One member of the data that is wanted."""

    name: str
    schema: Mapping[str, Any]
    required: bool = False

    @property
    def title(self) -> str:
        return _text(self.schema, "title")

    @property
    def description(self) -> str:
        return _text(self.schema, "description")

    @property
    def kind(self) -> str:
        """The type of its values, as JSON Schema calls it; empty when it does not say."""
        return _text(self.schema, "type")

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What it takes, if that is a list; of one that takes several, what they are made of."""
        schema = self.schema
        items = schema.get("items")
        if self.kind == "array" and isinstance(items, dict):
            schema = items
        return tuple(_choices(schema))

    @property
    def free(self) -> bool:
        """It takes any text."""
        return self.kind == "string" and not self.choices

    def read(self, text: str) -> Any:
        """The value that a text means here, UNSET if it means none."""
        text = text.strip()
        if self.kind == "array":
            chosen = [self._choose(piece.strip()) for piece in text.split(",")]
            return UNSET if UNSET in chosen else chosen
        if self.choices:
            return self._choose(text)
        match self.kind:
            case "string":
                return text
            case "boolean":
                return _BOOLEANS.get(text.casefold().rstrip(".!"), UNSET)
            case "integer":
                return _number(text, int)
            case "number":
                return _number(text, float)
        return UNSET

    def _choose(self, text: str) -> Any:
        for same in (str, str.casefold):
            for choice in self.choices:
                if same(text) in (same(str(choice.value)), same(choice.title)):
                    return choice.value
        return UNSET


def fields(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """The members of the data, in the order in which they are asked for."""
    properties, required = schema.get("properties"), _list(schema, "required")
    if not isinstance(properties, dict):
        return ()
    return tuple(
        Field(name, member, name in required)
        for name, member in properties.items()
        if isinstance(member, dict)
    )


def read(schema: Mapping[str, Any], text: str) -> Any:
    """The data that a mere text gives, UNSET if it gives none.

    A text answers the only thing that is asked: the only field, or the only one that is required,
    or a choice with room beside it for another answer (so asks Claude Code), whichever it fits.
    Where more is asked, the text may be a JSON object.
    """
    asked = fields(schema)
    if not asked:
        return Field("", schema).read(text)
    for field in _meant(asked):
        if (value := field.read(text)) is not UNSET:
            return {field.name: value}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return UNSET


def takes_text(schema: Mapping[str, Any]) -> bool:
    """Whether a mere text can answer, without being JSON."""
    asked = fields(schema)
    return not asked or bool(_meant(asked))


def _meant(asked: tuple[Field, ...]) -> tuple[Field, ...]:
    """The fields that a mere text may be meant for, the likelier first."""
    required = tuple(field for field in asked if field.required)
    match required or asked:
        case (only,):
            return (only,)
        case (choice, other) if choice.choices and other.free and not required:
            return (choice, other)
    return ()


def declines(schema: Mapping[str, Any], text: str) -> bool:
    """Whether a text declines to answer: it says so, and is not itself one of the answers."""
    if text.rstrip(".!").casefold() not in DECLINES:
        return False
    if (data := read(schema, text)) is UNSET:
        return True
    asked = fields(schema)
    answered = [field for field in asked if field.name in data] if asked else [Field("", schema)]
    return all(field.free for field in answered)


def check(schema: Mapping[str, Any], data: Any) -> None:
    """See that data is what a schema asks for; one that is no schema asks for nothing.

    Raises:
        InvalidParams: it is not. Says where (a JSON path from `$`) and why.
    """
    import jsonschema

    checker = _checker()
    try:
        checker.check_schema(schema)
        error = jsonschema.exceptions.best_match(checker(schema).iter_errors(data))
    except (jsonschema.SchemaError, RecursionError, ValueError):  # an `$id` that is none
        return
    except OverflowError as exc:
        raise InvalidParams("A number in the answer is larger than can be checked") from exc
    if error is not None:
        why = textwrap.shorten(error.message, LONGEST_WHY, placeholder=" …")
        raise InvalidParams(
            f"The answer does not fit at {error.json_path}: {why}",
            violations=[Violation(error.json_path, why)],
        )


@cache
def _checker() -> Any:
    # Imported where it is needed: it takes a tenth of a second, and most servers are never asked.
    import jsonschema

    known = jsonschema.Draft202012Validator
    rest = known.VALIDATORS["additionalProperties"]

    def additional(checker: Any, wanted: Any, data: Any, schema: Any) -> Iterator[Any]:
        # What is additional to names that fit a pattern cannot be told without the pattern.
        if "patternProperties" not in schema:
            yield from rest(checker, wanted, data, schema)

    endless = (
        "pattern",
        "patternProperties",
        "$ref",
        "$dynamicRef",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    )
    unchecked = dict.fromkeys(endless, _pass)
    return jsonschema.validators.extend(known, {**unchecked, "additionalProperties": additional})


def _pass(*_: Any) -> None:
    """Find nothing wrong."""


def _choices(schema: Mapping[str, Any]) -> Iterator[Choice]:
    values, names = _list(schema, "enum"), _list(schema, "enumNames")
    for number, value in enumerate(values):
        yield Choice(value, str(names[number] if number < len(names) else value))
    for keyword in ("oneOf", "anyOf"):
        for option in _list(schema, keyword):
            if isinstance(option, dict) and "const" in option:
                value = option["const"]
                title = _text(option, "title") or str(value)
                yield Choice(value, title, _text(option, "description"))


def _number(text: str, kind: type[int] | type[float]) -> Any:
    try:
        value = kind(text)
    except ValueError:
        return UNSET
    return value if value == value and abs(value) != float("inf") else UNSET


def _text(schema: Mapping[str, Any], name: str) -> str:
    value = schema.get(name)
    return value if isinstance(value, str) else ""


def _list(schema: Mapping[str, Any], name: str) -> list[Any]:
    value = schema.get(name)
    return value if isinstance(value, list) else []
