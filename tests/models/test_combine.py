"""Adapters combined: by hand, by the papers' definitions, and as PEFT combines them."""

import pytest
import torch

from tests.models.networks import NETWORKS, model, network
from tests.models.rows import laid, sequences
from tunesmith.errors import UserError
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models.combine import Combination, combine, drop, nearest, ties, trim
from tunesmith.models.merge import merge
from tunesmith.models.weights import load_adapter, save_adapter

METHODS = {
    "a": LoRA(rank=2, alpha=3, on=("query", "qkv", "mlp_down")),
    "b": LoRA(rank=3, on=("query", "qkv", "mlp_down", "value")),
    "c": LoRA(rank=2, rank_stabilised=True, on=("query", "qkv", "mlp_down")),
}


def three(name="llama"):
    """A network with three LoRAs of unlike rank, scale and sites."""
    made = model(name)
    torch.manual_seed(5)
    with torch.no_grad():
        for adapter, method in METHODS.items():
            for parameter in made.attach(adapter, method).trained().values():
                parameter.normal_(std=0.2)
    return made


def change(adapter, path):
    """The whole change of an adapter at a site; nought where it does not stand."""
    delta = adapter.deltas.get(path)
    return 0.0 if delta is None else (delta.scale * delta.b_OR @ delta.a_RI).detach()


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5"])
def test_linear_is_the_sum_of_the_products(name):
    made = three(name)
    found = combine(made, "abc", "sum", Combination(weights=(0.5, -0.3, 2.0)))
    assert (found.rank, found.error) == (7, 0.0) and made.active == "sum"
    assert found.adapter.deltas.keys() == made.adapter("b").deltas.keys()
    for path in found.adapter.deltas:
        wanted = sum(w * change(made.adapter(n), path) for n, w in zip("abc", (0.5, -0.3, 2.0), strict=True))
        torch.testing.assert_close(change(found.adapter, path), wanted, rtol=1e-6, atol=1e-6)


def test_one_alone_with_weight_one_is_itself():
    made, batch = three(), laid(sequences("causal"))
    made.active = "b"
    said = made(batch).logits()
    combine(made, "b", "same", Combination(weights=(1.0,)))
    torch.testing.assert_close(made(batch).logits(), said, rtol=1e-5, atol=1e-5)


def test_ties_by_hand():
    one = torch.tensor([[4.0, -3.0, 0.5, 1.0]])
    two = torch.tensor([[-1.0, -5.0, 2.0, 0.1]])
    assert trim(one, 0.5).tolist() == [[4.0, -3.0, 0.0, 0.0]] and trim(two, 0.5).tolist() == [[0.0, -5.0, 2.0, 0.0]]
    assert ties([one, two], (1, 1), 0.5).tolist() == [[4.0, -4.0, 2.0, 0.0]]
    assert ties([one, two], (1, 1), 1.0).tolist()[0] == pytest.approx([4.0, -4.0, 1.25, 0.55])  # 4 - 1 elects plus
    assert ties([one, two], (0.5, 2), 0.5).tolist() == [[2.0, (-1.5 - 10) / 2, 4.0, 0.0]]


def test_dare_keeps_the_mean_and_the_density():
    change_OI, dice = torch.randn(40, 50), torch.Generator().manual_seed(1)
    drawn = torch.stack([drop(change_OI, 0.3, dice) for _ in range(400)])
    kept = drawn[0] != 0
    torch.testing.assert_close(drawn[0][kept], change_OI[kept] / 0.3)
    assert abs(float((drawn != 0).float().mean()) - 0.3) < 0.005
    assert float((drawn.mean(0) - change_OI).abs().mean()) < 0.1
    again = drop(change_OI, 0.3, torch.Generator().manual_seed(1))
    assert torch.equal(again, drawn[0])


def test_dare_follows_its_seed():
    made = three()
    found = [
        combine(made, "ab", f"{n}", Combination("dare", density=0.5, seed=seed), rank=4) for n, seed in enumerate((1, 1, 2))
    ]
    one, same, other = [next(iter(f.adapter.deltas.values())).b_OR for f in found]
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_the_nearest_of_a_rank_and_its_error():
    change_OI = torch.randn(6, 9)
    (b_OR, a_RI), left_out = nearest(change_OI, 2)
    assert float((change_OI - b_OR @ a_RI).square().sum()) == pytest.approx(left_out, rel=1e-4)
    assert left_out == pytest.approx(float(torch.linalg.svdvals(change_OI)[2:].square().sum()), rel=1e-4)
    made = three()
    whole = combine(made, "abc", "whole", Combination())
    assert combine(made, "abc", "enough", Combination(), rank=7).error < 1e-6
    less = combine(made, "abc", "less", Combination(), rank=3)
    pairs = [(change(whole.adapter, p), change(less.adapter, p)) for p in whole.adapter.deltas]
    apart = sum(float((a - b).square().sum()) for a, b in pairs) / sum(float(a.square().sum()) for a, _ in pairs)
    assert less.error == pytest.approx(apart**0.5, rel=1e-3) and "is left out" in str(less)


@pytest.mark.parametrize("how", ["ties", "dare"])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_whole_changes_are_merged_and_equal_the_full_rank(name, how):
    made, batch = three(name), laid(sequences("causal"))
    combine(made, "abc", "lora", Combination(how, density=0.5), rank=16)
    said = made(batch).logits()
    combine(made, "abc", "whole", Combination(how, density=0.5))
    torch.testing.assert_close(made(batch).logits(), said, rtol=1e-4, atol=1e-4)
    assert merge(made, "whole", batch).largest < 1e-4
    torch.testing.assert_close(made(batch.plain()).logits(), said, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_combined():
    made = three()
    made.attach("p", PromptTuning())
    with pytest.raises(UserError, match="only plain LoRAs"):
        combine(made, "ap", "x", Combination())
    with pytest.raises(UserError, match="2 weights are given for 3 adapters"):
        combine(made, "abc", "x", Combination(weights=(1, 2)))
    with pytest.raises(UserError, match="density"):
        Combination(density=0)
    for rank in (0, -1):
        with pytest.raises(UserError, match=f"the rank is {rank}"):
            combine(made, "abc", "x", Combination(), rank=rank)
    for how in ("ties", "dare"):
        with pytest.raises(
            UserError, match=r"the density is 1e-09: of the 128 numbers at `model\.layers\.0\.self_attn\.v_proj` none"
        ):
            combine(made, "abc", "x", Combination(how, density=1e-9), rank=2)
    assert made.adapters.keys() == {*"abc", "p"}


WAYS = {
    "cat": (Combination("linear", (0.5, -0.3, 2.0)), None),
    "svd": (Combination("linear", (0.5, -0.3, 2.0)), 4),
    "ties_svd": (Combination("ties", (0.5, 0.3, 2.0), 0.4), 4),
}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", ["llama", "gpt2", "t5"])
@pytest.mark.filterwarnings("ignore")
def test_peft_combines_them_alike(name, how, tmp_path):
    peft = pytest.importorskip("peft")
    made, (wanted, rank) = three(name), WAYS[how]
    wrapped = None
    for one in "abc":
        saved = save_adapter(tmp_path / one, made.adapter(one), made)
        if wrapped is None:
            wrapped = peft.PeftModel.from_pretrained(network(name), saved, adapter_name=one)
        else:
            wrapped.load_adapter(saved, one)
    options = {"density": wanted.density} if how == "ties_svd" else {}
    wrapped.add_weighted_adapter(list("abc"), list(wanted.weights), "sum", combination_type=how, svd_rank=rank, **options)
    found = combine(made, "abc", "sum", wanted, rank)
    layers = {p.removeprefix("base_model.model."): m for p, m in wrapped.named_modules() if hasattr(m, "get_delta_weight")}
    assert layers.keys() == found.adapter.deltas.keys()
    for path, delta in found.adapter.deltas.items():
        theirs = layers[path].get_delta_weight("sum")
        flip = type(made.network.get_submodule(path)).__name__ == "Conv1D"
        ours = delta.fold(torch.zeros(delta.b_OR.shape[0], delta.a_RI.shape[1]))
        torch.testing.assert_close(ours, theirs.T if flip else theirs, rtol=1e-4, atol=2e-6)


def test_peft_drops_alike():
    theirs = pytest.importorskip("peft.utils.merge_utils").dare_linear
    changes = [torch.randn(8, 6) for _ in range(3)]
    torch.manual_seed(7)
    wanted = theirs(changes, torch.tensor([0.5, 0.2, 1.0]), 0.3)
    dice = torch.Generator().manual_seed(7)
    ours = sum(w * drop(one, 0.3, dice) for w, one in zip((0.5, 0.2, 1.0), changes, strict=True))
    torch.testing.assert_close(ours, wanted, rtol=1e-6, atol=1e-6)


def test_a_combination_is_saved_and_loaded_as_any_lora(tmp_path):
    made, batch = three(), laid(sequences("causal"))
    found = combine(made, "abc", "sum", Combination("ties", density=0.5), rank=5)
    said = made(batch).logits()
    again = model("llama")
    load_adapter(save_adapter(tmp_path, found.adapter, made), again, "sum")
    torch.testing.assert_close(again(batch).logits(), said, rtol=1e-6, atol=1e-6)
    assert NETWORKS["llama"][0] == again.family
