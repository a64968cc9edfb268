"""Readings: log-probabilities as transformers has them, packed or alone, in tiles or at once."""

import math

import pytest
import torch
from torch.nn import functional as F

from tests.models.networks import FEW, NETWORKS, model, network
from tests.models.rows import laid, packed, sequences
from tests.tiny import Made
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.models import families, logprobs
from tunesmith.models.families import Vocabulary, why_not_packed
from tunesmith.models.head import HeadPlan
from tunesmith.models.logprobs import divergences, target_logprobs
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.packing import Room
from tunesmith.tokens.sequence import IGNORED


def own_loss(name: str, batch: Batch) -> torch.Tensor:
    """The mean that the bare transformers network computes from labels."""
    own, family = network(name), NETWORKS[name][0]
    labels = torch.full(batch.input_ids.shape, IGNORED)
    labels[batch.target_rows, batch.target_columns] = batch.target_ids
    if family == "causal":  # it shifts labels itself, so everything has one column more
        shifted = torch.full((len(labels), labels.shape[1] + 1), IGNORED)
        shifted[:, 1:] = labels
        ids, mask = (F.pad(x, (0, 1)) for x in (batch.input_ids, batch.mask.long()))
        return own(input_ids=ids, attention_mask=mask, labels=shifted).loss
    if family == "seq2seq":
        return own(
            input_ids=batch.source_ids,
            attention_mask=batch.source_mask.long(),
            decoder_input_ids=batch.input_ids,
            labels=labels,
        ).loss
    ids = batch.input_ids.masked_fill(~batch.mask, own.config.pad_token_id)
    return own(input_ids=ids, attention_mask=batch.mask.long(), labels=labels).loss


@pytest.mark.parametrize("name", NETWORKS)
def test_logprobs_are_the_networks_own_loss(name):
    batch = laid(sequences(NETWORKS[name][0]))
    ours = -model(name)(batch).logprobs().mean()
    torch.testing.assert_close(ours, own_loss(name, batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NETWORKS if NETWORKS[name][0] == "causal"])
def test_packed_rows_equal_rows_alone(name):
    made, tokens = model(name), sequences("causal")
    alone, together = (made(batch).logprobs() for batch in (laid(tokens), packed(tokens)))
    same = torch.allclose(alone, together, rtol=1e-5, atol=1e-5)
    assert same == (not why_not_packed(made.network, "causal")), "the table in families.py is wrong"


def test_only_causal_networks_share_rows():
    assert not model("t5").packs(Room(layout="packed"))
    assert not model("bert").packs(Room(layout="packed"))
    assert model("llama").packs(Room(layout="packed"))
    assert not model("llama").packs(Room(layout="auto")), "on a CPU `auto` is padded"


@pytest.mark.parametrize("name", FEW)
def test_next_logits_are_those_of_the_last_token(name):
    family = NETWORKS[name][0]
    made, tokens = model(name), sequences(family)
    read = made(laid(tokens)).next_logits()
    own = network(name)
    for row, one in enumerate(tokens):
        ids = torch.tensor([one.inputs])
        inputs = {"input_ids": ids}
        if family == "seq2seq":
            inputs = {"input_ids": torch.tensor([one.source]), "decoder_input_ids": ids}
        torch.testing.assert_close(read[row], own(**inputs).logits[0, -1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "qwen2", "mistral"])
def test_packed_rows_that_lie_end_to_end_get_no_mask_of_their_square(name):
    made, masks = model(name), []
    layer = made.network.model.layers[0].self_attn
    layer.register_forward_pre_hook(lambda module, given, named: masks.append(named["attention_mask"]), with_kwargs=True)
    made(packed(sequences("causal"))).logprobs()
    assert [mask.numel() for mask in masks] == [2], "one number a row, which nobody looks at"


def test_a_head_reads_the_last_token_of_each_sequence_whatever_the_padding():
    made, tokens = model("llama", plan=HeadPlan(labels=("a", "b", "c"))), sequences("causal")
    together = made(laid(tokens)).values()
    alone = torch.cat([made(laid([one])).values() for one in tokens])
    assert together.shape == (4, 3)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(made(packed(tokens)).values(), alone, rtol=1e-5, atol=1e-6)


def test_the_window_is_the_longest_row():
    assert model("t5").window is None
    assert model("llama").window == 64
    assert model("roberta").window == 62, "its positions count from behind the padding id"


def straight(states, head, target, scale, cap, extra):
    logits = head(states).float() * scale + (0 if extra is None else extra)
    logits = logits if cap is None else cap * torch.tanh(logits / cap)
    return logits.log_softmax(1).gather(1, target[:, None])[:, 0]


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(
    ("scale", "cap", "bias"), [(1.0, None, False), (0.3, None, False), (1.0, 1.5, True), (0.5, 2.0, False)]
)
def test_tiles_equal_a_whole_log_softmax(monkeypatch, trained, keep, scale, cap, bias):
    monkeypatch.setattr(logprobs, "LEAST", 16)
    monkeypatch.setitem(logprobs.TILE, "cpu", 16 * 50)  # three tiles
    monkeypatch.setattr(logprobs, "KEPT", {"cpu": 10**6 if keep else 0})
    torch.manual_seed(0)
    head = torch.nn.Linear(7, 50, bias=bias).requires_grad_(trained)
    extra = torch.randn(1, 50) if bias and scale == 1.0 else None
    states, target, back = torch.randn(40, 7, requires_grad=True), torch.randint(50, (40,)), torch.randn(40)
    wanted = [states, *(head.parameters() if trained else [])]
    ours = target_logprobs(states, Vocabulary(head, extra, scale, cap), target)
    theirs = straight(states, head, target, scale, cap, extra)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for mine, own in zip(torch.autograd.grad(ours, wanted, back), torch.autograd.grad(theirs, wanted, back), strict=True):
        torch.testing.assert_close(mine, own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(("scale", "cap"), [(1.0, None), (0.3, None), (1.0, 1.5), (0.5, 2.0)])
def test_a_divergence_in_tiles_equals_torchs_own_of_whole_logits(monkeypatch, trained, keep, scale, cap):
    monkeypatch.setattr(logprobs, "LEAST", 16)
    monkeypatch.setitem(logprobs.TILE, "cpu", 16 * 50)  # three tiles
    monkeypatch.setattr(logprobs, "KEPT", {"cpu": 10**6 if keep else 0})
    torch.manual_seed(0)
    head, before = torch.nn.Linear(7, 50).requires_grad_(trained), torch.nn.Linear(7, 50)
    states, first, back = torch.randn(40, 7, requires_grad=True), torch.randn(40, 7), torch.randn(40)
    wanted = [states, *(head.parameters() if trained else [])]
    ours = divergences(states, Vocabulary(head, None, scale, cap), first, Vocabulary(before, None, scale, cap))

    def whole(h, linear):
        logits = linear(h) * scale
        return (logits if cap is None else cap * torch.tanh(logits / cap)).log_softmax(1)

    theirs = F.kl_div(whole(states, head), whole(first, before).detach(), reduction="none", log_target=True).sum(1)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for mine, own in zip(torch.autograd.grad(ours, wanted, back), torch.autograd.grad(theirs, wanted, back), strict=True):
        torch.testing.assert_close(mine, own, rtol=1e-4, atol=1e-5)


def test_a_divergence_by_hand():
    """Two words. p = (3/4, 1/4), q = (1/2, 1/2): KL = 3/4 log(3/2) + 1/4 log(1/2), and its gradient is q - p."""
    head = torch.nn.Linear(2, 2, bias=False).requires_grad_(False)
    head.weight.copy_(torch.eye(2))
    first, now = torch.tensor([[0.75, 0.25]]).log(), torch.zeros(1, 2, requires_grad=True)
    said = divergences(now, Vocabulary(head), first, Vocabulary(head))
    assert said.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    torch.testing.assert_close(torch.autograd.grad(said.sum(), now)[0], torch.tensor([[-0.25, 0.25]]))


def test_no_more_than_a_tile_of_logits_is_there_for_a_divergence(monkeypatch):
    monkeypatch.setattr(logprobs, "LEAST", 16)
    monkeypatch.setitem(logprobs.TILE, "cpu", 16 * 50)
    head, states = torch.nn.Linear(7, 50, bias=False).requires_grad_(False), torch.randn(80, 7, requires_grad=True)
    with Made((80, 50)) as whole, Made((16, 50)) as tiles:
        divergences(states, Vocabulary(head), torch.randn(80, 7), Vocabulary(head)).sum().backward()
    assert whole.count == 0 and tiles.count > 5


def test_the_gradient_of_a_trained_head_is_made_once_however_many_tiles(monkeypatch):
    monkeypatch.setattr(logprobs, "LEAST", 16)
    monkeypatch.setitem(logprobs.TILE, "cpu", 16 * 50)
    monkeypatch.setattr(logprobs, "KEPT", {"cpu": 0})
    head, states = torch.nn.Linear(7, 50, bias=False), torch.randn(80, 7, requires_grad=True)
    said = target_logprobs(states, Vocabulary(head), torch.randint(50, (80,))).sum()
    with Made(head.weight.shape) as made:
        torch.autograd.grad(said, [head.weight])
    assert made.count == 1


def test_tiles_keep_enough_rows_in_any_vocabulary():
    sizes = [len(range(300)[at]) for at in logprobs.tiles(torch.empty(300, 1), 10**6)]
    assert sizes == [logprobs.LEAST, logprobs.LEAST, 300 - 2 * logprobs.LEAST]


def test_no_targets_give_a_connected_zero():
    states = torch.randn(0, 7, requires_grad=True)
    total = target_logprobs(states, Vocabulary(torch.nn.Linear(7, 5)), torch.zeros(0, dtype=torch.long)).sum()
    total.backward()
    assert total.item() == 0.0


def test_a_half_precision_head_gives_float32_sums():
    torch.manual_seed(0)
    head = torch.nn.Linear(16, 50, bias=False).bfloat16()
    states, target = torch.randn(30, 16).bfloat16(), torch.randint(50, (30,))
    ours = target_logprobs(states, Vocabulary(head), target)
    assert ours.dtype == torch.float32
    theirs = straight(states, head, target, 1.0, None, None)
    torch.testing.assert_close(ours, theirs)


def test_half_precision_states_come_under_autocast():
    made, batch = model("llama"), laid(sequences("causal"))
    made.attach("a", Full())
    with torch.autocast("cpu", torch.bfloat16):
        rough = made(batch).logprobs()
    rough.sum().backward()
    torch.testing.assert_close(rough, made(batch).logprobs(), rtol=0.1, atol=0.2)


def test_states_are_cut_off_before_the_head(monkeypatch):
    seen = []
    kept = families.Vocabulary.logits
    monkeypatch.setattr(families.Vocabulary, "logits", lambda self, x: seen.append(x.shape) or kept(self, x))
    made, batch = model("gpt2"), laid(sequences("causal"))
    reading = made(batch)
    assert not seen, "a reading computes nothing before it is asked"
    reading.next_logits()
    assert seen == [(4, 16)]


def test_a_call_costs_the_same_however_many_adapters_are_attached():
    made, batch = model("llama"), laid(sequences("causal"))
    for number in range(3):
        for parameter in made.attach(f"a{number}", LoRA(rank=2)).trained().values():
            parameter.data.normal_(std=0.1)
    said = [made(laid(sequences("causal"), adapters=(f"a{n}",) * 4)).logprobs() for n in range(3)]
    paths = made.adapter("a0").deltas
    assert all(len(made.network.get_submodule(path)._forward_hooks) == 1 for path in paths)
    made.detach("a1")
    made.active = "a2"
    assert torch.equal(made(batch).logprobs(), said[2]) and not torch.equal(said[0], said[2])
    for name in ("a0", "a2"):
        made.detach(name)
    assert not any(made.network.get_submodule(path)._forward_hooks for path in paths)
    assert torch.equal(made(batch).logprobs(), model("llama")(batch).logprobs())
