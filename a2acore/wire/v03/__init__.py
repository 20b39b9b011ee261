"""Line 0.3 on the wire.

routes      what can be asked: methods and routes
server      its dialects, on JSON-RPC and on HTTP+JSON
client      the same from the other side
refusals    how it says an error, and how one is read again
shapes      the types of its schema; `schema` translates between them and the model
prototypes  the types of its proto; `proto` translates between them and the model
forms       which of the two JSON forms somebody speaks on HTTP+JSON
parts       what a part of this line has no room for
cards       its agent card; `cardreader` reads the card of either line
"""

from a2acore.wire.v03.client import client as client
from a2acore.wire.v03.forms import VERSION as VERSION
from a2acore.wire.v03.routes import METHODS as METHODS
from a2acore.wire.v03.routes import route as route
from a2acore.wire.v03.routes import verbs as verbs
from a2acore.wire.v03.server import JsonRpc as JsonRpc
from a2acore.wire.v03.server import Rest as Rest
