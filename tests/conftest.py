"""What every test can ask for."""

from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.kit.fixtures"]


@pytest.fixture(scope="session", autouse=True)
def state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers that are started without a store keep their tasks here, not where the user's are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
