"""One server for all tests that leave it as it was."""

import pytest


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    from tests.serving.api_server import serving  # torch, which other tests here do without

    with serving(tmp_path_factory.mktemp("api"), "--queue", "64", "--rows", "8") as server:
        yield server
