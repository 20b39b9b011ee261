"""The words of ASGI 3, as types, and the one exception that both of its sides know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

# ASGI's dictionaries are open: a server or a middleware may add keys of its own.
Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]

Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

# What our own fronts say in a scope, beside ASGI. Whoever reads it can do without.

WHOLE = "a2acode.whole"
"""Whether the body has come already: to receive it will not take any time."""

LEAVING = "a2acode.leaving"
"""A function: once it is called, the app is cancelled when the client leaves, until it returns."""


class ClientGone(ConnectionError):
    """The client has left: there is nobody to answer.

    Our server raises it from `send` after the disconnect, and `read_body` from a body that will
    never be whole. An app lets it through; it is not logged as a failure.

    "If send() is called on a closed connection, the server should raise a server-specific subclass
    of OSError." (ASGI HTTP specification 2.4, "Disconnected Client")
    """
