"""Threads among which a product is shared: those of whoever computes no more are gone."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

COUNTS = """
import time
from pathlib import Path
import torch
from tunesmith.models.threads import let_threads_go

def some():
    time.sleep(0.05)
    return len(list(Path("/proc/self/task").iterdir()))

torch.set_num_threads(4)
before = some()
first = torch.randn(3_000_000).exp().sum()
during = some()
let_threads_go()
print(before, during, some())
assert torch.randn(300, 300).mm(torch.eye(300)).shape == (300, 300)
let_threads_go()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in Linux's /proc")
def test_a_thread_that_computes_no_more_keeps_no_others():
    made = subprocess.run([sys.executable, "-c", COUNTS], cwd=ROOT, capture_output=True, text=True, check=True)
    before, during, after = map(int, made.stdout.split())
    assert during >= before + 3
    assert after == before
