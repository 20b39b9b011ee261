"""`python -m tests.kit.fakemodel --port N`: the fake model, served until interrupted."""

import argparse
import contextlib

from tests.kit.fakemodel.server import FakeModel

parser = argparse.ArgumentParser(prog="python -m tests.kit.fakemodel", description=__doc__)
parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
parser.add_argument("--escalate", action="store_true", help="make codex ask for permission")
options = parser.parse_args()

model = FakeModel(options.port)
model.escalate = options.escalate
print(model.url, flush=True)
with contextlib.suppress(KeyboardInterrupt):
    model.serve_forever()
