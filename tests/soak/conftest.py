"""Fixtures of this room."""

from collections.abc import Iterator

import pytest

from tests.soak.killing import Begun


@pytest.fixture(scope="session")
def begun() -> Iterator[Begun]:
    """Begins commands in processes that need not read the libraries."""
    with Begun() as one:
        yield one
