"""Line 1.0 on the wire.

routes      what can be asked: methods, routes, and the struct each takes and returns
server      its dialects, on JSON-RPC and on HTTP+JSON
client      the same from the other side
refusals    how it says an error, and how one is read again

The structs of `a2acore.model` have the shape of this line, so they are written as they are; all
that is spelled in here is what goes around them.
"""

from a2acore.wire.v10.client import client as client
from a2acore.wire.v10.routes import METHODS as METHODS
from a2acore.wire.v10.routes import VERSION as VERSION
from a2acore.wire.v10.routes import route as route
from a2acore.wire.v10.routes import verbs as verbs
from a2acore.wire.v10.server import JsonRpc as JsonRpc
from a2acore.wire.v10.server import Rest as Rest
from a2acore.wire.v10.server import media_type as media_type
from a2acore.wire.v10.server import wrapped as wrapped
