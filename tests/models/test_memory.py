"""Memory that a process held."""

import os

import pytest
import torch

from tunesmith.models import memory
from tunesmith.models.memory import Memory


def test_the_peak_sees_what_was_given_back():
    watch = Memory(torch.device("cpu"))
    watch.start()
    before = watch.peak()
    held = torch.ones(16 * 2**20)  # 64 MiB
    assert watch.now() > before + 32 * 2**20
    del held
    assert watch.peak() > before + 32 * 2**20
    assert watch.peak() >= watch.now() > 0


def test_a_system_without_proc_still_answers(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "none" / "none")
    watch = Memory(torch.device("cpu"))
    watch.start()
    assert watch.peak() > 2**20 and watch.now() > 0


@pytest.mark.parametrize("name", ["ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"])
def test_what_the_user_asks_of_onednn_stands(monkeypatch, name):
    monkeypatch.setenv(name, "7")
    memory.keep_pages()
    assert os.environ[name] == "7"
    monkeypatch.delenv(name)
    memory.keep_pages()
    assert os.environ[name] == "32"
