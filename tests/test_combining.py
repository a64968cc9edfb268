"""What a combination of adapters is told of their base, and which adapters have one in common."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.test_handover import RECIPE
from tests.tiny import rows, tiny_model
from tunesmith import handover, verbs
from tunesmith.data.template import find_templates
from tunesmith.errors import UserError
from tunesmith.models.combine import Combination
from tunesmith.models.identity import kept_identity
from tunesmith.models.load import ModelSettings, load
from tunesmith.models.quantize import quantised
from tunesmith.models.sources import together


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a tiny network."""
    folder = tmp_path_factory.mktemp("home")
    rows(folder / "sums.jsonl")
    tiny_model(folder / "llama", "llama")
    return folder


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)
    a_run("llama")


def a_run(name, **model):
    """A run on the tiny causal network under other settings of the model."""
    folder = f"runs/{name}"
    if not Path(folder).exists():
        verbs.train({"name": name, **RECIPE, "model": {"path": "llama", **model}}, into=folder, quiet=True)
    return folder


CHAT = "{% for m in messages %}Q: {{ m['content'] }}\n{% endfor %}"


def test_a_combination_stands_on_the_base_of_its_sources(tmp_path):
    """In four bits, asked by their chat template: with the whole of the weight it is what the source is."""
    source = a_run("packed", quantize="nf4", chat=CHAT)
    handover.combine_runs([source, source], tmp_path / "out", Combination(weights=(0.25, 0.75)))
    for model in (load(ModelSettings(path=str(tmp_path / "out"))), load(ModelSettings(path=str(tmp_path / "out/adapter")))):
        alone = load(ModelSettings(path=source))
        assert quantised(model.network) and model.renderer.key == alone.renderer.key
        sample = handover.laid(alone, handover.asked(source))
        torch.testing.assert_close(model(sample).logits(), alone(sample).logits(), rtol=1e-4, atol=1e-5)
    handed = handover.combine_runs([source, source], tmp_path / "whole", Combination(), fold=True)
    merged = load(ModelSettings(path=str(tmp_path / "whole")))
    assert handed.merged.largest < 1e-4 and not quantised(merged.network) and merged.renderer.chat.template == CHAT
    torch.testing.assert_close(merged(sample).logits(), alone(sample).logits(), rtol=1e-4, atol=1e-4)


def test_a_combination_knows_its_base_and_its_wordings(capsys, tmp_path):
    shutil.copytree("llama", tmp_path / "base")
    runs = []
    for name, task in (("one", "sums.jsonl"), ("two", "{{prompt}} is ||| {{completion}}")):
        recipe = {**RECIPE, "tasks": {"sums": {"data": "sums.jsonl", "template": task}}} if name == "two" else RECIPE
        runs.append(str(tmp_path / name))
        verbs.train({"name": name, **recipe, "model": {"path": str(tmp_path / "base")}}, into=runs[-1], quiet=True)
    handover.combine_runs(runs, tmp_path / "out", Combination())
    adapter = tmp_path / "out/adapter"
    assert kept_identity(adapter) == kept_identity(Path(runs[0]) / "adapter")
    wordings = [template.jinja for template in find_templates(str(adapter / "template.yaml"))]
    assert wordings == [find_templates(f"{run}/adapter/template.yaml")[0].jinja for run in runs]
    weights = load_file(tmp_path / "base/model.safetensors")
    save_file({name: value + 1e-3 for name, value in weights.items()}, tmp_path / "base/model.safetensors")
    capsys.readouterr()
    load(ModelSettings(path=str(tmp_path / "out")))
    assert "its base has other weights" in capsys.readouterr().err
    handover.combine_runs(runs, tmp_path / "later", Combination())
    assert "its base has other weights" in capsys.readouterr().err
    load(ModelSettings(path=str(tmp_path / "later")))
    assert "its base has other weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "kept", "said"),
    [
        ({"quantize": "nf4"}, {}, "was trained under `model.quantize: nf4`, and `runs/llama` under `none`"),
        ({"chat": "none"}, {}, "was trained under `model.chat: none`, and `runs/llama` under `auto`"),
        ({}, {"weights": "0"}, "was trained on other weights of its base than `runs/llama`"),
        ({}, {"config": "0"}, "was trained on a base with another `config.json`"),
        ({}, {"tokenizer": "0"}, "with prompts that are spelled otherwise"),
    ],
)
def test_adapters_of_unlike_bases_are_not_combined(settings, kept, said, tmp_path):
    source = tmp_path / "run"
    shutil.copytree(a_run("-".join(settings) or "alike", **settings), source)
    file = source / "adapter/base.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **kept}))
    with pytest.raises(UserError, match=re.escape(said)):
        handover.combine_runs(["runs/llama", str(source)], tmp_path / "out", Combination())
    assert not (tmp_path / "out").exists()


def test_commits_of_the_same_weights_are_combined_and_others_not(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, commit in ((first, "aaa"), (second, "bbb")):
        shutil.copytree("runs/llama/adapter", folder)
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps({**config, "revision": commit}))
    assert together(str(second), str(first)) == second
    (second / "base.json").unlink()
    with pytest.raises(UserError, match=r"under `model\.revision: bbb`, and"):
        together(str(second), str(first))
