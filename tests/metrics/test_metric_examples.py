"""Every example in the docstrings of the metrics, worked examples of the lecture notes included."""

import doctest
import importlib
import pkgutil

import pytest

import tunesmith.metrics

FILES = [info.name for info in pkgutil.iter_modules(tunesmith.metrics.__path__)]


@pytest.mark.parametrize("name", FILES)
def test_docstrings(name):
    assert doctest.testmod(importlib.import_module(f"tunesmith.metrics.{name}")).failed == 0


@pytest.mark.parametrize("name", ["rouge", "rouge_variants", "bleu", "bleu_variants", "alignment", "edit"])
def test_files_with_worked_examples_keep_them(name):
    assert doctest.testmod(importlib.import_module(f"tunesmith.metrics.{name}")).attempted > 0
