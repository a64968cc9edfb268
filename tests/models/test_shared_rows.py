"""Shared rows without a mask, with a stand-in for the kernel that needs a GPU: what it is given, and what comes of it."""

import logging
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from tests.models.networks import NETWORKS, model, network
from tests.models.rows import laid, packed, sequences
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models import shared_rows
from tunesmith.models.families import PACKS
from tunesmith.models.shared_rows import why_masked

UNMASKED = [name for name in NETWORKS if NETWORKS[name][1] in PACKS and not name.startswith(("gemma2", "opt"))]
# The kernel has no softcap, and OPT a mask of its own.


def stand_in(q, k, v, cu_seq_q, cu_seq_k, max_q, max_k, *, scale=None, window_size=(-1, -1), enable_gqa=False):
    """What `torch.nn.attention.varlen.varlen_attn` is documented to do."""
    assert cu_seq_q is cu_seq_k and cu_seq_q.dtype == torch.int32 and cu_seq_q.is_contiguous()
    assert cu_seq_q[0] == 0 and cu_seq_q[-1] == len(q) == len(k) == len(v)
    assert max_q == max_k == int(cu_seq_q.diff().max()) and (cu_seq_q.diff() > 0).all()
    assert q.dtype == k.dtype == v.dtype and enable_gqa == (q.shape[1] != k.shape[1]) and window_size[1] == 0
    said = []
    for begin, end in zip(cu_seq_q[:-1].tolist(), cu_seq_q[1:].tolist(), strict=True):
        ago = torch.arange(end - begin)[:, None] - torch.arange(end - begin)
        seen = (ago >= 0) & ((ago <= window_size[0]) if window_size[0] >= 0 else True)
        parts = (x[begin:end].transpose(0, 1)[None] for x in (q, k, v))
        said.append(
            F.scaled_dot_product_attention(*parts, attn_mask=seen, scale=scale, enable_gqa=enable_gqa)[0].transpose(0, 1)
        )
    calls.append(len(said))
    return torch.cat(said)


calls: list[int] = []


@pytest.fixture
def unmasked(monkeypatch):
    """Shared rows go without a mask, as on a GPU in half precision."""
    calls.clear()
    monkeypatch.setattr(shared_rows, "kernel", lambda: stand_in)
    monkeypatch.setattr(shared_rows, "why_masked", lambda network: "")


def precise(name, **changed):
    """In float64, which the lean forms leave alone as they do half precision. Mixtral's experts have no float64."""
    made = model(name, **changed)
    return made if name == "mixtral" else made.double()


@pytest.mark.parametrize("name", UNMASKED)
@pytest.mark.parametrize("method", [None, LoRA(rank=2), PromptTuning(virtual_tokens=3)], ids=["bare", "lora", "prompt"])
@pytest.mark.parametrize("again", [False, True], ids=["kept", "again"])
def test_packed_without_a_mask_is_alone(unmasked, name, method, again):
    made = precise(name)
    weights = [made.network.get_input_embeddings().weight.requires_grad_()]
    if method is not None:
        torch.manual_seed(1)
        weights = list(made.attach("a", method).to(made.dtype).trained().values())
        with torch.no_grad():
            for weight in weights:
                weight.add_(torch.randn_like(weight) * 0.1)
    made.train()
    made.checkpointing(again)
    tokens = sequences("causal", 6, longest=20)
    found = []
    for batch in (laid(tokens, made.virtual_tokens), packed(tokens, made.virtual_tokens)):
        said = made(batch).logprobs()
        found.append([said, *torch.autograd.grad((said * torch.arange(len(said))).sum(), weights)])
    assert set(calls) == {6}
    near = {"rtol": 1e-4, "atol": 1e-3} if name == "mixtral" else {"rtol": 1e-5, "atol": 1e-5}
    for alone, together in zip(*found, strict=True):
        torch.testing.assert_close(together, alone, **near)


def test_no_mask_is_made(unmasked, monkeypatch):
    """Neither ours nor transformers', which would ask a GPU whether rows are shared."""
    from transformers import masking_utils

    def never(*args, **kwargs):
        raise AssertionError("a mask was made")

    monkeypatch.setattr(masking_utils, "sdpa_mask", never)
    monkeypatch.setattr(masking_utils, "find_packed_sequence_indices", never)
    made = precise("llama")
    assert made(packed(sequences("causal"))).logprobs().isfinite().all()


def test_rows_of_several_adapters_keep_the_mask(unmasked):
    made = precise("llama")
    made.attach("a", LoRA(rank=2)).to(made.dtype)
    tokens = sequences("causal")
    made(packed(tokens)).logprobs()
    assert calls
    calls.clear()
    made(replace(packed(tokens), adapters=("a", ""))).logprobs()
    assert not calls


def test_other_networks_of_the_process_are_left_alone(unmasked):
    ids = torch.tensor([[5, 6, 7, 8]])
    before = network("llama")(ids).logits
    made = precise("llama")
    made(packed(sequences("causal"))).logprobs()
    calls.clear()
    assert torch.equal(network("llama")(ids).logits, before) and not calls


def test_a_mask_is_kept_with_the_reason():
    made = model("llama").network
    assert why_masked(made) == "torch has no attention of variable length on `cpu`"


def test_torch_has_the_kernel_with_the_settings_used_here():
    assert shared_rows.kernel() is not None


def traceable(q, k, v, cu_seq_q, cu_seq_k, max_q, max_k, *, scale=None, window_size=(-1, -1), enable_gqa=False):
    """The same in operations that a compiler can look through."""
    place = torch.arange(len(q))
    sequence = torch.bucketize(place, cu_seq_q[1:], right=True)
    ago = place[:, None] - place
    seen = (sequence[:, None] == sequence) & (ago >= 0) & (ago < max_q)
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=enable_gqa)[0].transpose(0, 1)


def test_rows_without_a_mask_compile_whatever_their_sequences(unmasked, monkeypatch):
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)
    monkeypatch.setattr(shared_rows, "kernel", lambda: traceable)
    made = precise("llama")
    made.attach("a", LoRA(rank=2))
    made.train()
    batches = [packed(sequences("causal", count, count, longest)) for count, longest in ((6, 11), (10, 15), (14, 12), (2, 19))]
    wanted = [made(batch).logprobs() for batch in batches]
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    made.compiling(True, backend="eager")
    for batch, values in zip(batches, wanted, strict=True):
        torch.testing.assert_close(made(batch).logprobs(), values)
    assert not torch._dynamo.utils.counters["graph_break"]
    # The layers and the logits, of one size and then of any.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 6
    torch._dynamo.reset()


@pytest.mark.parametrize("again", [False, True], ids=["kept", "again"])
@pytest.mark.parametrize("compiled", [False, True], ids=["", "compiled"])
@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_the_kernel_itself_takes_what_it_is_given(monkeypatch, name, compiled, again):
    """On the meta device, where shapes and precisions are computed and nothing else."""
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "propagate", False)
    monkeypatch.setattr(shared_rows, "why_masked", lambda network: "")
    made = model(name).to("meta", torch.bfloat16)
    adapter = made.attach("a", LoRA(rank=2))
    made.train()
    made.checkpointing(again)
    made.compiling(compiled, backend="eager")
    made(packed(sequences("causal", 6)).to("meta")).said.float().sum().backward()
    assert all(parameter.grad is not None for parameter in adapter.trained().values())
    torch._dynamo.reset()
