"""Merging proves itself, in every precision and with tied weights."""

from dataclasses import replace

import pytest
import torch

from tests.models.networks import NETWORKS, model, network
from tests.models.rows import laid, sequences
from tunesmith.errors import UserError
from tunesmith.methods.bottleneck import Bottleneck
from tunesmith.methods.dora import DoRA
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models import merge as merging
from tunesmith.models.head import HeadPlan
from tunesmith.models.load import load
from tunesmith.models.merge import merge, unmerge
from tunesmith.models.quantize import quantise, quantised
from tunesmith.models.weights import save_network


def adapted(name, method, dtype=torch.float32):
    made = model(name).to(dtype)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.attach("a", method).trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return made


@pytest.mark.parametrize("name", ["llama-tied", "gpt2", "t5-gated-tied", "phi3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sums_are_float32_and_cast_once(name, dtype):
    made, sample = adapted(name, LoRA(rank=2), dtype), laid(sequences(model(name).family))
    path, delta = next(iter(made.adapter("a").deltas.items()))
    module = made.network.get_submodule(path)
    flip = type(module).__name__ == "Conv1D"
    weight = module.weight.float().T if flip else module.weight.float()
    wanted = (weight + delta.scale * delta.b_OR @ delta.a_RI).to(dtype)
    report = merge(made, "a", sample)
    assert torch.equal(module.weight.T if flip else module.weight, wanted)
    assert report.largest <= report.tolerance * max(report.scale, 1.0)
    assert "a" not in made.adapters and made.dtype == dtype


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "mixtral"])  # bfloat16 chooses other experts
def test_unmerged_is_what_it_was_bit_for_bit(name, dtype):
    made, sample = adapted(name, LoRA(rank=2)), laid(sequences(NETWORKS[name][0]))
    held = {**dict(made.network.named_parameters()), **dict(made.network.named_buffers())}
    before, said = {path: value.clone() for path, value in held.items()}, made(sample).logits()
    merged = merge(made, "a", sample, dtype)
    assert made.dtype == (dtype or torch.float32) and not made.active
    assert not torch.equal(made(sample).logits(), said)
    assert unmerge(made, merged) is made.adapter("a") and made.active == "a"
    for path, value in before.items():
        assert held[path].dtype == value.dtype and torch.equal(held[path], value), path
    assert torch.equal(made(sample).logits(), said)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "bart", "bert"])
def test_into_half_precision_each_sum_is_cast_once(name, dtype):
    made, sample = adapted(name, LoRA(rank=2)), laid(sequences(NETWORKS[name][0]))
    wanted = {path: value.clone() for path, value in made.network.state_dict().items()}
    for path, delta in made.adapter("a").deltas.items():
        change = delta.scale * (delta.b_OR @ delta.a_RI)
        flip = type(made.network.get_submodule(path)).__name__ == "Conv1D"
        wanted[f"{path}.weight"] = wanted[f"{path}.weight"] + (change.T if flip else change)
    merge(made, "a", sample, dtype)
    for path, value in made.network.state_dict().items():
        assert torch.equal(value, wanted[path].to(dtype) if wanted[path].is_floating_point() else wanted[path]), path


def test_a_cast_that_says_something_else_is_refused_and_undone(monkeypatch):
    monkeypatch.setitem(merging.TOLERANCE, torch.bfloat16, 1e-4)
    made, sample = adapted("llama-tied", LoRA(rank=2)), laid(sequences("causal"))
    before = {path: value.clone() for path, value in made.network.state_dict().items()}
    with pytest.raises(UserError, match="merge in float32"):
        merge(made, "a", sample, torch.bfloat16)
    assert all(torch.equal(value, before[path]) for path, value in made.network.state_dict().items()) and made.active == "a"


def test_what_keeps_its_weights_in_whole_numbers_is_refused(monkeypatch):
    made, sample = adapted("llama", LoRA(rank=2)), laid(sequences("causal"))
    weight = made.network.get_submodule(next(iter(made.adapter("a").deltas))).weight
    monkeypatch.setattr(merging, "_logits", lambda model, sample: torch.zeros(1, 1))
    weight.requires_grad_(False).data = weight.data.to(torch.uint8)
    with pytest.raises(UserError, match=r"keeps its weight in torch\.uint8"):
        merge(made, "a", sample)


def test_what_says_something_else_is_refused_and_undone(monkeypatch):
    made, sample = adapted("llama", LoRA(rank=2)), laid(sequences("causal"))
    before = made(sample).logprobs()
    monkeypatch.setitem(merging.TOLERANCE, torch.float32, -1.0)
    with pytest.raises(UserError, match="logits differ by"):
        merge(made, "a", sample)
    assert torch.equal(made(sample).logprobs(), before) and made.active == "a"


def test_a_soft_prompt_cannot_be_merged():
    made = adapted("llama", PromptTuning(virtual_tokens=2))
    with pytest.raises(UserError, match="virtual tokens are positions"):
        merge(made, "a", laid(sequences("causal")))


def test_a_bottleneck_cannot_be_merged():
    made = adapted("llama", Bottleneck())
    with pytest.raises(UserError, match=r"`Bottleneck` cannot be merged: what it computes at `.*` is no change of a weight"):
        merge(made, "a", laid(sequences("causal")))


def test_a_merged_network_loads_with_transformers_alone(tmp_path):
    import transformers

    made, sample = adapted("llama-tied", LoRA(rank=2)), laid(sequences("causal"))
    made.renderer.tokenizer = type("NoTokenizer", (), {"save_pretrained": lambda self, folder: None})()
    said = made(sample).logits()
    merge(made, "a", sample)
    save_network(tmp_path / "merged", made, as_classifier=True)
    alone = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert alone.lm_head.weight is alone.model.embed_tokens.weight
    own = alone(sample.input_ids).logits[sample.target_rows, sample.target_columns]
    torch.testing.assert_close(own, said, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(own, network("llama-tied")(sample.input_ids).logits[sample.target_rows, sample.target_columns])


def test_a_merged_run_of_a_shipped_kind_loads_again(tmp_path):
    from tests.models.test_load import ModelSettings, batch, folder_of

    made = load(ModelSettings(path=str(folder_of(tmp_path / "base", "t5"))), device="cpu")
    assert made.family == "seq2seq"
    adapter = made.attach("a", LoRA(rank=2))
    assert adapter.count() == sum(p.numel() for p in adapter.parameters())
    rows = laid(sequences("seq2seq"))
    merge(made, "a", rows)
    save_network(tmp_path / "out", made, as_classifier=True)
    again = load(ModelSettings(path=str(tmp_path / "out")), device="cpu")
    torch.testing.assert_close(again(rows).logprobs(), made(rows).logprobs(), rtol=1e-5, atol=1e-5)
    assert batch().sequences == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_a_head_and_tied_embeddings_survive(tmp_path, kind, dtype):
    from tests.models.test_load import ModelSettings, folder_of

    base = folder_of(tmp_path / "base", kind, tie_word_embeddings=True)
    made = load(ModelSettings(path=str(base)), plan=HeadPlan(labels=("a", "b", "c")), device="cpu")
    made.renderer.tokenizer.save_pretrained(tmp_path / "out")
    with torch.no_grad():
        for parameter in made.attach("a", LoRA(rank=2)).trained().values():
            parameter.normal_(std=0.1)
    sample = laid(sequences(made.family))
    values = made(sample).values()
    merge(made, "a", sample, dtype)
    save_network(tmp_path / "out", made, as_classifier=True)
    again = load(ModelSettings(path=str(tmp_path / "out")), device="cpu")
    wanted = made.head.weight if kind == "t5" else made.head.weight.to(dtype).float()  # as transformers' class has it
    assert torch.equal(again.head.weight, wanted) and again.head.weight.dtype == torch.float32
    assert again.network.get_output_embeddings().weight is again.network.get_input_embeddings().weight
    torch.testing.assert_close(again(sample).values(), values, rtol=0.1 if dtype == torch.bfloat16 else 1e-4, atol=2e-2)


def test_an_adapter_of_a_tied_embedding_is_not_merged():
    """The sum would stand in the head too, where the adapter never was."""
    made = model("llama-tied")
    adapter = made.attach("a", LoRA(rank=2, on=("embedding",)))
    with torch.no_grad():
        for parameter in adapter.trained().values():
            parameter.add_(torch.randn_like(parameter))
    before = made.network.get_input_embeddings().weight.clone()
    with pytest.raises(UserError, match="shares its weight with the vocabulary head"):
        merge(made, "a", laid(sequences("causal")))
    assert torch.equal(made.network.get_input_embeddings().weight, before)


def test_a_wrong_sum_is_refused_whatever_the_precision_afterwards(monkeypatch):
    """An adapter that moves little would be lost in the rounding of half a precision, and its loss with it."""
    made, sample = adapted("llama", LoRA(rank=2)), laid(sequences("causal"))
    with torch.no_grad():
        for delta in made.adapter("a").deltas.values():
            delta.b_OR.mul_(0.02)
    path = next(iter(made.adapter("a").deltas))
    before, fold = {name: value.clone() for name, value in made.network.state_dict().items()}, merging._fold
    monkeypatch.setattr(merging, "_fold", lambda model, adapter, at: {} if at == path else fold(model, adapter, at))
    with pytest.raises(UserError, match="says something else"):
        merge(made, "a", sample, torch.bfloat16)
    assert all(torch.equal(value, before[name]) for name, value in made.network.state_dict().items())
    monkeypatch.undo()
    told = str(merge(made, "a", sample, torch.bfloat16))
    assert "the adapter moves them by up to" in told


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_dora_goes_by_the_weights_as_they_are(name, packed):
    """Its norms were those of the weights before another adapter was merged into them."""
    made, sample = model(name), laid(sequences("causal"))
    if packed:
        quantise(made.network)
    torch.manual_seed(1)
    with torch.no_grad():
        for kind, method in (("l", LoRA(rank=2)), ("d", DoRA(rank=2))):
            for parameter in made.attach(kind, method).trained().values():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    rows = replace(sample, adapters=("d",) * len(sample.input_ids))
    before = made.eval()(rows).logits()
    merged = merge(made, "l", sample)

    def anew():
        """The same DoRA on a plain network with these weights."""
        fresh = model(name)
        fresh.network.load_state_dict(made.network.state_dict())
        fresh.attach("d", DoRA(rank=2)).load_state_dict(made.adapter("d").state_dict())
        return fresh.eval()(rows).logits()

    torch.testing.assert_close(made(rows).logits(), anew(), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(made(rows).logits(), before, atol=1e-2)
    unmerge(made, merged)
    assert torch.equal(made(rows).logits(), before) and quantised(made.network) == packed


@pytest.mark.parametrize("method", [Bottleneck(size=3), LoRA(rank=2)], ids=["refused", "far"])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_base_in_four_bits_stays_so_where_a_merge_is_refused(name, method, monkeypatch):
    made, sample = model(name), laid(sequences("causal"))
    quantise(made.network)
    with torch.no_grad():
        for parameter in made.attach("a", method).trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    before = made.eval()(sample).logits()
    modules = dict(made.network.named_modules())
    if isinstance(method, LoRA):
        monkeypatch.setitem(merging.TOLERANCE, torch.float16, 0.0)
    with pytest.raises(UserError, match=r"cannot be merged|says something else"):
        merge(made, "a", sample, torch.float16)
    now = dict(made.network.named_modules())
    assert now.keys() == modules.keys() and all(now[path] is modules[path] for path in now)
    assert made.dtype == torch.float32 and torch.equal(made(sample).logits(), before)
    made.detach("a")
    said = made.attach("b", LoRA(rank=2))
    assert said.deltas and made(sample).logits().isfinite().all()
