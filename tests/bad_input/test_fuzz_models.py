"""A whole folder of a model or an adapter with bits turned, pieces cut, values of its JSON changed: what is read is what the
files say, or there is a `UserError`. What was found so stands in `broken.py`.
"""

import json
import os
import random
import resource
import shutil

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.bad_input.broken import folders
from tunesmith.errors import UserError
from tunesmith.models.load import ModelSettings, load

EXAMPLES = max(20, int(os.environ.get("TUNESMITH_FUZZ", "60")) // 3)
many = trying(
    max_examples=EXAMPLES,
    derandomize="TUNESMITH_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
BASE = ("config.json", "model.safetensors", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "base.json")
STRANGE = [None, True, False, 0, -1, 1, 7, 10**6, 10**12, 1e400, "", "x", "llama", "../x", [], [1], {}, {"a": 1}, float("nan")]
MEMORY = 24 << 30  # bytes of addresses: what would fill the machine fails instead


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    place = tmp_path_factory.mktemp("whole")
    base, adapter = folders(place)
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, before[1]))
    yield base, adapter, place / "tried"
    resource.setrlimit(resource.RLIMIT_AS, before)


def turned(content: bytes, dice: random.Random) -> bytes:
    """Bits turned, a piece cut out or put in, or the end cut off."""
    for _ in range(dice.randint(1, 4)):
        place, length = dice.randrange(max(1, len(content))), dice.randint(1, 40)
        piece = dice.choice([b"", dice.randbytes(length), content[place : place + length] * 2, b"\0" * length])
        content = dice.choice(
            [
                content[:place] + bytes([content[place] ^ 1 << dice.randrange(8)]) + content[place + 1 :] if content else b"x",
                content[:place] + piece + content[place + length :],
                content[:place],
            ]
        )
    return content


def changed(tree, dice: random.Random):
    """A value somewhere in a tree is another, or is not there."""
    if not isinstance(tree, dict | list) or not tree or dice.random() < 0.1:
        return dice.choice(STRANGE)
    key = dice.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
    if isinstance(tree, dict) and dice.random() < 0.2:
        return {name: value for name, value in tree.items() if name != key}
    tree[key] = changed(tree[key], dice)
    return tree


def spoilt(source, place, name, seed):
    """A copy of a folder in which one file is spoilt."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place, ignore=shutil.ignore_patterns("manifest.json"))  # which tells of every change
    file, dice = place / name, random.Random(seed)
    if name.endswith(".json") and dice.random() < 0.7:
        tree = changed(json.loads(file.read_text(encoding="utf-8")), dice)
        file.write_text(json.dumps(tree), encoding="utf-8")
    else:
        file.write_bytes(turned(file.read_bytes(), dice))
    return place


def read(folder):
    """The model; None: it was refused, with a remedy."""
    try:
        return load(ModelSettings(path=str(folder)), device="cpu")
    except UserError as error:
        assert error.hint and len(str(error)) < 2000, error
        return None


@many
@given(st.sampled_from(BASE), st.integers(0, 2**40))
def test_a_spoilt_model_is_refused_or_read_as_it_is(whole, name, seed):
    base, _, place = whole
    folder = spoilt(base, place, name, seed)
    if (made := read(folder)) is None:
        return
    held, saved = made.network.state_dict(), load_file(folder / "model.safetensors")
    assert all(torch.equal(value, held[key]) for key, value in saved.items() if key in held)
    assert held.keys() <= saved.keys() | {"lm_head.weight"}


@many
@given(st.sampled_from(ADAPTER), st.integers(0, 2**40))
def test_a_spoilt_adapter_is_refused_or_read_as_it_is(whole, name, seed):
    _, adapter, place = whole
    folder = spoilt(adapter, place, name, seed)
    if (made := read(folder)) is None:
        return
    saved = load_file(folder / "adapter_model.safetensors")
    held = {id(p) for p in made.adapter("run").trained().values()}
    assert len(held) == len(saved)
    values = sorted(float(p.detach().sum()) for p in made.adapter("run").trained().values())
    assert values == pytest.approx(sorted(float(value.sum()) for value in saved.values()), abs=1e-4, nan_ok=True)
