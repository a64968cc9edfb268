"""What is told before a run: counts by hand, bytes by part, what is laid out, and mistakes."""

import json
from dataclasses import replace

import pytest
import torch

from tests.models.methods import EVERY
from tests.tiny import rows, tiny_model
from tunesmith import cli, settings
from tunesmith.errors import UserError
from tunesmith.methods.combined import Combined
from tunesmith.methods.frozen import Frozen
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.method import Method
from tunesmith.methods.prefix import PrefixTuning
from tunesmith.methods.prompt import PromptTuning
from tunesmith.methods.ptuning import PTuning
from tunesmith.methods.selective import Selective
from tunesmith.models.footprint import imagined, with_depths
from tunesmith.models.load import ModelSettings, load, load_config, load_renderer
from tunesmith.models.weights import read_config, save_adapter
from tunesmith.objectives.classify import Classify
from tunesmith.objectives.dpo import DPO
from tunesmith.objectives.sft import SFT
from tunesmith.planning.ahead import laid_out
from tunesmith.planning.fits import QUANTISED, batch
from tunesmith.planning.plan import Maps, plan
from tunesmith.planning.probe import measured
from tunesmith.planning.step import Case, counted, held
from tunesmith.recipe import Recipe
from tunesmith.training.guard import Guard
from tunesmith.training.plan import Plan
from tunesmith.training.state import State
from tunesmith.work import prepared

WIDTH, INNER, VOCABULARY = 16, 24, 3072


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planned")
    for kind in ("llama", "t5", "bert"):
        tiny_model(folder / kind, kind)
    rows(folder / "sums.jsonl")
    return folder


def case(home, kind="llama", **options):
    source = ModelSettings(path=str(home / kind))
    config, family = load_config(source)
    return Case(config, family, load_renderer(source)[0], torch.float32, None, SFT(), Plan(**options))


def recipe(home, **more):
    tree = {
        "model": {"path": str(home / "llama")},
        "tasks": {str(home / "sums.jsonl"): 1.0},
        "forgetting": "none",
        "plan": {"steps": 5, "examples": 4},
    }
    return {**tree, **more}


def test_a_small_network_is_counted_as_by_hand(home):
    made = counted(case(home), Full())
    layer = 4 * WIDTH * WIDTH + 3 * WIDTH * INNER
    config, _ = load_config(ModelSettings(path=str(home / "llama")))
    heads = 1 if config.tie_word_embeddings else 2
    assert made.linear == layer
    assert made.weights == made.trained == layer + 3 * WIDTH + heads * config.vocab_size * WIDTH
    assert made.trained_bytes == 4 * made.trained
    assert made.added == 0


def test_low_rank_is_counted_as_by_hand(home):
    made = counted(case(home), LoRA(rank=8))
    assert made.trained == made.added == 8 * (4 * (WIDTH + WIDTH) + 3 * (WIDTH + INNER))
    assert len(made.sites) == 7


def test_the_arithmetic_of_low_rank():
    one = Maps(512, 64, 8, 1)
    assert (one.trained, one.whole) == (4608, 32768)


@pytest.mark.parametrize("kind", ["llama", "t5", "bert"])
@pytest.mark.parametrize("method", [Full(), LoRA(rank=4), PromptTuning(virtual_tokens=3)], ids=["full", "lora", "prompt"])
def test_counts_are_those_of_the_real_network(home, kind, method):
    model = load(ModelSettings(path=str(home / kind)))
    adapter = model.attach("a", method)
    made = counted(case(home, kind), method)
    assert made.trained == adapter.count()
    assert made.weights == sum(p.numel() for p in model.network.parameters())


@pytest.mark.parametrize("kind", ["llama", "t5", "bert"])
def test_bytes_that_are_kept_are_those_that_autograd_keeps(home, kind):
    """What stands for the backward pass, against the storages that a real forward pass leaves alive."""
    reader = load(ModelSettings(path=str(home / kind)))
    reader.attach("a", Full())
    reader.train()
    kept: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in reader.parameters()}

    def entered(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tensor.is_floating_point():
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    one = batch(reader.family, 64, 3)
    with torch.autograd.graph.saved_tensors_hooks(entered, lambda tensor: tensor):
        loss = SFT().loss(reader, one)
    assert loss.total.requires_grad
    told = held(case(home, kind), Full(), [one]).phases["kept"]
    assert told.total == pytest.approx(sum(kept.values()), rel=0.03)


def test_less_is_kept_where_it_is_computed_again(home):
    one = batch("causal", 64, 3)
    deep = {"config": with_depths(case(home).config, {"num_hidden_layers": 3})}
    kept = [
        held(Case(**{**vars(case(home, recompute=again)), **deep}), Full(), [one]).phases["kept"].activations
        for again in (False, True)
    ]
    assert kept[1] < kept[0] / 2


def test_a_live_reference_of_full_tuning_is_a_copy_of_the_weights(home):
    one = batch("causal", 32, 2).with_extras(reference=torch.zeros(2))
    case_of = lambda reference: replace(case(home), objective=DPO(reference=reference))  # noqa: E731
    precomputed, live = (held(case_of(name), Full(), [one]).most.reference for name in ("precomputed", "live"))
    assert precomputed == 0
    assert live == counted(case(home), Full()).trained_bytes


@pytest.mark.parametrize("kind", ["llama", "t5", "bert"])
def test_a_guard_is_rehearsed_with_its_copies_and_its_second_reading(home, kind):
    one = batch(case(home, kind).family, 64, 3)

    def step(method, **guard):
        return held(replace(case(home, kind), guard=Guard(**guard)), method, [one])

    free = step(Full())
    assert free.most.reference == 0
    trained = counted(case(home, kind), Full()).trained_bytes
    for guard in ({"distance": 0.1}, {"divergence": 1.0}, {"distance": 0.1, "divergence": 1.0}):
        assert step(Full(), **guard).most.reference == trained  # one copy serves both
    assert step(Full(), distance=0.1).products == free.products
    assert step(Full(), divergence=1.0).products > 1.3 * free.products
    assert step(LoRA(rank=4), divergence=1.0).most.reference == 0  # the network without its adapter is the reference
    assert step(LoRA(rank=4), distance=0.1).most.reference == counted(case(home, kind), LoRA(rank=4)).trained_bytes


def test_the_copy_that_is_told_is_the_one_that_a_guard_keeps(home):
    model = load(ModelSettings(path=str(home / "llama")))
    adapter = model.attach("a", Full())
    guard = Guard(distance=0.1, divergence=1.0)
    kept = {id(copy): copy.numel() * copy.element_size() for copy in guard.begin(model, adapter).first.values()}
    told = held(replace(case(home), guard=guard), Full(), [batch("causal", 32, 2)])
    assert told.most.reference == sum(kept.values())


def test_only_batches_with_replayed_rows_are_read_again(home):
    guarded = replace(case(home), guard=Guard(divergence=1.0, over="replay"))
    without, within = (batch("causal", 64, 2).with_extras(replayed=torch.full((2,), float(yes))) for yes in (False, True))
    free = held(case(home), Full(), [without]).products
    assert held(guarded, Full(), [without]).products == free < held(guarded, Full(), [within]).products


def test_what_is_replayed_is_known_in_a_plan(home):
    more = {"replay": {str(home / "sums.jsonl"): 1.0}, "judged_by": [str(home / "sums.jsonl")]}
    (home / "others.jsonl").write_text((home / "sums.jsonl").read_text())
    tree = recipe(
        home, tasks={str(home / "others.jsonl"): 1.0}, method="lora", guard={"divergence": 1.0, "over": "replay"}, **more
    )
    made = settings.build(Recipe, tree)
    _, coming = laid_out(made, prepared(made))
    assert any(one.extras["replayed"].any() for one in coming.heaviest)


def test_a_plan_names_the_copy_of_a_guard_and_of_a_live_reference(home, capsys):
    def planned(**more):
        return plan(recipe(home, method="full", **more)).choices[0]

    assert planned().memory["reference"] == 0
    guarded = planned(guard={"distance": 0.1})
    assert guarded.memory["reference"] == 4 * guarded.trained
    cli.main(["plan", str(file_of(home, recipe(home, method="full")))])
    assert "reference" not in capsys.readouterr().out
    cli.main(["plan", str(file_of(home, recipe(home, method="lora", guard={"divergence": 1.0})))])
    assert "reference" in capsys.readouterr().out  # of full tuning, beside it


def test_the_copy_of_a_live_reference_is_in_a_plan(home):
    path = home / "pairs-live.jsonl"
    path.write_text("".join(json.dumps({"prompt": "1 2", "chosen": " 3", "rejected": " 4"}) + "\n" for _ in range(40)))
    told = {"tasks": {str(path): 1.0}, "judged_by": [str(home / "sums.jsonl")], "method": "full"}
    made = plan(recipe(home, **told, objective={"kind": "dpo", "reference": "live"})).choices[0]
    assert made.memory["reference"] == 4 * made.trained


def file_of(home, tree):
    path = home / "recipe.yaml"
    path.write_text(json.dumps(tree))
    return path


def test_a_probe_makes_its_steps_under_the_guard(home, monkeypatch):
    begun = []
    begin = Guard.begin
    monkeypatch.setattr(Guard, "begin", lambda guard, *given: (begun.append(guard), begin(guard, *given))[1])
    measured(settings.build(Recipe, recipe(home, method="full", guard={"distance": 0.1})))
    assert begun == [Guard(distance=0.1)]


@pytest.mark.parametrize("name", ["run", "further"])
def test_a_probe_trains_an_adapter_further(home, tmp_path, monkeypatch, name):
    first = load(ModelSettings(path=str(home / "llama")))
    saved = save_adapter(tmp_path, first.attach("a", LoRA(rank=2)), first)
    begun = []
    begin = Guard.begin
    monkeypatch.setattr(Guard, "begin", lambda guard, *given: (begun.append(given), begin(guard, *given))[1])
    tree = recipe(home, name=name, model={"path": str(saved)}, method={"kind": "lora", "rank": 2})
    assert measured(settings.build(Recipe, tree)).steps == 3
    [(model, adapter)] = begun
    assert model.adapter() is adapter and model.starting == "run" != model.active
    assert not any(p.requires_grad for p in model.adapter("run").trained().values())


def test_experts_that_lora_does_not_reach_are_told(tmp_path):
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 64}
    config = {
        **small,
        "model_type": "mixtral",
        "dtype": "bfloat16",
        "num_key_value_heads": 2,
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    [note] = plan(model=str(tmp_path)).notes
    assert note.startswith(f"{2 * 4 * 3 * 16 * 24:,} of its ") and "LoRA does not stand there" in note


def test_optimizer_states_are_two_of_each_trained_number(home):
    for method in (Full(), LoRA(rank=4)):
        sizes, step = counted(case(home), method), held(case(home), method, [batch("causal", 32, 2)])
        moments = step.most.moments
        assert 2 * sizes.trained_bytes <= moments <= 2 * sizes.trained_bytes + 4 * 100  # a counter of steps each
        assert step.phases["update"].gradients == sizes.trained_bytes


def test_the_gradient_of_a_tied_vocabulary_stands_once(home):
    """When the embedding has gone back too: beside the head's gradient, and those of batches before, there is no other."""
    table = 4 * VOCABULARY * WIDTH
    for count in (1, 3):
        end = held(case(home), Full(), [batch("causal", 8, 1)] * count).phases["end"]
        assert table <= end.gradients + end.temporary < 1.5 * table


def test_deep_networks_are_told_by_shallow_ones(home):
    """Six layers, told by two and three, against six gone through."""
    shallow = case(home)
    deep = Case(**{**vars(shallow), "config": with_depths(shallow.config, {"num_hidden_layers": 6})})
    guarded = held(replace(deep, guard=Guard(distance=0.1)), Full(), [batch("causal", 64, 4)])
    assert guarded.most.reference == counted(deep, Full()).trained_bytes
    told = held(deep, LoRA(rank=4), [batch("causal", 64, 4)])
    import tunesmith.models.footprint as footprint

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(footprint, "DEPTH", 6)
        whole = held(deep, LoRA(rank=4), [batch("causal", 64, 4)])
    assert told.most.total == pytest.approx(whole.most.total, rel=0.03)
    assert told.products == pytest.approx(whole.products, rel=0.01)


class Reads(Method):
    """A method that looks at weights when it begins."""

    def delta(self, site):
        if site.role != "query":
            return None
        largest = float(site.weight().abs().max())
        return LoRA(rank=2 if largest >= 0 else 1).delta(site)


def test_a_method_that_reads_weights_is_counted_too(home):
    assert counted(case(home), Reads()).trained == 2 * 2 * WIDTH


def test_nothing_is_computed_where_a_step_is_imagined():
    with imagined() as ledger:
        made = torch.nn.Linear(2**20, 2**20)  # four terabytes
        assert made.weight.shape == (2**20, 2**20)
        assert ledger.live["weights"] > 4e12
    del made


def test_a_plan_of_a_recipe(home):
    made = plan(recipe(home, method={"kind": "lora", "rank": 4}))
    assert [choice.method for choice in made.choices] == ["lora", "full", "qlora"]
    lora, full, quantised = made.choices
    assert (made.steps, full.trained) == (5, full.weights)
    assert made.peak_bytes == lora.peak_bytes == sum(lora.memory.values()) > lora.memory["process"] > 0
    assert full.memory["moments"] == 2 * full.memory["weights"] or full.memory["moments"] >= 8 * full.trained
    linear = counted(case(home), LoRA(rank=4)).linear
    assert lora.memory["weights"] - quantised.memory["weights"] == pytest.approx(linear * (4 - QUANTISED / 8), abs=1)
    assert made.seconds > 0
    assert made.served["vLLM"] == "yes: `--enable-lora`"
    assert json.loads(json.dumps(made.tree()))["peak_bytes"] == made.peak_bytes


def test_tokens_ahead_are_those_that_the_run_reads(home, tmp_path):
    import tunesmith

    tree = recipe(home, method="full", limit={"test": 1}, ask={"tokens": 2})
    run = tunesmith.train(tree, into=tmp_path / "run", quiet=True)
    assert plan(tree).tokens == sum(step["tokens"] for step in run.steps())


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ({"kind": "lora", "rank": 32}, "yes: `--enable-lora` `--max-lora-rank 32`"),
        ({"kind": "pissa", "rank": 16}, "yes: `--enable-lora` `--max-lora-rank 32`"),
        ({"kind": "dora"}, "no: of adapters it takes LoRA only; merge it first"),
        ({"kind": "prompt"}, "no: of adapters it takes LoRA only"),
        ({"kind": "selective", "parts": ["norm"]}, "no: of adapters it takes LoRA only; merge it first"),
        ({"kind": "full"}, "yes: the folder `model/`"),
    ],
)
def test_who_can_serve(home, method, told):
    assert plan(recipe(home, method=method)).served["vLLM"] == told


IN_PEFT, NEEDLESS = "yes: with PEFT, from the folder `adapter/`", "not needed: the weights are its own"
MERGES = "yes: written into the weights it is served wherever the base is"


@pytest.mark.parametrize(
    ("kind", "method", "transformers", "merged"),
    [
        ("bert", {"kind": "selective", "only": "biases"}, "no: PEFT does not have this method", MERGES),
        ("t5", "prefix", "no: PEFT has no place for this in the network", "no: the change cannot be written into the weights"),
        ("llama", "prefix", IN_PEFT, "no: the change cannot be written into the weights"),
        ("t5", "lora", IN_PEFT, MERGES),
        ("t5", {"kind": "lora", "on": ["embedding"]}, IN_PEFT, "no: the change cannot be written into the weights"),
        ("llama", "full", "yes: the folder `model/`", NEEDLESS),
    ],
)
def test_where_it_can_be_used(home, kind, method, transformers, merged):
    told = plan(recipe(home, model={"path": str(home / kind)}, method=method)).served
    assert (told["transformers"], told["merged"]) == (transformers, merged)


def test_a_whole_network_with_a_head_is_a_folder_of_its_own(home):
    told = plan(headed(home, "full")).served
    assert told["transformers"].startswith("yes: the folder `model/` without its head") and told["merged"] == NEEDLESS
    spoken = headed(home, "full") | {"model": {"path": str(home / "llama")}, "objective": "classify"}
    assert plan(spoken).served["vLLM"] == "no: it knows no heads beside the network"


@pytest.mark.parametrize("kind", ["llama", "t5", "bert"])
@pytest.mark.parametrize("head", [None, Classify(pooling="first", hidden=True, labels=("a", "b"))], ids=["words", "head"])
def test_what_is_told_of_peft_is_what_is_written(home, kind, head, tmp_path):
    if head and kind != "bert":
        head = Classify(labels=("a", "b"))
    beside = {
        "biases": Selective(only="biases") if kind == "bert" else Selective(parts=("norm",)),
        "embedding": Combined(parts=(LoRA(rank=2), Selective(parts=("embedding",)))),
        "norms": Combined(parts=(LoRA(rank=2), Selective(parts=("norm",)))),
        "prefix": PrefixTuning(virtual_tokens=2),
        "ptuning": PTuning(virtual_tokens=2),
        "LoRA": LoRA(rank=2),
        **({"Frozen": Frozen()} if head else {}),
        **{name: EVERY[name] for name in ("AdaLoRA", "Bottleneck", "DoRA", "IA3", "PiSSA", "PromptTuning")},
    }
    for name, method in beside.items():
        model = load(ModelSettings(path=str(home / kind)), head.head() if head else None, "cpu")
        written = read_config(save_adapter(tmp_path / name, model.attach("a", method), model))
        told = counted(replace(case(home, kind), objective=head or SFT()), method).peft
        assert told == bool(written["peft_type"]), name


@pytest.mark.parametrize("kind", ["dora", "pissa"])
def test_plain_lora_stands_beside_a_lora_of_another_kind(home, kind):
    size = {"rank": 4, "on": ["query", "value"]}
    other, plain = (plan(recipe(home, method={"kind": name, **size})) for name in (kind, "lora"))
    assert [choice.method for choice in other.choices] == [kind, "full", "lora", "qlora"]
    own, _, beside, packed = (choice.trained for choice in other.choices)
    assert beside == packed == plain.choices[0].trained
    assert (own > beside) == (kind == "dora")  # which learns the lengths too
    assert other.fits == plain.fits and other.low_rank == plain.low_rank


def test_what_is_too_long_is_told_and_not_refused(home):
    made = plan(recipe(home, method="lora", plan={"steps": 2, "examples": 4, "window": 8}))
    assert any("longer than 8 tokens" in line for line in made.lengths)


def test_of_a_comparison_the_first_system_that_learns(home):
    systems = {"base": {"method": "none"}, "small": {"method": {"kind": "lora", "rank": 2}}}
    assert plan(recipe(home, systems=systems)).name == "small"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"method": "none"}, "nothing is learnt"),
        ({"plan": {"steps": 2, "exmples": 4}}, "examples"),
        ({"tasks": {"nowhere.jsonl": 1.0}}, "nowhere.jsonl"),
    ],
)
def test_mistakes_in_a_recipe(home, given, told):
    with pytest.raises(UserError, match=told):
        plan(recipe(home, **given))


def test_a_model_that_is_not_known(capsys):
    with pytest.raises(SystemExit):
        cli.main(["plan", "--model", "./Qwen3-8b"])
    assert "did you mean `Qwen3-8B`?" in capsys.readouterr().err


def test_the_command(home, capsys):
    cli.main(["plan", "--model", "Llama-3.2-1B", "--json"])
    made = json.loads(capsys.readouterr().out)
    assert made["weights"] == 1_235_814_400
    told = {(fit["gigabytes"], fit["method"]): fit["tokens"] for fit in made["fits"]}
    for card in (8, 16, 24, 80):
        assert told[card, "qlora"] >= told[card, "lora"] >= told[card, "full"]
    assert told[8, "full"] == 0 < told[8, "lora"]


def test_a_model_loaded_to_answer_holds_no_gradient_or_optimizer_state(home):
    """Weights alone: nothing wants a gradient, none is there, and speaking makes none; learning is what adds them."""
    from tunesmith.data.example import Example, Message
    from tunesmith.evaluation.ask import speak
    from tunesmith.generation.sampling import Sampling

    model = load(ModelSettings(path=str(home / "llama")))
    list(speak(model, [Example((Message("user", "1 and 2"),), "", id="one")], Sampling(tokens=2)))
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())
    adapter = model.attach("a", LoRA(rank=2))
    state = State.new(adapter, Plan())
    assert not state.optimizer.state
    model.detach("a")
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())


def test_a_probe_measures_the_first_steps(home):
    made = plan(settings.dump(settings.build(Recipe, recipe(home, method={"kind": "lora", "rank": 2}))), probing=True)
    assert made.probed is not None
    assert made.probed.steps == 3
    assert made.choices[0].memory["process"] == made.probed.process_bytes
    assert made.peak_bytes >= made.probed.process_bytes


HEAD = {
    "objective": {"kind": "classify", "pooling": "first"},
    "forgetting": "none",
}


def headed(home, method, **plan_):
    lines = [json.dumps({"text": f"{n} and {n}", "kind": ("even", "odd")[n % 2]}) for n in range(60)]
    (home / "kinds.jsonl").write_text("\n".join(lines) + "\n")
    tasks = {str(home / "kinds.jsonl"): {"template": "{{text}} ||| {{kind}}"}}
    more = {"model": {"path": str(home / "bert")}, "tasks": tasks, **HEAD, "method": method}
    return recipe(home, **more) | {"plan": {"epochs": 2, "examples": 8, "validate_every": 6, **plan_}, "limit": {"test": 2}}


def test_states_that_are_kept_are_told_as_they_lie_on_the_disk(home, tmp_path, monkeypatch):
    """Frozen, a head that reads one token: a state of 16 float32 for each example of learning and of validation."""
    from tunesmith.models.kept import Kept

    told = plan(headed(home, "frozen", keep={"frozen": "always"}))
    never = plan(headed(home, "frozen", keep={"frozen": "never"}))
    assert never.spared is None
    lay = []
    closed = Kept.close
    monkeypatch.setattr(Kept, "close", lambda kept: (lay.append(kept._end), closed(kept)))
    from tunesmith import verbs

    verbs.train(headed(home, "frozen", keep={"frozen": "always"}) | {"name": "kept"}, into=str(tmp_path / "run"), quiet=True)
    assert told.spared.disk_bytes == told.spared.wanted_bytes == lay[0]
    assert told.choices[0].state_bytes == never.choices[0].state_bytes + lay[0]
    assert 0.2 < told.spared.factor < 0.7  # two epochs and their validations, of which the first one computes
    assert any("once an example" in note for note in told.notes)


def test_states_that_find_no_room_are_computed_again(home):
    keep = {"frozen": "always", "gigabytes": 1e-6}
    small = plan(headed(home, "frozen", keep=keep)).spared
    assert small.disk_bytes == 1000 < small.wanted_bytes
    assert small.factor > plan(headed(home, "frozen", keep={"frozen": "always"})).spared.factor
    half = plan(headed(home, "frozen", keep={"frozen": "always", "precision": "half"})).spared
    assert half.wanted_bytes == plan(headed(home, "frozen", keep={"frozen": "always"})).spared.wanted_bytes / 2


def test_nothing_is_kept_below_an_adapter_in_every_layer(home):
    assert plan(headed(home, "lora", keep={"frozen": "always"})).spared is None


def test_what_an_update_reads_is_counted_and_not_what_is_rendered(home):
    """Of a pair the prompt is read once; of a prompt to be answered several times, every answer."""
    path = home / "pairs.jsonl"
    pair = {"prompt": "1 2 3 4 5", "chosen": " 6", "rejected": " 7"}
    path.write_text("".join(json.dumps(pair) + "\n" for _ in range(40)))
    told = {"tasks": {str(path): 1.0}, "judged_by": [str(home / "sums.jsonl")], "objective": "dpo"}
    made = plan(recipe(home, **told))
    apart = plan(recipe(home, **told, plan={"steps": 5, "examples": 4, "compile": True}))  # a prompt for each answer
    assert made.learnt == apart.learnt and made.tokens < 0.7 * apart.tokens
    spoken = settings.build(Recipe, recipe(home, objective={"kind": "grpo", "answers": 3, "rewards": ["politeness"]})).objective
    assert spoken.foreseen([("a",)], False) == [("a",)] * 3


def test_four_bits_stand_first_beside_whole_and_plain(home):
    model = {"path": str(home / "llama"), "quantize": "nf4"}
    made = plan(recipe(home, model=model, method={"kind": "lora", "rank": 2}))
    weights = {choice.method: choice.memory["weights"] for choice in made.choices}
    assert list(weights) == ["qlora", "full", "lora"]
    assert weights["qlora"] < weights["lora"] < 1.1 * weights["full"]
