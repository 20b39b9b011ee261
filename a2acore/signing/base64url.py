"""base64url without padding, the one spelling that JOSE has for bytes (RFC 7515 section 2)."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises: ValueError: it is spelled otherwise, be it only in bits that nobody looks at."""
    data = b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode(data) != text:
        raise ValueError("not base64url as JOSE spells it")
    return data
