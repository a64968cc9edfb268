"""What each method promises, by hand."""

import math

import pytest
import torch

from tests.models.methods import EVERY
from tests.models.networks import model, network
from tests.models.rows import laid, sequences
from tests.training.worlds import Count, learner, stream
from tunesmith.errors import UserError
from tunesmith.methods.adalora import AdaLoRA, Triplets
from tunesmith.methods.bottleneck import Bottleneck
from tunesmith.methods.combined import Combined
from tunesmith.methods.dora import DoRA
from tunesmith.methods.frozen import Frozen
from tunesmith.methods.full import Full
from tunesmith.methods.ia3 import IA3
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.methods.pissa import PiSSA
from tunesmith.methods.prefix import PrefixTuning
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.ptuning import PTuning
from tunesmith.methods.selective import Selective
from tunesmith.models.head import HeadPlan
from tunesmith.models.merge import merge
from tunesmith.models.sites import weights
from tunesmith.models.weights import load_adapter, save_adapter
from tunesmith.training.loop import train
from tunesmith.training.plan import Plan
from tunesmith.training.state import State

QUIET = [LoRA(), DoRA(), PiSSA(rank=4), AdaLoRA(), IA3(), Bottleneck(), LoRA(on=("embedding", "query"))]


@pytest.mark.parametrize("method", QUIET, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "bert"])
def test_nothing_is_said_at_first(name, method):
    made = model(name)
    batch = laid(sequences(made.family))
    before = made(batch).logprobs()
    made.attach("a", method)
    torch.testing.assert_close(made(batch).logprobs(), before, rtol=1e-4, atol=2e-5)


def names(name: str, **chosen) -> set[str]:
    return {weight.name for weight in weights(network(name)) if Selective(**chosen).trains(weight)}


def test_weights_are_selected_by_part_layer_kind_and_name():
    assert names("llama", parts=("norm",)) == {
        "model.norm.weight",
        *(f"model.layers.{n}.{kind}_layernorm.weight" for n in (0, 1) for kind in ("input", "post_attention")),
    }
    assert names("llama", parts=("head",)) == {"lm_head.weight"}
    assert names("llama-tied", parts=("head",)) == set() and names("llama-tied", parts=("embedding",)) != set()
    last = names("llama", last=1)
    assert last == names("llama", pattern=r"layers\.1\.") == names("llama", every=2)
    biases = names("bert", only="biases")
    assert biases and all(name.endswith("bias") for name in biases)
    attention = names("bert", parts=("attention",))
    assert all(".attention." in name and "LayerNorm" not in name for name in attention) and len(attention) == 16
    assert names("t5", parts=("mlp",), last=1) == {
        f"{stack}.block.1.layer.{part}.DenseReluDense.{way}.weight"
        for stack, part in (("encoder", 1), ("decoder", 2))
        for way in ("wi", "wo")
    }
    every = {
        weight.part
        for name in ("llama", "gpt2", "t5", "bart", "bert", "distilbert", "gpt_neox")
        for weight in weights(network(name))
    }
    assert every <= {"attention", "mlp", "norm", "embedding", "head", "other"}
    assert sum(weight.part == "other" for weight in weights(network("llama"))) == 0


def test_a_selection_of_nothing_is_refused():
    with pytest.raises(UserError, match="selects nothing"):
        Selective()
    with pytest.raises(UserError, match="no regular expression"):
        Selective(pattern="(")
    with pytest.raises(UserError, match="finds nothing to train"):
        model("t5").attach("a", Selective(only="biases"))


def test_dora_learns_lengths_and_directions_apart():
    made = model("bert")
    adapter = made.attach("a", DoRA(rank=2))
    with torch.no_grad():
        for name, parameter in adapter.trained().items():
            if name.endswith("length_O"):
                parameter.mul_(2.0)
    delta = next(iter(adapter.deltas.values()))
    weight = torch.randn(*made.network.get_submodule(next(iter(adapter.deltas))).weight.shape)
    torch.testing.assert_close(delta.norm(), delta.weight().norm(dim=1))
    folded = delta.fold(delta.weight())
    torch.testing.assert_close(folded.norm(dim=1), 2 * delta.weight().norm(dim=1))
    assert weight.shape == folded.shape


def test_pissa_starts_at_the_largest_directions():
    made = model("llama")
    adapter = made.attach("a", PiSSA(rank=3, on=("query",)))
    path, delta = next(iter(adapter.deltas.items()))
    weight = made.network.get_submodule(path).weight
    left, values, right = torch.linalg.svd(weight)
    largest = (left[:, :3] * values[:3]) @ right[:3]
    torch.testing.assert_close(delta.scale * delta.b_OR @ delta.a_RI, largest, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(delta.fold(weight), weight)
    with pytest.raises(UserError, match="singular directions"):
        model("llama").attach("a", PiSSA(rank=100))


def test_the_ranks_of_adalora_follow_their_budget():
    method = AdaLoRA(rank=2, start_rank=4, warm=0.2, settled=0.3, every=1)
    assert [method.budget(step, 10) for step in (0, 2, 7, 10)] == [4, 4, 2, 2]
    assert 2 < method.budget(4, 10) < method.budget(3, 10) < 4
    plan = Plan(steps=10, examples=4, learning_rate=0.05)
    made, adapter, state = learner("llama", plan, method=method)
    made_steps = train(made, adapter, Count("causal"), stream, plan, state, 10)
    sizes = [sum(int(delta.in_use().sum()) for delta in adapter.deltas.values()) for _ in made_steps]
    places = len(adapter.deltas)
    assert sizes[0] == 4 * places and sizes[-1] == 2 * places and sorted(sizes, reverse=True) == sizes
    assert len({int(delta.in_use().sum()) for delta in adapter.deltas.values()}) > 1, "some places keep more than others"


def test_a_place_that_adalora_gave_no_rank_is_saved_loaded_and_merged(tmp_path):
    made = model("llama")
    adapter = made.attach("a", AdaLoRA(rank=2, start_rank=3, on=("query", "value")))
    with torch.no_grad():
        for number, delta in enumerate(adapter.deltas.values()):
            delta.e_R1.fill_(0.7)
            delta.cut(torch.full((3,), float(number % 2)))
    batch = laid(sequences("causal"))
    said = made(batch).logprobs()
    again = model("llama")
    loaded = load_adapter(save_adapter(tmp_path, adapter, made), again, "a")
    assert [len(delta.e_R1) for delta in loaded.deltas.values()] == [0, 3, 0, 3]
    torch.testing.assert_close(again(batch).logprobs(), said)
    merge(again, "a", batch)
    torch.testing.assert_close(again(batch).logprobs(), said, rtol=1e-4, atol=1e-4)


def test_the_importance_of_a_triplet_by_hand():
    delta = Triplets(2, 3, 2, 1.0, 0.0)
    for name in ("a_RI", "e_R1", "b_OR"):
        parameter = getattr(delta, name)
        parameter.data.fill_(2.0)
        parameter.grad = torch.full_like(parameter, 3.0)
    delta.e_R1.grad[1] = 0.0
    with torch.no_grad():
        delta.notice(0.5, 0.5)
    strength = 0.5 * 6  # of |2 x 3|
    doubt = 0.5 * (6 - strength)
    assert delta.importance().tolist() == pytest.approx([3 * strength * doubt, 2 * strength * doubt])


def test_ia3_stretches_by_hand():
    made = model("bert")
    adapter = made.attach("a", IA3(on=("key",), inputs=("mlp_down",)))
    assert {path.rpartition(".")[2] for path in adapter.deltas} == {"key", "dense"}
    assert adapter.count() == 2 * (16 + 24)


def test_a_bottleneck_stands_where_it_is_told():
    houlsby, pfeiffer = (model("t5").attach("a", Bottleneck(size=4, place=place)) for place in ("houlsby", "pfeiffer"))
    assert len(pfeiffer.deltas) == 4 and len(houlsby.deltas) == 10  # two MLPs and three attentions a pair of layers
    assert pfeiffer.count() == 4 * (2 * 4 * 16 + 4 + 16)


@pytest.mark.parametrize("name", ["llama", "qwen2", "gemma3", "mistral", "gpt2", "bert", "t5", "bart"])
def test_a_prefix_of_real_words_reads_as_these_words(name):
    """A prefix that starts as the keys and values of words equals a row that begins with the words."""
    made = model(name)
    tokens = sequences(made.family, 2)
    made.attach("a", PrefixTuning(virtual_tokens=3, init="text", text="a bb"))
    words = (4, 5, 4)
    if made.family == "seq2seq":
        pytest.skip("the words of a decoder's prefix read a source of their own")
    if made.family == "masked":
        pytest.skip("the words of the prefix would see the row")
    spelled = [type(t)((*words, *t.inputs), (-100,) * 3 + t.targets) for t in tokens]
    soft = made(laid(tokens, 3)).logprobs()
    hard = made(laid(spelled, adapters=("", ""))).logprobs()
    torch.testing.assert_close(soft, hard, rtol=1e-4, atol=1e-4)


def test_p_tuning_keeps_what_its_network_made():
    made = model("llama")
    for maker in ("mlp", "lstm"):
        adapter = made.attach(maker, PTuning(virtual_tokens=4, maker=maker, size=8))
        [delta] = adapter.deltas.values()
        assert delta.saved()["vectors_PD"].shape == (4, 16)
        assert adapter.count() > 4 * 16


IDLE = {
    "prompt": (PromptTuning(text="do it"), "`method.init` is `vocabulary`"),
    "ptuning": (PTuning(text="do it", init="random"), "`method.init` is `random`"),
    "prefix": (PrefixTuning(text="do it"), "`method.init` is `vocabulary`"),
    "ia3": (IA3(on=("key", "query"), inputs=("query",)), "`query` stands in `method.on` and in `method.inputs`"),
}


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("kind", IDLE)
def test_settings_that_do_nothing_are_refused_of_new_methods(kind, beside, tmp_path):
    method, said = IDLE[kind]
    wanted = Combined(parts=(LoRA(rank=2, on=("mlp_up",)), method)) if beside else method
    with pytest.raises(UserError, match=said):
        model("llama").attach("a", wanted)
    made = model("llama")  # but a file may hold them
    load_adapter(save_adapter(tmp_path, made.attach("a", wanted, begin=False), made), model("llama"), "read")


def test_lora_plus_learns_b_faster():
    made = model("llama")
    adapter = made.attach("a", LoRA(rank=2, rate_of_b=16.0))
    rates = adapter.rates()
    assert {rates[name] for name in rates if name.endswith("b_OR")} == {16.0}
    assert {rates[name] for name in rates if name.endswith("a_RI")} == {1.0}
    plan = Plan(steps=4, learning_rate=0.01, warmup=0.0, schedule="constant")
    state = State.new(adapter, plan)
    list(train(made, adapter, Count("causal"), stream, plan, state, 1))
    assert sorted(group["lr"] for group in state.optimizer.param_groups) == pytest.approx([0.01, 0.16])


def test_parts_learn_at_the_rates_of_their_presets():
    method = Combined(parts=(LoRA(rank=2), Selective(parts=("norm",)), PromptTuning(virtual_tokens=2)))
    rates = model("llama").attach("a", method).rates()
    assert method.preset == LoRA().preset and method.virtual_tokens == 2
    assert rates["model.norm.weight"] == pytest.approx(12 * Selective.rate_times_width / LoRA.rate_times_width)
    assert rates["model.embed_tokens:vectors_PD"] == pytest.approx(PromptTuning.rate_times_width / LoRA.rate_times_width)


def test_what_cannot_be_combined_is_refused_with_the_reason():
    with pytest.raises(UserError, match="fewer than two"):
        Combined(parts=(LoRA(),))
    with pytest.raises(UserError, match="trains every weight"):
        Combined(parts=(Full(), LoRA()))
    with pytest.raises(UserError, match="virtual tokens"):
        Combined(parts=(PromptTuning(), PrefixTuning()))
    with pytest.raises(UserError, match="both stand at"):
        model("llama").attach("a", Combined(parts=(LoRA(), IA3())))
    with pytest.raises(UserError, match=r"q_proj\.weight` is trained itself, and a `LowRank`"):
        model("llama").attach("a", Combined(parts=(LoRA(on=("query",)), Selective(pattern="q_proj"))))
    with pytest.raises(UserError, match="itself"):
        Combined(parts=(LoRA(), Combined(parts=(LoRA(), PromptTuning()))))


@pytest.mark.parametrize("kind", EVERY)
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(kind, tmp_path):
    plan = Plan(steps=8, examples=4, learning_rate=0.01)
    made, adapter, state = learner("t5", plan, method=EVERY[kind])
    whole = [step.loss for step in train(made, adapter, Count("seq2seq"), stream, plan, state, 8)]
    made, adapter, state = learner("t5", plan, method=EVERY[kind])
    steps = train(made, adapter, Count("seq2seq"), stream, plan, state, 8)
    first = [next(steps).loss for _ in range(5)]
    saved = state.save(tmp_path)
    again, adapter, state = learner("t5", plan, seed=0, method=EVERY[kind])
    state.restore(saved)
    rest = [step.loss for step in train(again, adapter, Count("seq2seq"), stream, plan, state, 8)]
    assert first + rest == whole and all(math.isfinite(loss) for loss in whole)


@pytest.mark.parametrize(
    ("spoiled", "told"),
    [
        ('{"peft_type": null, "method": ', "line 1"),
        ('{"method": "tunesmith.methods.bottleneck:Wider", "settings": {}}', "Wider.*does not have"),
        ('{"method": "tunesmith.methods.bottleneck:Bottleneck", "settings": {"sizes": 3}}', "sizes.*does not have"),
    ],
)
def test_a_spoiled_config_is_told_and_nothing_stays_attached(spoiled, told, tmp_path):
    made = model("llama")
    saved = save_adapter(tmp_path, made.attach("a", Bottleneck(size=4)), made)
    (saved / "adapter_config.json").write_text(spoiled)
    (saved / "manifest.json").unlink()
    again = model("llama")
    with pytest.raises(UserError, match=told):
        load_adapter(saved, again, "b")
    assert not again.adapters


@pytest.mark.parametrize(
    ("name", "part", "hint"),
    [
        ("llama-tied", Selective(parts=("head",)), "its vocabulary head is the embedding"),
        ("llama", Selective(only="biases"), "`only`"),
        ("llama", LoRA(on=("qkv",)), "method.on"),
    ],
)
def test_a_part_that_finds_nothing_is_refused(name, part, hint):
    """Alone, and beside a part that does: else what was asked for would silently not be learnt."""
    for method in (part, Combined(parts=(LoRA(on=("query",)), part)), Combined(parts=(part, Selective(parts=("norm",))))):
        with pytest.raises(UserError, match=f"`{type(part).__name__}` finds nothing to train") as told:
            model(name).attach("a", method)
        assert hint in told.value.hint
    model("llama").attach("a", Combined(parts=(LoRA(on=("query",)), Selective(parts=("head",)))))


@pytest.mark.parametrize("kind", ["classes", "value"])
@pytest.mark.parametrize("method", [LoRA(on=("qkv",)), AdaLoRA(on=("qkv",)), Selective(pattern="nowhere")])
def test_a_head_is_no_excuse_for_finding_nothing(method, kind):
    """Else the head would learn alone, and be compared under the method's name."""
    made = model("bert", plan=HeadPlan(kind, labels=("odd", "even") if kind == "classes" else ()))
    with pytest.raises(UserError, match=f"`{type(method).__name__}` finds nothing to train"):
        made.attach("a", method)
    for number, plain in enumerate((Frozen(), Method())):
        assert set(made.attach(str(number), plain).trained()) == {f"head.{name}" for name, _ in made.head.named_parameters()}


HINTS = [
    (LoRA(), "look at `method.on`"),
    (IA3(), "look at `method.on` and `method.inputs`"),
    (Bottleneck(), "look at `method.place`"),
    (PrefixTuning(), "choose another `method`"),
    (Frozen(), "choose another `method`"),
]


@pytest.mark.parametrize(("method", "hint"), HINTS, ids=[type(method).__name__ for method, _ in HINTS])
def test_a_hint_names_settings_that_the_method_has(method, hint, monkeypatch):
    monkeypatch.setattr("tunesmith.models.adapter.sites", lambda *given: [])  # a network of which no role is known
    for plan in (None, HeadPlan("value"))[: 1 if isinstance(method, Frozen) else 2]:
        with pytest.raises(UserError, match="finds nothing to train") as told:
            model("llama", plan=plan).attach("a", method)
        assert told.value.hint == hint


@pytest.mark.parametrize("kind", [LoRA, AdaLoRA, IA3])
def test_a_place_that_no_network_has_is_refused(kind):
    with pytest.raises(UserError, match=f"`{kind.__name__}` is to stand at `mlp_gat`") as told:
        model("llama").attach("a", kind(on=("query", "mlp_gat")))
    assert "`mlp_gate`" in told.value.hint
    model("llama").attach("a", kind(on=("query", "qkv", "k_proj")))  # a role that another network has; a module's name


@pytest.mark.parametrize("kind", [DoRA, AdaLoRA, IA3])
def test_what_cannot_stand_at_the_embedding_says_so(kind):
    with pytest.raises(UserError, match="names the embedding"):
        model("llama").attach("a", kind(on=("query", "embedding")))
