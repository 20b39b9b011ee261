"""What a server says to one request, and what it is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from a2acli.conformance import faults
from a2acli.conformance.faults import Refusal
from a2acli.conformance.spelling import Way
from a2acli.conformance.verdict import Failed, expect, shown
from a2acore import sse


@frozen
class Answer:
    """An answer, whole."""

    way: Way
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def document(self) -> Any:
        """The JSON in it; of a stream, that of its first event.

        Raises:
            Failed: it is not JSON.
        """
        body = self.body
        if self.media_type == sse.MEDIA_TYPE:
            events = sse.Decoder().feed(body)
            body = events[0].data if events else b""
        try:
            return json.loads(body)
        except ValueError:
            what = f"{self.media_type or 'something untyped'}: {shown(body)}"
            raise Failed(f"no JSON, but HTTP {self.status} with {what}") from None

    @property
    def refused(self) -> bool:
        """Whether it says no."""
        if self.way.rpc:
            document = self.document
            return isinstance(document, dict) and document.get("error") is not None
        return self.status >= 400

    @property
    def result(self) -> Any:
        """What was asked for.

        Raises:
            Failed: it was refused.
        """
        if self.refused:
            raise Failed(f"refused: {self.refusal}")
        if not self.way.rpc:
            return self.document
        expect(isinstance(self.document, dict), f"no JSON-RPC response: {shown(self.document)}")
        return self.document.get("result")

    @property
    def refusal(self) -> Refusal:
        """Why it was refused.

        Raises:
            Failed: it was not.
        """
        return faults.read(self.document, self.status, rpc=self.way.rpc, old=self.way.old)


@frozen
class Seen:
    """Something the server said, for the checks that look at how it is written."""

    where: str
    type: str
    document: Any
