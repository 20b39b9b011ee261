"""An A2A client: both lines, both bindings, on trio.

    async with open_client("http://127.0.0.1:9100", token=token) as client:
        async with client.stream(SendMessageRequest(message)) as events:
            async for event in events:
                ...

What the agent at the other end says no to is an `A2AError`, as a server raises it. What keeps it
from being asked at all is a `ClientError`:

    ClientError        it could not be asked; the text says what happened and what to try
    ├── Unreachable    nobody answers there; nothing was sent
    ├── BrokenOff      the connection ended before the answer did; what was asked may be going on
    ├── Unauthorized   it wants a token, or another one
    ├── NoWay          its card cannot be had, or names no way that is spoken here
    └── Untrusted      its card is not signed by anybody who is trusted

Rule 1: nothing is sent twice. The next interface is tried when the first is not reached, or does
    not speak the line that its card promises; never after a request that may have been heard.
Rule 2: a token goes where the card says, but never without https, but on this machine; redirects
    are not followed.
Rule 3: an answer may take as long as it takes; limits belong to the caller (`trio.fail_after`).
"""

from a2acore.client.client import Client as Client
from a2acore.client.client import Stream as Stream
from a2acore.client.client import open_client as open_client
from a2acore.client.errors import BrokenOff as BrokenOff
from a2acore.client.errors import ClientError as ClientError
from a2acore.client.errors import NoWay as NoWay
from a2acore.client.errors import Unauthorized as Unauthorized
from a2acore.client.errors import Unreachable as Unreachable
from a2acore.client.errors import Untrusted as Untrusted
from a2acore.client.reach import BINDINGS as BINDINGS
from a2acore.client.reach import CARD_PATH as CARD_PATH
from a2acore.client.reach import LINES as LINES
from a2acore.client.reach import NEWEST as NEWEST
from a2acore.client.reach import Way as Way
from a2acore.client.reach import choose as choose
from a2acore.client.reach import fetch_card as fetch_card
from a2acore.client.trust import Trust as Trust
from a2acore.client.trust import verify_card as verify_card
