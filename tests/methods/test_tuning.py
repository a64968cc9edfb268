"""Full tuning, LoRA and prompt tuning by hand."""

import math

import pytest
import torch

from tests.models.networks import model
from tests.models.rows import laid, packed, sequences
from tests.tiny import tiny_model
from tunesmith.errors import UserError
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA, LowRank
from tunesmith.methods.prompt import Overwrite, PromptTuning
from tunesmith.models.load import ModelSettings, load


def test_low_rank_by_hand():
    delta = LowRank(2, 3, rank=1, scale=2.0, dropout=0.0)
    with torch.no_grad():
        delta.a_RI.copy_(torch.tensor([[1.0, -1.0]]))
        delta.b_OR.copy_(torch.tensor([[1.0], [0.0], [3.0]]))
    x, y = torch.tensor([[[5.0, 2.0]]]), torch.tensor([[[1.0, 1.0, 1.0]]])
    said = delta.after(x, y.clone(), torch.tensor([[-1]]))
    assert said.tolist() == [[[7.0, 1.0, 19.0]]]  # y + 2 * B (5 - 2)
    assert delta.fold(torch.zeros(3, 2)).tolist() == [[2.0, -2.0], [0.0, 0.0], [6.0, -6.0]]


def test_the_scale_keeps_still_while_the_rank_changes():
    assert {LoRA(rank=rank).scale for rank in (1, 4, 64)} == {2.0}
    assert LoRA(rank=16, alpha=8).scale == 0.5
    assert LoRA(rank=16, alpha=8, rank_stabilised=True).scale == pytest.approx(8 / math.sqrt(16))


def test_lora_says_nothing_at_first_and_drops_only_in_training():
    made, batch = model("llama"), laid(sequences("causal"))
    before = made(batch).logprobs()
    adapter = made.attach("a", LoRA(dropout=0.5))
    assert torch.equal(made(batch).logprobs(), before)
    with torch.no_grad():
        for parameter in adapter.trained().values():
            parameter.add_(0.1)
    assert torch.equal(made(batch).logprobs(), made(batch).logprobs())
    made.train()
    assert not torch.equal(made(batch).logprobs(), made(batch).logprobs())


def test_lora_stands_where_it_is_told():
    adapter = model("llama").attach("a", LoRA(rank=4, on=("query", "down_proj")))
    assert {path.rpartition(".")[2] for path in adapter.deltas} == {"q_proj", "down_proj"}
    assert adapter.count() == 2 * 4 * (16 + 16) + 2 * 4 * (24 + 16)
    with pytest.raises(UserError, match="is to stand at `nowhere`"):
        model("llama").attach("a", LoRA(on=("nowhere",)))
    with pytest.raises(UserError, match="finds nothing to train"):
        model("llama").attach("a", LoRA(on=("qkv",)))
    with pytest.raises(UserError, match="vocabulary head"):
        model("llama").attach("a", LoRA(on=("lm_head",)))


@pytest.mark.parametrize("stack", ["encoder", "decoder"])
def test_lora_stands_in_one_stack(stack):
    adapter = model("t5").attach("a", LoRA(stack=stack))
    assert adapter.deltas and all(path.startswith(stack) for path in adapter.deltas)
    whole = model("llama").attach("a", LoRA())  # a single stack is both
    assert model("llama").attach("a", LoRA(stack=stack)).count() == whole.count()


def test_full_tuning_frees_everything_once():
    made = model("t5")
    adapter = made.attach("a", Full())
    assert all(p.requires_grad for p in made.network.parameters())
    assert adapter.count() == sum(p.numel() for p in made.network.parameters())
    made.detach("a")
    assert not any(p.requires_grad for p in made.network.parameters())


def test_learned_vectors_stand_at_virtual_tokens_only():
    delta = Overwrite(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    said = delta.after(torch.zeros(1, 4), torch.zeros(1, 4, 2), torch.tensor([[1, -1, 0, -1]]))
    assert said.tolist() == [[[3.0, 4.0], [0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]]


@pytest.mark.parametrize("name", ["llama", "gemma3", "t5", "bart", "bert"])
def test_a_prompt_of_real_words_reads_as_these_words(name):
    """A soft prompt that starts as the embeddings of words equals a row that begins with the words."""
    made, tokens = model(name), sequences(model(name).family, 2)
    made.attach("a", PromptTuning(virtual_tokens=3, init="text", text="a bb"))
    words = (4, 5, 4)  # the stand-in renderer spells a word as its length + 3, repeated to three
    if made.family == "seq2seq":
        spelled = [type(t)(t.inputs, t.targets, t.weights, (*words, *t.source)) for t in tokens]
    else:
        spelled = [type(t)((*words, *t.inputs), (-100,) * 3 + t.targets) for t in tokens]
    soft = made(laid(tokens, 3)).logprobs()
    hard = made(laid(spelled, adapters=("", ""))).logprobs()
    torch.testing.assert_close(soft, hard, rtol=1e-5, atol=1e-5)


def test_each_packed_sequence_has_its_own_prompt():
    made, tokens = model("llama"), sequences("causal")
    made.attach("a", PromptTuning(virtual_tokens=2))
    batch = packed(tokens, 2)
    assert (batch.virtual >= 0).sum() == 2 * len(tokens)
    torch.testing.assert_close(made(batch).logprobs(), made(laid(tokens, 2)).logprobs(), rtol=1e-5, atol=1e-5)


def test_first_values_come_from_torchs_random_state():
    def first(init, seed):
        torch.manual_seed(seed)
        adapter = model("llama").attach("a", PromptTuning(virtual_tokens=5, init=init))
        return next(iter(adapter.trained().values()))

    made = model("llama")
    rows = {tuple(row) for row in made.network.get_input_embeddings().weight.tolist()}
    torch.manual_seed(0)
    sampled = next(iter(made.attach("a", PromptTuning(virtual_tokens=5)).trained().values()))
    assert all(tuple(row) in rows for row in sampled.tolist())
    assert sampled.dtype == torch.float32
    with pytest.raises(UserError, match=r"method\.text"):
        model("llama").attach("a", PromptTuning(init="text"))
    for init in ("vocabulary", "random"):
        assert first(init, 7).shape == (5, 16)


def test_a_lower_rank_of_change_takes_a_higher_learning_rate():
    assert LoRA.rate_times_width == pytest.approx(10 * Full.rate_times_width)
    assert PromptTuning.rate_times_width > LoRA.rate_times_width


@pytest.mark.parametrize("kind", ["t5", "bert", "llama"])
def test_words_of_a_prompt_come_without_special_tokens(kind, tmp_path):
    """A real tokenizer puts an end behind a text, which would stand between the words wherever they are repeated."""
    made = load(ModelSettings(path=str(tiny_model(tmp_path / kind, kind))))
    ids = made.spell("say what it is")
    assert ids and not set(ids) & set(made.renderer.tokenizer.all_special_ids)
    with pytest.raises(UserError, match="has no words"):
        made.attach("a", PromptTuning(init="text", text=" "))
