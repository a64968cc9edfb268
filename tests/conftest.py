"""Fixtures for every room's tests."""

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # no time limit: a machine may have other work
settings.load_profile("unhurried")
ROOT = Path(__file__).resolve().parents[1]
os.environ["TUNESMITH_CACHE"] = "off"  # a test that wants answers of another one says so
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # begun in the background of a shell: tests and their children hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden curves anew; review them as a diff")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    named = {line for line in (ROOT / "tests" / "long.txt").read_text(encoding="utf-8").splitlines() if line[:1] != "#"}
    for item in items:
        if item.nodeid in named or item.nodeid.partition("[")[0] in named:
            item.add_marker("long")


@pytest.fixture(autouse=True)
def signals_are_heard() -> None:
    """What a signal raises is lost where it comes while a callback of the garbage collector runs: Hypothesis leaves one."""
    gc.callbacks[:] = [one for one in gc.callbacks if not one.__module__.startswith("hypothesis.")]


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`shared("data/dialogsum")` is that path among the real data, or skips the test and says why.

    The data lies in the folder named by TUNESMITH_SHARED or, where that is unset, in `../shared` beside the repository.
    """
    root = Path(os.environ.get("TUNESMITH_SHARED") or ROOT.parent / "shared")

    def find(relative: str) -> Path:
        path = root / relative
        if not path.exists():
            pytest.skip(f"the real data `{relative}` is not in `{root}` (set TUNESMITH_SHARED to the folder that has it)")
        return path

    return find


ROWS = ROOT / "tests" / "tasks" / "rows"  # a few rows of every benchmark in its published layout, written for these tests


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of rows that were written for tests, where benchmarks then find them."""
    monkeypatch.setenv("TUNESMITH_DATA", str(ROWS))
    return ROWS


@pytest.fixture
def benchmarks(shared: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data, where benchmarks then find their rows; skips where it is not there."""
    folder = shared("data")
    monkeypatch.setenv("TUNESMITH_DATA", str(folder))
    return folder
