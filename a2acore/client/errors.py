"""What keeps an agent from being asked at all; the package draws the tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from a2acore import sse


class ClientError(Exception):
    """The agent could not be asked. One line: what happened, then what to try."""


class Unreachable(ClientError):
    """Nobody answers there; nothing was sent."""


class BrokenOff(ClientError):
    """The connection ended before the answer did."""


class Unauthorized(ClientError):
    """The agent wants a token, or does not take this one."""


class NoWay(ClientError):
    """There is no card, or none of its interfaces is one that we speak."""


class Untrusted(ClientError):
    """Its card is not signed, or by nobody who is trusted."""


class NotSigned(Untrusted):
    """Its card bears no signature at all."""


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn what httpx raises into our family, once."""
    where = bare(url)
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as exc:
        why = _said(exc) or "it takes too long"
        raise Unreachable(
            f"cannot reach {where} ({why}); is the agent running, and the address right?"
        ) from exc
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as exc:
        raise NoWay(
            f"{where} is no address of an agent; it begins with http:// or https://"
        ) from exc
    except (httpx.HTTPError, sse.TooLong) as exc:
        why = str(exc) or type(exc).__name__
        raise BrokenOff(
            f"the connection to {where} broke off ({why}); "
            "what was asked may still be going on there"
        ) from exc


def _said(error: BaseException | None) -> str:
    """What an error says, or what it came from: trio passes on without a word what TLS says."""
    while error is not None and not str(error):
        error = error.__cause__ or error.__context__
    return str(error or "")


def bare(url: str) -> str:
    """The URL without what is secret in it."""
    try:
        return str(httpx.URL(url).copy_with(userinfo=b"", query=None))
    except httpx.InvalidURL:
        return "what was given"
