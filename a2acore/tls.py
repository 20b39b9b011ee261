"""TLS, for the listener: what the server shows, and what it makes of a client's certificate.

TLS 1.2 and newer, and of 1.2 only what keeps its secrets when the key is lost later.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from a2acore.credentials import Certificate

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption. Those of 1.3 are all so."""
PROTOCOLS = ["http/1.1"]
"""What is spoken inside (ALPN)."""

PEER = "a2acode.certificate"
"""The key of the ASGI scope under which the `Peer` of its connection stands, if there is one."""


class BadTls(ValueError):
    """Nothing can be served with this; the text says why."""


@frozen
class Tls:
    """The files that TLS is spoken with, all in PEM."""

    cert: Path
    """The server's certificate, and behind it those that lead to one that clients know."""
    key: Path
    client_ca: Path | None = None
    """Who vouches for clients. A client may show a certificate then, and need not."""

    def context(self) -> ssl.SSLContext:
        """What a listener speaks TLS with.

        Raises:
            BadTls: a file cannot be read, or is not what it should be.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_ciphers(CIPHERS)
        context.set_alpn_protocols(PROTOCOLS)
        for file in filter(None, (self.cert, self.key, self.client_ca)):
            _see(file)
        try:
            # OpenSSL would ask the terminal for the password of a key that has one.
            context.load_cert_chain(self.cert, self.key, password=lambda: b"")
        except (ssl.SSLError, ValueError) as exc:
            raise BadTls(
                f"{self.cert} and {self.key} are no certificate and its key, in PEM and without a "
                f"password ({_reason(exc)})"
            ) from exc
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except ssl.SSLError as exc:
                raise BadTls(f"{self.client_ca} holds no certificates ({_reason(exc)})") from exc
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


@frozen
class Peer:
    """A client whose certificate was verified."""

    names: tuple[Certificate, ...]
    """The URIs in it; if there are none, its DNS names; if there are none, its common name."""
    until: float
    """When the certificate ends, in seconds since 1970."""

    @classmethod
    def of(cls, said: Mapping[str, Any] | None) -> Peer | None:
        """The client, by what `ssl.SSLObject.getpeercert` says; nobody if it showed nothing."""
        if not said:
            return None
        alternatives = [f"{kind}:{name}" for kind, name in said.get("subjectAltName", ())]
        common = [
            f"CN:{value}"
            for part in said.get("subject", ())
            for key, value in part
            if key == "commonName"
        ]
        for kind, names in (("URI:", alternatives), ("DNS:", alternatives), ("CN:", common)):
            found = tuple(Certificate(name) for name in names if name.startswith(kind))
            if found:
                return cls(found, _end(said))
        return cls((), _end(said))


def _end(said: Mapping[str, Any]) -> float:
    return float(ssl.cert_time_to_seconds(said["notAfter"]))


def _see(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as exc:
        raise BadTls(f"cannot read {file}: {exc.strerror}") from exc


def _reason(exc: Exception) -> str:
    return getattr(exc, "reason", None) or type(exc).__name__
