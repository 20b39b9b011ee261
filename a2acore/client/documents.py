"""A document at a URL that somebody else has named: fetched whole and small, or not at all."""

from __future__ import annotations

import httpx

from a2acore.client.reach import unwind


class NoDocument(Exception):
    """What was answered is none; `str(error)` continues a sentence that begins with the URL."""


class TooLarge(NoDocument):
    """It is longer than it may be."""


async def fetch_document(http: httpx.AsyncClient, url: str, most: int) -> bytes:
    """The body at `url`, of at most `most` bytes.

    No redirect is followed, and nothing that `http` shows to others is shown.

    Raises:
        NoDocument: the answer is another.
        httpx.HTTPError, httpx.InvalidURL: there is no answer.
    """
    request = http.build_request("GET", url, headers={"Accept-Encoding": "identity"})
    for name in ("Authorization", "Cookie"):
        request.headers.pop(name, None)
    response = await http.send(request, stream=True, auth=None, follow_redirects=False)
    chunks = response.aiter_raw()
    try:
        if response.status_code != httpx.codes.OK:
            raise NoDocument(f"answered {response.status_code}")
        body = b""
        async for chunk in chunks:
            body += chunk
            if len(body) > most:
                raise TooLarge(f"sends more than {most} bytes")
        return body
    finally:
        await unwind(chunks)
        await response.aclose()
