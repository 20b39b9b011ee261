"""The fronts: what speaks HTTP/1.1 with one client on one side, and ASGI on the other.

`native` is ours, on h11; `hypercorn` is hypercorn's protocol, contained. Both are a `Connection`
with the same outside, and keep to the same rules:

1. Every wait for the client is bounded (`Patience`), but for one: a request that is being answered
   may stay silent for ever. Heartbeats and limits on streams are the app's.
2. Nothing is shielded: cancelling is always prompt. A write that was cut leaves half a message, so
   it ends the connection.
3. What goes wrong on one connection ends that one only.
"""

from a2acore.front.site import Connection as Connection
from a2acore.front.site import Front as Front
from a2acore.front.site import Patience as Patience
from a2acore.front.site import Site as Site
