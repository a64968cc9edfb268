"""Law: compiled layers say and learn what layers do, each in one whole graph, and further sizes of a batch make no new ones."""

import logging
import shutil

import pytest
import torch

from tests.models.methods import EVERY
from tests.models.networks import model
from tests.models.rows import laid, packed, sequences
from tunesmith.models.model import Model
from tunesmith.tokens.batch import Batch

METHODS = EVERY
CASES = [
    ("llama", "LoRA", True),
    ("gpt2", "Full", False),
    ("t5", "PromptTuning", False),
    ("bart", "LoRA", True),
    ("bert", "LoRA", False),
    ("llama", "DoRA", False),
    ("llama", "PrefixTuning", False),
    ("llama", "Bottleneck", False),
]
NEAR = {"rtol": 1e-4, "atol": 5e-4}


# Rows of many lengths, in batches of several rows and of one. No size is that of a network's part, which a compiler could take
# for the same number.
FIRST, FURTHER = [(7, 11), (5, 20), (1, 9)], [(3, 30), (6, 17), (1, 14)]


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)  # pytest would format gigabytes of it
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def learner(name: str, method: str, again: bool = False, **changed: int) -> Model:
    made = model(name, **changed)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.attach("a", METHODS[method]).trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    made.train()
    made.checkpointing(again)
    return made


def read(made: Model, batch: Batch) -> list[torch.Tensor]:
    """What is said, and its gradients."""
    said = made(batch).logprobs()
    trained = list(made.adapter().trained().values())
    return [said.detach(), *torch.autograd.grad(said.sum(), trained, allow_unused=True, materialize_grads=True)]


def batches(made: Model, sizes: list[tuple[int, int]]) -> list[Batch]:
    return [laid(sequences(made.family, count, longest, longest), made.virtual_tokens) for count, longest in sizes]


def check(made: Model, wanted: list[list[torch.Tensor]], batches: list[Batch]) -> None:
    for batch, values in zip(batches, wanted, strict=True):
        for mine, own in zip(read(made, batch), values, strict=True):
            torch.testing.assert_close(mine, own, **NEAR)


def graphs() -> int:
    assert not torch._dynamo.utils.counters["graph_break"], dict(torch._dynamo.utils.counters["graph_break"])
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.parametrize(("name", "method", "again"), CASES)
def test_a_compiled_layer_is_one_graph_for_all_sizes(name, method, again):
    made = learner(name, method, again)
    first, further = batches(made, FIRST), batches(made, FURTHER)
    wanted = [[read(made, batch) for batch in part] for part in (first, further)]
    made.compiling(True, backend="eager")
    check(made, wanted[0], first)
    stacks = 2 if made.family == "seq2seq" else 1
    # The first layer of a stack and the others; rows with padding, without, and one row; logits.
    so_far = graphs()
    assert 0 < so_far <= 6 * stacks + 2
    check(made, wanted[1], further)
    assert graphs() == so_far


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_depth_makes_no_more_graphs(name):
    made = []
    for depth in (2, 5):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        deep = learner(name, "LoRA", **{"num_layers" if name == "t5" else "num_hidden_layers": depth})
        deep.compiling(True, backend="eager")
        read(deep, batches(deep, FIRST)[0])
        made.append(graphs())
    assert made[0] == made[1] > 0


@pytest.mark.parametrize("name", ["llama"])
def test_packed_rows_compile(name):
    made = learner(name, "LoRA")
    shared = [packed(sequences("causal", count, count, longest)) for count, longest in ((6, 11), (10, 15), (14, 12), (8, 19))]
    wanted = [read(made, batch) for batch in shared]
    made.compiling(True, backend="eager")
    check(made, wanted[:2], shared[:2])
    so_far = graphs()
    check(made, wanted[2:], shared[2:])
    assert graphs() == so_far


def test_only_learning_rows_of_one_adapter_run_compiled():
    made = learner("llama", "LoRA")
    alone, mixed = laid(sequences("causal")), laid(sequences("causal"), adapters=("a", "", "a", ""))
    wanted = made(mixed, everywhere=True).said
    made.compiling(True, backend="eager")
    assert torch.equal(made(mixed).said, wanted)
    with torch.no_grad():
        made(alone)
    assert graphs() == 0
    made(alone)
    assert (so_far := graphs()) > 0
    made.compiling(False)
    made(laid(sequences("causal", 2, longest=30)))
    assert graphs() == so_far


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU, and there is no g++")
@pytest.mark.parametrize("name", ["llama"])
def test_the_default_compiler_agrees(name):
    made = learner(name, "LoRA")
    few = batches(made, FIRST[:2])
    wanted = [read(made, batch) for batch in few]
    made.compiling(True)
    check(made, wanted, few)
    assert graphs() > 0
