"""Signatures: canonical JSON (RFC 8785), keys (JWK), and what signs and verifies with them (JWS).

jwcrypto does the work. It takes long to load, and most servers have no key: so it is loaded with
the first one.

It knows no card: which bytes of a card are signed is told in `a2acore.wire.signatures`.
"""

from a2acore.signing import base64url as base64url
from a2acore.signing.canonical import NotCanonical as NotCanonical
from a2acore.signing.canonical import canonical as canonical
from a2acore.signing.canonical import read as read
from a2acore.signing.jws import BadSignature as BadSignature
from a2acore.signing.jws import Header as Header
from a2acore.signing.jws import Signature as Signature
from a2acore.signing.jws import UnknownKey as UnknownKey
from a2acore.signing.jws import prove as prove
from a2acore.signing.jws import read_header as read_header
from a2acore.signing.jws import sign as sign
from a2acore.signing.jws import verify as verify
from a2acore.signing.keys import ALGS as ALGS
from a2acore.signing.keys import BadKey as BadKey
from a2acore.signing.keys import Key as Key
from a2acore.signing.keys import as_set as as_set
from a2acore.signing.keys import load as load
from a2acore.signing.keys import load_set as load_set
from a2acore.signing.keys import new as new
