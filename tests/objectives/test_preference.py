"""Objectives of preference pairs: where they start, what they read and keep, that rows change nothing, and runs with them."""

import dataclasses
import json
import math

import pytest
import torch

from tests.tiny import tiny_model
from tunesmith import experiment, registry, settings
from tunesmith.data.example import Example, Message
from tunesmith.errors import UserError
from tunesmith.methods.full import Full
from tunesmith.methods.lora import LoRA
from tunesmith.methods.prompt import PromptTuning
from tunesmith.models import reference
from tunesmith.models.further import train_further
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.weights import save_adapter
from tunesmith.objectives.dpo import DPO
from tunesmith.objectives.kto import KTO
from tunesmith.objectives.objective import Objective, Placed
from tunesmith.objectives.preference import Compared, Preference
from tunesmith.planning.plan import of_recipe
from tunesmith.recipe import Recipe
from tunesmith.tokens.packing import Room

OBJECTIVES = "tunesmith.objectives"
KINDS = [
    kind
    for name in registry.names(OBJECTIVES)
    if issubclass(kind := registry.find(name, OBJECTIVES, Objective), Compared)  # type: ignore[type-abstract]
]
FAMILIES = ("llama", "t5")
SCENES = (("Good morning.", "Good morning to you!", "Go away."), ("May I?", "Yes.", "No, not in a hundred years, and why?"))
PAIRS = [
    Example((Message("user", prompt),), chosen, rejected, id=str(number))
    for number, (prompt, chosen, rejected) in enumerate((*SCENES, ("It is so cold here.", "Take my coat, please.", "")))
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    found = {}
    for kind in FAMILIES:
        found[kind] = tiny_model(tmp_path_factory.mktemp(kind), kind)
        config = json.loads((found[kind] / "config.json").read_text(encoding="utf-8"))
        config |= {"attention_dropout": 0.2, "dropout_rate": 0.2}
        (found[kind] / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return found


def learner(folder, method=LoRA(rank=2, dropout=0.3), shaken=True):
    torch.manual_seed(2)
    model = load(ModelSettings(path=str(folder)), None, "cpu")
    adapter = model.attach("mine", method)
    if shaken:
        shake(adapter)
    return model


def shake(adapter):
    with torch.no_grad():
        for parameter in adapter.trained().values():
            parameter.add_(torch.randn_like(parameter) * 0.2)


def cost(model, objective, room=Room(), rows=PAIRS):
    """(mean loss, means of what is shown) in training mode, as the loop takes them."""
    [batches] = objective.updates([Placed(example, n) for n, example in enumerate(rows)], model, room)
    model.train()
    losses, counts, shown = [], 0.0, {}
    for batch in batches:
        loss = objective.loss(model, batch)
        losses.append(loss.total)
        counts += batch.count(objective.per)
        for name, value in loss.shown.items():
            shown[name] = shown.get(name, 0.0) + float(value)
    return torch.stack(losses).sum() / counts, {name: value / counts for name, value in shown.items()}


def test_all_are_known():
    assert {kind.__name__ for kind in KINDS} >= {
        "DPO",
        "IPO",
        "ConservativeDPO",
        "RobustDPO",
        "DPOByLength",
        "SimPO",
        "ORPO",
        "KTO",
    }


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_rows_change_nothing(folders, family, kind):
    for method in (LoRA(rank=2), PromptTuning(virtual_tokens=2)):
        model, objective = learner(folders[family], method), kind()
        loss, shown = cost(model, objective, Room(rows=32))
        for room in [Room(rows=2)] + [Room(layout="packed", width=90)] * (family == "llama"):
            other, told = cost(model, objective, room)
            torch.testing.assert_close(other, loss, rtol=1e-5, atol=1e-5)
            assert told == pytest.approx(shown, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("setting", ["precomputed", "live"])
def test_at_the_first_step_policy_is_reference_though_something_would_be_dropped(folders, family, setting):
    model = learner(folders[family], shaken=False)
    loss, shown = cost(model, DPO(reference=setting))
    assert float(loss) == pytest.approx(math.log(2), abs=1e-6)
    assert shown["margin"] == pytest.approx(0, abs=1e-5)
    assert float(cost(model, KTO(reference=setting))[0]) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.reads_reference], ids=lambda kind: kind.__name__)
def test_precomputed_is_live(folders, family, kind):
    model = learner(folders[family])
    precomputed, shown = cost(model, kind())
    live, told = cost(model, kind(reference="live"))
    torch.testing.assert_close(precomputed, live, rtol=1e-5, atol=1e-5)
    assert told == pytest.approx(shown, rel=1e-4, abs=1e-4)
    wanted = list(model.adapter().trained().values())
    for one, other in zip(*(torch.autograd.grad(loss, wanted) for loss in (precomputed, live)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_numbers_are_those_of_the_answers_alone(folders):
    model = learner(folders["llama"])
    _, shown = cost(model, DPO(beta=0.3))
    rows = [model.renderer.render(pair, answer) for pair in PAIRS for answer in (pair.target, pair.rejected)]
    now, before = [], []
    for row in rows:
        [batch] = model.pack([[row]], Room())
        model.eval()
        now.append(float(model(batch).logprobs().sum()))
        before.append(float(model(batch.plain()).logprobs().sum()))
    ratios = [0.3 * (a - b) for a, b in zip(now, before, strict=True)]
    assert shown["chosen_logprob"] == pytest.approx(sum(now[::2]) / 3, rel=1e-4)
    assert shown["rejected_logprob"] == pytest.approx(sum(now[1::2]) / 3, rel=1e-4)
    assert shown["margin"] == pytest.approx((sum(ratios[::2]) - sum(ratios[1::2])) / 3, rel=1e-3, abs=1e-4)
    assert shown["chosen_tokens"] == pytest.approx(sum(row.learnt for row in rows[::2]) / 3)
    assert shown["accuracy"] == pytest.approx(sum(c > r for c, r in zip(ratios[::2], ratios[1::2], strict=True)) / 3)


def test_the_reference_of_a_run_from_an_adapter_is_that_adapter(folders, tmp_path):
    first = learner(folders["llama"], LoRA(rank=2))
    save_adapter(tmp_path, first.adapter(), first)
    model = load(ModelSettings(path=str(tmp_path)), None, "cpu")
    adapter = train_further(model, "run", LoRA(rank=2, dropout=0.3))
    for setting in ("precomputed", "live"):
        assert float(cost(model, DPO(reference=setting))[0]) == pytest.approx(math.log(2), abs=1e-6)
    [batch] = model.pack([[model.renderer.render(PAIRS[0])]], Room())
    started = model.reference(batch).logprobs()
    assert not torch.allclose(started, model(batch.plain()).logprobs(), atol=1e-3), "it is not the bare base"
    shake(adapter)
    torch.testing.assert_close(model.reference(batch).logprobs(), started, rtol=0, atol=0)
    assert not torch.allclose(model.eval()(batch).logprobs(), started, atol=1e-3)
    assert cost(model, DPO())[0].item() == pytest.approx(cost(model, DPO(reference="live"))[0].item(), abs=1e-5)
    assert not any(p.requires_grad for p in model.adapter(model.starting).trained().values())


@pytest.mark.parametrize("method", [LoRA(rank=3), LoRA(rank=2, on=("query",)), Full()], ids=str)
def test_another_method_does_not_go_on_with_an_adapter(folders, tmp_path, method):
    first = learner(folders["llama"], LoRA(rank=2))
    save_adapter(tmp_path, first.adapter(), first)
    model = load(ModelSettings(path=str(tmp_path)), None, "cpu")
    with pytest.raises(UserError, match="which trains others"):
        train_further(model, "more", method)


def counting(monkeypatch):
    computed = []
    own = reference.sums
    monkeypatch.setattr(reference, "sums", lambda model, rows, room: computed.extend(rows) or own(model, rows, room))
    return computed


def test_what_was_computed_is_kept_by_content(folders, tmp_path, monkeypatch):
    computed = counting(monkeypatch)
    model, objective = learner(folders["llama"]), DPO()
    told = objective.begin(model, [*PAIRS, *PAIRS], Room(), tmp_path)
    assert len(computed) == 6 and "6 answers computed" in told
    loss, _ = cost(model, objective)
    with (tmp_path / reference.FILE).open("a", encoding="utf-8") as file:
        file.write('{"key": "cut sh')
    again = learner(folders["llama"])
    objective.begin(again, PAIRS, Room(), tmp_path)
    assert len(computed) == 6, "nothing is computed twice"
    assert float(cost(again, objective)[0]) == float(loss)
    objective.begin(again, [dataclasses.replace(PAIRS[0], rejected="Off with you."), *PAIRS], Room(), tmp_path)
    assert len(computed) == 7
    with torch.no_grad():
        next(again.network.parameters()).add_(0.01)
    objective.begin(again, PAIRS, Room(), tmp_path)
    assert len(computed) == 13, "other weights know nothing"


def test_full_tuning_keeps_no_copy_of_its_weights(folders, tmp_path):
    model, objective = learner(folders["llama"], Full(), shaken=False), DPO()
    objective.begin(model, PAIRS, Room(), tmp_path)
    assert model._first is None
    shake(model.adapter())
    assert cost(model, objective)[0].item() != pytest.approx(math.log(2), abs=1e-3)
    live = learner(folders["llama"], Full(), shaken=False)
    DPO(reference="live").begin(live, PAIRS, Room(), tmp_path)
    torch.manual_seed(5)
    shake(live.adapter())
    torch.manual_seed(5)
    again = learner(folders["llama"], Full(), shaken=False)
    objective.begin(again, PAIRS, Room(), None)
    torch.manual_seed(5)
    shake(again.adapter())
    assert float(cost(live, DPO(reference="live"))[0]) == pytest.approx(float(cost(again, objective)[0]), rel=1e-5)


def test_answers_are_put_to_prompts_that_are_not_theirs(folders, monkeypatch):
    model, objective = learner(folders["llama"]), KTO()
    seen = []
    monkeypatch.setattr(KTO, "spelled", lambda self, e, a, r: seen.append((e.id, a)) or Compared.spelled(self, e, a, r))
    objective.divergence([Placed(pair) for pair in PAIRS], model, Room())
    own = {(pair.id, answer) for pair in PAIRS for answer in (pair.target, pair.rejected)}
    assert len(seen) == 6 and not own & set(seen)
    with pytest.raises(UserError, match="a step has one answer"):
        objective.divergence([Placed(Example((), "a", meta={"label": True}))], model, Room())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_toy_margin_grows(folders, kind):
    model, objective = learner(folders["llama"], LoRA(rank=4), shaken=False), kind()
    objective.begin(model, PAIRS, Room(), None)
    optimizer = torch.optim.AdamW(model.adapter().trained().values(), lr=0.02)
    losses = []
    for _ in range(8):
        loss, _ = cost(model, objective)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.005, losses


def test_what_cannot_be_preferred_is_refused(folders, tmp_path):
    tiny_model(tmp_path, "bert")
    model = load(ModelSettings(path=str(tmp_path)), None, "cpu")
    with pytest.raises(UserError, match="a network that speaks"):
        DPO().render(Placed(PAIRS[0]), model.renderer)
    model = learner(folders["llama"])
    with pytest.raises(UserError, match="no preference pair"):
        DPO().render(Placed(Example((), "a", id="1")), model.renderer)


def recipe(folder, kind, **changed):
    tree = {
        "model": {"path": str(folder)},
        "objective": kind,
        "tasks": {"town/politeness": 1.0},
        "forgetting": "none",
        "plan": {"steps": 4, "examples": 3, "save_every": 2},
        "limit": {"validation": 3, "test": 4},
    }
    return settings.build(Recipe, {**tree, **changed})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_stops_goes_on_and_computes_nothing_twice(folders, family, tmp_path, monkeypatch):
    computed = counting(monkeypatch)
    whole = experiment.run(recipe(folders[family], "dpo"), tmp_path / "whole", quiet=True)
    assert len(computed) == len({(row.inputs, row.targets, row.source) for row in computed}) == 2 * (4 * 3 + 3)
    assert whole.validations()[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    computed.clear()
    stopping = recipe(folders[family], "dpo", plan={"steps": 4, "examples": 3, "save_every": 2, "stop_after": 0.5})
    experiment.run(stopping, tmp_path / "cut", quiet=True)
    assert len(computed) == 30
    gone_on = experiment.run(recipe(folders[family], "dpo"), tmp_path / "cut", quiet=True)
    assert len(computed) == 30
    curves = [[(s["step"], s["loss"], s["shown"]["margin"]) for s in run.steps()] for run in (whole, gone_on)]
    assert curves[0] == curves[1]
    assert {"chosen_logprob", "rejected_logprob", "chosen_tokens", "accuracy"} <= whole.steps()[0]["shown"].keys()
    assert whole.scores()["town/politeness"]["accuracy"].answers == 4


def test_a_second_run_goes_on_with_the_adapter_of_the_first(folders, tmp_path):
    method = {"kind": "lora", "rank": 2, "dropout": 0.1}
    experiment.run(recipe(folders["llama"], "sft", method=method), tmp_path / "sft", quiet=True)
    run = experiment.run(recipe(tmp_path / "sft", "dpo", method=method), tmp_path / "dpo", quiet=True)
    assert run.validations()[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert run.steps()[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    kept = json.loads((run.folder / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert kept["base_model_name_or_path"] == str(folders["llama"])


def test_single_answers_are_learnt_from_a_file(folders, tmp_path):
    rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}.", "label": n % 3 != 0} for n in range(60)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = experiment.run(
        recipe(folders["llama"], "kto", tasks={str(file): 1.0}, judged_by=["town/politeness"]), tmp_path / "run", quiet=True
    )
    assert run.steps()[0]["loss"] == pytest.approx(0.5, abs=1e-5)
    assert run.steps()[-1]["shown"]["divergence"] >= 0


@pytest.mark.parametrize("kind", ["dpo", "simpo", "kto", "reward"])
def test_what_it_will_take_is_told_beforehand(folders, kind):
    told = of_recipe(recipe(folders["llama"], kind))
    assert told.choices[0].peak_bytes > 0 and told.fits


def test_every_kind_is_a_setting(folders):
    for kind in KINDS:
        built = recipe(folders["llama"], {"kind": settings.kind_of(kind), "beta": 0.5}).objective
        assert type(built) is kind and built.beta == 0.5
    assert issubclass(DPO, Preference)
