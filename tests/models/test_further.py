"""An adapter of a file is trained further as it is, or it is told what to set."""

import dataclasses
import re

import pytest
import torch

from tests.tiny import tiny_model
from tests.training.worlds import Count, stream
from tunesmith import settings
from tunesmith.errors import UserError
from tunesmith.methods.adalora import AdaLoRA
from tunesmith.methods.bottleneck import Bottleneck
from tunesmith.methods.combined import Combined
from tunesmith.methods.dora import DoRA
from tunesmith.methods.lora import LoRA, Patterned
from tunesmith.methods.method import Method
from tunesmith.methods.pissa import PiSSA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.ptuning import PTuning
from tunesmith.models.further import train_further
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.weights import load_adapter, save_adapter
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

TWO = ("query", "mlp_down")


@pytest.fixture
def saved(tmp_path):
    """method -> the network with that adapter, read from a file after a few steps of learning."""
    tiny_model(tmp_path / "llama", "llama")

    def made(method, steps=0):
        model = load(ModelSettings(path=str(tmp_path / "llama")), None, "cpu")
        learn(model, model.attach("first", method), steps)
        save_adapter(tmp_path / "run", model.adapter(), model)
        return load(ModelSettings(path=str(tmp_path / "run")), None, "cpu")

    return made


def learn(model, adapter, steps):
    plan = Plan(steps=max(steps, 1), learning_rate=0.02, examples=4)
    list(train(model, adapter, Count(model.family), stream, plan, State.new(adapter, plan), steps))
    with torch.no_grad():
        for name, parameter in adapter.trained().items():
            parameter.add_(0.01 * (name.endswith(("b_OR", "up_DM"))))


def folded(adapter):
    return {path: delta.saved() for path, delta in adapter.deltas.items()}


UNLIKE = [
    (LoRA(rank=2, alpha=8, on=TWO), LoRA(rank=2, alpha=32, on=TWO), "its `scale` is 4.0, and would be 16.0"),
    (LoRA(rank=2, on=TWO), LoRA(rank=2, rank_stabilised=True, on=TWO), "its `scale` is 2.0"),
    (LoRA(rank=2, on=("embedding",)), LoRA(rank=2, alpha=3, on=("embedding",)), "its `scale` is 2.0, and would be 1.5"),
    (DoRA(rank=2, on=TWO), DoRA(rank=2, alpha=3, on=TWO), "its `scale` is 2.0"),
    (Bottleneck(size=3), Bottleneck(size=3, curve="gelu"), "its `curve` is relu, and would be gelu"),
    (Bottleneck(size=3), Bottleneck(size=3, scale=0.5), "its `scale` is 1.0, and would be 0.5"),
    (AdaLoRA(rank=2, start_rank=3), AdaLoRA(rank=2, start_rank=3, alpha=5), "its `scale` is 1.99"),
    (AdaLoRA(rank=2, start_rank=3), AdaLoRA(rank=2, start_rank=4), "its `start_rank` is 3, and would be 4"),
    (
        Combined(parts=(LoRA(rank=2, on=TWO), PromptTuning(virtual_tokens=2))),
        Combined(parts=(LoRA(rank=2, alpha=3, on=TWO), PromptTuning(virtual_tokens=2))),
        "its `scale` is 2.0, and would be 1.5",
    ),
    (PTuning(virtual_tokens=3), PTuning(virtual_tokens=3), "which trains others"),
    (PiSSA(rank=2, alpha=3), PiSSA(rank=2, alpha=3), "which trains others"),
    (
        Combined(parts=(PiSSA(rank=2, on=TWO), PTuning(virtual_tokens=3))),
        Combined(parts=(PiSSA(rank=2, on=TWO), PTuning(virtual_tokens=3))),
        "which trains others",
    ),
]


@pytest.mark.parametrize(("was", "wanted", "said"), UNLIKE, ids=str)
def test_another_formula_is_refused_with_a_hint_that_can_be_followed(saved, was, wanted, said):
    model = saved(was, steps=2)
    with pytest.raises(UserError, match=re.escape(said)) as error:
        train_further(model, "more", wanted)
    [hint] = re.findall(r"set `method=(.*?)`; or write it", error.value.hint)
    again = saved(was, steps=2)
    before = folded(again.adapter())
    method = settings.build(Recipe, settings.override({}, [f"method={hint}"])).method
    after = folded(train_further(again, "more", method))
    assert after.keys() == before.keys()
    assert all(torch.equal(after[path][name], before[path][name]) for path in before for name in before[path])


@dataclasses.dataclass(frozen=True)
class Recipe:
    method: Method


def test_rates_and_dropout_may_differ(saved):
    model = saved(LoRA(rank=2))
    assert train_further(model, "more", LoRA(rank=2, alpha=4.0, dropout=0.3, rate_of_b=4.0)).method.dropout == 0.3


def test_patterns_of_peft_are_merged_first(saved):
    with pytest.raises(UserError) as error:
        train_further(saved(Patterned(rank=2, ranks={"q_proj": 3})), "more", LoRA(rank=2))
    assert error.value.hint.startswith("write it into its base's weights first")


def test_adalora_goes_on_with_the_triplets_that_are_left(saved, tmp_path):
    method = AdaLoRA(rank=1, start_rank=4, every=1)
    model = saved(method, steps=10)
    ranks = {path: len(delta.e_R1) for path, delta in model.adapter().deltas.items()}
    assert sum(ranks.values()) == len(ranks) and max(ranks.values()) > 1 > min(ranks.values()), "cut, and not alike"
    made = train_further(model, "more", method)
    before, after = folded(model.adapter(model.starting)), folded(made)
    assert all(torch.equal(after[path][name], before[path][name]) for path in before for name in before[path])
    learn(model, made, 10)
    assert {path: len(delta.e_R1) for path, delta in made.deltas.items()} == ranks
    assert any(not torch.equal(folded(made)[path]["b_OR"], before[path]["b_OR"]) for path in before)
    again = load(ModelSettings(path=str(tmp_path / "llama")), None, "cpu")
    load_adapter(save_adapter(tmp_path / "more", made, model), again, "read")
    read, kept = folded(again.adapter()), folded(made)
    assert all(torch.equal(read[path][name], kept[path][name]) for path in kept for name in kept[path])
