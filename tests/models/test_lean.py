"""Lean forms beside transformers' own: the same numbers and gradients, and the last layer only where it is asked for."""

import random
from collections.abc import Sequence

import pytest
import torch

from tests.models.networks import V, model, network
from tests.models.rows import laid, packed, sequences
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.lean import GATED, ROOT_MEAN_SQUARE, slim
from tunesmith.tokens.sequence import Tokens, causal

SLIM = ("llama", "llama-tied", "qwen2", "mistral")


def long_prompts(count: int = 4) -> list[Tokens]:
    """Long prompts and short answers, so that most tokens are not asked for."""
    dice = random.Random(1)
    made = []
    for number in range(count):
        words = [dice.randrange(3, V) for _ in range(14 + 2 * number)]
        made.append(causal(words, [float(i >= len(words) - 2 - number % 2) for i in range(len(words))]))
    return made


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_parts_say_and_learn_what_transformers_parts_do(name):
    made = network(name)
    slim(made)
    found = [part for part in made.modules() if type(part).__name__ in ROOT_MEAN_SQUARE | GATED]
    assert found
    for part in found:
        torch.manual_seed(0)
        x = torch.randn(2, 5, made.config.hidden_size, requires_grad=True)
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter)
            parameter.requires_grad_(True)
        back = torch.randn(2, 5, made.config.hidden_size)
        spoken = (part(x), type(part).forward(part, x))
        both = [(said, *torch.autograd.grad(said, [x, *part.parameters()], back)) for said in spoken]
        for lean, own in zip(*both, strict=True):
            torch.testing.assert_close(lean, own, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SLIM)
@pytest.mark.parametrize("lay", [laid, packed])
def test_the_last_layer_speaks_only_where_it_is_asked(name, lay):
    made = model(name)
    made.attach("a", LoRA(rank=2))
    batch = lay(long_prompts())
    few, all_ = made(batch), made(batch, everywhere=True)
    assert few.said.shape[1] < batch.input_ids.shape[1] == all_.said.shape[1]
    torch.testing.assert_close(few.logprobs(), all_.logprobs(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(few.next_logits(), all_.next_logits(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SLIM)
@pytest.mark.parametrize("method", [Full(), LoRA(rank=2), PromptTuning(virtual_tokens=3)])
@pytest.mark.parametrize("lay", [laid, packed])
def test_gradients_are_the_same(name, method, lay):
    made = model(name)
    adapter = made.attach("a", method)
    with torch.no_grad():
        for parameter in adapter.trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    made.train()
    batch = lay(long_prompts(), made.virtual_tokens)
    parameters = list(adapter.trained().values())
    few, all_ = (torch.autograd.grad(made(batch, everywhere=whole).logprobs().sum(), parameters) for whole in (False, True))
    for one, other in zip(few, all_, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["t5", "t5-gated"])
@pytest.mark.parametrize("again", [False, True])
def test_attention_with_a_learned_bias_learns_as_transformers_does(name, again):
    made, own = model(name), network(name).train()
    adapter = made.attach("a", Full())
    made.train()
    made.checkpointing(again)
    batch = laid(sequences("seq2seq"))
    parameters = adapter.trained()
    lean = torch.autograd.grad(made(batch).logprobs().sum(), list(parameters.values()))
    logits = own(
        input_ids=batch.source_ids.clamp(min=0),
        attention_mask=batch.source_mask,
        decoder_input_ids=batch.input_ids.clamp(min=0),
    ).logits[batch.target_rows, batch.target_columns]
    logits.log_softmax(-1).gather(1, batch.target_ids[:, None]).sum().backward()
    for (path, _), gradient in zip(parameters.items(), lean, strict=True):
        torch.testing.assert_close(gradient, own.get_parameter(path).grad, rtol=1e-4, atol=2e-4)


def test_layers_computed_again_ask_the_same():
    made = model("llama")
    adapter = made.attach("a", LoRA(rank=2))
    made.train()
    batch, parameters = laid(long_prompts()), list(adapter.trained().values())
    found: list[Sequence[torch.Tensor]] = []
    for again in (False, True):
        made.checkpointing(again)
        found.append(torch.autograd.grad(made(batch).logprobs().sum(), parameters))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_rows_of_several_adapters_ask_together():
    made = model("llama")
    for name in ("a", "b"):
        with torch.no_grad():
            for parameter in made.attach(name, LoRA(rank=2)).trained().values():
                parameter.add_(torch.randn_like(parameter) * 0.3)
    tokens = long_prompts()
    mixed = made(laid(tokens, adapters=("a", "", "b", "a")))
    assert mixed.places_BT is not None
    sums = mixed.batch.by_sequence(mixed.logprobs())
    for row, name in enumerate(("a", "", "b", "a")):
        alone = made(laid([tokens[row]], adapters=(name,)))
        torch.testing.assert_close(sums[row], alone.logprobs().sum(), rtol=1e-4, atol=1e-4)


def test_rows_that_learn_everything_are_read_whole():
    words = [5, 6, 7, 8, 9]
    made = model("llama")
    assert made(laid([causal(words, [1.0] * 5)])).places_BT is None


def test_half_precision_keeps_its_own_forward():
    made, plain = model("llama"), network("llama").to(torch.bfloat16)
    made.network.to(torch.bfloat16)
    ids = torch.tensor([[5, 6, 7, 8]])
    assert torch.equal(made.network.model(ids)[0], plain.model(ids)[0])


def test_other_precisions_are_read_whole():
    made, batch = model("llama"), laid(long_prompts())
    assert made(batch).places_BT is not None
    with torch.autocast("cpu", torch.bfloat16):
        assert made(batch).places_BT is None
    made.network.to(torch.bfloat16)
    assert made(batch).places_BT is None
