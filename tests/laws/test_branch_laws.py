"""A prompt that two answers share is computed once, and nothing else changes: log-probabilities and gradients."""

import pytest
import torch

from tests.models.networks import NETWORKS, model
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.models.reference import branched
from tunesmith.tokens.packing import Room
from tunesmith.tokens.sequence import IGNORED, answered, forked, seq2seq

ABLE = ("llama", "llama-tied", "qwen2", "gpt2", "gpt_neox", "opt", "opt-350m", "phi", "mixtral", "granite")
PAIRS = [
    (answered((1, 5, 9, 11, 7), (20, 21, 22, 2)), answered((1, 5, 9, 11, 7), (30, 31, 2))),
    (answered((1, 8), (40, 2)), answered((1, 8), (12, 13, 14, 15, 16, 17, 2))),
    (answered((1, 8, 9), (2,)), answered((1, 8, 9), (50, 2))),
    (answered((1, 8, 9), (50, 2)), answered((1, 8, 9), (2,))),
]
APART = [list(pair) for pair in PAIRS]
TOGETHER = [[first, forked(first, second) or second] for first, second in PAIRS]


def test_all_that_can_are_known():
    assert {name for name in NETWORKS if model(name).branches()} >= set(ABLE)
    for name in ("mistral", "gemma2", "t5", "bert"):
        assert not model(name).branches(), "a window, or no causal network"
    made = model("llama")
    made._compiled = True
    assert not made.branches()


def sums_and_gradients(made, groups, room):
    """[S] log-probabilities by sequence, and the gradients of a sum in which each counts otherwise."""
    wanted = list(made.adapter().trained().values())
    sums, total, tokens = {}, 0.0, 0
    for batch in made.pack(groups, room):
        found = batch.by_sequence(made(batch).logprobs())
        for number, value in zip(batch.numbers.tolist(), found, strict=True):
            sums[number] = value.detach()
            total = total + (number + 1) * value
        tokens += batch.tokens
    said = torch.stack([sums[number] for number in sorted(sums)])
    return said, torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True), tokens


@pytest.mark.parametrize("method", [LoRA(rank=2), Full()], ids=["lora", "full"])
@pytest.mark.parametrize("name", ABLE)
def test_together_is_apart(name, method):
    made = model(name)
    made.attach("a", method)
    with torch.no_grad():
        for parameter in made.adapter().trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    apart, slopes, many = sums_and_gradients(made, APART, Room(rows=1, layout="padded"))
    for room in (Room(), Room(rows=2), Room(layout="packed", width=40)):
        together, others, few = sums_and_gradients(made, TOGETHER, room)
        torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-5)
        for one, other in zip(others, slopes, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
        assert few == many - 5 - 2 - 3


@pytest.mark.parametrize("checkpointed", [False, True])
def test_also_while_learning(checkpointed):
    made = model("llama")
    made.attach("a", LoRA(rank=2))
    made.train()
    made.checkpointing(checkpointed)
    apart, slopes, _ = sums_and_gradients(made, APART, Room())
    together, others, _ = sums_and_gradients(made, TOGETHER, Room())
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-5)
    for one, other in zip(others, slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_what_has_no_common_prompt_stays_apart():
    first = answered((1, 5, 9), (20, 2))
    assert forked(first, answered((1, 5, 8), (20, 2))) is None
    assert forked(first, answered((1, 5), (20, 21, 2))) is None
    assert forked(first, answered((1, 5, 9), (2,))) is None, "no token of its own"
    assert forked(seq2seq((5, 2), (7, 2), 0), seq2seq((5, 2), (8, 2), 0)) is None
    branch = forked(first, answered((1, 5, 9), (30, 31, 2)))
    assert (branch.inputs, branch.targets, branch.prefix, branch.opening) == ((30, 31), (31, 2), 3, 30)
    assert IGNORED not in branch.targets
    assert [len(group) for group in branched([first, *PAIRS[0], first])] == [1, 2, 1]


def test_a_branch_sees_its_prompt_and_not_the_other_answer():
    made = model("llama")
    first, second = PAIRS[0]
    [batch] = made.pack([[first, forked(first, second)]], Room())
    before = batch.by_sequence(made(batch).logprobs())
    other = answered(first.inputs[:5], (50, 51, 52, 2))
    [batch] = made.pack([[other, forked(other, second)]], Room())
    after = batch.by_sequence(made(batch).logprobs())
    assert after[1] == pytest.approx(float(before[1].detach()), abs=1e-5) and abs(float((after - before)[0].detach())) > 1e-3
    changed = answered((1, 5, 9, 12, 7), (30, 31, 2))
    [batch] = made.pack([[answered((1, 5, 9, 12, 7), (20, 21, 22, 2)), forked(changed, changed)]], Room())
    assert abs(float((batch.by_sequence(made(batch).logprobs()) - before)[1].detach())) > 1e-3
