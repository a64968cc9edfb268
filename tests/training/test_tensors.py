"""Our writer against safetensors' own reader."""

import tempfile
import weakref
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

from tunesmith import manifest
from tunesmith.manifest import DamagedError
from tunesmith.training import tensors

SHAPES = st.lists(st.integers(0, 4), max_size=3)


@settings(max_examples=40, derandomize=True)
@given(st.dictionaries(st.text(max_size=8), st.tuples(st.sampled_from(sorted(tensors.TYPES, key=str)), SHAPES), max_size=6))
def test_what_is_written_is_read_by_the_library(wanted: dict[str, tuple[torch.dtype, list[int]]]) -> None:
    wanted.pop("__metadata__", None)
    named = {
        name: (torch.randn(shape) * 3 if shape else torch.tensor(2.5)).to(dtype) for name, (dtype, shape) in wanted.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        assert tensors.write(path, named) == manifest.seal(path)
        assert path.stat().st_size - tensors.count(named) == 8 + int.from_bytes(path.read_bytes()[:8], "little")
        found = load_file(path)
        assert found.keys() == named.keys()
        for name, value in named.items():
            assert found[name].dtype == value.dtype and torch.equal(found[name], value)
        assert {name: tuple(value.shape) for name, value in named.items()} == tensors.shapes(path)
        assert all(torch.equal(value, named[name]) for name, value in tensors.read(path))


def test_numbers_are_aligned_and_parts_of_tensors_are_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "CHUNK", 7)
    named = {"a": torch.ones(3, dtype=torch.uint8), "b": torch.arange(12.0).view(3, 4).t(), "c": torch.ones(5)[::2]}
    path = tmp_path / "x.safetensors"
    assert tensors.write(path, named) == manifest.seal(path)
    assert all(torch.equal(value, named[name]) for name, value in load_file(path).items())
    with safe_open(path, "pt") as file:
        assert list(file.offset_keys()) == ["b", "c", "a"]


def test_one_tensor_is_in_memory_at_a_time(tmp_path: Path) -> None:
    made: list[weakref.ref[torch.Tensor]] = []

    def gather(tensor: torch.Tensor) -> torch.Tensor:
        assert sum(one() is not None for one in made) <= 1, "the one before goes when the next one comes"
        part = tensor.clone()
        made.append(weakref.ref(part))
        return part

    tensors.write(tmp_path / "x.safetensors", {str(i): torch.ones(4) for i in range(9)}, gather)


def test_a_file_that_is_cut_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors.write(path, {"a": torch.ones(4)})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedError, match="no whole safetensors file"):
        tensors.shapes(path)
