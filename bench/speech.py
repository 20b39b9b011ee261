"""What is asked, and what a right answer says: both lines of A2A, on both bindings.

Written from the specifications, not from `a2acore.wire`: who measures a server must not share its
mistakes. Agents echo; a prompt of `words(200)` therefore has to come back as 200 chunks in order.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, NamedTuple

import msgspec
from attrs import frozen

CARD = "/.well-known/agent-card.json"
PAUSE = "sudo"
"""The word with which the echo agents of all targets ask before they go on."""
ALLOW = "allow"

_MARK = "#" * 12
_WORD = re.compile(r"w\d{5}")
_WORD_BYTES = re.compile(rb"w\d{5}")
_BORDER = re.compile(rb"\r?\n\r?\n")
_RUN = os.urandom(4).hex()
_serial = count()


class Wrong(Exception):
    """An answer is not the right one; the text says how."""


class Ask(NamedTuple):
    """A request, and who reads the answer."""

    request: bytes
    read: Callable[[bytes], None]
    """Given the body of an answer with status 200; raises `Wrong`."""


def words(number: int) -> list[str]:
    """As many words, all different, that no agent would say by itself."""
    return [f"w{n:05d}" for n in range(number)]


METHODS = {
    "1.0": {
        "send": "SendMessage",
        "stream": "SendStreamingMessage",
        "get": "GetTask",
        "list": "ListTasks",
        "subscribe": "SubscribeToTask",
    },
    "0.3": {
        "send": "message/send",
        "stream": "message/stream",
        "get": "tasks/get",
        "subscribe": "tasks/resubscribe",
    },
}


@frozen
class Form:
    """One line of the protocol on one binding."""

    line: str
    binding: str

    def __str__(self) -> str:
        return f"{self.line} {self.binding}"

    @property
    def _rpc(self) -> bool:
        return self.binding == "JSON-RPC"

    @property
    def _old(self) -> bool:
        """Whether it is spelled as only 0.3 on JSON-RPC is; on HTTP+JSON it is much like 1.0."""
        return self.line == "0.3" and self._rpc

    @property
    def completed(self) -> str:
        """The state of a task that went well."""
        return "completed" if self._old else "TASK_STATE_COMPLETED"

    # Requests

    def card(self) -> bytes:
        return self._http("GET", CARD)

    def message(self, operation: str, text: str, task_id: str = "") -> Callable[[], bytes]:
        """How to `send` or `stream` a text: each call gives a request with an id of its own."""
        said: dict[str, Any] = {"messageId": f"{_RUN}-{_MARK}"}
        if self.line == "1.0":
            said |= {"role": "ROLE_USER", "parts": [{"text": text}]}
        elif self._old:
            said |= {"kind": "message", "role": "user", "parts": [{"kind": "text", "text": text}]}
        else:
            said |= {"role": "ROLE_USER", "content": [{"text": text}]}
        if task_id:
            said["taskId"] = task_id
        params: dict[str, Any] = {"message": said}
        if operation == "send" and self.line == "0.3":
            params["configuration"] = {"blocking": True}  # on 1.0 it is, unless one says otherwise
        raw = self._call(operation, "POST", f"/message:{operation}", params)
        return lambda: raw.replace(_MARK.encode(), b"%012d" % next(_serial))

    def get(self, task_id: str) -> bytes:
        return self._call("get", "GET", f"/tasks/{task_id}", {"id": task_id})

    def subscribe(self, task_id: str) -> bytes:
        # 0.3 has a GET here, and on 1.0 one may use either.
        return self._call("subscribe", "GET", f"/tasks/{task_id}:subscribe", {"id": task_id})

    def list_tasks(self, size: int) -> bytes:
        """The first page of all tasks, with `size` of them.

        Raises:
            Wrong: line 0.3 has no such operation.
        """
        if self.line != "1.0":
            raise Wrong(f"A2A {self.line} does not list tasks")
        return self._call("list", "GET", f"/tasks?pageSize={size}", {"pageSize": size})

    def _call(self, operation: str, verb: str, path: str, params: Mapping[str, Any]) -> bytes:
        if self._rpc:
            method = METHODS[self.line][operation]
            call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            return self._http("POST", "/", _compact(call))
        if self.line == "0.3":
            path = f"/v1{path}"
        return self._http(verb, path, _compact(params) if verb == "POST" else b"")

    def _http(self, verb: str, path: str, body: bytes = b"") -> bytes:
        lines = [f"{verb} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: */*"]
        if self.line == "1.0":
            lines.append("A2A-Version: 1.0")
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join((*lines, "", "")).encode() + body

    # Answers

    def task(self, body: bytes) -> dict[str, Any]:
        """The task that an answer to send or get holds.

        Raises:
            Wrong: it holds none.
        """
        inside = self._inside(body)
        task = inside.get("task", inside)
        if "status" not in task:
            raise Wrong(f"no task in {_short(body)}")
        return dict(task)

    def page(self, body: bytes, size: int, least: int) -> None:
        """Read an answer to a list: `size` tasks of at least `least`.

        Raises:
            Wrong: it is another page.
        """
        inside = self._inside(body)
        found, total = len(inside.get("tasks", ())), inside.get("totalSize", 0)
        if found != size or total < least:
            raise Wrong(f"a page of {found} of {total} tasks, not {size} of {least} or more")

    def _inside(self, body: bytes) -> dict[str, Any]:
        try:
            said = msgspec.json.decode(body)
            inside = said["result"] if self._rpc else said
        except (msgspec.DecodeError, KeyError, TypeError):
            raise Wrong(f"no result in {_short(body)}") from None
        if not isinstance(inside, dict):
            raise Wrong(f"no object in {_short(body)}")
        return inside

    def finished(self, expected: list[str], task_id: str = "") -> Callable[[bytes], None]:
        """A reader of tasks, or of that one, to be completed and have the words in artifacts."""

        def read(body: bytes) -> None:
            task = self.task(body)
            if task_id and task["id"] != task_id:
                raise Wrong(f"the task is {task['id']}, not {task_id}")
            state = task["status"].get("state")
            if state != self.completed:
                raise Wrong(f"the task is {state}, not {self.completed}")
            said = "".join(
                part.get("text", "")
                for artifact in task.get("artifacts", ())
                for part in artifact.get("parts", ())
            )
            if _WORD.findall(said) != expected:
                raise Wrong(f"the artifacts say {said[:100]!r}, not the {len(expected)} words")

        return read

    def told(self, expected: list[str]) -> Callable[[bytes], None]:
        """A reader of streams that have to tell these words, in order, each in its own event.

        It looks only into events that tell of artifacts: the prompt, which is the same words, comes
        back in the history too.
        """
        wanted = [word.encode() for word in expected]
        ended = re.compile(rb'"state": ?"%b"' % self.completed.encode())
        chunk = b'"artifact-update"' if self._old else b'"artifactUpdate"'

        def read(body: bytes) -> None:
            events = frames(body)
            if not events or not ended.search(events[-1]):
                raise Wrong(f"the last event does not complete the task: {body[-200:]!r}")
            found: list[bytes] = []
            for event in events:
                if chunk in event:
                    said = _WORD_BYTES.findall(event)
                    if len(said) > 1:
                        raise Wrong(f"{len(said)} chunks in one event")
                    found += said
            if found != wanted:
                raise Wrong(f"{len(found)} chunks, not the {len(wanted)} in their order")

        return read


def frames(body: bytes) -> list[bytes]:
    """The events of a stream, without comments."""
    return [frame for frame in _BORDER.split(body) if b"data:" in frame]


def named(body: bytes) -> None:
    """Read a card."""
    if b'"name"' not in body or b'"skills"' not in body:
        raise Wrong(f"no card: {_short(body)}")


def _compact(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _short(body: bytes) -> str:
    return repr(body[:200])


FORMS = [Form(line, binding) for line in ("1.0", "0.3") for binding in ("JSON-RPC", "HTTP+JSON")]
FIRST = FORMS[0]
