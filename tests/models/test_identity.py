"""Whether a base is the one that an adapter was trained on."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny import tiny_model
from tunesmith.errors import UserError
from tunesmith.methods.lora import LoRA
from tunesmith.models.identity import FILE, kept_identity, of, unlike, weights_hash
from tunesmith.models.identity import keep_identity as keep
from tunesmith.models.load import ModelSettings, below, load
from tunesmith.models.weights import save_adapter


@pytest.fixture
def base(tmp_path):
    return tiny_model(tmp_path / "base", "llama")


@pytest.fixture
def adapter(base, tmp_path):
    model = load(ModelSettings(path=str(base)))
    folder = save_adapter(tmp_path / "run", model.attach("a", LoRA(rank=2)), model)
    keep(folder, model, "auto")
    return folder


def test_the_same_base_is_silent(adapter, capsys):
    model = load(ModelSettings(path=str(adapter)))
    assert model.active and capsys.readouterr().err == ""
    assert kept_identity(adapter)["path"] == model.source and unlike(adapter, model) == []


@pytest.mark.parametrize("place", ["model.layers.0.mlp.up_proj.weight", "model.embed_tokens.weight"])
def test_other_weights_are_told(base, adapter, capsys, place):
    weights = load_file(base / "model.safetensors")
    weights[place] = weights[place] + 1e-3
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    load(ModelSettings(path=str(adapter)))
    told = capsys.readouterr().err
    assert told.startswith("warning: ") and "its base has other weights" in told and str(base) in told


def test_another_config_and_another_tokenizer_are_told(base, adapter, capsys):
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Lowercase"}
    (base / "tokenizer.json").write_text(json.dumps(tokenizer))
    load(ModelSettings(path=str(adapter)))
    told = capsys.readouterr().err
    assert "another `config.json`" in told and "spelled otherwise" in told and "other weights" not in told


def test_pieces_order_and_writer_do_not_count(base, adapter, capsys, tmp_path):
    weights = load_file(base / "model.safetensors")
    before = weights_hash(base)
    half = len(weights) // 2
    names = sorted(weights, reverse=True)
    (base / "model.safetensors").unlink()
    for number, part in enumerate((names[:half], names[half:])):
        save_file({name: weights[name] for name in part}, base / f"model-{number}.safetensors", metadata={"format": "pt"})
    assert weights_hash(base) == before
    shutil.rmtree(base)
    tiny_model(base, "llama")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "transformers_version": "9.9", "dtype": "float32"}))
    capsys.readouterr()
    load(ModelSettings(path=str(adapter)))
    assert capsys.readouterr().err == ""


def test_adapters_of_other_programs_say_nothing(adapter, capsys):
    (adapter / FILE).unlink()
    assert load(ModelSettings(path=str(adapter))).active and capsys.readouterr().err == ""


def test_a_random_network_has_no_weights_to_tell(base):
    assert "weights" not in of(load(ModelSettings(path=str(base), random=True)))


def test_a_file_that_is_cut_short(base):
    (base / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(UserError, match="no safetensors file"):
        weights_hash(base)


def test_the_chat_setting_of_training_is_that_of_use(base, tmp_path, capsys):
    template = "{% for m in messages %}{{ m['content'] }} </s>{% endfor %}{% if add_generation_prompt %}so: {% endif %}"
    for chat in (template, "none"):
        model = load(ModelSettings(path=str(base), chat=chat))
        folder = save_adapter(tmp_path / "run", model.attach("a", LoRA(rank=2)), model)
        keep(folder, model, chat)
        again = load(ModelSettings(path=str(folder)))
        assert again.renderer.key == model.renderer.key
        assert (again.renderer.chat is None) == (chat == "none")
    assert capsys.readouterr().err == ""
    assert torch.equal(again.network.lm_head.weight, model.network.lm_head.weight)


def test_the_revision_of_the_base_is_kept_and_asked_for(base, tmp_path):
    model = load(ModelSettings(path=str(base)))
    model.revision = "abc123"
    folder = save_adapter(tmp_path / "run", model.attach("a", LoRA(rank=2)), model)
    assert json.loads((folder / "adapter_config.json").read_text())["revision"] == "abc123"
    assert below(ModelSettings(), folder).revision == "abc123"
    assert below(ModelSettings(revision="other"), folder).revision == "other"
