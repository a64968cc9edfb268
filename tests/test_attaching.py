"""Several recipes' networks, looked at before any runs: what is refused, what is left to the run, and that nothing is drawn."""

import json

import pytest
import torch

from tests.tiny import rows, tiny_model
from tests.workers.here import names_here
from tunesmith import settings, verbs
from tunesmith.errors import UserError
from tunesmith.models import load
from tunesmith.planning.attaching import refuse_unattachable
from tunesmith.recipe import Recipe
from tunesmith.registry import names
from tunesmith.studies.study import study

TREE = {
    "name": "tiny",
    "model": {"path": "llama"},
    "method": {"kind": "lora", "rank": 2},
    "tasks": {"sums.jsonl": 1.0},
    "forgetting": "none",
    "plan": {"steps": 2, "examples": 4},
    "ask": {"tokens": 2},
    "limit": {"test": 2, "validation": 2},
}
MISTAKES = [
    ("model.path=llama,town/lama", "`model.path` is `town/lama`", "did you mean `town/llama`?"),
    ("model.path=llama,./nowhere", "`model.path` is `./nowhere`", "folder"),
    ("method.on=[query],[quary]", "`LoRA` is to stand at `quary`", "did you mean `query`?"),
    ("method.on=[query],[query,cross_value]", "`LoRA` is to stand at `cross_value`", "did you mean `value`?"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    for kind in ("llama", "t5", "bert"):
        tiny_model(folder / kind, kind)
    rows(folder / "sums.jsonl")
    return folder


@pytest.fixture
def ran(home, monkeypatch):
    """Names of the runs that were made."""
    return names_here(monkeypatch, home)


def recipe(**more):
    return settings.build(Recipe, {**TREE, **more})


@pytest.mark.parametrize(("given", "problem", "hint"), MISTAKES, ids=[given for given, *_ in MISTAKES])
def test_a_sweep_tells_of_every_network_before_anything_runs(ran, tmp_path, given, problem, hint):
    with pytest.raises(UserError) as error:
        study(TREE, given=[given], into=tmp_path / "made")
    assert problem in error.value.problem and hint in error.value.hint
    assert not ran and not (tmp_path / "made").exists()


def test_a_comparison_tells_of_every_network_before_anything_runs(ran, tmp_path):
    systems = {"good": {}, "bad": {"method": {"kind": "lora", "on": ["quary"]}}}
    with pytest.raises(UserError, match="`quary`"):
        verbs.compare({**TREE, "systems": systems}, into=tmp_path / "made")
    assert not ran


def test_a_method_that_finds_nothing_is_told(home, monkeypatch):
    monkeypatch.chdir(home)
    nothing = {"kind": "selective", "parts": ["attention"], "pattern": "nowhere"}
    with pytest.raises(UserError, match="`Selective` finds nothing to train"):
        refuse_unattachable([recipe(), recipe(method=nothing)])
    refuse_unattachable([recipe(method="frozen", objective="classify")])  # the head alone, as it says
    for method in (nothing, {"kind": "lora", "on": ["qkv"]}):
        with pytest.raises(UserError, match="finds nothing to train"):  # else it would be `frozen` under another name
            refuse_unattachable([recipe(method=method, objective="classify")])


@pytest.mark.parametrize("kind", ["llama", "t5", "bert"])
def test_every_method_is_let_through_and_draws_nothing(home, monkeypatch, kind):
    monkeypatch.chdir(home)
    before = torch.get_rng_state()
    for method in [*names("tunesmith.methods"), "none"]:
        parts = {"combined": ["lora", "prompt"], "selective": ["attention", "norm"]}
        given = {"kind": method, "parts": parts[method]} if method in parts else method
        objective = "classify" if method == "frozen" else "sft"  # which alone trains nothing
        refuse_unattachable([recipe(model={"path": kind}, method=given, objective=objective)])
    assert torch.equal(torch.get_rng_state(), before)


def test_no_weights_are_read(home, monkeypatch, tmp_path):
    for file in (home / "llama").iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    refuse_unattachable([recipe(model={"path": str(tmp_path)})])
    with pytest.raises(UserError, match="`quary`"):
        refuse_unattachable([recipe(model={"path": str(tmp_path)}, method={"kind": "lora", "on": ["quary"]})])


def test_what_cannot_be_seen_without_weights_is_left_to_the_run(home, monkeypatch, tmp_path):
    monkeypatch.chdir(home)
    strange = {"kind": "lora", "on": ["quary"]}
    refuse_unattachable([recipe(model={"path": "llama", "trust_remote_code": True}, method=strange)])
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(home / "llama")}))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    refuse_unattachable([recipe(model={"path": str(tmp_path)}, method=strange)])
    monkeypatch.setattr("tunesmith.planning.attaching.network_of", lambda *given: 1 / 0)
    refuse_unattachable([recipe(method=strange)])


def test_a_network_and_a_method_are_looked_at_once(home, monkeypatch):
    monkeypatch.chdir(home)
    looked = []
    monkeypatch.setattr(
        "tunesmith.planning.attaching.load_config", lambda source: (looked.append(source.path), load.load_config(source))[1]
    )
    refuse_unattachable(recipe(seed=seed, method={"kind": "lora", "rank": rank}) for seed in range(3) for rank in (2, 4))
    assert looked == ["llama"] * 2


def test_runs_that_have_ended_need_no_network(ran, home, tmp_path):
    tiny_model(home / "gone")
    given = ["model.path=llama,gone"]
    study(TREE, given=given, into=tmp_path)
    (home / "gone").rename(home / "elsewhere")
    before = list(ran)
    study(TREE, given=given, into=tmp_path)
    assert len(before) == 2 and ran == before
