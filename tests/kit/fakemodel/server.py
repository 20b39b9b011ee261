"""The fake model on a socket: a thread per connection, every request recorded."""

import contextlib
import json
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.kit.fakemodel import anthropic, chat, gemini, responses
from tests.kit.fakemodel.dialect import Dialect
from tests.kit.fakemodel.script import Conversation, Json, Reply, decide, spoken

DIALECTS: tuple[Dialect, ...] = (responses, chat, anthropic, gemini)

COUNTS = {"/count_tokens": {"input_tokens": 100}, ":countTokens": {"totalTokens": 100}}

ERROR_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


@dataclass(frozen=True)
class Request:
    """A request to the model, as it came, as it was understood, and what it was answered."""

    path: str
    body: Json
    conversation: Conversation
    reply: Reply

    @property
    def prompt(self) -> str:
        """The user's last words, without what the agent wrapped around them."""
        return self.conversation.turn()[0]

    @property
    def text(self) -> str:
        """Everything said so far, by whomever: what the model was reminded of."""
        return "\n".join(said.text for said in self.conversation.said)


class FakeModel:
    """A model endpoint on 127.0.0.1, open inside its `with` block.

    `escalate` may be set at any time: see `tests.kit.fakemodel.tools.choose`. So may `otherwise`,
    the script for prompts that are none. `requests` holds what was asked so far, the oldest first,
    requests for titles included.
    """

    def __init__(self, port: int = 0) -> None:
        self.escalate = False
        self.otherwise = ""
        self.requests: list[Request] = []
        self._asking = threading.Lock()
        self._server = _Server(self, port)

    @property
    def url(self) -> str:
        """The base URL, without a slash or a version at its end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, words: str) -> Request:
        """The latest request whose prompt contains these words, if it is not one for data: codex
        asks so for a title.

        Raises:
            LookupError: nobody asked so; the message says what was asked.
        """
        for request in reversed(self.requests):
            if words in request.prompt and request.conversation.schema is None:
                return request
        raise LookupError(f"{words!r} was not asked, only {[r.prompt for r in self.requests]}")

    def answer(self, path: str, body: Json, conversation: Conversation) -> Reply:
        """Decide on the reply and record both. Safe to call from many threads."""
        with self._asking:
            asked = [_question(request.conversation) for request in self.requests]
            attempt = 1 + asked.count(_question(conversation))
            reply = decide(
                conversation, attempt=attempt, escalate=self.escalate, otherwise=self.otherwise
            )
            self.requests.append(Request(path, body, conversation, reply))
            return reply

    def serve_forever(self) -> None:
        """Serve in this thread, until interrupted or closed by another."""
        self._server.serve_forever(poll_interval=0.05)  # seconds; how long closing takes

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, name="fake model")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._thread.join()
        self._server.server_close()  # waits for the connections' threads


def _question(conversation: Conversation) -> object:
    """What a retry repeats. Not the whole text: some agents put a clock into it."""
    return len(conversation.said), conversation.turn()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # nothing of a test outlives it
    request_queue_size = 64

    def __init__(self, model: FakeModel, port: int) -> None:
        self.model = model
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def hang_up(self) -> None:
        """End every answer and every wait, be it for a question or for time to pass."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # the other side was faster
                connection.shutdown(socket.SHUT_RDWR)

    # `request` is what socketserver calls a connection.

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # agents are killed in mid-request
            super().handle_error(request, client_address)


class _Gone(Exception):
    """There is nobody to answer any more, or nobody shall be answered."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # words are small, and shall not wait for each other

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._head(200, "text/plain", "0")

    def do_GET(self) -> None:
        if self.path.partition("?")[0].endswith("/models"):
            listed = {"id": "fake-model", "object": "model", "type": "model", "owned_by": "fake"}
            self._json({"object": "list", "data": [listed], "has_more": False})
        else:
            self._refuse(404)

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        for ending, document in COUNTS.items():
            if path.endswith(ending):
                return self._json(document)
        for dialect in DIALECTS:
            if dialect.PATH.search(path):
                try:
                    return self._reply(dialect, path, body)
                except (_Gone, ConnectionError):
                    self.close_connection = True
                    return None
        return self._refuse(404)

    def _reply(self, dialect: Dialect, path: str, body: Json) -> None:
        reply = self.server.model.answer(path, body, dialect.read(body))
        if reply.status != 200:
            return self._refuse(reply.status)
        self._wait(reply.hang)
        model = body.get("model", "fake-model")
        if not dialect.streams(path, body):
            for _ in self._words(reply):
                pass
            return self._json(dialect.whole(reply, model))
        self._head(200, "text/event-stream")
        for data, name in dialect.events(reply, self._words(reply), model):
            text = data if isinstance(data, str) else json.dumps(data)
            event = f"event: {name}\n" if name else ""
            self.wfile.write(f"{event}data: {text}\n\n".encode())
        return None

    def _words(self, reply: Reply) -> Iterator[str]:
        """The text word by word at the reply's pace; ends badly where the script says DROP."""
        words = spoken(reply.text)
        for place, word in enumerate(words):
            if reply.drop and place >= len(words) // 2:
                self.connection.shutdown(socket.SHUT_RDWR)
                raise _Gone
            yield word
            self._wait(reply.pace)

    def _wait(self, seconds: float) -> None:
        """Pass the time, but no longer than there is somebody waiting for the answer."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            # Readable means hung up, by the caller or by us: nobody asks twice before an answer.
            readable, _, _ = select.select([self.connection], [], [], left)
            if readable:
                raise _Gone

    def _refuse(self, status: int) -> None:
        said = {
            "type": ERROR_TYPES.get(status, "api_error"),
            "code": status,
            "status": "FAKE",
            "message": f"fake error {status}",
        }
        self._json({"type": "error", "error": said}, status)

    def _json(self, document: Json, status: int = 200) -> None:
        body = json.dumps(document).encode()
        self._head(status, "application/json", str(len(body)))
        self.wfile.write(body)

    def _head(self, status: int, kind: str, length: str | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        if length is None:
            self.send_header("connection", "close")  # the body ends where the connection does
        else:
            self.send_header("content-length", length)
        if status == 429:
            self.send_header("retry-after", "1")
        self.end_headers()
