"""A model endpoint that plays a script, so that real coding agents run without a key or a network.

    with FakeModel() as model:
        ...  # start an agent that believes `model.url` is its provider, and prompt it "RUN:touch x"
        assert "touch x" in model.asked("touch x").text

The script is written in the prompt itself, see `tests.kit.fakemodel.script`. Four dialects are
spoken, streaming and not: OpenAI Responses and Chat Completions, Anthropic Messages, Gemini.
`python -m tests.kit.fakemodel --port N` serves one from a shell.
"""

from tests.kit.fakemodel.script import USAGE as USAGE
from tests.kit.fakemodel.server import FakeModel as FakeModel
from tests.kit.fakemodel.server import Request as Request
