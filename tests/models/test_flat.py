"""Rows laid end to end beside transformers' own padded rows: the same numbers and gradients, and no padding computed."""

import random

import pytest
import torch

from tests.models.methods import EVERY
from tests.models.networks import NETWORKS, V, model, network
from tests.models.rows import laid, packed, sequences
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.models.model import Model
from tunesmith.tokens.batch import Batch
from tunesmith.tokens.sequence import IGNORED, Tokens, causal, masked

ONE_STACK = ("llama", "llama-tied", "qwen2", "mistral")
BOTH_WAYS = ("bert", "roberta")
TWO_STACKS = ("t5", "t5-gated", "t5-gated-tied", "bart")
LAYOUTS = [(name, laid) for name in (*ONE_STACK, *BOTH_WAYS, *TWO_STACKS)] + [(name, packed) for name in ONE_STACK]


def rows(name: str, count: int = 4) -> list[Tokens]:
    """Rows of unlike lengths; long prompts and short answers, so that most tokens are not asked for."""
    if NETWORKS[name][0] == "seq2seq":
        return sequences("seq2seq", count)
    if NETWORKS[name][0] == "masked":
        words = [[7 + n for n in range(count_)] for count_ in (6, 9, 9, 12)]
        return [masked(ids, [ids[1] if n == 1 else IGNORED for n in range(len(ids))]) for ids in words]
    dice = random.Random(1)
    made = []
    for number in range(count):
        words = [dice.randrange(3, V) for _ in range(14 + 2 * number)]
        made.append(causal(words, [float(i >= len(words) - 2 - number % 2) for i in range(len(words))]))
    return made


def padded(made: Model) -> Model:
    """The same model by transformers' own layers."""
    made._flat = False
    return made


def tokens_of(batch: Batch) -> int:
    return int(batch.lengths.sum())


@pytest.mark.parametrize(("name", "lay"), LAYOUTS)
def test_no_padding_is_computed_and_the_last_layer_only_where_it_is_asked(name, lay):
    made, batch = model(name), lay(rows(name))
    few, all_ = made(batch), made(batch, everywhere=True)
    assert all_.said.shape[:2] == (1, tokens_of(batch))
    assert batch.input_ids.numel() > tokens_of(batch)
    if name in (*ONE_STACK, *BOTH_WAYS):
        asked = [(batch.target_rows, batch.target_columns), (batch.last_rows, batch.last_columns)]
        places = {place for rows, columns in asked for place in zip(rows.tolist(), columns.tolist(), strict=True)}
        assert few.said.shape[1] == len(places)
    own = padded(model(name))(batch)
    for reading in (few, all_):
        torch.testing.assert_close(reading.logprobs(), own.logprobs(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(reading.next_logits(), own.next_logits(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "lay"), LAYOUTS)
@pytest.mark.parametrize("method", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("again", [False, True])
def test_gradients_are_those_of_padded_rows(name, lay, method, again):
    found = []
    for made in (model(name), padded(model(name))):
        torch.manual_seed(0)
        adapter = made.attach("a", method)
        parameters = adapter.trained()
        with torch.no_grad():
            for parameter in parameters.values():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        made.train()
        made.checkpointing(again)
        inside = {"in_decoder": True} if lay is laid and method.in_decoder and made.family == "seq2seq" else {}
        batch = lay(rows(name), made.virtual_tokens, **inside)
        found.append(torch.autograd.grad(made(batch).logprobs().sum(), list(parameters.values())))
    for path, flat, own in zip(parameters, *found, strict=True):
        torch.testing.assert_close(flat, own, rtol=1e-4, atol=1e-3, msg=lambda text, path=path: f"{path}: {text}")


@pytest.mark.parametrize("name", ["t5", "bart", "llama", "bert"])
def test_dropout_of_attention_is_that_of_its_mean(name):
    """Dropped weights are drawn anew, so only means can be compared: of many draws, that without dropout."""
    made = model(name)
    adapter = made.attach("a", Full())
    with torch.no_grad():
        for parameter in adapter.trained().values():
            parameter.mul_(0.3)
    batch = laid(rows(name))
    kinds = ("T5Attention", "BartAttention", "LlamaAttention", "BertSelfAttention")
    parts = [part for part in made.network.modules() if type(part).__name__ in kinds]
    still = made(batch).logprobs().detach()
    for part in parts:
        share = torch.nn.Dropout(0.2) if name == "bert" else 0.2
        setattr(part, "attention_dropout" if name == "llama" else "dropout", share)
    made.train()
    draws = torch.stack([made(batch).logprobs() for _ in range(300)])
    assert float(draws.detach().std(0).mean()) > 1e-4
    error = (draws.mean(0) - still).abs() / (draws.std(0) / len(draws) ** 0.5)
    assert float(error.detach().mean()) < 4
    draws.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in adapter.trained().values() if p.grad is not None)


def test_dropped_weights_learn_what_they_said():
    """The gradient of a learned bias under dropout, against autograd's for the same draw."""
    from tunesmith.models.attention import _Biased

    torch.manual_seed(0)
    lengths = (3, 5)
    q, k, v = (torch.randn(1, 8, 2, 4, requires_grad=True) for _ in range(3))
    bias = torch.randn(1, 2, 5, 5, requires_grad=True)
    torch.manual_seed(1)
    said = _Biased.apply(q, k, v, bias, lengths, 0.4)
    torch.manual_seed(1)
    parts = []
    for q_, k_, v_ in zip(*(x[0].split(lengths) for x in (q, k, v)), strict=True):
        n = len(q_)
        weights = (torch.einsum("qhd,khd->hqk", q_, k_) + bias[0, :, :n, :n]).softmax(-1)
        noise = torch.empty_like(weights).bernoulli_(0.6) / 0.6
        parts.append(torch.einsum("hqk,khd->qhd", weights * noise, v_))
    own = torch.cat(parts)[None].flatten(2)
    torch.testing.assert_close(said, own)
    back = torch.randn_like(said)
    for one, other in zip(*(torch.autograd.grad(x, (q, k, v, bias), back) for x in (said, own)), strict=True):
        torch.testing.assert_close(one, other)


def test_rows_of_several_adapters_stay_padded():
    made = model("llama")
    for name in ("a", "b"):
        with torch.no_grad():
            for parameter in made.attach(name, LoRA(rank=2)).trained().values():
                parameter.add_(torch.randn_like(parameter) * 0.3)
    tokens = rows("llama")
    mixed = made(laid(tokens, adapters=("a", "", "b", "a")))
    assert mixed.places_BT is None
    sums = mixed.batch.by_sequence(mixed.logprobs())
    for row, name in enumerate(("a", "", "b", "a")):
        alone = made(laid([tokens[row]], adapters=(name,)))
        assert alone.places_BT is not None
        torch.testing.assert_close(sums[row], alone.logprobs().sum(), rtol=1e-4, atol=1e-4)


def test_where_most_tokens_are_asked_for_all_are_computed():
    words = [5, 6, 7, 8, 9]
    reading = model("llama")(laid([causal(words, [1.0] * 5)]))
    assert reading.said.shape[1] == 4


def test_layers_that_may_be_left_out_keep_their_own_way():
    made = model("bart")
    assert made._flat
    own = network("bart")
    own.model.encoder.layerdrop = 0.1
    from tests.models.networks import Speller

    assert not Model(own, Speller("seq2seq"), "seq2seq")._flat


def test_other_precisions_stay_padded():
    made, batch = model("llama"), laid(rows("llama"))
    assert made(batch).places_BT is not None
    with torch.autocast("cpu", torch.bfloat16):
        assert made(batch).places_BT is None
    made.network.to(torch.bfloat16)
    assert made(batch).places_BT is None


def test_a_bare_network_keeps_its_own_way():
    """Called past the model, as generation does with a cache."""
    made, own = model("llama"), network("llama")
    ids = torch.tensor([[5, 6, 7, 8]])
    torch.testing.assert_close(made.network.model(ids)[0], own.model(ids)[0])
