"""The keys of an issuer: fetched, kept, fetched again.

Rule 1: a fetch belongs to nobody's request. It runs beside them, and only those wait for it that
    can do nothing without it.
Rule 2: whatever tokens say, and however many there are, there is one fetch at a time, and none
    sooner than `PAUSE` after the last: nobody makes us knock at the issuer's door.
"""

from __future__ import annotations

import logging
import time
from math import inf
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import trio
from attrs import define

from a2acore.client.documents import NoDocument, fetch_document
from a2acore.client.reach import open_http
from a2acore.credentials import Issuer
from a2acore.loopback import is_loopback
from a2acore.signing import BadKey, Key, load_set

FRESH = 600.0
"""Seconds that keys are good without asking again; as long does one work that was withdrawn."""
LAST = 3600.0
"""Seconds that keys are good while the issuer cannot be asked."""
PAUSE = 30.0
"""Seconds from one fetch to the next, whoever wants it."""
TIME = 10.0
"""Seconds of one fetch, in all."""
SIZE = 256 * 1024
"""Bytes of a document: a set of keys with their chains of certificates is the largest."""

log = logging.getLogger(__name__)


class Unfetched(Exception):
    """The keys cannot be had; the text says why."""


@define(eq=False)
class Keyring:
    """The keys of one issuer, as they were when it was asked last."""

    issuer: Issuer
    _nursery: trio.Nursery
    keys: tuple[Key, ...] = ()
    """Another tuple only when they have changed."""
    _document: bytes = b""
    _fetched: float = -inf
    _tried: float = -inf
    _fetching: trio.Event | None = None

    async def current(self) -> tuple[Key, ...]:
        """The keys: at once if there are any that may be used, and they are renewed beside that."""
        age = trio.current_time() - self._fetched
        if age >= LAST:
            await self.renew()
            if trio.current_time() - self._fetched >= LAST:
                self.keys, self._document = (), b""
        elif age >= FRESH:
            self._start()
        return self.keys

    async def renew(self) -> None:
        """Fetch them, or wait for who does; or nothing, if that was just done."""
        self._start()
        if self._fetching is not None:
            await self._fetching.wait()

    def _start(self) -> None:
        if self._fetching is None and trio.current_time() - self._tried >= PAUSE:
            self._tried = trio.current_time()
            self._fetching = trio.Event()
            self._nursery.start_soon(self._fetch)

    async def _fetch(self) -> None:
        done = self._fetching
        assert done is not None
        try:
            with trio.move_on_after(TIME) as limit:
                document = await fetched(self.issuer)
                if document != self._document:
                    self.keys = load_set(document, now=time.time())
                    self._document = document
                self._fetched = trio.current_time()
            if limit.cancelled_caught:
                raise Unfetched(f"it takes longer than {TIME:g} seconds")
        except (Unfetched, BadKey, OSError) as exc:
            log.warning("the keys of issuer %s cannot be had: %s", self.issuer.name, exc)
        finally:
            self._fetching = None
            done.set()


async def fetched(issuer: Issuer) -> bytes:
    """The set of keys of an issuer, as it is.

    Raises:
        Unfetched: it cannot be had.
    """
    if issuer.jwks and "://" not in issuer.jwks:
        return _file(Path(issuer.jwks))
    async with open_http(None) as http:
        place = issuer.jwks or await _discovered(http, issuer)
        return await _get(http, place)


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise Unfetched(f"{path}: {exc.strerror}") from exc


async def _discovered(http: httpx.AsyncClient, issuer: Issuer) -> str:
    """Where an issuer says that its keys are (OpenID Connect Discovery 1.0, section 4)."""
    try:
        said = msgspec.json.decode(await _get(http, issuer.configuration))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Unfetched("its configuration is no JSON") from exc
    # "The issuer value returned MUST be identical to the Issuer URL that was used as the prefix"
    # (section 4.3): else one tenant of a host could speak for another.
    if not isinstance(said, dict) or said.get("issuer") != issuer.issuer:
        raise Unfetched("its configuration is another issuer's")
    place = said.get("jwks_uri")
    if not isinstance(place, str):
        raise Unfetched("its configuration does not say where its keys are")
    here = is_loopback(urlsplit(issuer.issuer).hostname or "")
    try:
        where = urlsplit(place)
        plain = where.scheme == "http" and here and is_loopback(where.hostname or "")
        safe = where.scheme == "https" or plain
    except ValueError:
        safe = False
    if not safe:
        raise Unfetched("its configuration leads away from https")
    return place


async def _get(http: httpx.AsyncClient, place: str) -> bytes:
    try:
        return await fetch_document(http, place, SIZE)
    except NoDocument as exc:
        raise Unfetched(f"{place} {exc}") from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise Unfetched(str(exc) or type(exc).__name__) from exc
